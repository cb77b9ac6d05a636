"""What the measures of purchases and events share: figures by window and group, and where their data begin too late."""

from datetime import date, timedelta

import ibis.expr.types as ir
import pandas as pd

from features.measures.answer_sums import BY, Compute
from features.measures.definition import MeasureOptions, absent, shared, with_empty_windows
from features.measures.numbered.customers import numbered_purchases
from features.measures.windows import Grouping, Windows
from features.spine import midnight
from features.tables import Tables


def figures_of_purchases(
    figures: Compute,
    nothing: str,
    *,
    looks_back: bool = False,
    needs_start: bool = False,
) -> Compute:
    """Make the function that computes a measure of purchases, and gives no value where its data begin too late.

    Parameters
    ----------
    figures
        Gives `FIGURES` of the windows and groups with rows, in one query.
    nothing
        Why there is no value where it gives none, such as "no orders in this window".
    looks_back
        Whether the inactivity days before a window count as well.
    needs_start
        Whether who was active at a window's start must be known.

    Returns
    -------
    callable
        The `compute` of a `Measure`. A window before the first transaction has no value. One that begins before it,
        or looks back to before it, has a value, and `why` holds the caution to read it with.
    """

    def compute(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
        if not grouping.applies_to(tables.transactions):
            return absent(f"transactions have no column {grouping.column}", windows)
        began = first_day(tables.transactions, windows.until)
        if began is None:
            return absent(f"no transactions before {windows.until}", windows)
        tables, grouping = numbered_purchases(tables, windows.until, grouping)
        full = with_empty_windows(figures(tables, windows, grouping, options), windows, nothing)
        reach = options.inactivity_days if looks_back else 0
        return with_beginning(full, windows, began, "transactions", reach, needs_start=needs_start)

    return compute


def run_by_window(table: ir.Table) -> pd.DataFrame:
    """Run an expression that has one row per window and group, and give these in a fixed order."""
    frame: pd.DataFrame = table.order_by(BY).to_pandas()
    return frame


def why_not(has_value: pd.Series, why: str) -> pd.Series:
    """Say why there is no value: None where there is one, else the reason."""
    return pd.Series(why, index=has_value.index, dtype=object).mask(has_value.astype(bool), None)


@shared
def first_day(rows: ir.Table, until: date) -> date | None:
    """Day of the oldest row available before a midnight; None where there is none."""
    first = rows.filter(rows.available_at < midnight(until)).ts.min().to_pyarrow().as_py()
    return None if first is None else first.date()


def with_beginning(
    figures: pd.DataFrame, windows: Windows, began: date, rows: str, reach: int = 0, *, needs_start: bool = False
) -> pd.DataFrame:
    """Take back the values of windows before the data began, and caution where a window is known in part.

    Parameters
    ----------
    figures
        `FIGURES`, every window of every group.
    windows
        The windows.
    began
        First day of the data.
    rows
        What begins, such as "transactions".
    reach
        Days before a window that count as well.
    needs_start
        Whether a window that does not begin after `began` has no value.

    Returns
    -------
    DataFrame
        `FIGURES`.
    """
    judged = figures.copy()
    for number in range(windows.count):
        start, end = windows.start(number), windows.end(number)
        here = judged["window"] == number
        begin = f"the {rows} given begin on {began}"
        if end <= began:
            unknown = f"{begin}, after this window"
        elif needs_start and start <= began:
            unknown = f"{begin}: nobody is known to be active at the start of this window"
        else:
            unknown = None
        if unknown is not None:
            judged.loc[here, ["value", "low", "high"]] = float("nan")
            judged.loc[here, "n"] = 0
            judged.loc[here, "why"] = unknown
        elif start < began:
            _caution(judged, here, f"{begin}, within this window")
        elif start - timedelta(days=reach) < began:
            _caution(judged, here, f"{begin}: who bought only before it is not known to be active")
    return judged


def _caution(figures: pd.DataFrame, here: pd.Series, caution: str) -> None:
    """Add to what values must be read with; where there is no value the reason for that stands."""
    valued = here & figures["value"].notna()
    both = figures.loc[valued, "why"].map(lambda why: caution if why is None else f"{why}; {caution}")
    figures.loc[valued, "why"] = both
