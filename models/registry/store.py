"""The MLflow store: where runs, the scorer's versions and the published scores live.

By default it is embedded: a SQLite file and a folder of artifacts under ``mlruns/``, with no server. The same code
talks to a remote MLflow when the tracking URI says so.
"""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from filelock import FileLock, Timeout

from data.errors import InputError, StoreBusyError

# No account, no network but the store's, no pickle, and no progress bars in logs: said before mlflow is imported.
for _name, _value in {
    "DO_NOT_TRACK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # Half a minute of patience with a server that does not answer, not four.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",
}.items():
    os.environ.setdefault(_name, _value)

import mlflow  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

EXPERIMENT = "revealed"
DATABASE = "mlflow.db"


@dataclass(frozen=True)
class Store:
    """An opened store.

    Attributes
    ----------
    uri : str
        The tracking URI, for programs; it may carry a password.
    folder : Path
        Where the store's lock lives; of an embedded store also its database and artifacts.
    experiment_id : str
        The experiment that holds all runs.
    embedded : bool
        Whether the store is files in ``folder``.
    """

    uri: str
    folder: Path
    experiment_id: str
    embedded: bool

    @property
    def client(self) -> MlflowClient:
        """A client of this store."""
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)

    @property
    def shown_uri(self) -> str:
        """The tracking URI without user name and password, for people and logs."""
        return without_secrets(self.uri)


def without_secrets(uri: str) -> str:
    """Return a URI with user name, password and query replaced by ``***``."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc and not parts.query:
        return uri
    host = parts.netloc.rpartition("@")[2]
    netloc = f"***@{host}" if "@" in parts.netloc else host
    return urlunsplit(parts._replace(netloc=netloc, query="***" if parts.query else ""))


def store_location(mlruns: str | None, beside: Path) -> tuple[str, Path, bool]:
    """Decide which store is meant.

    Parameters
    ----------
    mlruns : str or None
        A folder named by the user; it comes before everything else.
    beside : Path
        The folder in which ``mlruns`` lies where neither a folder nor ``MLFLOW_TRACKING_URI`` is given.

    Returns
    -------
    tuple of (str, Path, bool)
        The tracking URI, the folder of the lock, and whether the store is embedded.
    """
    named = os.environ.get("MLFLOW_TRACKING_URI")
    folder = Path(mlruns or beside / "mlruns").resolve()
    if mlruns is None and named:
        named = _credentials_apart(named)
        sqlite = named.removeprefix("sqlite:///")
        if sqlite != named:
            file = Path(sqlite).resolve()
            return f"sqlite:///{file}", file.parent, True
        return named, folder, False
    return f"sqlite:///{folder / DATABASE}", folder, True


def _credentials_apart(uri: str) -> str:
    """Give MLflow user name and password of an address apart from it, so that no message repeats them."""
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or "@" not in parts.netloc:
        return uri
    os.environ["MLFLOW_TRACKING_USERNAME"] = unquote(parts.username or "")
    os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(parts.password or "")
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def open_store(mlruns: str | None = None, beside: Path | None = None) -> Store:
    """Open the store, and make it where an embedded one is not there yet.

    Parameters
    ----------
    mlruns, beside
        As for `store_location`; ``beside`` is the working folder unless told.

    Raises
    ------
    InputError
        Where the store cannot be reached or written.
    """
    uri, folder, embedded = store_location(mlruns, beside or Path.cwd())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if embedded:
            _create_database(Path(uri.removeprefix("sqlite:///")))
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            location = (folder / "artifacts").as_uri() if embedded else None
            experiment_id = client.create_experiment(EXPERIMENT, artifact_location=location)
        else:
            experiment_id = experiment.experiment_id
    except (OSError, MlflowException, SQLAlchemyError) as error:
        said = str(error).replace(uri, without_secrets(uri)).splitlines()[0]
        raise InputError(
            f"the store {without_secrets(uri)} cannot be opened: {said}. "
            "Name a folder that can be written with --mlruns, or a running server with MLFLOW_TRACKING_URI."
        ) from None
    return Store(uri, folder, str(experiment_id), embedded)


def _create_database(file: Path) -> None:
    """Create the database as a draft and move it into place, so that no two processes ever build it at once."""
    if file.exists():
        return
    with FileLock(file.with_name(".creating.lock")):
        if file.exists():
            return
        draft = file.with_name(f".{file.name}.draft")
        draft.unlink(missing_ok=True)
        client = MlflowClient(tracking_uri=f"sqlite:///{draft}", registry_uri=f"sqlite:///{draft}")
        client.create_experiment(EXPERIMENT, artifact_location=(file.parent / "artifacts").as_uri())
        client._tracking_client.store.engine.dispose()
        draft.replace(file)


@contextmanager
def holding(store: Store, what: str, wait_minutes: float = 0) -> Iterator[None]:
    """Hold the store's lock: one run at a time changes what is published.

    The lock is the operating system's, so it is free again as soon as its holder ends, however it ends.

    Parameters
    ----------
    store : Store
        The store to hold.
    what : str
        What is being done, for the message another run shows.
    wait_minutes : float
        How long to wait for another holder.

    Raises
    ------
    StoreBusyError
        Where another run still holds the store after that time; the message says who.
    """
    lock = FileLock(store.folder / ".store.lock")
    holder = store.folder / ".store.holder.json"
    try:
        lock.acquire(timeout=wait_minutes * 60)
    except Timeout:
        raise StoreBusyError(f"another run holds the store {store.shown_uri}: {_said_by(holder)}") from None
    try:
        mine = {
            "what": what,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%F %T"),
        }
        holder.write_text(json.dumps(mine), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _said_by(holder: Path) -> str:
    try:
        who = json.loads(holder.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "its holder has not said who it is yet"
    return f"{who['what']}, process {who['pid']} on {who['host']}, since {who['since']}"
