"""What a scoring on a cluster looks at beside the scores: measures, transitions, distributions and drift."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date

import ibis.expr.types as ir
import pandas as pd
from ibis.common.exceptions import OperationNotDefinedError, UnsupportedOperationError
from pyspark.errors import UnsupportedOperationException

from data.intake.cluster.session import ClusterBackend
from features.describe import described_beside, feature_names
from features.engine.stored import to_frame
from features.labels import labelled_answers
from features.measures.definition import Measure, MeasureOptions, absent, sharing
from features.measures.panel import measure
from features.measures.windows import Grouping, Windows
from features.spine import is_drawn
from features.tables import Tables, tables_of
from flows.settings import Settings
from flows.steps.cluster.levels import grouping_there
from flows.steps.inputs import Inputs
from flows.steps.measuring import HISTORY, Measured, answer_measures_of, has_values, measures_of, options_of
from models.monitoring.drift import Drift, measure_drift
from models.monitoring.stability import MOVED_BY, OF_BASE, OF_RESPONDENTS, OF_SCORES, SCORES, Stability, Transitions
from models.purchases.counts import MOST_HISTORIES
from models.registry.cluster.changes import CHANGES_SCHEMA, COUNTED, Changes, transitions_of
from models.registry.cluster.scorer import BEFORE
from models.release.release import Release
from models.stats.population_stability import stability

# Customers whose distributions are compared with the training's: as many as the other samples of a base have.
LARGEST_SAMPLE = 20_000
# What an engine says that does not know an operation: Ibis, before it asks, or the engine itself.
NOT_DONE = (UnsupportedOperationError, OperationNotDefinedError, UnsupportedOperationException)


def measure_there(backend: ClusterBackend, settings: Settings, inputs: Inputs) -> Measured:
    """Measure as `flows.steps.measuring.measure_run` does, by the cluster's counts.

    A measure that the cluster's engine does not know the operations of has no value, and says so.
    """
    options, tables = options_of(settings), inputs.tables
    measures = [_where_it_is_known(each) for each in measures_of(settings)]
    windows = Windows(inputs.as_of, settings.measure_days)
    with sharing():
        history = measure(tables, Windows(inputs.as_of, settings.measure_days, HISTORY), Grouping(), options, measures)
        columns = [] if tables.customers is None else tables.customers.columns
        names = [name for name in settings.segments if name in columns]
        groupings = [(grouping_there(backend, tables, inputs.as_of, name), measures) for name in names]
        if has_values(tables.answers, "touchpoint"):
            of_answers = [_where_it_is_known(each) for each in answer_measures_of(settings)]
            groupings.append((Grouping("touchpoint", column="touchpoint"), of_answers))
        panels = [
            measure(tables, windows, grouping, options, its_measures).assign(segmentation=grouping.name)
            for grouping, its_measures in groupings
        ]
    by_segment = pd.concat(panels, ignore_index=True) if panels else history[:0].assign(segmentation="")
    return Measured(history, by_segment.set_index("segmentation").reset_index())


def _where_it_is_known(each: Measure) -> Measure:
    def compute(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
        try:
            return each.compute(tables, windows, grouping, options)
        except NOT_DONE:
            return absent("the engine of the cluster does not know an operation that this measure needs", windows)

    return replace(each, compute=compute)


def transitions_there(
    backend: ClusterBackend, scored: ir.Table, before: ir.Table, since: date, as_of: date, files: bytes
) -> Transitions:
    """Count transitions as `models.monitoring.stability.transitions_since` does, of parts of the base at once.

    Parameters
    ----------
    backend : ClusterBackend
        The session with the cluster.
    scored : ibis.expr.types.Table
        Kept scores of today.
    before : ibis.expr.types.Table
        Kept features of the earlier date, with names that begin with `BEFORE`.
    since, as_of : datetime.date
        The earlier date, and today's.
    files : bytes
        The version of the scorer, packed.
    """
    either = before.outer_join(scored.select(*MOVED_BY), "customer_id", rname="{name}_now")
    customer = either.customer_id.coalesce(either.customer_id_now)
    either = either.mutate(customer_id=customer).drop("customer_id_now")
    frame = backend.data_frame(either).mapInArrow(Changes(files, since, as_of), CHANGES_SCHEMA)
    frame.createOrReplaceTempView("changes")
    counts = backend.table("changes")
    sums = counts.group_by(list(COUNTED)).agg(value=counts["value"].sum())
    return transitions_of(since, to_frame(sums.to_pyarrow()))


def stability_there(
    tables: Tables, as_of: date, scored: ir.Table, described: ir.Table, release: Release, customers: int
) -> Stability:
    """Compare distributions with the training's, by samples drawn by a hash of the ids.

    Those of the features and scores of everyone, and of the features of those who answered since, where anybody did.
    """
    profiles, share = release.parameters.profiles or {}, min(LARGEST_SAMPLE / max(customers, 1), 1.0)

    def sample(table: ir.Table, names: Sequence[str]) -> Callable[[], pd.DataFrame]:
        drawn = table.filter(is_drawn(table.customer_id, share, release.parameters.seed))
        return lambda: to_frame(drawn.select(*names).to_pyarrow())

    own = [name for name in feature_names(release.vocabulary) if not name.startswith(BEFORE)]
    samples = {OF_BASE: sample(described, own), OF_SCORES: sample(scored, SCORES)}
    compared = {
        name: stability(profiles[name], take(), same_customers=True)
        for name, take in samples.items()
        if name in profiles
    }
    if tables.answers is None or OF_RESPONDENTS not in profiles or as_of <= release.as_of:
        return Stability(release.as_of, compared, 0)
    answers, share = _new_answers(tables, tables.answers, as_of, release)
    if len(answers):
        compared[OF_RESPONDENTS] = stability(profiles[OF_RESPONDENTS], answers)
    return Stability(release.as_of, compared, round(len(answers) / share))


def _new_answers(tables: Tables, answers: ir.Table, as_of: date, release: Release) -> tuple[pd.DataFrame, float]:
    """Give the answers since the training with the features of their customers; of many a share is drawn."""
    of = release.parameters
    given = labelled_answers(answers, of.nps_question, before=as_of, since=release.as_of, gap_days=of.label_gap_days)
    share = min(LARGEST_SAMPLE / max(int(given.count().to_pyarrow().as_py()), 1), 1.0)
    drawn = given.filter(is_drawn(given.customer_id, share, of.seed))
    return described_beside(tables, drawn, release.vocabulary), share


def drift_there(tables: Tables, as_of: date, release: Release, customers: int) -> Drift:
    """Measure drift by the counts of histories, of customers drawn by a hash of their ids where they are many.

    Parameters
    ----------
    tables, as_of
        The shop's checked tables, which lie on the cluster; the date is exclusive.
    release : Release
        The scorer's.
    customers : int
        Of the base.
    """
    of, training, share = release.parameters, release.training_fit, min(MOST_HISTORIES / max(customers, 1), 1.0)
    if share < 1.0:
        transactions = tables.transactions
        tables = tables_of(transactions.filter(is_drawn(transactions.customer_id, share, of.seed)))
        # It is told where the customers of then are others than those of the training.
        training = training and replace(training, customers=round(training.customers * share))
    drift = measure_drift(tables, as_of, of.purchases, training, of.horizon, clock=release.scorer.clock)
    if share == 1.0 or drift.fit is None:
        return drift
    note = f"Drift is measured of {drift.customers:,} of {customers:,} customers, drawn by a hash of their ids."
    return replace(drift, notes=(*drift.notes, note))
