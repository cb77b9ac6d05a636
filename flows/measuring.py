"""The measures of the field over any window and by any segment: for people, for programs, and kept with a run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
import ibis.expr.types as ir
import pandas as pd
from rich.console import Console

from data.errors import InputError
from features.answer_measures import answer_measures
from features.event_measures import EVENT_MEASURES
from features.measure import Measure, MeasureOptions, sharing
from features.measures import measure
from features.purchase_measures import PURCHASE_MEASURES
from features.tables import Tables
from features.windows import Grouping, Windows
from flows.checking import effort_note
from flows.inputs import Inputs, open_inputs, read_inputs
from flows.measures_report import measures_json, measures_sections
from flows.progress import shown_on, step
from flows.report import Section, show
from flows.settings import Settings
from flows.stores import open_existing_store
from models.purchase_index import purchase_index_measure
from models.registry import read_champion
from models.release import Release
from models.rfm import SEGMENTS
from models.segments import segment_of, todays_rfm

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
        Of everyone, in `HISTORY` windows, as `features.measures.measure` gives it.
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


def grouping_by(tables: Tables, as_of: date, release: Release, name: str) -> Grouping:
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


def _by_customer(tables: Tables, as_of: date, release: Release, name: str) -> Grouping:
    labels = segment_of(tables, as_of, release, name)
    rows = pd.DataFrame({"customer_id": labels.index.astype(str), "group": labels.to_numpy()})
    return Grouping(str(labels.name or name), customers=ibis.memtable(rows))


def _is_given(rows: ir.Table | None, column: str) -> bool:
    """Whether any row has a value in a column."""
    if rows is None or column not in rows.columns:
        return False
    return bool(rows[column].count().to_pyarrow().as_py())


def run_measures(
    settings: Settings, start: date | None, days: int | None, by: str | None, *, as_json: bool, console: Console
) -> None:
    """Measure one window and the one before it, and print what was found.

    Parameters
    ----------
    settings : Settings
        What to read; ``as_of`` is the end of the window, exclusive.
    start : datetime.date or None
        First day of the window.
    days : int or None
        Its length, where no start is given; that of the settings where neither is.
    by : str or None
        Segmentation or column to measure by.
    as_json : bool
        Print JSON instead of tables.
    console : Console
        Where to.

    Raises
    ------
    InputError
        Where the input cannot be used, the window holds no day, or there is no such segmentation.
    """
    with _opened(settings, None if as_json else console) as inputs:
        windows = Windows(inputs.as_of, _length(settings, inputs.as_of, start, days))
        tables, champion = inputs.tables, _champion(settings)
        measures: Sequence[Measure] = measures_of(settings)
        if champion is not None:
            measures = (*measures, purchase_index_measure(champion))
        grouping = Grouping()
        if by is not None:
            release = champion or todays_rfm(tables, inputs.as_of, settings.rfm_segments or SEGMENTS)
            grouping = grouping_by(tables, inputs.as_of, release, by)
        found = measure(tables, windows, grouping, options_of(settings), measures)
        note = effort_note(settings, tables.answers)
    if as_json:
        console.print_json(measures_json(found, measures))
        return
    sections = measures_sections(found, measures, inputs.intake.currency)
    if grouping.customers is not None:
        sections.append(Section("Segments", (f"They are those at the end of the window, {inputs.as_of}.",)))
    show([*sections, *([Section("Customer effort", (note,))] if note else [])], console)


@contextmanager
def _opened(settings: Settings, console: Console | None) -> Iterator[Inputs]:
    """Read the tables the settings name, for as long as they are measured."""
    with TemporaryDirectory(prefix="revealed-measures-") as folder, shown_on(console):
        yield open_inputs(read_inputs(settings, Path(folder)), settings)


def _champion(settings: Settings) -> Release | None:
    """Give the champion's release; None where there is no store, or no champion in it that this code can read."""
    try:
        champion = read_champion(open_existing_store(settings))
        if champion is not None:
            champion.check_format()
    except InputError:
        return None
    return None if champion is None else champion.release


def _length(settings: Settings, end: date, start: date | None, days: int | None) -> int:
    if start is None:
        return days or settings.measure_days
    if days is not None:
        raise InputError("a window has a first day or a length in days: leave out --from, or --days")
    if start >= end:
        raise InputError(f"the window from {start} holds no day before its end, {end} (exclusive; --as-of)")
    return (end - start).days
