"""Writing scores on a cluster: the files that a version points to, with everyone's reasons, and their check."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from data.errors import RevealedError
from data.intake.cluster.session import ClusterBackend
from features.spine import left_joined
from flows.steps.cluster.place import Cluster
from models.population.scores_table import SCHEMA, as_metadata, write_common
from models.registry.cluster.lists import EXPLAINED, WithReasons
from models.registry.cluster.scorer import SPARK_SCHEMA, ContractCheck
from models.release.release import Release


def with_features(scored: ir.Table, described: ir.Table, release: Release) -> ir.Table:
    """Put the features that NPS scores are explained by beside scores, under names that begin with `EXPLAINED`."""
    read = [name for name in release.parameters.nps.features if name in described.columns]
    features = described.select("customer_id", **{f"{EXPLAINED}{name}": described[name] for name in read})
    return left_joined(scored, features, ["customer_id"])


def write_there(
    backend: ClusterBackend, scored: ir.Table, reasons: WithReasons, place: Path, metadata: Mapping[str, str]
) -> None:
    """Write scores with their reasons as a folder of Parquet files.

    Parameters
    ----------
    backend : ClusterBackend
        The session with the cluster.
    scored : ibis.expr.types.Table
        Kept rows of `models.registry.cluster.scorer.QUOTED_SCHEMA`, with the features that the reasons need.
    reasons : WithReasons
        Puts them into the rows.
    place : Path
        The folder.
    metadata : Mapping of str to str
        Of the scores.
    """
    _write_in_order(backend.data_frame(scored).mapInArrow(reasons, SPARK_SCHEMA), place)
    write_common(place, metadata)


def write_features_there(backend: ClusterBackend, described: ir.Table, place: Path) -> None:
    """Write the features of everyone as a folder of Parquet files, as they are published beside the scores."""
    _write_in_order(backend.data_frame(described), place)


def _write_in_order(frame: Any, place: Path) -> None:
    """Write rows by customer_id: those of one part of the ids lie together, so that a reader finds a customer."""
    # What an earlier attempt wrote is deleted: where it may write over files, Sail leaves out the order.
    shutil.rmtree(place, ignore_errors=True)
    frame.sort("customer_id").write.option("compression", "zstd").parquet(str(place))


def check_written(cluster: Cluster, scores: ir.Table, metadata: dict[str, str]) -> int:
    """Check scores as they were written: each part by its contract, and over all parts that no customer is repeated.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    RevealedError
        If they break the contract.
    """
    encoded = {key.encode(): value.encode() for key, value in as_metadata(metadata).items()}
    frame = cluster.backend.data_frame(scores.select(*SCHEMA.names))
    parts = frame.mapInArrow(ContractCheck(encoded), "rows bigint, without_forecast bigint")
    parts.createOrReplaceTempView("checked_parts")
    parts_of = cluster.backend.table("checked_parts")
    [row] = parts_of.agg(rows=parts_of["rows"].sum(), without=parts_of.without_forecast.sum()).to_pyarrow().to_pylist()
    rows, distinct = int(row["rows"] or 0), int(scores.customer_id.nunique().to_pyarrow().as_py())
    problem = (
        "holds no customer"
        if not rows
        else f"is repeated in {rows - distinct:,} rows"
        if rows != distinct
        else f"has a forecast in only {rows - row['without']:,} of {rows:,} rows"
        if row["without"] not in (0, rows)
        else None
    )
    if problem:
        raise RevealedError(f"the scores break their contract: customer_id {problem}; nothing was published")
    return rows
