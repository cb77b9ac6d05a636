"""Defaults for Prefect, said before it is imported: no account, no network, no pickle, a home in the store's folder.

A deployment's worker, or a user who has a Prefect profile of their own, has said otherwise, and keeps it.
"""

import logging
import os
from pathlib import Path

from data.errors import InputError, RevealedError

_DEFAULTS = {
    "DO_NOT_TRACK": "true",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A cold machine needs longer than the 20 seconds Prefect allows its temporary server.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}


def prepare(home: Path) -> None:
    """Set what is not set yet.

    Parameters
    ----------
    home : Path
        Where Prefect keeps its own files, unless the user has a profile.
    """
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not (Path.home() / ".prefect" / "profiles.toml").exists():
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{home} cannot be made: {error.strerror}. Name a folder that can be written with --mlruns."
            ) from None
        os.environ.setdefault("PREFECT_HOME", str(home))


class WithoutTraceback(logging.Filter):
    """Drops the traceback of an error that was raised on purpose: its message says what to do."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, some without their traceback."""
        if record.exc_info and isinstance(record.exc_info[1], RevealedError):
            record.exc_info = None
        return True


def hide_tracebacks() -> None:
    """Let Prefect's run logs show the message of an error raised on purpose, and no traceback."""
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logger = logging.getLogger(name)
        if not any(isinstance(known, WithoutTraceback) for known in logger.filters):
            logger.addFilter(WithoutTraceback())
