"""Orders, active customers and what serving them costs: what the measures of purchases are computed from."""

from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.measures.windows import AGE, Grouping, Windows
from features.returns.kept import everyone_matched
from features.returns.matching import STANDS, standing_sales
from features.spine import midnight
from features.tables import Tables

# Of more than 18 digits, so that DuckDB gives the square 38, and sums of squares do not depend on the order of rows.
SQUARED = "decimal(19, 4)"
# Windows in which activity is judged at once: each is a bit, and their boundaries are one more.
MOST_AT_ONCE = 60


def sales(tables: Tables, until: date) -> ir.Table:
    """Give the sale lines of orders that have not come back in full, as far as is seen before the midnight of `until`.

    Parameters
    ----------
    tables, until
        As in `orders`.
    """
    lines = tables.transactions
    if STANDS in lines.columns:
        return lines.filter(lines[STANDS])
    lines = lines.filter(lines.available_at < midnight(until))
    return standing_sales(lines, ["customer_id"], everyone_matched(tables, until).matching)


def orders(tables: Tables, until: date, grouping: Grouping) -> ir.Table:
    """Put sale lines together to orders. Grain: one row per customer, group of the rows and order.

    An order is what a customer bought under one `order_id`; lines without one are an order per customer and day. A
    return (amount < 0) is no part of one, and an order that came back in full is none, whichever window that falls
    into. By a column of the lines each group is a shop of its own: an order with lines in two groups counts once in
    both.

    Parameters
    ----------
    tables
        Clean tables.
    until
        Only lines available before this midnight are seen.
    grouping
        What to measure by.

    Returns
    -------
    Table
        customer_id, what `Grouping.of_rows` names, age (that of its first line, as in `sale_ages`).
    """
    keys = ["customer_id", *grouping.of_rows]
    lines = _with_age(sales(tables, until), until)
    lines = grouping.before(lines).select(*keys, "order_id", AGE)
    no_number = lines.order_id.isnull()  # noqa: PD003 - an expression of Ibis
    lines = lines.mutate(unnumbered=ibis.ifelse(no_number, lines[AGE], ibis.null(lines[AGE].type())))
    whole = lines.group_by([*keys, "order_id", "unnumbered"]).agg(first=lines[AGE].max())
    return whole.select(*keys, **{AGE: whole["first"]})


def sale_ages(tables: Tables, until: date, grouping: Grouping) -> ir.Table:
    """Say how old sales are. Grain: one row per sale line.

    Returns
    -------
    Table
        customer_id, what `Grouping.of_rows` names, age (days from the day to `until`: 1 is the last day seen).
    """
    lines = grouping.before(_with_age(sales(tables, until), until))
    return lines.select("customer_id", *grouping.of_rows, AGE)


def _with_age(lines: ir.Table, until: date) -> ir.Table:
    if AGE in lines.columns:
        return lines
    return lines.mutate(**{AGE: ibis.literal(until).delta(lines.ts.date(), unit="day")})


def active_customers(
    tables: Tables, windows: Windows, grouping: Grouping, inactivity_days: int, first: int, last: int
) -> ir.Table:
    """Say who was active when. Grain: one row per customer and group, active in any of these windows.

    Trade without contracts has no date on which a customer leaves: active at a midnight is who bought within
    `inactivity_days` before it, active in a window who bought in it or was active at its start.

    Parameters
    ----------
    tables
        Clean tables.
    windows
        The windows; a window's end is the next one's start.
    grouping
        By a column, a customer is active in those groups in which the purchases were.
    inactivity_days
        At least 1.
    first, last
        Numbers of the windows that are judged: at most `MOST_AT_ONCE`, as each is a bit.

    Returns
    -------
    Table
        customer_id, group, and two BIGINT of bits: boundaries (bit k: active at the end of window first + k, which is
        the start of the window before in number) and within (bit k: active in window first + k).
    """
    lines = sale_ages(tables, windows.until, grouping)
    seen = lines.join(ibis.memtable(_bits(windows, inactivity_days, first, last)), "age")
    bits = {name: bit_or(seen[name]) for name in ("boundaries", "within")}
    active = grouping.after(seen.group_by(["customer_id", *grouping.of_rows]).agg(**bits))
    return active.select("customer_id", "group", *bits)


@ibis.udf.agg.builtin  # type: ignore[untyped-decorator]
def bit_or(_: int) -> int:  # type: ignore[empty-body]
    """Put bits together: every engine has this function, but Ibis does not write it for Spark."""


def _bits(windows: Windows, inactivity_days: int, first: int, last: int) -> pd.DataFrame:
    """Say by the age of a purchase at which boundaries and in which windows it makes a customer active, as bits."""
    oldest = (last + 1) * windows.days + inactivity_days
    ages = np.arange(first * windows.days + 1, oldest + 1)
    ends = windows.days * np.arange(first, last + 2)
    after = ages[:, None] > ends
    at_boundary = after & (ages[:, None] <= ends + inactivity_days)
    inside = after[:, :-1] & (ages[:, None] <= ends[1:] + inactivity_days)
    bits = 1 << np.arange(ends.size, dtype=np.int64)
    return pd.DataFrame({"age": ages, "boundaries": at_boundary @ bits, "within": inside @ bits[:-1]})


def cost_to_serve_by_window(customers: ir.Table, windows: Windows) -> ir.Table:
    """Say in which windows each cost_to_serve of a customer counts: the newest valid before a window's end.

    A row without valid_from has always been valid and is the oldest, as in features.attributes.

    Parameters
    ----------
    customers
        Clean customers.
    windows
        The windows.

    Returns
    -------
    Table
        customer_id, first and last (the newest and the oldest window of which it is true), cost_to_serve. The windows
        of a customer's rows do not overlap.
    """
    rows = customers.select("customer_id", "valid_from", "cost_to_serve")
    always_valid = rows.valid_from.isnull()  # noqa: PD003 - an expression of Ibis
    rows = rows.filter(always_valid | (rows.valid_from < midnight(windows.until)))
    age = ibis.literal(windows.until).delta(rows.valid_from.date(), unit="day")
    always = windows.count - 1
    rows = rows.mutate(last=ibis.least(((age - 1) // windows.days).fill_null(always), always).cast("int32"))
    # The cost itself breaks ties, so that the order of rows never does.
    newest_first = [ibis.desc(rows[name], nulls_first=False) for name in ("valid_from", "cost_to_serve")]
    newness = ibis.row_number().over(group_by=["customer_id", "last"], order_by=newest_first)
    rows = rows.mutate(newness=newness)
    rows = rows.filter(rows.newness == 0)
    newer = rows["last"].lag().over(group_by="customer_id", order_by="last")
    return rows.select("customer_id", "last", "cost_to_serve", first=(newer + 1).fill_null(0))
