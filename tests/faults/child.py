"""What the processes of the harness do: run a command and be killed, or pull what is published again and again.

They are forked from a server that has imported everything, so that a round costs what the work costs.
"""

import contextlib
import json
import os
import pickle
import shutil
import signal
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import ibis.backends.duckdb
import lightgbm
import matplotlib.backends.backend_agg
import mlflow
import mlflow.pyfunc
import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store
import pandas as pd
import pyarrow.parquet as pq
from mlflow.tracking import MlflowClient

import flows.command.privacy.forgetting
import flows.command.privacy.pruning
import flows.command.published.publishing
import flows.command.rollback
import flows.retrain
import flows.score
from features.engine.stored import StoredTable
from flows.command.main import main
from models.population.scores_table import as_metadata, read_metadata
from models.registry.published_file import FILE

# Imported for the processes that are forked later.
IMPORTED = (ibis.backends.duckdb, lightgbm, matplotlib.backends.backend_agg, mlflow.pyfunc)
STEPS = {"retrain": ("fit_scorer", "judge_scorer", "learn_of_base"), "score": ("score_everyone",)}
_WRITING = ("create_", "delete_", "log_", "set_", "update_")


@dataclass(frozen=True)
class Kill:
    """When a process kills itself: at a call that writes, before it or after it; or after some seconds."""

    call: int | None = None
    is_after: bool = False
    seconds: float | None = None


def run(
    arguments: list[str], output: Path, environment: Mapping[str, str], kill: Kill, kept: Path | None, patch: str | None
) -> None:
    """Run the command in this process, and end with its exit code.

    Parameters
    ----------
    arguments : list of str
        Of the command.
    output : Path
        What it prints goes here; the number of calls that write to a file beside it.
    environment : Mapping of str to str
        Variables to be set.
    kill : Kill
        When to die.
    kept : Path or None
        The folder of the results of steps that only compute: they are written there where they are missing, else read.
    patch : str or None
        Name of a function of this module that changes the process before.
    """
    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.update(environment)
    tempfile.tempdir = None
    if kept is not None:
        _keep_computed(kept)
    if patch is not None:
        globals()[patch]()
    calls = _count_writes(kill)
    if kill.seconds is not None:
        timer = threading.Timer(kill.seconds, _die)
        timer.daemon = True
        timer.start()
    code = main(arguments)
    output.with_suffix(".calls").write_text(json.dumps(calls))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _count_writes(kill: Kill) -> list[str]:
    """Count the calls that write: to the tracking database, to folders and files, and to other databases."""
    calls: list[str] = []

    def counted(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(*values: Any, **named: Any) -> Any:
            calls.append(name)
            number = len(calls)
            if number == kill.call and not kill.is_after:
                _die()
            done = call(*values, **named)
            if number == kill.call:
                _die()
            return done

        return counting

    for name in (name for name in vars(MlflowClient) if name.startswith(_WRITING)):
        setattr(MlflowClient, name, counted(name, getattr(MlflowClient, name)))
    for module, name in (
        (shutil, "rmtree"),
        (shutil, "copy2"),
        (shutil, "copyfileobj"),
        (tempfile, "mkdtemp"),
        (tempfile, "mkstemp"),
        (os, "chmod"),
        (os, "replace"),
        (os, "unlink"),
        (os, "remove"),
        (Path, "write_text"),
        (Path, "write_bytes"),
    ):
        setattr(module, name, counted(name, getattr(module, name)))

    class Cursor(sqlite3.Cursor):
        execute = counted("execute", sqlite3.Cursor.execute)
        executemany = counted("executemany", sqlite3.Cursor.executemany)

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, *values: Any) -> Any:
            return self.cursor().execute(*values)

    connect = sqlite3.connect
    from models.registry import database_copy
    from models.registry.privacy import beside

    for user in (database_copy, beside):
        user.sqlite3 = _Sqlite(connect, Connection)  # type: ignore[assignment]
    return calls


class _Sqlite:
    """The module `sqlite3` with connections whose calls are counted."""

    Error = sqlite3.Error

    def __init__(self, connect: Callable[..., Any], factory: type[sqlite3.Connection]) -> None:
        self._connect, self._factory = connect, factory

    def connect(self, place: str, **options: Any) -> Any:
        """Connect as the module does."""
        return self._connect(place, factory=self._factory, **options)


