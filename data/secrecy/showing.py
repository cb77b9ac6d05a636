"""What of a path, a URL or a wrong value is shown: built from parts that are known to be no secret.

A password may hold the signs that end other parts of a URL, or the URL may be malformed. So nothing is cut out: a part
is shown where it is on a list of what may be shown, and anything else is `HIDDEN`.
"""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import Any

HIDDEN = "***"

_OF_FILES = ("sqlite", "duckdb", "file")
_SCHEMES = (
    *("http", "https", "ftp", "ftps", "sftp", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "hdfs", "dbfs", "sc"),
    *("postgresql", "postgres", "mysql", "mariadb", "mssql", "oracle"),
    *_OF_FILES,
)
_DRIVERS = ("psycopg2", "psycopg", "asyncpg", "pg8000", "pymysql", "mysqldb", "mysqlconnector", "pyodbc", "aiosqlite")

# Names of hosts are written small; a key or a token hardly ever is.
_HOST = r"(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?)?(?::\d{1,5})?"
_HOSTS = re.compile(rf"{_HOST}(?:,{_HOST})*")
# An @ behind a / ? or # may be part of a password: then no part of the URL can be told.
_AFTER_SCHEME = re.compile(
    r"(?:[^/?#]*(?P<at>@))?(?P<hosts>[^/?#@]*)(?P<path>/[^?#@]*)?(?P<query>[?#][^@]*)?", re.DOTALL
)
_KINDS_OF_FILE = (
    *("csv", "tsv", "txt", "json", "jsonl", "ndjson", "parquet", "pq", "orc", "xlsx", "xlsm", "xlsb", "xls", "ods"),
    *("db", "duckdb", "sqlite", "html"),
)
_FILE_NAME = re.compile(rf"[\w ()+.*-]{{0,80}}\.({'|'.join(_KINDS_OF_FILE)})(\.(gz|bz2|xz|zst|zip))?", re.IGNORECASE)
_PLAIN_PATH = re.compile(r'[\w./ "%-]*')

# In a name or a sentence these begin what may be an address; one step each, so that a long text takes no longer.
_STRANGE_SCHEME = re.compile(r"(?<!http)(?<!https)://")
_IN_URL = re.compile(r"[:@?#&=%;]")
_USER = re.compile(r"\w:\S")
_VARIABLE = re.compile(r"\S[?&#;]")
_PATH, _FRAGMENT, _HOST_BEGINS = re.compile(r"[/.:]"), re.compile(r"[?#]."), re.compile(r"[.:/].")
_SHORT_NUMBER = re.compile(r"-?\d{1,3}(\.\d{1,2})?")


@dataclass(frozen=True)
class ShownUrl:
    """The parts of a path or URL that may be shown.

    Parameters
    ----------
    scheme
        Such as https; empty for a path.
    place
        Host, port and path, as far as they are known to be no secret.
    has_login, has_query
        Whether there were a user or password before the host, and a query or fragment after the path.
    """

    scheme: str
    place: str
    has_login: bool = False
    has_query: bool = False


def shown_url(text: str, *, is_known: bool = False) -> ShownUrl:
    """Tell what of a path or URL may be shown.

    Of a URL these are a scheme that is known, host and port, and the name of a file with a usual ending; of a path, and
    of the file of a database, the folders and files that are there, and such a name.

    Parameters
    ----------
    text
        A path or a URL, well formed or not.
    is_known
        Whether something was found at this URL, so that its path is one that is there.
    """
    scheme, found, rest = text.partition("://")
    if not found:
        return ShownUrl("", _shown_path(text))
    dialect, _, driver = scheme.lower().partition("+")
    if dialect not in _SCHEMES:
        return ShownUrl(HIDDEN, HIDDEN, "@" in rest)
    scheme = f"{dialect}+{driver}" if driver in _DRIVERS else dialect
    if dialect in _OF_FILES:
        path, sign, _ = _partition(rest)
        # Behind sqlite:/// stands a path, which is absolute where it begins with another slash.
        lead, path = ("", path) if dialect == "file" else (path[:1], path[1:])
        shown = path if is_known and _PLAIN_PATH.fullmatch(path) else _shown_path(path)
        place = f"{lead}{shown}" if rest.startswith("/") else HIDDEN
        return ShownUrl(scheme, place, has_query=bool(sign))
    parts = _AFTER_SCHEME.fullmatch(rest)
    if parts is None or not _HOSTS.fullmatch(parts["hosts"]):
        return ShownUrl(scheme, HIDDEN, "@" in rest, bool(_partition(rest)[1]))
    path = parts["path"] or ""
    shown = path if is_known and _PLAIN_PATH.fullmatch(path) else _shown_remote(path)
    return ShownUrl(scheme, f"{parts['hosts']}{shown}", bool(parts["at"]), bool(parts["query"]))


