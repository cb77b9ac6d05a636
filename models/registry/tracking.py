"""Runs of the store: their parameters, metrics, tags, files, digests of the input, and rows set aside."""

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from data.errors import RevealedError
from data.intake.pipeline import Intake
from features.engine.kept_texts import texts_kept_in
from models.charts.kept_pictures import pictures_kept_in
from models.registry.store import Store
from models.registry.upkeep.killed_runs import HOST, PROCESS, WORKSPACE, close_killed_runs
from models.registry.upkeep.workspaces import leave_mark, workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INPUT = "input"
QUARANTINE = "quarantine"
_KEPT = "quarantine.kept"
# SQL that was written, and pictures that were drawn, for earlier runs.
TEXTS = "queries"
PICTURES = "pictures"
EPOCH = date(1970, 1, 1).toordinal()
# MLflow accepts no more metrics in one call.
MOST_AT_ONCE = 1000


def grouped(group: str, metrics: Mapping[str, float]) -> dict[str, float]:
    """Name metrics as ``group/name``, by which MLflow shows them together."""
    return {f"{group}/{name}": value for name, value in metrics.items()}


@dataclass(frozen=True)
class Run:
    """A run of the store that is being written.

    Attributes
    ----------
    store : models.registry.store.Store
        Where the run is kept.
    run_id : str
        Its id in MLflow.
    kind : str
        What is run, such as ``retrain``.
    folder : Path
        Its private folder, removed when it ends.
    """

    store: Store
    run_id: str
    kind: str = "run"
    folder: Path = Path()

    def rename(self, name: str) -> None:
        """Give the run another name, such as ``score 2026-07-01``."""
        self.store.client.update_run(self.run_id, name=name)

    def describe(self, text: str) -> None:
        """Set the description that MLflow shows with the run, in Markdown."""
        self.tag(**{"mlflow.note.content": text})

    def log(self, parameters: Mapping[str, Any] | None = None, metrics: Mapping[str, float] | None = None) -> None:
        """Log parameters as text that people read, and those metrics that are finite numbers."""
        now = int(time.time() * 1000)
        finite = {name: float(value) for name, value in (metrics or {}).items() if np.isfinite(value)}
        self.store.client.log_batch(
            self.run_id,
            metrics=[Metric(name, value, now, 0) for name, value in finite.items()],
            params=[Param(name, _readable(value)[:6000]) for name, value in (parameters or {}).items()],
        )

    def log_history(self, values: Iterable[tuple[str, float, date]]) -> None:
        """Log (name, value, day) triples: the time is the day's midnight (UTC), the step its days since 1970-01-01."""
        metrics = [
            Metric(
                name,
                float(value),
                1000 * int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()),
                day.toordinal() - EPOCH,
            )
            for name, value, day in values
        ]
        for start in range(0, len(metrics), MOST_AT_ONCE):
            self.store.client.log_batch(self.run_id, metrics=metrics[start : start + MOST_AT_ONCE])

    def tag(self, **tags: str) -> None:
        """Set tags."""
        for name, value in tags.items():
            self.store.client.set_tag(self.run_id, name, value)

    def log_text(self, text: str, path: str) -> None:
        """Log a text file."""
        self.store.client.log_text(self.run_id, text, path)

    def log_csv(self, frame: pd.DataFrame, path: str) -> None:
        """Log a table as CSV, without its index."""
        self.log_text(frame.to_csv(index=False), path)

    def log_json(self, values: Any, path: str) -> None:
        """Log JSON-able values."""
        self.log_text(json.dumps(values, indent=1, ensure_ascii=False), path)

    def log_table(self, frame: pd.DataFrame, path: str) -> None:
        """Log a table that MLflow can show beside those of other runs; the path ends in .json."""
        self.store.client.log_table(self.run_id, frame, path)

    def log_figure(self, figure: "Figure", path: str) -> None:
        """Log a picture."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / Path(path).name
            figure.savefig(file, dpi=110)
            self.store.client.log_artifact(self.run_id, str(file), str(Path(path).parent))

    def log_intake(self, intake: Intake) -> None:
        """Log what was read: the digest of each table, counts, and the rows set aside."""
        summary = {name: value for name, value in intake.to_dict().items() if name != "folder"}
        self.log_text(json.dumps(summary, indent=1), "intake.json")
        inputs = []
        for name, report in intake.tables.items():
            source = json.dumps({"files": list(report.files)})
            dataset = Dataset(name=name, digest=report.digest[:36], source_type="files", source=source)
            inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", name)]))
            self.log(metrics=grouped(INPUT, {f"{name}_read": report.rows_read, f"{name}_set_aside": report.set_aside}))
        self.store.client.log_inputs(self.run_id, datasets=inputs)
        self.log_quarantine(intake.folder)

    def log_quarantine(self, folder: Path) -> bool:
        """Log the rows set aside; return whether there were any."""
        file = folder / "quarantine.parquet"
        if not file.exists() or pq.read_metadata(file).num_rows == 0:
            return False
        self.store.client.log_artifact(self.run_id, str(file), QUARANTINE)
        self.tag(**{_KEPT: "true"})
        return True


def _readable(value: Any) -> str:
    if value is None or (isinstance(value, tuple | list) and not value):
        return "–"
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def read_json(store: Store, run_id: str, path: str) -> Any:
    """Read a JSON file that a run logged; None if the run has no such file or does not exist."""
    folder, _, _ = path.rpartition("/")
    try:
        files = store.client.list_artifacts(run_id, folder or None)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    if path not in {file.path for file in files}:
        return None
    with TemporaryDirectory() as place:
        file = store.client.download_artifacts(run_id, path, place)
        return json.loads(Path(file).read_text(encoding="utf-8"))


@contextmanager
def tracked(store: Store, kind: str, tags: Mapping[str, str]) -> Iterator[Run]:
    """Open a run with a private folder, and record its status and its error, whatever ends it.

    Before, runs that were killed are closed. An embedded store keeps SQL and pictures of its runs for the next ones.

    Parameters
    ----------
    store : Store
        Where the run is kept.
    kind : str
        Name of the flow or command, e.g. ``retrain``.
    tags : Mapping of str to str
        More tags.
    """
    client, is_closed = store.client, True
    close_killed_runs(store)
    try:
        texts, pictures = (store.folder / name if store.embedded else None for name in (TEXTS, PICTURES))
        with workspace(store) as folder, texts_kept_in(texts), pictures_kept_in(pictures):
            who = {PROCESS: str(os.getpid()), HOST: socket.gethostname(), WORKSPACE: folder.name}
            run = client.create_run(store.experiment_id, run_name=kind, tags={"kind": kind, **who, **tags})
            run_id, is_closed = str(run.info.run_id), False
            try:
                yield Run(store, run_id, kind, folder)
            except BaseException as error:
                message = str(error) if isinstance(error, RevealedError) else type(error).__name__
                # If the store itself is gone, the error that ended the run matters more than that of recording it.
                with suppress(MlflowException):
                    client.set_tag(run_id, "error", message[:4000])
                    client.set_terminated(run_id, "FAILED" if isinstance(error, Exception) else "KILLED")
                    is_closed = True
                raise
            client.set_terminated(run_id, "FINISHED")
            is_closed = True
    finally:
        if not is_closed:
            leave_mark(folder)


def forget_old_quarantine(store: Store, days: int) -> int:
    """Delete the rows set aside by runs older than the retention; their counts stay.

    Parameters
    ----------
    store : Store
        Where the runs are kept.
    days : int
        Retention: days that they are kept.

    Returns
    -------
    int
        Number of runs whose rows were deleted.
    """
    oldest = int((time.time() - days * 86_400) * 1000)
    filters = f"tags.`{_KEPT}` = 'true' and attributes.start_time < {oldest}"
    old = store.client.search_runs([store.experiment_id], filter_string=filters)
    for run in old:
        get_artifact_repository(run.info.artifact_uri).delete_artifacts(QUARANTINE)  # type: ignore[no-untyped-call]
        store.client.set_tag(run.info.run_id, _KEPT, "false")
    return len(old)
