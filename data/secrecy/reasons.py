"""What libraries complain of, told where it repeats nothing that may be secret."""

import os
import re
from collections.abc import Iterable
from urllib.parse import unquote

# Words, and what stands between the signs of an address: a secret may be of single letters, such as a-b-c.
_WORD, _PART = re.compile(r"[^\W_]+"), re.compile(r"""[^\s/:@?#&=;,'"`()\[\]{}<>]+""")
_LONG = 4
_SECRET_VARIABLE = re.compile("PASS|SECRET|TOKEN|CREDENTIAL|AUTH|KEY|URL|URI", re.IGNORECASE)
PHRASES = (
    *("password authentication failed", "no password supplied", "could not translate host name"),
    *("connection refused", "name or service not known", "timeout expired", "timed out", "too many connections"),
    *("no pg_hba.conf entry", "certificate verify failed", "server does not support ssl"),
    *("invalid port number", "invalid uri query parameter", "invalid percent-encoded token"),
    *("permission denied", "read-only transaction", "read-only", "no such table", "no such column", "no such function"),
    *("syntax error", "not found in from clause", "no function matches", "does not exist", "not found"),
    *("file is not a database", "unable to open database file", "database is locked"),
    *("no such file or directory", "is a directory", "invalid host", "invalid uri"),
)
"""What may be told of a message that repeats something that may be secret."""


def reason_of(error: BaseException | str, hidden: Iterable[str] = (), known: Iterable[str] = ()) -> str:
    """Say in one line what a library complained of.

    Parameters
    ----------
    error
        What it raised, or the part of the message that is to be told.
    hidden
        Texts that were given to it and may hold secrets. A message that repeats a word of them is not shown: only which
        of the usual phrases it has, else the kind of the error. So are secrets in the environment.
    known
        Names that may be shown, such as those of columns.

    Returns
    -------
    str
        Without a point at its end.
    """
    # What follows the words of the system is the path.
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    line = next((each.strip() for each in text.splitlines() if each.strip()), "")
    name = "an unknown fault" if isinstance(error, str) else type(error).__name__
    if not line:
        return name
    if not _repeats(line, _words([*hidden, *_secrets_in_environment()]) - _words(known)):
        return line.rstrip(".")
    lower = str(error).lower()
    phrase = next((phrase for phrase in PHRASES if phrase in lower), name)
    return f"what was named there {phrase}" if phrase == "does not exist" else phrase


def _repeats(line: str, words: set[str]) -> bool:
    """Whether a line has one of the words, or a part of a long one."""
    long = [word for word in words if len(word) >= _LONG]
    return any(
        token in words or any(word in token or (len(token) >= _LONG and token in word) for word in long)
        for token in _words([line])
    )


def _words(texts: Iterable[str]) -> set[str]:
    """Give the words and parts of texts, as they are written and unquoted; a single sign is none."""
    both = [each for text in texts for each in (text, unquote(text))]
    found = [word for text in both for sign in (_WORD, _PART) for word in sign.findall(text.casefold())]
    return {word for word in found if len(word) > 1}


def _secrets_in_environment() -> list[str]:
    return [value for name, value in os.environ.items() if value and _SECRET_VARIABLE.search(name)]
