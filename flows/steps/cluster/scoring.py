"""The steps of a scoring on a cluster: describe everyone, score them there, write the scores, and sum them up."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from features.describe import describe
from features.purchases import summarise_purchases
from features.returns.kept import everyone_matched
from features.spine import everyone, left_joined
from features.tables import Tables
from flows.settings import Settings
from flows.steps.cluster.accounts import accounts_there
from flows.steps.cluster.actions import find_actions_there
from flows.steps.cluster.cohorts import follow_there
from flows.steps.cluster.judging import judge_there
from flows.steps.cluster.place import Cluster
from flows.steps.cluster.ranks import tenths
from flows.steps.cluster.watching import drift_there, measure_there, stability_there, transitions_there
from flows.steps.cluster.writing import check_written, with_features, write_features_there, write_there
from flows.steps.inputs import Inputs, input_digest
from flows.steps.measuring import Measured
from flows.steps.progress import step
from flows.steps.scoring import check_currency, tables_not_given
from models.actions.plan import Actions
from models.monitoring.drift import Drift
from models.monitoring.large_accounts import ScoredAccounts
from models.monitoring.prospective_calibration import ProspectiveCalibration
from models.monitoring.stability import Stability, Transitions
from models.population.cohort_groups import CohortGroups
from models.population.cohorts import Cohorts
from models.population.earlier_scores import needs_all_features
from models.population.scored import scores_metadata
from models.registry.cluster.lists import WithReasons
from models.registry.cluster.scorer import (
    BEFORE,
    QUOTED_SCHEMA,
    ClusterScorer,
    pack_scorer,
)
from models.registry.publication import FEATURES, as_of_before
from models.registry.published_file import FILE
from models.registry.scorers import Registered
from models.registry.store import Store
from models.release.release import Release
from models.scoring.columns import PROBABILITIES

SUMMED = ("expected_purchases", "expected_revenue", "clv", "next_purchase_index", "p_churn")
"""Columns of the scores of which sums by segment come to the driver."""
CONCENTRATED = ("clv", "expected_revenue")
"""Columns of which the report tells how much the first tenths of the customers bring."""


@dataclass(frozen=True)
class Sums:
    """Counts and sums of the scores, which the cluster made.

    Attributes
    ----------
    groups : pandas.DataFrame
        A row for each pair of segment and persona: customers, and of each of `SUMMED` the sum.
    rfm : pandas.DataFrame
        A row for each triple of quintiles: rfm, customers and clv.
    categories : pandas.DataFrame
        A row for each NPS category: nps_category, customers and the sums of the probabilities.
    tenths : dict of str to (list of float or None)
        Of each of `CONCENTRATED` the share of each tenth of the customers, the first ones first.
    """

    groups: pd.DataFrame
    rfm: pd.DataFrame
    categories: pd.DataFrame
    tenths: dict[str, list[float] | None]


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
    sums : Sums
        Of the scores.
    actions : Actions
        The action lists; their reasons are in the scores.
    transitions : Transitions or None
        Transitions since the earlier scores; None without them.
    stability : Stability
        Of features and scores of a sample, since the training.
    prospective : ProspectiveCalibration or None
        Calibration of predictions published before the answers came; None if there are no such predictions.
    measured : Measured
        The measures.
    drift : Drift
        Drift of the scorer's fit.
    without_behaviour : int
        Customers without the features that the second stage needs.
    without_purchase : int
        Customers with transactions who have kept nothing of what they bought.
    not_given : tuple of str
        Tables that the scorer's features come from, and that this run was not given.
    cohorts : Cohorts or None
        Who bought in each month since the first purchase, and what is to come; None without a forecast.
    cohort_groups : tuple of CohortGroups
        The same of groups of customers, of each grouping.
    accounts : ScoredAccounts or None
        Accounts that outweigh the others; None where there are none.
    """

    folder: Path
    metadata: dict[str, str]
    customers: int
    sums: Sums
    actions: Actions
    transitions: Transitions | None
    stability: Stability
    prospective: ProspectiveCalibration | None
    measured: Measured
    drift: Drift
    without_behaviour: int
    without_purchase: int
    not_given: tuple[str, ...]
    cohorts: Cohorts | None
    cohort_groups: tuple[CohortGroups, ...]
    accounts: ScoredAccounts | None


