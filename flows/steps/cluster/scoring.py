"""The steps of a scoring on a cluster: describe everyone, score them there, write the scores, and sum them up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from data.errors import RevealedError
from features.describe import describe
from features.purchases import summarise_purchases
from features.returns.kept import everyone_matched
from features.spine import everyone, left_joined
from features.tables import Tables
from flows.steps.cluster.place import Cluster
from flows.steps.inputs import Inputs, input_digest
from flows.steps.progress import step
from flows.steps.scoring import check_currency, tables_not_given
from models.monitoring.drift import Drift, measure_drift
from models.population.scored import needs_all_features, scores_metadata
from models.population.scores_table import SCHEMA, as_metadata, write_common
from models.registry.cluster.scorer import BEFORE, SPARK_SCHEMA, ClusterScorer, ContractCheck, pack_scorer
from models.registry.publication import as_of_before
from models.registry.published_file import FILE
from models.registry.scorers import Registered
from models.registry.store import Store
from models.release.release import Release

SUMMED = ("expected_purchases", "expected_revenue", "clv", "next_purchase_index", "p_churn")
"""Columns of the scores of which sums by segment come to the driver."""


@dataclass(frozen=True)
class ScoredThere:
    """What the driver knows of scores that were written by a cluster.

    Attributes
    ----------
    folder : Path
        Holds `scores.parquet`, a folder of Parquet files.
    metadata : dict of str to str
        Of the scores.
    customers : int
        Rows.
    groups : pandas.DataFrame
        A row for each pair of segment and persona: customers, and of each of `SUMMED` the sum.
    transitions : pandas.DataFrame
        A row for each of segment_before, segment, nps_category_before and nps_category: customers; empty without
        earlier scores.
    since : datetime.date or None
        The date of the earlier scores.
    drift : Drift
        Drift of the scorer's fit.
    without_purchase : int
        Customers with transactions who have kept nothing of what they bought.
    not_given : tuple of str
        Tables that the scorer's features come from, and that this run was not given.
    """

    folder: Path
    metadata: dict[str, str]
    customers: int
    groups: pd.DataFrame
    transitions: pd.DataFrame
    since: date | None
    drift: Drift
    without_purchase: int
    not_given: tuple[str, ...]


def score_there(store: Store, cluster: Cluster, inputs: Inputs, chosen: Registered, run_id: str) -> ScoredThere:
    """Describe and score everyone with a purchase before as_of, on the cluster, and check what was written.

    Parameters
    ----------
    store : Store
        It holds the scorer and the scores before.
    cluster : Cluster
        The session, and where the scores are written.
    inputs : Inputs
        The tables, which lie on the cluster, and as_of.
    chosen : Registered
        The scorer to score with.
    run_id : str
        The scoring run.

    Raises
    ------
    InputError
        If the data's currency is not the scorer's.
    RevealedError
        If the scores break their contract.
    """
    check_currency(inputs, chosen)
    release, as_of, backend = chosen.release, inputs.as_of, cluster.backend
    with step(f"describe everyone as of {as_of}"):
        spine = everyone_matched(inputs.tables, as_of)
        described = backend.keep(describe(inputs.tables, spine, release.vocabulary), "described")
        since = as_of_before(store, as_of)
        if since is not None:
            described = _beside_earlier(cluster, described, inputs.tables, since, release)
    currency = release.parameters.currency or inputs.intake.currency or ""
    provenance = {"run_id": run_id, "input_digest": input_digest(inputs.intake), "currency": currency}
    metadata = scores_metadata(release, chosen.version, as_of, provenance)
    with step(f"score everyone with scorer {chosen.version}"):
        scorer = ClusterScorer(pack_scorer(store, chosen.version), chosen.version, as_of, provenance)
        folder = backend.folder / "published"
        place = folder / FILE
        # Rows of one customer's neighbours lie together, so that a reader finds a customer in a part of the files.
        frame = backend.data_frame(described).mapInArrow(scorer, SPARK_SCHEMA)
        frame.sort("customer_id").write.mode("overwrite").option("compression", "zstd").parquet(str(place))
        write_common(place, metadata)
    with step("read the scores back and check them"):
        scores = backend.read_parquet(place, table_name="scores")
        customers = check_written(cluster, scores, metadata)
    with step("sum the scores up, and check whether a retrain is due"):
        groups = _sums(scores, ("segment", "persona"))
        changed = ("segment_before", "segment", "nps_category_before", "nps_category")
        transitions = _counts(scores.drop_null("segment_before"), changed)
        drift = drift_there(inputs, release)
    all_customers = int(everyone(inputs.tables.transactions, as_of).table.count().to_pyarrow().as_py())
    return ScoredThere(
        folder,
        metadata,
        customers,
        groups,
        transitions,
        since,
        drift,
        all_customers - customers,
        tables_not_given(release, inputs),
    )


def drift_there(inputs: Inputs, release: Release) -> Drift:
    """Measure drift by the counts of histories, which the cluster makes."""
    parameters = release.parameters
    return measure_drift(
        inputs.tables,
        inputs.as_of,
        parameters.purchases,
        release.training_fit,
        parameters.horizon,
        clock=release.scorer.clock,
    )


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


def _beside_earlier(cluster: Cluster, described: ir.Table, tables: Tables, since: date, release: Release) -> ir.Table:
    """Put the features of the earlier date beside those of today."""
    spine = everyone_matched(tables, since)
    if needs_all_features(release):
        earlier = describe(tables, spine, release.vocabulary)
    else:
        earlier = summarise_purchases(tables.transactions, spine)
    names = {f"{BEFORE}{name}": name for name in earlier.columns if name != "customer_id"}
    kept = cluster.backend.keep(earlier.rename(names), "described_before")
    return left_joined(described, kept, ["customer_id"])


def _counts(scores: ir.Table, names: Sequence[str]) -> pd.DataFrame:
    counted: pd.DataFrame = scores.group_by(list(names)).agg(customers=scores.count()).to_pandas()
    return counted


def _sums(scores: ir.Table, names: Sequence[str]) -> pd.DataFrame:
    sums: dict[str, Any] = {name: scores[name].sum() for name in SUMMED}
    summed: pd.DataFrame = scores.group_by(list(names)).agg(customers=scores.count(), **sums).to_pandas()
    return summed.astype(dict.fromkeys(SUMMED, "float64"))
