"""Faults of the machine, the store or a server in one sentence each.

Of what was raised nothing is repeated: it may hold a password, or a customer's row.
"""

import errno
import sqlite3
import traceback
from collections.abc import Iterator

from data.errors import FaultError, RevealedError

_FULL, _READ_ONLY = "the disk is full", "the store cannot be written"
_GONE = "a server does not answer"
_OF_SYSTEM = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.ENOMEM: "there is not enough memory",
    errno.EIO: "the disk cannot be read or written",
}
_OF_TEXTS = {
    "No space left on device": _FULL,
    "database or disk is full": _FULL,
    "database is locked": "the store's database is locked by another program",
    "readonly database": _READ_ONLY,
    "disk I/O error": "the disk cannot be read or written",
}
# By the module that their class is from, for importing these takes seconds.
_CONNECTIONS = {
    "requests": "the tracking server does not answer",
    "urllib3": "the tracking server does not answer",
    "httpx": "Prefect's server does not answer",
    "httpcore": "Prefect's server does not answer",
}


def describe_fault(error: BaseException) -> str | None:
    """Say what fault an error comes from, and what to do; None where it is another one, such as a mistake in this code.

    Parameters
    ----------
    error : BaseException
        What was raised, with its causes.
    """
    for each in _causes(error):
        what = _what(each)
        if what is not None:
            return (
                f"{what}. Run it again when that is mended: what was published stays, and running again is always safe."
            )
    return None


def is_refused_by_server(error: BaseException) -> bool:
    """Whether a server of Prefect's does not know, or does not want, who asks."""
    answers = (getattr(each, "response", None) for each in _causes(error))
    return any(getattr(answer, "status_code", None) in (401, 403) for answer in answers)


def describe_unforeseen(error: BaseException) -> str:
    """Say where an error came up that nobody foresaw, without what it says, which may hold a password.

    Parameters
    ----------
    error : BaseException
        What was raised, with its causes.
    """
    places = [
        line
        for each in reversed(list(_causes(error)))
        for line in (*traceback.format_tb(each.__traceback__), f"{type(each).__name__}\n")
    ]
    return (
        "something failed that this program does not foresee. Please report these lines; what the error says is left "
        f"out of them, as it may hold a password.\n{''.join(places)}".rstrip()
    )


def without_words(error: Exception) -> Exception:
    """Make of an error one that may be stored and logged: of what was raised only what is known to be no secret.

    Parameters
    ----------
    error : Exception
        What was raised; one that was raised on purpose stays as it is.
    """
    if isinstance(error, RevealedError):
        return error
    return FaultError(describe_fault(error) or describe_unforeseen(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Go through an error, its cause and what it came on, the first cause last."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _what(error: BaseException) -> str | None:
    if isinstance(error, MemoryError):
        return _OF_SYSTEM[errno.ENOMEM]
    module = type(error).__module__.partition(".")[0]
    if isinstance(error, sqlite3.Error) or module in ("duckdb", "_duckdb", "pyarrow", "sqlalchemy"):
        return next((what for text, what in _OF_TEXTS.items() if text in str(error)), None)
    if module in _CONNECTIONS:
        return _CONNECTIONS[module]
    if isinstance(error, ConnectionError):
        return _GONE
    return _OF_SYSTEM.get(error.errno or 0) if isinstance(error, OSError) else None
