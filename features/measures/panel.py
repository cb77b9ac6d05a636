"""All measures of the field at once, over windows and groups, with the comparison to the window before."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from features.measures.definition import Measure, MeasureOptions, sharing
from features.measures.engagement import EVENT_MEASURES
from features.measures.intervals import change_interval
from features.measures.repurchase import PURCHASE_MEASURES
from features.measures.survey import ANSWER_MEASURES
from features.measures.windows import Grouping, Windows
from features.tables import Tables

__all__ = ["MEASURES", "MEASURE_COLUMNS", "measure"]

MEASURES: tuple[Measure, ...] = (*ANSWER_MEASURES, *PURCHASE_MEASURES, *EVENT_MEASURES)
MEASURE_COLUMNS = (
    *("measure", "title", "unit", "group", "window", "start", "end"),
    *("value", "low", "high", "n", "why", "before", "n_before", "change", "change_low", "change_high"),
)
# Of fewer answers a figure is told, but it says nothing of a level.
FEWEST_FOR_LEVEL = 10
_OF_ANSWERS = frozenset(one.name for one in ANSWER_MEASURES)
EVERYONE = Grouping()
NOTHING_TOLD = MeasureOptions()


def measure(
    tables: Tables,
    windows: Windows,
    grouping: Grouping = EVERYONE,
    options: MeasureOptions = NOTHING_TOLD,
    measures: Sequence[Measure] = MEASURES,
) -> pd.DataFrame:
    """Compute measures in every window and group. Grain: one row per measure, group and window.

    Each measure is computed over all windows in one go, so that a history of twelve costs hardly more than two.

    Parameters
    ----------
    tables
        The clean tables of a shop. A measure whose table or column is not there has no value, and says why.
    windows
        The windows, of which number 0 is the newest.
    grouping
        By what; a measure that cannot be grouped by it has one group "everyone" without a value.
    options
        The settings of measures.
    measures
        Which, in the order of the rows.

    Returns
    -------
    DataFrame
        `MEASURE_COLUMNS`: measure (its name), title, unit, group, window (0 the newest), start and end (dates, the end
        exclusive), value, low and high (95 %; NaN where none is given), n (how many answers or customers), why (what
        is missing where there is no value; beside a value, a caution to read it with; else None), before and n_before
        (value and n of the next older window; NaN and 0 for the oldest), change (value - before), change_low and
        change_high (95 %, of measures of answers only: of the others, both windows hold mostly the same customers). By
        measure, then group, then window.
    """
    parts = []
    with sharing():
        for one in measures:
            figures = one.compute(tables, windows, grouping, options).sort_values(["group", "window"])
            parts.append(figures.assign(measure=one.name, title=one.title, unit=one.unit))
    if not parts:
        return pd.DataFrame(columns=list(MEASURE_COLUMNS))
    rows = pd.concat(parts, ignore_index=True).astype({"window": "int64", "n": "int64"})
    return _with_change(_with_cautions(rows)).assign(
        start=[windows.start(number) for number in rows["window"]],
        end=[windows.end(number) for number in rows["window"]],
    )[list(MEASURE_COLUMNS)]


def _with_change(rows: pd.DataFrame) -> pd.DataFrame:
    # Every group has every window, the newest first: the one before in time is the row after.
    names = ["value", "low", "high", "n"]
    before = rows.groupby(["measure", "group"], sort=False)[names].shift(-1)
    now, then = ([frame[name].to_numpy(float) for name in names[:3]] for frame in (rows, before))
    change, low, high = change_interval((now[0], now[1], now[2]), (then[0], then[1], then[2]))
    of_answers = rows["measure"].isin(_OF_ANSWERS).to_numpy()
    return rows.assign(
        before=before["value"],
        n_before=before["n"].fillna(0).astype("int64"),
        change=change,
        change_low=np.where(of_answers, low, np.nan),
        change_high=np.where(of_answers, high, np.nan),
    )


def _with_cautions(rows: pd.DataFrame) -> pd.DataFrame:
    """Say of figures of few answers that they tell no level."""
    few = rows["measure"].isin(_OF_ANSWERS) & rows["value"].notna() & (rows["n"] < FEWEST_FOR_LEVEL)
    caution = f"of fewer than {FEWEST_FOR_LEVEL}, which tells no level"
    told = rows["why"].astype(object)
    told[few] = [caution if why is None else f"{why}; {caution}" for why in told[few]]
    return rows.assign(why=told)
