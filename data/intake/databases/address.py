"""Addresses of tables in databases: PostgreSQL by a URL, SQLite and DuckDB by their file."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, quote, unquote, urlencode

from data.errors import InputError
from data.intake.sql import identifier
from data.secrecy.reasons import reason_of
from data.secrecy.showing import HIDDEN, describe, is_plain_name, nearest, shown_location, shown_url

Kind = Literal["postgresql", "sqlite", "duckdb"]

_SCHEMES: dict[str, Kind] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
}
_FORM = "postgresql://USER@HOST:PORT/DATABASE/SCHEMA.TABLE"
_NO_DATABASE = ("service", "dbname")
_DEFAULTS = {"connect_timeout": "10", "tcp_user_timeout": "60000", "keepalives_idle": "30", "keepalives_interval": "10"}
"""A server that does not answer is given up after ten seconds, one that is lost in mid-read after a minute."""
TITLES: dict[Kind, str] = {"postgresql": "PostgreSQL", "sqlite": "SQLite", "duckdb": "DuckDB"}
_NO_SECRETS = ("sslmode", "sslrootcert", "sslcert", "host", "port", "dbname", "connect_timeout", "application_name")
"""What a URL of PostgreSQL may set behind `?` that is written into a settings file."""

_PART = r'"(?:[^"]|"")+"|[^."/]+'


@dataclass(frozen=True)
class Address:
    """A database, and a table in it.

    Parameters
    ----------
    kind
        What kind of database it is.
    name
        What may be shown of it: of a server its host and port, of a file its path.
    place
        A connection string of libpq, or the path of a file.
    table
        Name of the table, after the one of its schema where that is given; empty where no table is named.
    database
        Name of the database on a server.
    """

    kind: Kind
    name: str
    place: str = field(repr=False)
    table: tuple[str, ...] = field(default=(), repr=False)
    database: str = field(default="", repr=False)

    @property
    def full_name(self) -> str:
        """The database and the table, for messages once they are known to be there."""
        parts = (self.name, self.database, ".".join(self.table))
        return "/".join(part for k, part in enumerate(parts) if part or k == 0)

    @property
    def shown(self) -> str:
        """The database and the table, for messages before; of names that nobody knows yet nothing is told."""
        return f"{self.name}/{HIDDEN}" if self.database or self.table else self.name

    @property
    def relation(self) -> str:
        """SQL for the table."""
        return ".".join(map(identifier, self.table))

    def of_table(self, table: str) -> "Address":
        """Name a table where the address names none."""
        return self if self.table else replace(self, table=(table,))

    def reason_of(self, error: BaseException | str, hidden: Sequence[str] = ()) -> str:
        """Say what a driver complained of, where that repeats nothing that may be secret.

        Parameters
        ----------
        error
            What it raised, or its message.
        hidden
            Texts of the settings that it was given, besides the address.
        """
        known = (
            self.name,
            *_SCHEMES,
            *_DEFAULTS,
            *_DEFAULTS.values(),
            *_NO_SECRETS,
            "password",
            "client_encoding UTF8",
        )
        return reason_of(error, (self.place, *self.table, *hidden), known)


def find_address(path: str | Path, *, must_exist: bool = True) -> Address | None:
    """Read the address of a database; None where the path or URL names none.

    Parameters
    ----------
    path
        ``postgresql://USER@HOST:PORT/DATABASE/SCHEMA.TABLE``, or the path of a SQLite or DuckDB file, which may be
        followed by ``/SCHEMA.TABLE`` and may stand after ``sqlite:///`` or ``duckdb:///``.
    must_exist
        Whether the file must be there.

    Raises
    ------
    InputError
        It is meant for one, but is not written as it must be, or its file is not there or is of another kind.
    """
    text = str(path)
    scheme, found, rest = text.partition("://")
    kind = _SCHEMES.get(scheme.lower().partition("+")[0]) if found else None
    if kind == "postgresql":
        return _read_url(rest)
    if kind is not None:
        return _read_file_url(kind, rest, must_exist=must_exist)
    if found:
        near = nearest(scheme, _SCHEMES, cutoff=0.75)
        if near:
            raise InputError(f"a URL starts with a scheme that is not known ({describe(scheme)}).{near}")
        return None
    return _read_path(Path(text).expanduser())


def split_addresses(paths: str | Path | Sequence[str | Path]) -> tuple[list[Address], list[str | Path]]:
    """Tell the addresses of databases from all other paths."""
    addresses: list[Address] = []
    others: list[str | Path] = []
    for path in [paths] if isinstance(paths, str | Path) else paths:
        address = find_address(path)
        if address is None:
            others.append(path)
        else:
            addresses.append(address)
    return addresses, others


def start_at(path: str, folder: Path) -> str:
    """Let a relative path after sqlite:/// or duckdb:/// start at a folder; another URL stays as it is."""
    scheme, _, rest = path.partition("://")
    if _SCHEMES.get(scheme.lower()) not in ("sqlite", "duckdb"):
        return path
    return f"{scheme}:///{folder.absolute() / rest.removeprefix('/')}"


