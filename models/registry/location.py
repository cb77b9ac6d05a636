"""Where the MLflow store lies: the one decision that the store, its lock and Prefect's home follow."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from data.errors import InputError
from data.redaction import HIDDEN, shown_url

DATABASE = "mlflow.db"
# The experiment that holds all runs.
EXPERIMENT = "revealed"
_SQLITE = "sqlite:///"


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

    @property
    def shown_uri(self) -> str:
        """The tracking URI without user name and password, for people and logs."""
        return without_secrets(self.uri)


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
    folder = Path(mlruns or beside / "mlruns").resolve()
    if mlruns is not None or not uri:
        return StoreLocation(f"{_SQLITE}{folder / DATABASE}", folder, embedded=True)
    if uri.startswith(_SQLITE):
        file = Path(uri.removeprefix(_SQLITE)).resolve()
        return StoreLocation(f"{_SQLITE}{file}", file.parent, embedded=True)
    return StoreLocation(_move_credentials(uri), folder, embedded=False)


def without_secrets(uri: str) -> str:
    """Return a URI with user name, password and query replaced by ``***``."""
    shown = shown_url(uri)
    scheme, login = f"{shown.scheme}://" if shown.scheme else "", f"{HIDDEN}@" if shown.has_login else ""
    place = f"{scheme}{login}{shown.place}" if shown.place != HIDDEN else f"{scheme}{HIDDEN}"
    return f"{place}?{HIDDEN}" if shown.has_query else place


def secret_words(uri: str) -> set[str]:
    """Return the words of a URI that are not shown, as they are written and unquoted."""
    words = {word for text in (uri, unquote(uri)) for word in re.findall(r"[^\W_]{3,}", text)}
    return words - set(re.findall(r"[^\W_]{3,}", without_secrets(uri)))


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
            f"MLFLOW_TRACKING_URI ({without_secrets(uri)}) must be http://USER:PASSWORD@HOST:PORT, where a / ? # @ [ "
            "or ] in user or password is written as %2F %3F %23 %40 %5B %5D; or leave both out, and set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
