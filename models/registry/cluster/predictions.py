"""Published predictions of some customers, read on a cluster where they lie in the folder that it shares."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from mlflow.entities.model_registry import ModelVersion

from data.intake.cluster.session import ClusterBackend
from features.engine.stored import to_frame
from models.registry.past_predictions import COLUMNS, predictions_of
from models.registry.reading import place_of
from models.registry.store import Store

_TYPES = {"customer_id": "string", "as_of": "date", "nps_source": "string"}
# Scores of an earlier release may lack a column.
_PUBLISHED = ", ".join(f"{name} {_TYPES.get(name, 'double')}" for name in COLUMNS)


def predictions_there(
    store: Store, backend: ClusterBackend, shared: Path, versions: Sequence[ModelVersion], customers: pd.Series
) -> Iterator[pd.DataFrame]:
    """Give the predictions of each version for some customers, of all versions in the shared folder by one query.

    Parameters
    ----------
    store : Store
        Where the versions were published.
    backend : ClusterBackend
        The session with the cluster.
    shared : pathlib.Path
        The folder that cluster and driver share.
    versions : sequence of mlflow.entities.model_registry.ModelVersion
        No two of one date.
    customers : pandas.Series
        Their ids.
    """
    places = {version.version: place_of(store, int(version.version)) for version in versions}
    there = {
        number: str(place)
        for number, place in places.items()
        if place is not None and place.is_dir() and place.resolve().is_relative_to(shared.resolve())
    }
    rows = _rows_there(backend, list(there.values()), customers) if there else pd.DataFrame(columns=list(COLUMNS))
    for version in versions:
        if version.version in there:
            of_version = rows[rows["as_of"] == pd.Timestamp(version.tags["as_of"])]
            yield of_version.assign(scorer_version=version.tags["scorer_version"])
        else:
            yield predictions_of(store, version, customers)


def _rows_there(backend: ClusterBackend, places: Sequence[str], customers: pd.Series) -> pd.DataFrame:
    name = ibis.util.gen_name("published")
    backend.session.read.schema(_PUBLISHED).parquet(*places).createOrReplaceTempView(name)
    return to_frame(backend.table(name).semi_join(ids_of(customers), "customer_id").to_pyarrow())


def ids_of(customers: pd.Series) -> ir.Table:
    """Give the ids of some customers, once each, as a table that is sent along with a query."""
    return ibis.memtable(pa.table({"customer_id": pa.array(sorted(set(customers)), pa.string())}))