def _read_url(rest: str) -> Address:
    authority, _, tail = rest.partition("/")
    if "@" not in authority and "@" in tail.partition("?")[0]:
        raise InputError(
            "a URL of PostgreSQL has a / in its user or password: write it as %2F, or leave the password out of the "
            "URL and give it in PGPASSWORD or ~/.pgpass."
        )
    if "@" in rest.partition("?")[2] and "@" not in rest.partition("?")[0]:
        raise InputError(
            "a URL of PostgreSQL has a ? in its user or password: write it as %3F, or leave the password out of the "
            "URL and give it in PGPASSWORD or ~/.pgpass."
        )
    if "?" in authority:
        authority, _, query = authority.partition("?")
        path = ""
    else:
        path, _, query = tail.partition("?")
    login, _, hosts = authority.rpartition("@")
    user, _, password = login.partition(":")
    for host in filter(None, hosts.split(",")):
        if not re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:]+)?(:\d{1,5})?", host):
            raise InputError(
                f"a URL of PostgreSQL must be written like {_FORM}; what stands for HOST:PORT is none. If the password "
                "holds @, : or #, write them as %40, %3A and %23, or give it in PGPASSWORD or ~/.pgpass."
            )
    database, _, table = path.partition("/")
    options = _DEFAULTS | dict(parse_qsl(query, keep_blank_values=True)) | {"client_encoding": "UTF8"}
    secret = options.pop("password", unquote(password))
    name = f"postgresql://{shown_url(f'postgresql://{rest}').place.partition('/')[0]}"
    if not (database or os.environ.get("PGDATABASE") or any(key in options for key in _NO_DATABASE)):
        raise InputError(f"{name} names no database; write {_FORM}.")
    parts = _parts(unquote(table), f"{name}/{HIDDEN}")
    login = quote(unquote(user), safe="") + (f":{quote(secret, safe='')}" if secret else "")
    place = f"postgresql://{login}{'@' if login else ''}{hosts}/{database}?{urlencode(options, quote_via=quote)}"
    return Address("postgresql", name, place, parts, unquote(database))


def _read_file_url(kind: Kind, rest: str, *, must_exist: bool) -> Address:
    path = rest.partition("?")[0].removeprefix("/")
    for candidate in (Path(path), Path("/") / path):
        address = _read_path(candidate)
        if address is not None:
            if address.kind != kind:
                raise InputError(f"{address.place} is a file of {TITLES[address.kind]}, not of {TITLES[kind]}.")
            return address
    file, table = Path(path), ""
    if not file.suffix or not file.parent.is_dir():
        file, table = file.parent, file.name
    if must_exist or not file.parent.is_dir():
        raise InputError(
            f"{kind}:///{shown_location(path)} is not there: neither a file of {TITLES[kind]}, nor a table in one."
        )
    _check_plain(file)
    return Address(kind, shown_location(str(file)), str(file), _parts(table, shown_location(path)))


def _read_path(path: Path) -> Address | None:
    """Find the file of a database in a path: the path itself, or what stands before the name of a table."""
    for file in (path, path.parent):
        if file.is_file():
            kind = _kind_of(file)
            if kind is None:
                return None
            parts = _parts(path.name, shown_location(str(path))) if file != path else ()
            return Address(kind, str(file), str(file), parts)
    return None


def _check_plain(file: Path) -> None:
    """Refuse to make a file whose name may be a part of an address with a password."""
    if not all(map(is_plain_name, file.parts)):
        raise InputError(
            f"a file named {shown_location(str(file))} is not made, for its name has a : @ ? # % & = or ; in it, as a "
            "URL with a password may have; name another."
        )


def _kind_of(file: Path) -> Kind | None:
    try:
        with file.open("rb") as stream:
            start = stream.read(16)
    except OSError:
        return None
    if start == b"SQLite format 3\0":
        return "sqlite"
    return "duckdb" if start[8:12] == b"DUCK" else None


def _parts(text: str, name: str) -> tuple[str, ...]:
    """Read [SCHEMA.]TABLE, in which a name with a point stands in double quotes."""
    if not text:
        return ()
    match = re.fullmatch(rf"(?:({_PART})\.)?({_PART})", text)
    if match is None:
        raise InputError(
            f'{name} must end in TABLE or SCHEMA.TABLE; a name with a point stands in double quotes, "like.this".'
        )
    return tuple(part[1:-1].replace('""', '"') if part.startswith('"') else part for part in match.groups() if part)


def without_password(url: str) -> str:
    """Write a URL that was read without its password and what may be secret behind `?`; a path stays.

    It is built from the parts that are no secret, which are the user of a database and the usual settings of a
    connection, too. Of a URL that is malformed only the scheme is kept.
    """
    shown = shown_url(url, is_known=True)
    if not shown.scheme:
        return url
    if shown.place == HIDDEN:
        return f"{shown.scheme}://{HIDDEN}"
    login, query = url.partition("://")[2].rpartition("@")[0], url.partition("?")[2] if shown.has_query else ""
    user = re.match(r"[\w.%+-]+(?=:|$)", login) if shown.scheme.startswith("postgres") else None
    kept = [(name, value) for name, value in parse_qsl(query) if name in _NO_SECRETS]
    settings = f"?{urlencode(kept, safe='/')}" if kept else ""
    return f"{shown.scheme}://{f'{user[0]}@' if user else ''}{shown.place}{settings}"