def shown_location(text: str) -> str:
    """Write what may be shown of a path or URL."""
    shown = shown_url(text)
    return f"{shown.scheme}://{shown.place}" if shown.scheme else shown.place


def describe(value: Any) -> str:
    """Say what a value is that is not what it must be, in words that repeat nothing that may be secret."""
    if value is None or isinstance(value, bool | date):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"a section of {len(value)}"
    if isinstance(value, list | tuple | set | frozenset):
        return f"a list of {len(value)}"
    try:
        text = str(value)
    except ValueError:
        # Python writes no whole number of more than 4,300 digits.
        return "a number of thousands of digits"
    if _SHORT_NUMBER.fullmatch(text):
        return text if not isinstance(value, str) else repr(text)
    kind = "a number" if isinstance(value, int | float) else "a text"
    return f"{kind} of {len(text)} {'character' if len(text) == 1 else 'characters'}"


def name_or_kind(name: str, known: Iterable[str]) -> str:
    """Write a wrong name where it is one that is known for something else; else say what kind of value it is."""
    return name if name in known else describe(name)


def nearest(value: Any, names: Iterable[str], cutoff: float = 0.6) -> str:
    """Write which of the names that may be given is nearest to a wrong one, as a sentence after a blank; or nothing."""
    by_lower_case = {name.lower(): name for name in names}
    close = get_close_matches(str(value).lower(), list(by_lower_case), n=1, cutoff=cutoff)
    return f" Nearest: {by_lower_case[close[0]]!r}." if close else ""


def looks_like_address(text: str) -> bool:
    """Whether a text that should be a name or a sentence looks like an address, which may hold a password."""
    user = _USER.search(text)
    return (
        _STRANGE_SCHEME.search(text) is not None
        or "@" in text.partition("://")[2]
        or (user is not None and "@" in text[user.end() :])
        or any(map(_is_part_of_address, text.split()))
    )


def _is_part_of_address(word: str) -> bool:
    """Whether a word is a URL with more than host and path, or has a login, a query or a fragment without a scheme."""
    variable, path = _VARIABLE.search(word), _PATH.search(word)
    return (
        _IN_URL.search(word.partition("://")[2]) is not None
        or "@" in word.strip("@")
        or _HOST_BEGINS.search(word.partition("@")[2]) is not None
        or (variable is not None and "=" in word[variable.end() :])
        or (path is not None and _FRAGMENT.search(word[path.end() :]) is not None)
    )


def shown_text(text: str) -> str:
    """Write a text that is kept and shown, unless it looks like an address."""
    return HIDDEN if looks_like_address(text) else text


def is_plain_name(name: str) -> bool:
    """Whether a name of a file or folder to be made has no sign that an address may have."""
    return re.search(r"[:@?#%&=;\x00-\x1f]", name) is None


def _partition(text: str) -> tuple[str, str, str]:
    """Part a text at the sign that begins a query or fragment."""
    found = re.search(r"[?#]", text)
    return (text[: found.start()], found[0], text[found.end() :]) if found else (text, "", "")


def _shown_remote(path: str) -> str:
    """Of a path on a server only the name of a file is shown."""
    *folders, name = path.split("/")
    if not path.strip("/"):
        return path
    lead = "/" if len(folders) < 2 else f"/{HIDDEN}/"
    return f"{lead}{name}" if _FILE_NAME.fullmatch(name) else f"/{HIDDEN}"


def _shown_path(text: str) -> str:
    """Of a path on this machine what is there is shown, and the name of a file."""
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        path = Path(text)
    there = next((each for each in (path, *path.parents) if _is_there(each)), Path())
    missing = path.parts[len(there.parts) :]
    shown = [part if k == len(missing) and _FILE_NAME.fullmatch(part) else HIDDEN for k, part in enumerate(missing, 1)]
    # How many parts are hidden tells nothing.
    told = [part for k, part in enumerate(shown) if part != HIDDEN or k == 0]
    return str(there.joinpath(*told))


def _is_there(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False
