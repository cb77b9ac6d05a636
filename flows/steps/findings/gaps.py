"""What is missing in the days of transactions: a long time without any sale in the middle of a busy shop."""

from collections.abc import Iterator
from datetime import date

import ibis.expr.types as ir
import numpy as np
from numpy.typing import NDArray

from flows.steps.findings.finding import Finding

_SHORTEST = 28
"""Days that a gap has at least: shops close for some weeks."""
_BESIDE = 14
"""Days with sales and without that must be known on either side of it."""
_CHANCE = 1e-6
"""A gap is told where chance would make such a one, by the days with sales beside it, so seldom in the history."""
_YEAR = 365


def find_gaps(transactions: ir.Table) -> Iterator[Finding]:
    """Find the longest time without a sale, where the shop sells on so many days that chance does not explain it.

    A gap at the season of one a year before or after is none: the shop is closed then.

    Parameters
    ----------
    transactions
        Clean transactions, at least one.
    """
    column = transactions.select(day=transactions.ts.date()).distinct().order_by("day").to_pyarrow()["day"]
    days = column.to_numpy().astype("datetime64[D]").astype(np.int64)
    gaps = {(int(days[k]), int(days[k + 1])) for k in np.flatnonzero(np.diff(days) > _SHORTEST)}
    odd = {gap: share for gap in gaps if (share := _unlikely(days, *gap)) and not _is_season(gap, gaps)}
    if not odd:
        return
    first, last = max(odd, key=lambda gap: (gap[1] - gap[0], gap))
    others = f" Other such gaps: {len(odd) - 1:,}." if len(odd) > 1 else ""
    yield Finding(
        f"No sale lies between {_date(first)} and {_date(last)}, {last - first - 1:,} days, while of the days beside "
        f"them {100 * odd[first, last]:.0f} % have sales.{others} If a file of these days is missing, add it, as "
        "customers look lost otherwise. If the shop was closed, nothing is wrong."
    )


def _unlikely(days: NDArray[np.int64], first: int, last: int) -> float:
    """Give the share of days with sales beside a gap; 0 where the gap may be chance, or too little is known."""
    length = last - first - 1
    begin, end = max(days[0], first - length), min(days[-1], last + length)
    if min(first - begin, end - last) + 1 < _BESIDE:
        return 0.0
    before = np.count_nonzero((days >= begin) & (days <= first)) / (first - begin + 1)
    after = np.count_nonzero((days >= last) & (days <= end)) / (end - last + 1)
    share = float(min(before, after))
    return share if (1.0 - share) ** length * (days[-1] - days[0] + 1) < _CHANCE else 0.0


def _is_season(gap: tuple[int, int], gaps: set[tuple[int, int]]) -> bool:
    """Whether half of a gap was without sales a year before or after, too."""
    moved = [(gap[0] + year, gap[1] + year) for year in (-_YEAR, _YEAR)]
    return any(2 * (min(a[1], b[1]) - max(a[0], b[0])) > gap[1] - gap[0] for a in moved for b in gaps)


def _date(day: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day)
