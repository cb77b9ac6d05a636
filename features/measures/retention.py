"""Retention, churn and revenue per active customer of trade without contracts."""

import pandas as pd

from features.measures.answer_sums import with_interval
from features.measures.definition import Measure, MeasureOptions
from features.measures.figures import figures_of_purchases
from features.measures.intervals import ratio_interval, wilson_interval
from features.measures.profitability import account_sums
from features.measures.windows import Grouping, Windows
from features.tables import Tables

__all__ = ["RETENTION_MEASURES"]

NOBODY = "no customer was active at the start of this window"


def _retention(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    counts = _active_at_start(tables, windows, grouping, options)
    return with_interval(counts, wilson_interval(counts["kept"], counts["n"]), 100)


def _churn(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    counts = _active_at_start(tables, windows, grouping, options)
    return with_interval(counts, wilson_interval(counts["n"] - counts["kept"], counts["n"]), 100)


def _active_at_start(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    sums = account_sums(tables, windows, grouping, options)
    groups = sums[sums["active"] > 0]
    return groups.assign(n=groups["active"], why=None)


def _arpu(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    sums = account_sums(tables, windows, grouping, options).astype({"revenue": float})
    interval = ratio_interval(sums.n, sums.revenue, sums.halves / 2, sums.revenue2, sums.cross / 2, sums.halves2 / 4)
    return with_interval(sums.assign(why=None), interval)


RETENTION_MEASURES: tuple[Measure, ...] = (
    Measure(
        "retention",
        "Customer retention rate (CRR)",
        "%",
        "100 * (E - N) / S: S customers active at the window's start, E at its end, N of E not at its start; active is "
        "who bought within the inactivity days before. N counts who came back as well as who came, so that it is never "
        "above 100",
        figures_of_purchases(_retention, NOBODY, looks_back=True, needs_start=True),
    ),
    Measure(
        "churn",
        "Customer churn rate (CCR)",
        "%",
        "100 - retention: of the customers active at the window's start, those who are not at its end",
        figures_of_purchases(_churn, NOBODY, looks_back=True, needs_start=True),
    ),
    Measure(
        "arpu",
        "Average revenue per active customer (ARPU)",
        "money",
        "net revenue of the window, returns taken off / mean of the customers active at its start and at its end; "
        "active is who bought within the inactivity days before",
        figures_of_purchases(
            _arpu, "no customer was active at the start or the end of this window", looks_back=True, needs_start=True
        ),
    ),
)