def _keep_computed(folder: Path) -> None:
    """Let the steps that only compute give what they gave at first: what is tested is what is written."""
    for module, names in ((flows.retrain, STEPS["retrain"]), (flows.score, STEPS["score"])):
        for name in names:
            setattr(module, name, _kept(folder, name, getattr(module, name)))


def _kept(folder: Path, name: str, compute: Callable[..., Any]) -> Callable[..., Any]:
    def step(*values: Any) -> Any:
        if name == "score_everyone":
            return _scored(folder, compute, *values)
        file = folder / f"{name}.pickle"
        if not file.exists():
            result = compute(*values)
            _keep(file, pickle.dumps(result))
            return result
        return pickle.loads(file.read_bytes())

    return step


def _scored(folder: Path, compute: Callable[..., Any], *values: Any) -> Any:
    """Give what was scored at a date, with a file of scores of this run's own: those of the run before went with it."""
    *_, inputs, chosen, run_id = values
    file, scores = folder / f"scored-{inputs.as_of}.pickle", folder / f"scored-{inputs.as_of}.parquet"
    if not file.exists():
        result = compute(*values)
        _keep(scores, result.scores.file.read_bytes())
        _keep(file, pickle.dumps(replace(result, scores=StoredTable(scores))))
        return result
    result = pickle.loads(file.read_bytes())
    table = pq.read_table(scores)
    said = read_metadata(table) | {"run_id": run_id, "scorer_version": str(chosen.version)}
    place = Path(tempfile.mkdtemp()) / FILE
    pq.write_table(table.replace_schema_metadata(as_metadata(said)), place)
    return replace(result, scores=StoredTable(place))


def _keep(file: Path, content: bytes) -> None:
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(file)


def pull(store: str, target: Path, customers: int, stop: Event, told: Path) -> None:
    """Pull the current scores and those in a table until told to stop; write what was seen, and every failure."""
    seen: dict[str, Any] = {"polls": 0, "tables": 0, "failures": []}
    mlflow.set_tracking_uri(f"sqlite:///{store}/mlflow.db")
    while not stop.wait(0.5):
        try:
            file = mlflow.artifacts.download_artifacts("models:/customer_scores@current/scores.parquet")
            scores = pd.read_parquet(file)
            if len(scores) != customers or scores["customer_id"].nunique() != customers:
                seen["failures"].append(f"{len(scores)} rows")
            seen["polls"] += 1
            if target.exists():
                with contextlib.closing(sqlite3.connect(target, timeout=30)) as connection:
                    query = "SELECT count(*), count(DISTINCT scores_version) FROM scores"
                    row = connection.execute(query).fetchone()
                if row != (customers, 1):
                    seen["failures"].append(f"table: {row}")
                seen["tables"] += 1
        except Exception as error:  # every failure of a consumer counts, whatever it is
            seen["failures"].append(f"{type(error).__name__}: {error}"[:300])
        told.write_text(json.dumps(seen))


def set_clock_back() -> None:
    """Let it be the first of June 2023 for what judges which rows lie in the future."""
    import data.intake.rules
    import flows.steps.inputs

    class Earlier(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Earlier":
            return cls(2023, 6, 1, 12, tzinfo=tz)

    data.intake.rules.datetime = Earlier  # type: ignore[attr-defined]
    flows.steps.inputs.datetime = Earlier  # type: ignore[attr-defined]


def lock_database() -> None:
    """Let another program lock the store's database as soon as the tables have been read."""

    def lock() -> None:
        # Kept until the process ends.
        _kept_open.append(sqlite3.connect(os.environ["FAULTS_DATABASE"], isolation_level=None))
        _kept_open[-1].execute("BEGIN EXCLUSIVE")

    _before_scoring(lock)


def stop_server() -> None:
    """Let the tracking server be stopped as soon as the tables have been read."""
    _before_scoring(lambda: os.killpg(int(os.environ["FAULTS_SERVER"]), signal.SIGKILL))


_kept_open: list[sqlite3.Connection] = []


def _before_scoring(happen: Callable[[], None]) -> None:
    compute = flows.score.score_everyone

    def step(*values: Any) -> Any:
        happen()
        return compute(*values)

    flows.score.score_everyone = step
