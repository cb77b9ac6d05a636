"""Where the MLflow store lies: the one decision that the store, its lock and Prefect's home follow."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

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
    parts = urlsplit(uri)
    if "@" not in parts.netloc and not parts.query:
        return uri
    host = parts.netloc.rpartition("@")[2]
    netloc = f"***@{host}" if "@" in parts.netloc else host
    return urlunsplit(parts._replace(netloc=netloc, query="***" if parts.query else ""))


def secret_parts(uri: str) -> set[str]:
    """Return what of a URI may be secret, as it is written and unquoted: user name, password, query and fragment."""
    parts = urlsplit(uri)
    user = parts.netloc.rpartition("@")[0]
    texts = {user, *user.split(":", 1), parts.query, *parts.query.replace("=", "&").split("&"), parts.fragment}
    return {each for text in texts if text for each in (text, unquote(text))}


def _move_credentials(uri: str) -> str:
    """Move user name and password from the address to MLflow's variables, so that no message repeats them."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return uri
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
