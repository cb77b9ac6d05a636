"""Customer profitability: what customers leave after the cost of goods and the cost of serving them."""

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.measures.answer_sums import BY
from features.measures.definition import FIGURES, Measure, MeasureOptions, shared
from features.measures.figures import figures_of_purchases, run_by_window
from features.measures.intervals import mean_interval
from features.measures.orders import SQUARED, active_customers, cost_to_serve_by_window
from features.measures.windows import Grouping, Windows
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
    active = active_customers(tables, windows, grouping, options.inactivity_days)
    lines = windows.of(grouping.of(tables.transactions))
    money, zero = "decimal(18, 4)", ibis.literal(0).cast("int64")
    nothing, unknown = ibis.literal(0).cast(money), ibis.null(money)
    rows = ibis.union(
        active.select(
            "customer_id",
            *BY,
            amount=nothing,
            cost=unknown,
            lines=zero,
            start=active.at_start.cast("int64"),
            end=active.at_end.cast("int64"),
        ),
        lines.select(
            "customer_id",
            *BY,
            amount=lines.amount.cast(money),
            cost=lines["cost"].cast(money),
            lines=ibis.literal(1).cast("int64"),
            start=zero,
            end=zero,
        ),
    )
    accounts = rows.group_by(["customer_id", *BY]).agg(
        revenue=rows.amount.sum(),
        cost=rows["cost"].sum().fill_null(nothing),
        lines=rows.lines.sum(),
        costed=rows["cost"].count(),
        start=rows.start.sum(),
        end=rows.end.sum(),
    )
    accounts = _with_cost_to_serve(accounts, tables.customers, windows, grouping)
    # Rounded to the last digit of money, so that its sums and squares are exact whatever the order of rows.
    served = accounts.cost_to_serve.fill_null(nothing)
    part_of_year = windows.days / DAYS_A_YEAR
    rounded = (accounts.revenue - accounts["cost"]).cast("float64") - served.cast("float64") * part_of_year
    rounded = rounded.cast(SQUARED)
    # Active at both ends is 2 halves of a customer, at one is 1.
    exact, halves = accounts.revenue.cast(SQUARED), accounts.start + accounts.end
    sums = run_by_window(
        accounts.group_by(BY).agg(
            n=accounts.count(),
            active=accounts.start.sum(),
            kept=(accounts.start * accounts.end).sum(),
            halves=halves.sum(),
            revenue2=(exact * exact).sum(),
            cross=(exact * halves).sum(),
            halves2=(halves * halves).sum(),
            revenue=accounts.revenue.sum(),
            cost=accounts["cost"].sum(),
            cost_to_serve=served.sum(),
            rounded=rounded.sum(),
            squares=(rounded * rounded).sum(),
            lines=accounts.lines.sum(),
            costed=accounts.costed.sum(),
            served=accounts.cost_to_serve.count(),
        )
    ).astype(dict.fromkeys(("revenue2", "cross", "cost_to_serve", "rounded", "squares"), float))
    net = (sums["revenue"] - sums["cost"]).astype(float)
    return sums.assign(profit=net - sums["cost_to_serve"] * part_of_year)


def _with_cost_to_serve(
    accounts: ir.Table, customers: ir.Table | None, windows: Windows, grouping: Grouping
) -> ir.Table:
    """Give each account the newest cost_to_serve that was valid before its window's end, null where none was."""
    if customers is None or grouping.column is not None:
        # What serving a customer costs belongs to no one channel or category.
        return accounts.mutate(cost_to_serve=ibis.null("decimal(18, 4)"))
    valid = cost_to_serve_by_window(customers, windows).rename(served_customer="customer_id")
    within = (accounts.window >= valid["first"]) & (accounts.window <= valid["last"])
    joined = accounts.left_join(valid, [accounts.customer_id == valid.served_customer, within])
    return joined.drop("served_customer", "first", "last")


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
