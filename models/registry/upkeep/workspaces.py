"""The private folders of runs in the store: they hold customers' data, and go with the run.

A folder's lock is the operating system's, so it is free as soon as the process that made it has ended, however it
ended: a folder that is there and is not locked was left by a process that was killed.
"""

import errno
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from data.errors import InputError
from models.registry.location import StoreLocation

WORK = "work"
_LOCK = ".lock"


@contextmanager
def workspace(store: StoreLocation) -> Iterator[Path]:
    """Make a folder that only this user may enter; it is removed at the end.

    Everything that this process writes to a temporary file meanwhile lies in it, whoever writes it.

    Parameters
    ----------
    store : StoreLocation
        Its folder holds the new one.

    Raises
    ------
    InputError
        Where no folder can be made there.
    """
    work = store.folder / WORK
    with _telling_where(work):
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(work / _LOCK):
            folder = Path(tempfile.mkdtemp(dir=work, prefix=""))
            lock = FileLock(folder / _LOCK)
            lock.acquire()
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield folder
    finally:
        if tempfile.tempdir == str(folder):
            tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
        lock.release()


@contextmanager
def _telling_where(work: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        raise InputError(
            f"no folder can be made in {work}: {error.strerror or type(error).__name__}. Name a folder that can be "
            "written with --mlruns."
        ) from None


def leave_mark(folder: Path) -> None:
    """Leave an empty folder of a workspace that was removed: the next run takes it for that of a killed one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def remove_abandoned(store: StoreLocation, close: Callable[[str], None]) -> None:
    """Remove the folders of processes that were killed.

    Parameters
    ----------
    store : StoreLocation
        Its folder holds them.
    close : callable
        Is called with the name of each before it is removed; should it fail, the folder stays for the next time.
    """
    work = store.folder / WORK
    if not work.is_dir():
        return
    with _telling_where(work):
        held = FileLock(work / _LOCK).acquire()
    # Nobody makes a folder meanwhile, which would not be locked yet.
    with held:
        for folder in sorted(each for each in work.iterdir() if each.is_dir()):
            lock = FileLock(folder / _LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                close(folder.name)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                lock.release()
