"""The lock of an embedded store: the operating system's, of a file in the store's folder.

It is free as soon as its holder ends, however it ends.
"""

from pathlib import Path

from filelock import FileLock, Timeout

from models.registry.locking.holder import HeldError, Holder, read_holder


class FolderLock:
    """The lock of a folder.

    Parameters
    ----------
    folder : Path
        It holds the lock's file, and while the lock is held one that says by whom.
    holder : Holder
        Who asks for it.
    """

    def __init__(self, folder: Path, holder: Holder) -> None:
        self._lock, self._written = FileLock(folder / ".store.lock"), folder / ".store.holder.json"
        self._holder = holder

    def acquire(self, seconds: float) -> Holder | None:
        """Take the lock, as `Lock` says; an OSError where the folder cannot be written."""
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout:
            raise HeldError(self._read()) from None
        try:
            before = self._read()
            self._written.write_text(self._holder.to_json(), encoding="utf-8")
        except BaseException:
            self._lock.release()
            raise
        return before

    def confirm(self) -> None:
        """Do nothing: the operating system takes no lock away."""

    def release(self) -> None:
        """Give the lock back."""
        self._written.unlink(missing_ok=True)
        self._lock.release()

    def _read(self) -> Holder | None:
        try:
            return read_holder(self._written.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
