"""The MLflow store: where runs, the scorer's versions and the published scores live.

By default it is embedded: a SQLite file and a folder of artifacts under ``mlruns/``, with no server. The same code
talks to a remote MLflow when the tracking URI says so.
"""

import logging
import shutil
import sqlite3
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import mlflow
from filelock import FileLock
from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from data.errors import InputError
from models.registry.location import EXPERIMENT, StoreLocation, store_location, why_not
from models.registry.locking.holding import holding
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
        Where the store cannot be reached or written, or keeps its files on another machine.
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
            _check_files_are_here(client, experiment, location)
    except (OSError, MlflowException, SQLAlchemyError, sqlite3.Error, ImportError) as error:
        _check_welcome(error, location)
        reason = why_not(error, location)
        raise InputError(
            f"the store {location.shown_uri} cannot be opened: {reason}. "
            "Name a folder that can be written with --mlruns, or a running server with MLFLOW_TRACKING_URI."
        ) from None
    return Store(uri, folder, location.embedded, str(experiment_id))


def _check_files_are_here(client: MlflowClient, experiment: Experiment, location: StoreLocation) -> None:
    """Refuse a database whose runs left their files in a folder of another machine: half of the store would be here."""
    parts = urlsplit(experiment.artifact_location or "")
    is_there = location.embedded or parts.scheme not in ("", "file") or Path(unquote(parts.path)).is_dir()
    if is_there or not client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'", max_results=1):
        return
    raise InputError(
        f"the store {location.shown_uri} keeps the files of its runs in a folder that is not on this machine. Share "
        "that folder under the same path, or name an MLflow server with MLFLOW_TRACKING_URI, which passes files on. In "
        f"a new store, make the experiment {EXPERIMENT} with an artifact location that all machines reach."
    )


def _check_welcome(error: Exception, location: StoreLocation) -> None:
    """Raise InputError where a server does not know, or does not want, who asks."""
    status = error.get_http_status_code() if isinstance(error, MlflowException) else None  # type: ignore[no-untyped-call]
    if status == HTTPStatus.UNAUTHORIZED:
        raise InputError(
            f"the store {location.shown_uri} does not take this user and password: set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        ) from None
    if status == HTTPStatus.FORBIDDEN:
        raise InputError(
            f"the store {location.shown_uri} knows this user and refuses what is asked: ask its owner for the right to "
            f"edit the experiment {EXPERIMENT} and its registered models, or to make them."
        ) from None


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
