"""Files that a killed process left half written among a run's artifacts: nobody reads them, and they hold rows."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

HALF_WRITTEN = ".artifact.uploading."
"""How MLflow begins the names of files that it writes beside their place, before it moves them there."""


def remove_half_written(artifacts: str | None) -> int:
    """Remove such files of a run that has ended, where its artifacts lie on this machine; return how many.

    Parameters
    ----------
    artifacts : str or None
        The address of the run's artifacts.
    """
    parts = urlsplit(artifacts or "")
    folder = Path(unquote(parts.path))
    if not artifacts or parts.scheme not in ("", "file") or not folder.is_dir():
        return 0
    files = list(folder.rglob(f"{HALF_WRITTEN}*"))
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)
