"""What git must not keep: the store, and settings that may hold a password."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

_SECONDS = 10


def ignore_in_git(folder: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Add names to the `.gitignore` of a folder that git keeps, where git does not ignore them yet.

    Parameters
    ----------
    folder
        The folder.
    names
        Names of files, and of folders with a slash behind.

    Returns
    -------
    tuple of str
        The names that were added; none where there is no git.
    """
    if _git(folder, "rev-parse", "--is-inside-work-tree") != 0:
        return ()
    missing = tuple(name for name in names if _git(folder, "check-ignore", "-q", "--no-index", name) == 1)
    if missing:
        file = folder / ".gitignore"
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        text += "" if not text or text.endswith("\n") else "\n"
        file.write_text(text + "".join(f"{name}\n" for name in missing), encoding="utf-8")
    return missing


def _git(folder: Path, *arguments: str) -> int:
    try:
        done = subprocess.run(["git", *arguments], cwd=folder, check=False, capture_output=True, timeout=_SECONDS)  # noqa: S603, S607
    except (OSError, subprocess.TimeoutExpired):
        return -1
    return done.returncode
