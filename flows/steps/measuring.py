"""The standard measures (NPS, repeat purchases, visits and others), over the windows of a run and by any segment."""

from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import pandas as pd

from data.errors import InputError
from features.measures.definition import Measure, MeasureOptions, sharing
from features.measures.engagement import EVENT_MEASURES
from features.measures.panel import measure
from features.measures.repurchase import PURCHASE_MEASURES
from features.measures.survey import answer_measures
from features.measures.windows import Grouping, Windows
from features.tables import Tables
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from models.population.segment_labels import Segmentations, segment_of, segmentations_of
from models.release.release import Release

# Columns of transactions and answers that rows can be grouped by.
ROW_COLUMNS = ("touchpoint", "channel", "store", "category")
# Every scoring measures this many windows anew, so that one run alone is enough to draw a trend.
HISTORY = 12


@dataclass(frozen=True)
class Measured:
    """The measures of a scoring.

    Attributes
    ----------
    history : pandas.DataFrame
        All customers, in `HISTORY` windows, as `features.measures.panel.measure` gives it.
    by_segment : pandas.DataFrame
        The newest window and the one before it, by touchpoint (measures of answers, if any answer has one) and by
        each attribute of the settings: the columns of ``history``, with ``segmentation`` before them. Without
        touchpoints and attributes there are no rows.
    """

    history: pd.DataFrame
    by_segment: pd.DataFrame


def measures_of(settings: Settings) -> tuple[Measure, ...]:
    """Return all measures that need no model, for the questions that the settings name."""
    return (*answer_measures_of(settings), *PURCHASE_MEASURES, *EVENT_MEASURES)


def answer_measures_of(settings: Settings) -> tuple[Measure, ...]:
    """Return the measures of answers to the questions that the settings name."""
    return answer_measures(settings.nps_question, settings.satisfaction_question)


def options_of(settings: Settings) -> MeasureOptions:
    """Take the options of measures from the settings."""
    return MeasureOptions(settings.churn_horizon, settings.core_action, settings.core_action_times)


def measure_run(settings: Settings, inputs: Inputs, release: Release) -> Measured:
    """Measure everyone over `HISTORY` windows, and touchpoints and attributes over the newest two."""
    measures, options, tables = measures_of(settings), options_of(settings), inputs.tables
    with step("compute the measures"), sharing():
        history = measure(tables, Windows(inputs.as_of, settings.measure_days, HISTORY), Grouping(), options, measures)
        # A scoring need not be given the table of customers that the retraining was given.
        columns = [] if tables.customers is None else tables.customers.columns
        segmentations = segmentations_of(release)
        names = [name for name in settings.segments if name in columns]
        groupings = [(_by_customer(tables, inputs.as_of, segmentations, name), measures) for name in names]
        if has_values(tables.answers, "touchpoint"):
            groupings.append((Grouping("touchpoint", column="touchpoint"), answer_measures_of(settings)))
        windows = Windows(inputs.as_of, settings.measure_days)
        panels = [
            measure(tables, windows, grouping, options, its_measures).assign(segmentation=grouping.name)
            for grouping, its_measures in groupings
        ]
    by_segment = pd.concat(panels, ignore_index=True) if panels else history[:0].assign(segmentation="")
    return Measured(history, by_segment.set_index("segmentation").reset_index())


def grouping_by(tables: Tables, as_of: date, segmentations: Segmentations, name: str) -> Grouping:
    """Group by a column of the rows (touchpoint, channel, store, category), or by a segmentation of customers.

    If no row has a value in that column, the name means a column of customers.

    Raises
    ------
    InputError
        If there is no such segmentation.
    """
    if any(name in ROW_COLUMNS and has_values(rows, name) for rows in (tables.transactions, tables.answers)):
        return Grouping(name, column=name)
    if name in ROW_COLUMNS and name not in (() if tables.customers is None else tables.customers.columns):
        rows_of = "answers" if name == "touchpoint" else "transactions"
        raise InputError(f"{name}: no row of {rows_of} has one; fill the column {name} of {rows_of} to measure by it")
    return _by_customer(tables, as_of, segmentations, name)


def _by_customer(tables: Tables, as_of: date, segmentations: Segmentations, name: str) -> Grouping:
    labels = segment_of(tables, as_of, segmentations, name)
    rows = pd.DataFrame({"customer_id": labels.index.astype(str), "group": labels.to_numpy()})
    return Grouping(str(labels.name or name), customers=ibis.memtable(rows))


def has_values(rows: ir.Table | None, column: str) -> bool:
    """Whether any row has a value in a column."""
    if rows is None or column not in rows.columns:
        return False
    return bool(rows[column].count().to_pyarrow().as_py())
