"""Files that are kept to save time: the newest of a folder, each whole or not there."""

import os
from contextlib import suppress
from pathlib import Path


def keep_file(file: Path, text: str, most: int) -> None:
    """Write a text beside its place and move it there; a folder that cannot be written, or is full, keeps nothing.

    Parameters
    ----------
    file
        Its folder need not exist yet.
    text
        What it holds.
    most
        How many files the folder keeps: the oldest of more are deleted.
    """
    unfinished = file.with_suffix(f".{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(file)
        for old in sorted(file.parent.iterdir(), key=_written_at, reverse=True)[most:]:
            old.unlink(missing_ok=True)
    except OSError:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


def _written_at(file: Path) -> float:
    with suppress(OSError):
        return file.stat().st_mtime
    return 0.0
