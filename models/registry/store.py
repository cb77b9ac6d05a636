"""The MLflow store: where runs, the scorer's versions and the published scores live.

By default it is embedded: a SQLite file and a folder of artifacts under ``mlruns/``, with no server. The same code
talks to a remote MLflow when the tracking URI says so.
"""

import json
import logging
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import mlflow
from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from data.errors import InputError, StoreBusyError
from data.secrecy.reasons import reason_of
from models.registry.location import EXPERIMENT, StoreLocation, store_location
from models.registry.upkeep.moved_store import follow_move
from models.registry.upkeep.template import template_file

# What MLflow logs of a failing database it raises too; its log holds a traceback, and the values of the statement.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


@dataclass(frozen=True)
class Store(StoreLocation):
    """An opened store.

    Attributes
    ----------
    experiment_id : str
        The experiment that holds all runs.
    """

    experiment_id: str
    is_known: ClassVar[bool] = True

    @property
    def client(self) -> MlflowClient:
        """A client of this store."""
        return MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)


def open_store(mlruns: str | None = None, beside: Path | None = None) -> Store:
    """Open the store, and make it where an embedded one is not there yet.

    Parameters
    ----------
    mlruns, beside
        As for `store_location`; ``beside`` is the working folder unless given.

    Raises
    ------
    InputError
        Where the store cannot be reached or written.
    """
    location = store_location(mlruns, beside or Path.cwd())
    uri, folder = location.uri, location.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if location.database is not None:
            _create_database(location.database)
            follow_move(location.database, EXPERIMENT, lambda: holding(location, "move", wait_minutes=1))
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        if experiment is None:
            artifacts = (folder / "artifacts").as_uri() if location.embedded else None
            experiment_id = client.create_experiment(EXPERIMENT, artifact_location=artifacts)
        else:
            experiment_id = experiment.experiment_id
    except (OSError, MlflowException, SQLAlchemyError, sqlite3.Error, ImportError) as error:
        reason = _reason(error, location)
        raise InputError(
            f"the store {location.shown_uri} cannot be opened: {reason}. "
            "Name a folder that can be written with --mlruns, or a running server with MLFLOW_TRACKING_URI."
        ) from None
    return Store(uri, folder, location.embedded, str(experiment_id))


def _reason(error: Exception, location: StoreLocation) -> str:
    """Say what happened, where that repeats nothing of the address that is not shown."""
    reason = reason_of(error, [location.uri], [location.shown_uri])
    return f"its driver is not installed ({reason})" if isinstance(error, ImportError) else reason


def _create_database(file: Path) -> None:
    """Create the database as a draft and move it into place, so that no two processes ever build it at once."""
    if file.exists():
        return
    with FileLock(file.with_name(".creating.lock")):
        if file.exists():
            return
        draft = file.with_name(f".{file.name}.draft")
        draft.unlink(missing_ok=True)
        if template_file().exists():
            shutil.copyfile(template_file(), draft)
        client = MlflowClient(tracking_uri=f"sqlite:///{draft}", registry_uri=f"sqlite:///{draft}")
        client.create_experiment(EXPERIMENT, artifact_location=(file.parent / "artifacts").as_uri())
        client._tracking_client.store.engine.dispose()
        draft.replace(file)


@contextmanager
def holding(store: StoreLocation, what: str, wait_minutes: float = 0) -> Iterator[None]:
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
        raise StoreBusyError(f"another run holds the store {store.shown_uri}: {_describe_holder(holder)}") from None
    except OSError as error:
        raise InputError(
            f"the store {store.shown_uri} cannot be held: {error.strerror or type(error).__name__}. Name a folder that "
            "can be written with --mlruns."
        ) from None
    try:
        myself = {
            "what": what,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": time.strftime("%F %T"),
        }
        holder.write_text(json.dumps(myself), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _describe_holder(holder: Path) -> str:
    """Say who holds the store, from what the holder wrote."""
    try:
        who = json.loads(holder.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "its holder has not written down who it is yet"
    return f"{who['what']}, process {who['pid']} on {who['host']}, since {who['since']}"
