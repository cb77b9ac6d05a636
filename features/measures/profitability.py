"""Customer profitability: what customers leave after the cost of goods and the cost of serving them."""

from contextlib import ExitStack

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.engine.compiled import kept_meanwhile
from features.measures.answer_sums import BY
from features.measures.definition import FIGURES, Measure, MeasureOptions, shared
from features.measures.figures import figures_of_purchases, run_by_window
from features.measures.intervals import mean_interval
from features.measures.orders import MOST_AT_ONCE, SQUARED, active_customers, cost_to_serve_by_window
from features.measures.windows import Grouping, Windows
from features.spine import left_joined
from features.tables import Tables

__all__ = ["PROFITABILITY_MEASURES"]

DAYS_A_YEAR = 365
NO_COST = "no cost is known: give cost of transactions, or cost_to_serve of customers"


def _mean(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    sums = account_sums(tables, windows, grouping, options)
    _, low, high = mean_interval(sums["n"], sums["rounded"], sums["squares"])
    return _figures(sums.assign(value=sums["profit"] / sums["n"], low=low, high=high), grouping.column)


def _total(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    sums = account_sums(tables, windows, grouping, options)
    return _figures(sums.assign(value=sums["profit"], low=np.nan, high=np.nan), grouping.column)


def _figures(sums: pd.DataFrame, by_column: str | None) -> pd.DataFrame:
    """Give values where any cost is known, and say which is not."""
    counts = zip(sums["lines"], sums["costed"], sums["n"], sums["served"], strict=True)
    whys = [_why(by_column, *map(int, row)) for row in counts]
    figures = sums.assign(why=pd.Series(whys, index=sums.index, dtype=object))
    unknown = (sums["costed"] == 0) & (sums["served"] == 0)
    figures.loc[unknown, ["value", "low", "high"]] = np.nan
    return figures[list(FIGURES)]


def _why(by_column: str | None, lines: int, costed: int, customers: int, served: int) -> str | None:
    if not costed and not served:
        return NO_COST if by_column is None else f"no cost is known by {by_column}: give cost of transactions"
    missing = []
    if costed < lines:
        missing.append(f"cost is not known of {_share(lines - costed, lines)} of the lines")
    if by_column is not None:
        missing.append(f"cost_to_serve is of customers, not of a {by_column}")
    elif served < customers:
        missing.append(f"cost_to_serve is not known of {_share(customers - served, customers)} of the customers")
    return " and ".join(missing) + ": taken as 0" if missing else None


def _share(part: int, whole: int) -> str:
    return "all" if part == whole else f"{100 * part / whole:.2g} %"


@shared
def account_sums(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    """Add up activity, revenue and costs of the customers of each window, in one query for all measures that need any.

    Parameters
    ----------
    tables, windows, grouping, options
        As every measure takes them.

    Returns
    -------
    DataFrame
        By window and group: n customers; active at the start, and kept, who of these are so at the end; halves, the
        number of ends at which they are active; revenue, its squares (revenue2) and its products with halves (cross),
        and those of halves (halves2); cost, cost_to_serve and profit, its rounded sum and squares; lines, costed and
        served, how many of the costs are known.
    """
    parts = [
        _sums_of_windows(tables, windows, grouping, options, first, min(first + MOST_AT_ONCE, windows.count) - 1)
        for first in range(0, windows.count, MOST_AT_ONCE)
    ]
    sums = pd.concat(parts, ignore_index=True)
    sums = sums.astype(dict.fromkeys(("revenue2", "cross", "cost_to_serve", "rounded", "squares"), float))
    net = (sums["revenue"] - sums["cost"]).astype(float)
    return sums.assign(profit=net - sums["cost_to_serve"] * (windows.days / DAYS_A_YEAR))


def _sums_of_windows(
    tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions, first: int, last: int
) -> pd.DataFrame:
    """Add up the accounts of some windows, from the first to the last number.

    Most customers who are active in a window have no line in it: they are counted by the bits that they share, and
    what serving them costs is summed. Accounts with lines are added up by themselves; what they have been counted with
    as if they had none is taken off. All sums are exact.
    """
    active = active_customers(tables, windows, grouping, options.inactivity_days, first, last)
    # What serving a customer costs belongs to no one channel or category.
    customers = None if grouping.column is not None else tables.customers
    bits = ibis.memtable(
        pd.DataFrame(
            {
                "window": np.arange(first, last + 1, dtype=np.int32),
                "of_end": 1 << np.arange(last - first + 1, dtype=np.int64),
                "of_start": 2 << np.arange(last - first + 1, dtype=np.int64),
            }
        )
    )
    part_of_year = windows.days / DAYS_A_YEAR
    with ExitStack() as kept:
        active = kept.enter_context(kept_meanwhile(active))
        sums = [_counts(active, bits)]
        served = None
        if customers is not None and customers.cost_to_serve.count().to_pyarrow().as_py():
            served = cost_to_serve_by_window(customers, windows)
            loss = _rounded(ibis.literal(0), served.cost_to_serve.fill_null(0), part_of_year)
            served = kept.enter_context(kept_meanwhile(served.mutate(loss=loss)))
            sums.append(_sums_without_lines(active, served, bits))
        sums.append(_sums_of_lines(tables, windows, grouping, active, served, bits, part_of_year))
        rows = ibis.union(*(_typed(part) for part in sums))
        summed = rows.group_by(BY).agg(**{name: rows[name].sum() for name in _SUMS})
        # What is told of squares has the digits of money.
        return run_by_window(summed.mutate(**{name: summed[name].cast(_MONEY) for name in ("revenue2", "squares")}))


_MONEY, _SQUARES = "decimal(38, 4)", "decimal(38, 8)"
_SUMS = {
    **dict.fromkeys(("n", "active", "kept", "halves", "halves2"), "int64"),
    **dict.fromkeys(("revenue", "cost", "cost_to_serve", "rounded", "cross"), _MONEY),
    **dict.fromkeys(("revenue2", "squares"), _SQUARES),
    **dict.fromkeys(("lines", "costed", "served"), "int64"),
}


def _typed(part: ir.Table) -> ir.Table:
    """Give sums all columns; those that are not there are zero."""
    zero = ibis.literal(0)
    columns = {name: (part[name] if name in part.columns else zero).cast(kind) for name, kind in _SUMS.items()}
    return part.select(*BY, **columns)


def _counts(active: ir.Table, bits: ir.Table) -> ir.Table:
    """Count who is active in each window, at its start and at both ends, from the bits that customers share."""
    shared_bits = active.group_by(["group", "boundaries", "within"]).agg(customers=active.count())
    rows = shared_bits.cross_join(bits)
    rows = rows.filter((rows.within & rows.of_end) != 0)
    start, end = _at(rows, "of_start"), _at(rows, "of_end")
    halves = start + end
    return rows.group_by(BY).agg(
        n=rows.customers.sum(),
        active=(rows.customers * start).sum(),
        kept=(rows.customers * start * end).sum(),
        # Active at both ends is 2 halves of a customer, at one is 1.
        halves=(rows.customers * halves).sum(),
        halves2=(rows.customers * halves * halves).sum(),
    )


def _at(rows: ir.Table, boundary: str) -> ir.IntegerValue:
    return ((rows.boundaries & rows[boundary]) != 0).cast("int64")


def _rounded(net: ir.Value, served: ir.Value, part_of_year: float) -> ir.DecimalValue:
    """Round a profit to the last digit of money, so that its sums and squares are exact whatever the order of rows."""
    rounded: ir.DecimalValue = (net.cast("float64") - served.cast("float64") * part_of_year).cast(SQUARED)
    return rounded


def _sums_without_lines(active: ir.Table, served: ir.Table, bits: ir.Table) -> ir.Table:
    """Add up what serving those active costs, as if nobody had a line in the window."""
    rows = active.join(served.drop_null("cost_to_serve"), "customer_id")
    # Those who share all of it are added up before they are counted in each of their windows.
    rows = rows.group_by(["group", "within", "first", "last"]).agg(
        cost_to_serve=rows.cost_to_serve.sum(),
        rounded=rows.loss.sum(),
        squares=(rows.loss * rows.loss).sum(),
        served=rows.count(),
    )
    rows = rows.cross_join(bits)
    is_valid = (rows.window >= rows["first"]) & (rows.window <= rows["last"])
    rows = rows.filter((rows.within & rows.of_end) != 0, is_valid)
    return rows.group_by(BY).agg(
        **{name: rows[name].sum() for name in ("cost_to_serve", "rounded", "squares", "served")}
    )


def _sums_of_lines(
    tables: Tables,
    windows: Windows,
    grouping: Grouping,
    active: ir.Table,
    served: ir.Table | None,
    bits: ir.Table,
    part_of_year: float,
) -> ir.Table:
    """Add up the accounts with lines, and take off what those active were counted with without them."""
    money, nothing = "decimal(18, 4)", ibis.literal(0).cast("decimal(18, 4)")
    lines = windows.of(grouping.before(tables.transactions))
    keys = ["customer_id", *grouping.of_rows]
    accounts = lines.group_by([*keys, "window"]).agg(
        revenue=lines.amount.cast(money).sum(),
        cost=lines["cost"].cast(money).sum().fill_null(nothing),
        lines=lines.count(),
        costed=lines["cost"].count(),
    )
    accounts = grouping.after(accounts.join(bits, "window"))
    accounts = left_joined(accounts, active.select(*keys, "boundaries", "within"), keys)
    if served is None:
        accounts = accounts.mutate(cost_to_serve=ibis.null(money), loss=ibis.null(SQUARED))
    else:
        valid = served.rename(served_customer="customer_id")
        within = (accounts.window >= valid["first"]) & (accounts.window <= valid["last"])
        accounts = accounts.left_join(valid, [accounts.customer_id == valid.served_customer, within])
    was_counted = ((accounts.within & accounts.of_end) != 0).fill_null(False)
    accounts = accounts.mutate(
        exact=accounts.revenue.cast(SQUARED),
        halves=(_at(accounts, "of_start") + _at(accounts, "of_end")).fill_null(0),
        new=(~was_counted).cast("int64"),
        cost_to_serve=accounts.cost_to_serve.fill_null(nothing),
        is_served=accounts.cost_to_serve.notnull().cast("int64"),  # noqa: PD004 - an expression of Ibis
    )
    net = accounts.revenue - accounts["cost"]
    accounts = accounts.mutate(
        rounded=_rounded(net, accounts.cost_to_serve, part_of_year),
        # Nobody new was counted.
        loss=ibis.ifelse(accounts.new == 1, 0, accounts.loss.fill_null(0)).cast(SQUARED),
    )
    return accounts.group_by(BY).agg(
        n=accounts.new.sum(),
        revenue=accounts.revenue.sum(),
        cost=accounts["cost"].sum(),
        cost_to_serve=accounts.cost_to_serve.sum(where=accounts.new == 1),
        rounded=(accounts.rounded - accounts.loss).sum(),
        cross=(accounts.exact * accounts.halves).sum(),
        revenue2=(accounts.exact * accounts.exact).sum(),
        squares=(accounts.rounded * accounts.rounded).sum() - (accounts.loss * accounts.loss).sum(),
        lines=accounts.lines.sum(),
        costed=accounts.costed.sum(),
        served=(accounts.is_served * accounts.new).sum(),
    )


DEFINITION = (
    "net revenue of the window - cost of the goods (cost of its lines, as given; that of a return as well) - "
    "cost_to_serve, which is per customer and year of 365 days, for the days of the window; of customers who bought or "
    "returned something in the window or were active at its start (bought within the inactivity days before it)"
)
PROFITABILITY_MEASURES: tuple[Measure, ...] = (
    Measure(
        "customer_profitability",
        "Customer profitability (CPS), mean",
        "money",
        f"mean per customer of: {DEFINITION}",
        figures_of_purchases(_mean, "no active customer in this window", looks_back=True),
    ),
    Measure(
        "customer_profitability_total",
        "Customer profitability (CPS), in total",
        "money",
        f"sum of: {DEFINITION}",
        figures_of_purchases(_total, "no active customer in this window", looks_back=True),
    ),
)
