"""The measures of the field, over the windows of a run and by any segment."""

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
from models.population.segment_labels import segment_of
from models.release.release import Release
from models.segments.rfm import Rfm

# Columns of the rows themselves that are measured by.
ROW_COLUMNS = ("touchpoint", "channel", "store", "category")
# So many windows are measured anew in every scoring, so that a trend can be drawn from one run alone.
HISTORY = 12


@dataclass(frozen=True)
class Measured:
    """What a scoring measured.

    Attributes
    ----------
    history : pandas.DataFrame
        Of everyone, in `HISTORY` windows, as `features.measures.panel.measure` gives it.
    by_segment : pandas.DataFrame
        The newest window and the one before by touchpoint (measures of answers, where any has one) and by each
        attribute of the settings: the same with ``segmentation`` before; no rows without these.
    """

    history: pd.DataFrame
    by_segment: pd.DataFrame


def measures_of(settings: Settings) -> tuple[Measure, ...]:
    """Give all measures that need no model, of the questions that the settings name."""
    return (*answer_measures_of(settings), *PURCHASE_MEASURES, *EVENT_MEASURES)


def answer_measures_of(settings: Settings) -> tuple[Measure, ...]:
    """Give the measures of answers to the questions that the settings name."""
    return answer_measures(settings.nps_question, settings.satisfaction_question)


def options_of(settings: Settings) -> MeasureOptions:
    """Take from the settings what some measures need to be told."""
    return MeasureOptions(settings.churn_horizon, settings.core_action, settings.core_action_times)


def measure_run(settings: Settings, inputs: Inputs, release: Release) -> Measured:
    """Measure everyone over the last windows, and touchpoints and attributes over the newest and the one before."""
    measures, options, tables = measures_of(settings), options_of(settings), inputs.tables
    with step("take the measures of the field"), sharing():
        history = measure(tables, Windows(inputs.as_of, settings.measure_days, HISTORY), Grouping(), options, measures)
        # A scoring may do without the customers that the retraining was given.
        known = [] if tables.customers is None else tables.customers.columns
        names = [name for name in settings.segments if name in known]
        wanted = [(_by_customer(tables, inputs.as_of, release, name), measures) for name in names]
        if _is_given(tables.answers, "touchpoint"):
            wanted.append((Grouping("touchpoint", column="touchpoint"), answer_measures_of(settings)))
        windows = Windows(inputs.as_of, settings.measure_days)
        found = [
            measure(tables, windows, grouping, options, some).assign(segmentation=grouping.name)
            for grouping, some in wanted
        ]
    by_segment = pd.concat(found, ignore_index=True) if found else history[:0].assign(segmentation="")
    return Measured(history, by_segment.set_index("segmentation").reset_index())


def grouping_by(tables: Tables, as_of: date, release: Release | Rfm, name: str) -> Grouping:
    """Group by a column of the rows (touchpoint, channel, store, category), or by a segmentation of customers.

    Where no row has a value in that column, a column of customers of that name is meant.

    Raises
    ------
    InputError
        Where there is no such segmentation.
    """
    if any(name in ROW_COLUMNS and _is_given(rows, name) for rows in (tables.transactions, tables.answers)):
        return Grouping(name, column=name)
    if name in ROW_COLUMNS and name not in (() if tables.customers is None else tables.customers.columns):
        rows_of = "answers" if name == "touchpoint" else "transactions"
        raise InputError(f"{name}: the {rows_of} given have none; give the column {name} of {rows_of} to measure by it")
    return _by_customer(tables, as_of, release, name)


def _by_customer(tables: Tables, as_of: date, release: Release | Rfm, name: str) -> Grouping:
    labels = segment_of(tables, as_of, release, name)
    rows = pd.DataFrame({"customer_id": labels.index.astype(str), "group": labels.to_numpy()})
    return Grouping(str(labels.name or name), customers=ibis.memtable(rows))


def _is_given(rows: ir.Table | None, column: str) -> bool:
    """Whether any row has a value in a column."""
    if rows is None or column not in rows.columns:
        return False
    return bool(rows[column].count().to_pyarrow().as_py())
