"""What the purchase models of a date learn from: equal histories, counted where the purchases lie.

Where few customers share a history there are nearly as many histories as customers. Beyond a number that one machine
takes, histories that are nearly alike are put together in cells, each of which stands for its customers at their mean:
ages become spans that widen with age, values become steps of their logarithm; numbers of purchases stay as they are.
The likelihood is smooth in both, so what is lost is of the second order in the width of a cell.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt

from features.engine.compiled import Rows, compiled, kept_meanwhile
from features.outcomes import counts_by_day
from features.purchases import purchase_statistics, purchase_summary, spend_statistics
from features.returns.matching import NO_RETURNS
from features.tables import Tables
from models.purchases.bg_nbd_likelihood import SufficientStatistics, count_sufficient_statistics
from models.purchases.returns_to_come import returns_to_come_at
from models.scoring.parameters import ReturnsToCome
from models.stats.typing import Floats

# Histories that leave a cluster, of purchases and of spends each: 32 and 24 MB. A million customers over two years have
# .6 million histories of purchases. In 3,777 cells instead of CDNOW's 11,104 histories no parameter of BG/NBD moves by
# more than .012 of its standard error, in 1,681 by .065; in 1,698 cells of 8,244 spends none of Gamma-Gamma by .005.
MOST_HISTORIES = 1_000_000
# Steps of a doubling of value that a cell begins with, and parts of a step in which means are kept: whole numbers,
# whose sums do not depend on the order of rows.
_STEPS_OF_VALUE, _PARTS = 512, 2048
# Days from which on cells widen with age, and cells that a day begins with.
_YOUNG, _NARROWEST = 10.0, 32.0


@dataclass(frozen=True)
class SpendCounts:
    """Distinct spend histories, and what all purchases are worth.

    Attributes
    ----------
    frequency, value, customers : ndarray of float, shape (k,)
        Repeat days of positive value, their mean value, and the number of customers who share both.
    total_value, purchases : float
        Of everyone: net revenue, and purchase days.
    """

    frequency: Floats
    value: Floats
    customers: Floats
    total_value: float
    purchases: float


@dataclass(frozen=True)
class Counts:
    """All that the purchase models of a date learn from.

    Attributes
    ----------
    histories : SufficientStatistics
        Of purchases, times in days.
    spends : SpendCounts
        Of the values of purchases.
    returns : ReturnsToCome or None
        What still comes back; None where nothing does.
    by_day : tuple of ndarray, shape (n,) each
        Purchases and repeat purchases of each day, as `features.outcomes.counts_by_day` gives them.
    """

    histories: SufficientStatistics
    spends: SpendCounts
    returns: ReturnsToCome | None
    by_day: tuple[Floats, Floats]


def histories_at(tables: Tables, as_of: date) -> SufficientStatistics:
    """Count equal purchase histories as of a date, once a run, unless `take_over` has put them there."""
    return tables.workspace.once(("histories", as_of), lambda: count_histories(purchase_summary(tables, as_of)))


def spends_at(tables: Tables, as_of: date) -> SpendCounts:
    """Count equal spend histories as of a date, once a run, unless `take_over` has put them there."""
    return tables.workspace.once(("spends", as_of), lambda: count_spends(purchase_summary(tables, as_of)))


def by_day_at(tables: Tables, as_of: date) -> tuple[Floats, Floats]:
    """Count the purchases of each day before a date, once a run, unless `take_over` has put them there."""
    return tables.workspace.once(("by day", as_of), lambda: counts_by_day(tables, as_of))


def count_at(tables: Tables, as_of: date, most: int = MOST_HISTORIES) -> Counts:
    """Count what the purchase models of a date learn from, in the engine that holds the tables.

    Parameters
    ----------
    tables : Tables
        Of everyone, such as those of a cluster.
    as_of : datetime.date
        Exclusive.
    most : int
        Histories of each kind that leave the engine at most: more are put together in cells.
    """
    summary = purchase_summary(tables, as_of)
    return Counts(
        count_histories(summary, most),
        count_spends(summary, most),
        returns_to_come_at(tables, as_of),
        counts_by_day(tables, as_of),
    )


def take_over(tables: Tables, as_of: date, counts: Counts) -> None:
    """Let the fits of a date learn from counts of everyone, where the tables hold a sample of the customers."""
    parts: dict[str, Any] = {"histories": counts.histories, "spends": counts.spends, "by day": counts.by_day}
    if NO_RETURNS not in tables.transactions.columns:
        parts["returns to come"] = counts.returns
    for name, part in parts.items():
        tables.workspace.once((name, as_of), partial(_same, part))


def _same(part: Any) -> Any:
    return part


def count_histories(summary: ir.Table, most: int | None = None) -> SufficientStatistics:
    """Count equal purchase histories, times in days, in the engine that holds the summary.

    Parameters
    ----------
    summary : ibis.expr.types.Table
        As `features.purchases.summarise_purchases` gives it: one row per customer.
    most : int, optional
        Histories at most; more are put together in cells, whose width doubles until they are no more than that.
    """
    columns = _bounded(summary, _histories, _history_cells, most)
    counted = SufficientStatistics(*(columns[name] for name in ("frequency", "recency", "T", "customers")))
    if counted.in_order:
        return counted
    return count_sufficient_statistics(counted.x, counted.t_x, counted.T, counted.weights)


def count_spends(summary: ir.Table, most: int | None = None) -> SpendCounts:
    """Count equal spend histories in the engine that holds the summary, with the parameters of `count_histories`."""
    columns = _bounded(summary, _spends, _spend_cells, most)
    [total] = compiled(_totals, {"summary": summary}).to_pyarrow().to_pylist()
    # A table that is kept meanwhile has no order.
    order = np.lexsort((columns["spend_value"], columns["spend_frequency"]))
    frequency, value, customers = (columns[name][order] for name in ("spend_frequency", "spend_value", "customers"))
    return SpendCounts(frequency, value, customers, float(total["value"] or 0), float(total["purchases"] or 0))


def _bounded(
    summary: ir.Table,
    count: Callable[[Mapping[str, ir.Table]], ir.Table],
    in_cells: Callable[[Mapping[str, ir.Table], int], ir.Table],
    most: int | None,
) -> dict[str, npt.NDArray[np.float64]]:
    """Count, and where that gives too many rows put them together in cells that double until they are few enough."""
    counted = compiled(count, {"summary": summary})
    if most is None:
        return _columns(counted)
    with kept_meanwhile(counted) as kept:
        cells, width = kept, 1
        while int(cells.count().to_pyarrow().as_py()) > most:
            width *= 2
            cells = in_cells({"counted": kept}, width)
        return _columns(cells)


def _columns(rows: Rows) -> dict[str, npt.NDArray[np.float64]]:
    table = rows.to_pyarrow()
    return {name: table[name].to_numpy().astype(np.float64) for name in table.column_names}


def _histories(tables: Mapping[str, ir.Table]) -> ir.Table:
    return purchase_statistics(tables["summary"])


def _spends(tables: Mapping[str, ir.Table]) -> ir.Table:
    return spend_statistics(tables["summary"])


def _totals(tables: Mapping[str, ir.Table]) -> ir.Table:
    summary = tables["summary"]
    # In decimals, so that the sum does not depend on the order of its terms.
    return summary.aggregate(
        value=summary.total_value.cast("decimal(38, 4)").sum(), purchases=(summary.frequency + 1).sum()
    )


def _history_cells(tables: Mapping[str, ir.Table], width: int) -> ir.Table:
    """Put histories together whose ages, and ages at the last purchase, lie in the same spans of days."""
    counted = tables["counted"]
    # Of the first days each tells more than of later ones.
    last, age = (
        ((1 + counted[name] / _YOUNG).ln() * (_YOUNG * _NARROWEST / width)).floor() for name in ("recency", "T")
    )
    keyed = counted.mutate(last=last, age=age)
    sums = keyed.group_by(["frequency", "last", "age"]).agg(
        total_recency=(keyed.recency * keyed.customers).sum(),
        total_age=(keyed["T"] * keyed.customers).sum(),
        customers=keyed.customers.sum(),
    )
    cells = sums.select(
        "frequency",
        recency=sums.total_recency / sums.customers,
        T=sums.total_age / sums.customers,
        customers="customers",
    )
    return cells.order_by(["frequency", "recency", "T"])


def _spend_cells(tables: Mapping[str, ir.Table], width: int) -> ir.Table:
    """Put spends together whose values lie in the same step of their logarithm, at their geometric mean."""
    counted = tables["counted"]
    parts = (counted.spend_value.log2() * (_STEPS_OF_VALUE * _PARTS)).round().cast("int64")
    keyed = counted.mutate(parts=parts, step=(parts / (_PARTS * width)).floor())
    sums = keyed.group_by(["spend_frequency", "step"]).agg(
        total=(keyed.parts * keyed.customers.cast("int64")).sum(), customers=keyed.customers.sum()
    )
    mean = sums.total.cast("float64") / sums.customers / (_STEPS_OF_VALUE * _PARTS)
    cells = sums.select("spend_frequency", spend_value=(mean * np.log(2.0)).exp(), customers="customers")
    return cells.order_by(["spend_frequency", "spend_value"])
