"""Where the MLflow store lies: the one decision that the store, its lock and Prefect's home follow."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit, urlunsplit

from data.errors import InputError
from data.secrecy.reasons import reason_of
from data.secrecy.showing import HIDDEN, describe, is_plain_name, shown_url

DATABASE = "mlflow.db"
# The experiment that holds all runs.
EXPERIMENT = "revealed"
_SQLITE = "sqlite:///"
_VARIABLE = "MLFLOW_TRACKING_URI"
_SERVERS = ("http", "https", "postgresql", "mysql", "mssql")


@dataclass(frozen=True)
class StoreLocation:
    """Where a store lies, whether it exists yet or not.

    Attributes
    ----------
    uri : str
        The tracking URI, for programs; it may carry a password.
    folder : Path
        Where the lock and Prefect's home lie; of an embedded store also its database and artifacts.
    embedded : bool
        Whether the store is files in ``folder``.
    """

    uri: str
    folder: Path
    embedded: bool

    @property
    def database(self) -> Path | None:
        """The database of an embedded store; None for a server."""
        return Path(self.uri.removeprefix(_SQLITE)) if self.embedded else None

    # Whether a server answered there.
    is_known: ClassVar[bool] = False

    @property
    def shown_uri(self) -> str:
        """What may be shown of the tracking URI, for people and logs."""
        return shown_uri(self.uri, is_known=self.is_known)


def store_location(mlruns: str | None, beside: Path) -> StoreLocation:
    """Decide which store is meant.

    Parameters
    ----------
    mlruns : str or None
        A folder named by the user; it comes before everything else.
    beside : Path
        The folder in which ``mlruns`` lies where neither a folder nor ``MLFLOW_TRACKING_URI`` is given.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if mlruns is not None:
        _check_plain(mlruns, "mlruns", "the path of a folder")
    folder = Path(mlruns or beside / "mlruns").resolve()
    if mlruns is not None or not uri:
        return StoreLocation(f"{_SQLITE}{folder / DATABASE}", folder, embedded=True)
    if uri.startswith(_SQLITE):
        _check_plain(uri.removeprefix(_SQLITE), _VARIABLE, "sqlite:/// and the path of a file")
        file = Path(uri.removeprefix(_SQLITE)).resolve()
        return StoreLocation(f"{_SQLITE}{file}", file.parent, embedded=True)
    if uri.partition("://")[0].partition("+")[0] not in _SERVERS:
        raise InputError(
            f"{_VARIABLE} ({describe(uri)}) must be the URL of an MLflow server (http://HOST:PORT), of a database "
            "(postgresql://HOST/DATABASE), or sqlite:/// and the path of a file."
        )
    return StoreLocation(_move_credentials(uri), folder, embedded=False)


def _check_plain(path: str, name: str, must: str) -> None:
    """Refuse a path to be made that looks like an address: its password would be the name of a folder.

    Raises
    ------
    InputError
        Where a part of the path that is not there has a sign that stands in addresses.
    """
    place = Path(path)
    made = [each for each in (place, *place.parents) if not os.path.lexists(each)]
    if "\0" in path or "://" in path or not all(is_plain_name(each.name) for each in made):
        raise InputError(
            f"{name} ({describe(path)}) must be {must}, and has a : @ ? # % & = or ; as a URL with a password may "
            "have. If that is the name of a folder, make the folder yourself."
        )


def shown_uri(uri: str, *, is_known: bool = False) -> str:
    """Return what may be shown of a URI, with ``***`` for user name and password, and for a query."""
    shown = shown_url(uri, is_known=is_known)
    scheme, login = f"{shown.scheme}://" if shown.scheme else "", f"{HIDDEN}@" if shown.has_login else ""
    place = f"{scheme}{login}{shown.place}" if shown.place != HIDDEN else f"{scheme}{HIDDEN}"
    return f"{place}?{HIDDEN}" if shown.has_query else place


def why_not(error: Exception, location: StoreLocation) -> str:
    """Say why a store cannot be reached, where that repeats nothing of the address that is not shown."""
    reason = reason_of(error, [location.uri], [location.shown_uri])
    return f"its driver is not installed ({reason})" if isinstance(error, ImportError) else reason


def _move_credentials(uri: str) -> str:
    """Move user name and password from the address to MLflow's variables, so that no message repeats them."""
    if not uri.startswith(("http://", "https://")) or "@" not in uri:
        return uri
    try:
        parts = urlsplit(uri)
        is_clear = "@" in parts.netloc and "@" not in f"{parts.path}{parts.query}{parts.fragment}"
    except ValueError:
        is_clear = False
    if not is_clear:
        raise InputError(
            f"MLFLOW_TRACKING_URI ({shown_uri(uri)}) must be http://USER:PASSWORD@HOST:PORT, where a / ? # @ [ "
            "or ] in user or password is written as %2F %3F %23 %40 %5B %5D; or leave both out, and set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
