"""All measures of the field at once, over windows and groups, with the comparison to the window before."""

from collections.abc import Sequence

import pandas as pd

from features.measures.definition import Measure, MeasureOptions, sharing
from features.measures.engagement import EVENT_MEASURES
from features.measures.repurchase import PURCHASE_MEASURES
from features.measures.survey import ANSWER_MEASURES
from features.measures.windows import Grouping, Windows
from features.tables import Tables

__all__ = ["MEASURES", "MEASURE_COLUMNS", "measure"]

MEASURES: tuple[Measure, ...] = (*ANSWER_MEASURES, *PURCHASE_MEASURES, *EVENT_MEASURES)
MEASURE_COLUMNS = (
    *("measure", "title", "unit", "group", "window", "start", "end"),
    *("value", "low", "high", "n", "why", "before", "change"),
)
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
        is missing where there is no value; beside a value, a caution to read it with; else None), before (value of the
        next older window, NaN for the oldest), change (value - before). By measure, then group, then window.
    """
    parts = []
    with sharing():
        for one in measures:
            figures = one.compute(tables, windows, grouping, options).sort_values(["group", "window"])
            parts.append(figures.assign(measure=one.name, title=one.title, unit=one.unit))
    if not parts:
        return pd.DataFrame(columns=list(MEASURE_COLUMNS))
    rows = pd.concat(parts, ignore_index=True).astype({"window": "int64", "n": "int64"})
    # Every group has every window, the newest first: the one before in time is the row after.
    before = rows.groupby(["measure", "group"], sort=False)["value"].shift(-1)
    return rows.assign(
        start=[windows.start(number) for number in rows["window"]],
        end=[windows.end(number) for number in rows["window"]],
        before=before,
        change=rows["value"] - before,
    )[list(MEASURE_COLUMNS)]
