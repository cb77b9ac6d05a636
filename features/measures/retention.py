"""Retention, churn and revenue per active customer of trade without contracts."""

import ibis
import pandas as pd

from features.measures.answer_sums import BY, with_interval
from features.measures.definition import Measure, MeasureOptions, shared
from features.measures.figures import figures_of_purchases, run_by_window
from features.measures.intervals import ratio_interval, wilson_interval
from features.measures.orders import SQUARED, active_customers
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
    sums = _sums(tables, windows, grouping, options)
    groups = sums[sums["active"] > 0]
    return groups.assign(n=groups["active"], why=None)


def _arpu(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    sums = _sums(tables, windows, grouping, options)
    interval = ratio_interval(sums.n, sums.revenue, sums.halves / 2, sums.revenue2, sums.cross / 2, sums.halves2 / 4)
    return with_interval(sums.assign(why=None), interval)


@shared
def _sums(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    """Add up revenue and activity: active counts who was so at the start, kept who of these is so at the end."""
    active = active_customers(tables, windows, grouping, options.inactivity_days)
    lines = windows.of(grouping.of(tables.transactions))
    nothing, zero = ibis.literal(0).cast("decimal(18, 4)"), ibis.literal(0).cast("int64")
    rows = ibis.union(
        active.select(
            "customer_id", *BY, amount=nothing, start=active.at_start.cast("int64"), end=active.at_end.cast("int64")
        ),
        lines.select("customer_id", *BY, amount=lines.amount.cast("decimal(18, 4)"), start=zero, end=zero),
    )
    of_customer = rows.group_by(["customer_id", *BY]).agg(
        revenue=rows.amount.sum(), start=rows.start.sum(), end=rows.end.sum()
    )
    # Active at both ends is 2 halves of a customer, at one is 1.
    revenue, halves = of_customer.revenue.cast(SQUARED), of_customer.start + of_customer.end
    return run_by_window(
        of_customer.group_by(BY).agg(
            n=of_customer.count(),
            active=of_customer.start.sum(),
            kept=(of_customer.start * of_customer.end).sum(),
            revenue=revenue.sum(),
            halves=halves.sum(),
            revenue2=(revenue * revenue).sum(),
            cross=(revenue * halves).sum(),
            halves2=(halves * halves).sum(),
        )
    ).astype(dict.fromkeys(("revenue", "revenue2", "cross"), float))


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
