"""An embedded MLflow store for every test that asks for one, copied from one that is made once."""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from models.registry.store import Store


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Fill a folder once a session: the worker that needs it first does it, the others find it filled."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with FileLock(shared / f"{name}.lock"):
            if not done.exists():
                folder.mkdir()
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def mlflow_template(made_once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    """The database of an empty store; making one takes seconds, so all workers share it."""
    from models.registry.location import DATABASE
    from models.registry.store import open_store

    def fill(folder: Path) -> None:
        before = dict(os.environ)
        open_store(str(folder))
        _restore(before)

    return made_once("mlflow-template", fill) / DATABASE


@pytest.fixture
def new_store(mlflow_template: Path) -> Iterator[Callable[[Path], "Store"]]:
    """Open an empty store in a folder; what that sets in the environment is gone after the test."""
    import mlflow

    from models.registry.location import EXPERIMENT
    from models.registry.store import open_store

    before, uri = dict(os.environ), mlflow.get_tracking_uri()

    def open_in(folder: Path) -> "Store":
        folder.mkdir(parents=True)
        database = shutil.copy(mlflow_template, folder)
        # The place of artifacts is stored absolute.
        with closing(sqlite3.connect(database)) as connection, connection:
            place = ((folder / "artifacts").as_uri(), EXPERIMENT)
            connection.execute("UPDATE experiments SET artifact_location = ? WHERE name = ?", place)
        return open_store(str(folder))

    yield open_in
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    _restore(before)


@pytest.fixture
def store(new_store: Callable[[Path], "Store"], tmp_path: Path) -> "Store":
    """An empty embedded store in a folder whose name has a blank."""
    return new_store(tmp_path / "my mlruns")


def _restore(environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
