"""What Prefect and the libraries of matrices must find in the environment when they are imported.

`flows` sets it as soon as any of its modules is imported. A deployment's worker imports Prefect first, and keeps the
settings it was started with.
"""

import logging
import os
import sys
from pathlib import Path

from data.errors import InputError, RevealedError

_DEFAULTS = {
    # No account, no network, no pickle.
    "DO_NOT_TRACK": "true",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # A cold machine needs longer than the 20 seconds Prefect allows its temporary server.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # Matrices are small here, and trees and clusters learn from samples: a second thread of theirs mostly waits, which
    # takes a processor's time as well. And sums over several threads differ with their number in the last digit. Arrow
    # goes by the last one of these, too.
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}


def set_defaults() -> None:
    """Set each variable that the user has not set."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def set_prefect_home(store_folder: Path) -> None:
    """Let Prefect keep its own files in the store's folder, unless the user has a home or a profile of their own.

    Parameters
    ----------
    store_folder : Path
        Folder of the store; made where it is not there.

    Raises
    ------
    InputError
        Where no folder can be made there.
    """
    if "PREFECT_HOME" in os.environ or (Path.home() / ".prefect" / "profiles.toml").exists():
        return
    home = store_folder / "prefect"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{home} cannot be made: {error.strerror}. Name a folder that can be written with --mlruns."
        ) from None
    os.environ["PREFECT_HOME"] = str(home)


def let_go_of_engine() -> None:
    """Empty DuckDB's modules, at the end of the process.

    Prefect keeps the error of a run that failed, and with it what its frames refer to, until after Python has taken the
    modules apart. DuckDB would then write lines about leaked objects into the log of the worker.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] in ("duckdb", "_duckdb")]:
        vars(sys.modules[name]).clear()


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
        if not any(isinstance(each, WithoutTraceback) for each in logger.filters):
            logger.addFilter(WithoutTraceback())
