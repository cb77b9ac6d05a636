"""The registered scorer on the executors of a cluster: it travels as its files, and scores batches of Arrow."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

import mlflow
import pandas as pd
import pyarrow as pa

from features.engine.stored import BATCH_ROWS, gathered, to_frame
from models.actions.lists import QUOTED
from models.population.earlier_scores import scores_of_earlier
from models.population.scored import assemble_scores, scores_metadata
from models.population.scores_contract import check_scores
from models.population.scores_table import SCHEMA, to_table
from models.registry.scorer_files import read_release
from models.registry.scorers import SCORER, load_predict_from
from models.registry.store import Store
from models.release.release import Release

BEFORE = "before_"
"""What the columns of the earlier date begin with."""

# What a consumer never reads of a version: its holdout refit.
_TWIN = "twin_"
_TYPES: Mapping[pa.DataType, str] = {
    pa.string(): "string",
    pa.date32(): "date",
    pa.int64(): "bigint",
    pa.float64(): "double",
}
SPARK_SCHEMA = ", ".join(f"{field.name} {_TYPES[field.type]}" for field in SCHEMA)
"""The columns of the published table as Spark writes them."""
_BESIDE = tuple(name for name in QUOTED if name not in SCHEMA.names)
QUOTED_SCHEMA = ", ".join([SPARK_SCHEMA, *(f"{name} double" for name in _BESIDE)])
"""The same, and beside them the features that lists quote."""


@dataclass(frozen=True)
class ClusterScorer:
    """Scores batches of described customers: a function for `mapInArrow`, whose result has `QUOTED_SCHEMA`.

    It is pickled with the files of the scorer's version, so executors need no way to the registry. They need this
    project and what the scorer requires.

    Attributes
    ----------
    files : bytes
        The version as MLflow keeps it, zipped.
    version : int
        Its number.
    as_of : datetime.date
        The date customers are described at.
    provenance : Mapping of str to str
        As for `models.population.scored.scores_metadata`.
    """

    files: bytes
    version: int
    as_of: date
    provenance: Mapping[str, str]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Score batches of rows of `features.describe.describe`, with those of an earlier date under `BEFORE`."""
        predict, release = loaded(self.files)
        metadata = scores_metadata(release, self.version, self.as_of, self.provenance)
        for chunks in gathered(batches, BATCH_ROWS):
            rows = pa.Table.from_batches(chunks)
            own = [name for name in rows.column_names if not name.startswith(BEFORE)]
            described = to_frame(rows.select(own))
            before = _earlier(rows, release)
            table = to_table(assemble_scores(described, predict(described), release, before), metadata)
            check_scores(table)
            table, in_order = table.cast(SCHEMA), rows.sort_by("customer_id")
            for name in _BESIDE:
                table = table.append_column(name, in_order[name].cast(pa.float64()))
            yield from table.to_batches()


def _earlier(rows: pa.Table, release: Release) -> pd.DataFrame | None:
    """Score those of the customers who were there at the earlier date; None where there is none."""
    columns = {name: name.removeprefix(BEFORE) for name in rows.column_names if name.startswith(BEFORE)}
    if not columns:
        return None
    table = rows.select(["customer_id", *columns]).rename_columns(["customer_id", *columns.values()])
    base = to_frame(table.filter(table["T"].is_valid()))
    return scores_of_earlier(base, release, None) if len(base) else None


@lru_cache(maxsize=2)
def loaded(files: bytes) -> tuple[Callable[[pd.DataFrame], pd.DataFrame], Release]:
    """Load a scorer once a process, as a consumer loads it."""
    with tempfile.TemporaryDirectory(prefix="revealed-scorer-") as folder:
        with zipfile.ZipFile(io.BytesIO(files)) as archive:
            archive.extractall(folder)
        release = read_release(Path(folder) / "artifacts", "")
        assert release is not None, "the files of a version hold its parameters"
        return load_predict_from(folder), release


def pack_scorer(store: Store, version: int) -> bytes:
    """Zip a version of the scorer as MLflow keeps it, without its twin."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as place, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        uri = f"models:/{SCORER}/{version}"
        folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=place, tracking_uri=store.uri))
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not file.name.startswith(_TWIN):
                archive.write(file, file.relative_to(folder))
    return packed.getvalue()


@dataclass(frozen=True)
class ContractCheck:
    """Reads written scores back on the executors and checks them: a function for `mapInArrow`, a row a batch.

    Attributes
    ----------
    metadata : Mapping of bytes to bytes
        Of the schema of the scores.
    """

    metadata: Mapping[bytes, bytes]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Give of each batch the number of its rows and of those without a forecast.

        Raises
        ------
        RevealedError
            Naming the column that breaks the contract.
        """
        schema = SCHEMA.with_metadata(dict(self.metadata))
        for batch in batches:
            if batch.num_rows:
                table = pa.Table.from_batches([batch]).cast(schema)
                check_scores(table)
                nulls = table["next_purchase_index"].null_count
                yield pa.RecordBatch.from_pydict({"rows": [batch.num_rows], "without_forecast": [nulls]})