def score_there(
    store: Store, settings: Settings, cluster: Cluster, inputs: Inputs, chosen: Registered, run_id: str
) -> ScoredThere:
    """Describe and score everyone with a purchase before as_of, on the cluster, and check what was written.

    Parameters
    ----------
    store : Store
        It holds the scorer and the scores before.
    settings : Settings
        What to measure, and whether scores are explained.
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
    files, since = pack_scorer(store, chosen.version), as_of_before(store, as_of)
    with step(f"describe everyone as of {as_of}"):
        spine = everyone_matched(inputs.tables, as_of)
        described = backend.keep(describe(inputs.tables, spine, release.vocabulary), "described")
        before = None if since is None else _earlier(cluster, inputs.tables, since, release)
    currency = release.parameters.currency or inputs.intake.currency or ""
    provenance = {"run_id": run_id, "input_digest": input_digest(inputs.intake), "currency": currency}
    metadata = scores_metadata(release, chosen.version, as_of, provenance)
    with step(f"score everyone with scorer {chosen.version}"):
        scorer = ClusterScorer(files, chosen.version, as_of, provenance)
        rows = described if before is None else left_joined(described, before, ["customer_id"])
        scored = backend.keep_frame(backend.data_frame(rows).mapInArrow(scorer, QUOTED_SCHEMA), "scored")
    with step("make the action lists and explain the scores"):
        plan = find_actions_there(backend, scored, described, release, files, settings.reasons)
        actions, texts, reference = plan
    with step("write the scores, read them back and check them"):
        folder = backend.folder / "published"
        rows = scored if reference is None else with_features(scored, described, release)
        write_there(backend, rows, WithReasons(texts, files, reference), folder / FILE, metadata)
        scores = backend.read_parquet(folder / FILE, table_name="scores")
        customers = check_written(cluster, scores, metadata)
        if settings.publish_features:
            write_features_there(backend, described, folder / FEATURES)
    with step("sum the scores up, and check whether a retrain is due"):
        sums = _summed(scores, customers, has_forecast=release.scorer.has_forecast)
        transitions = None
        if since is not None and before is not None:
            transitions = transitions_there(backend, scored, before, since, as_of, files)
        stable = stability_there(inputs.tables, as_of, scored, described, release, customers)
        prospective = judge_there(store, backend, cluster.shared, inputs.tables, as_of, release, described)
        drift = drift_there(inputs.tables, as_of, release, customers)
    with step("compute the measures"):
        measured = measure_there(backend, settings, inputs)
    cohorts: Cohorts | None = None
    groups: tuple[CohortGroups, ...] = ()
    if release.scorer.has_forecast:
        with step("follow the cohorts"):
            cohorts, groups = follow_there(backend, settings, inputs, scored, described, files)
    all_customers = int(everyone(inputs.tables.transactions, as_of).table.count().to_pyarrow().as_py())
    return ScoredThere(
        folder,
        metadata,
        customers,
        sums,
        actions,
        transitions,
        stable,
        prospective,
        measured,
        drift,
        _count_without(described, release),
        all_customers - customers,
        tables_not_given(release, inputs),
        cohorts,
        groups,
        accounts_there(scored),
    )


def _earlier(cluster: Cluster, tables: Tables, since: date, release: Release) -> ir.Table:
    """Describe everyone at the earlier date, by the features that its scores need, whose names begin with `BEFORE`."""
    spine = everyone_matched(tables, since)
    if needs_all_features(release):
        earlier = describe(tables, spine, release.vocabulary)
    else:
        earlier = summarise_purchases(tables.transactions, spine)
    names = {f"{BEFORE}{name}": name for name in earlier.columns if name != "customer_id"}
    return cluster.backend.keep(earlier.rename(names), "described_before")


def _count_without(described: ir.Table, release: Release) -> int:
    """Count the customers who lack a feature that every customer had in the training of the second stage."""
    needed = release.parameters.second_stage.needed
    if not all(name in described.columns for name in needed):
        return int(described.count().to_pyarrow().as_py())
    everyone_there, whole = (
        int(each.count().to_pyarrow().as_py()) for each in (described, described.drop_null(list(needed)))
    )
    return everyone_there - whole if needed else 0


def _summed(scores: ir.Table, customers: int, *, has_forecast: bool) -> Sums:
    def by(names: Sequence[str], summed: Sequence[str]) -> pd.DataFrame:
        sums: dict[str, Any] = {name: scores[name].sum() for name in summed}
        table: pd.DataFrame = scores.group_by(list(names)).agg(customers=scores.count(), **sums).to_pandas()
        return table.astype(dict.fromkeys(summed, "float64"))

    shares = {name: tenths(scores, name, customers) if has_forecast else None for name in CONCENTRATED}
    groups = by(("segment", "persona"), SUMMED)
    return Sums(groups, by(["rfm"], ["clv"]), by(["nps_category"], PROBABILITIES), shares)
