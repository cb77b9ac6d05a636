"""``revealed measures``: the usual measures over one window and the one before, for people or programs."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from data.errors import InputError
from data.pseudonyms import Protection
from features.measures.definition import Measure
from features.measures.panel import measure
from features.measures.windows import Grouping, Windows
from flows.reports.measures import measures_json, measures_sections
from flows.reports.overview import effort_note
from flows.reports.sections import Section, show
from flows.settings import Settings
from flows.steps.inputs import Inputs, open_inputs, read_inputs
from flows.steps.measuring import grouping_by, measures_of, options_of
from flows.steps.progress import shown_on
from flows.steps.stores import open_existing_store
from models.population.purchase_index import purchase_index_measure
from models.population.segment_labels import segmentations_of, todays_segmentations
from models.registry.privacy.forgotten import protection_of
from models.registry.scorers import read_champion
from models.release.release import Release
from models.segments.segment_names import SEGMENTS


def run_measures(
    settings: Settings, start: date | None, days: int | None, by: str | None, *, as_json: bool, console: Console
) -> None:
    """Measure one window and the one before it, and print both.

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
        Where the measures are shown.

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
            if champion is not None:
                segmentations = segmentations_of(champion)
            else:
                segmentations = todays_segmentations(tables, inputs.as_of, settings.rfm_segments or SEGMENTS)
            grouping = grouping_by(tables, inputs.as_of, segmentations, by)
        values = measure(tables, windows, grouping, options_of(settings), measures)
        note = effort_note(settings, tables.answers)
    if as_json:
        console.print_json(measures_json(values, measures))
        return
    sections = measures_sections(values, measures, inputs.intake.currency)
    if grouping.customers is not None:
        sections.append(Section("Segments", (f"They are those at the end of the window, {inputs.as_of}.",)))
    show([*sections, *([Section("Customer effort", (note,))] if note else [])], console)


@contextmanager
def _opened(settings: Settings, console: Console | None) -> Iterator[Inputs]:
    """Read the tables that the settings name; they exist for as long as the block lasts."""
    with TemporaryDirectory(prefix="revealed-measures-") as folder, shown_on(console):
        yield open_inputs(read_inputs(settings, Path(folder), protection=_protection(settings)), settings)


def _protection(settings: Settings) -> Protection | None:
    """Say which customers the store has forgotten; None where there is no store. Nothing is kept of what is read."""
    try:
        store = open_existing_store(settings)
    except InputError:
        return None
    return protection_of(store, is_pseudonymous=False)


def _champion(settings: Settings) -> Release | None:
    """Return the champion's release; None where there is no store, or no champion in it that this code can read."""
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
