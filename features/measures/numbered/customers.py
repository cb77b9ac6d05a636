"""Customers by numbers: of large tables what measures read is narrowed once, and no id's text is hashed again.

Each measure puts the lines or events of a customer together. By a text of their own that takes two to four times as
long as by a whole number: the ids of five million lines are looked up once, and then a dozen queries go by numbers.
"""

from datetime import date

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from features.engine.compiled import is_compilable
from features.events import is_own
from features.measures.definition import shared
from features.measures.windows import AGE, Grouping
from features.returns.kept import everyone_matched
from features.returns.matching import NO_ORDER, STANDS
from features.spine import left_joined, midnight
from features.tables import Tables

# Rows of a table below which the numbers take longer than they spare.
FEWEST_ROWS = 1_000_000
_OF_LINES = ("amount", "cost", "category")


def numbered_purchases(tables: Tables, until: date, grouping: Grouping) -> tuple[Tables, Grouping]:
    """Give transactions, and the costs of customers, with a number as customer_id, and the grouping by it.

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
    tuple of Tables and Grouping
        The columns that measures read, and which sale lines stand (`features.returns.matching.STANDS`). The same tables
        and grouping where these are small, of another engine, or grouped by a column.
    """
    if not is_large(tables.transactions, grouping):
        return tables, grouping
    return _numbered_purchases(tables, until), numbered_grouping(tables, until, grouping)


@shared
def is_large(rows: ir.Table, grouping: Grouping) -> bool:
    """Say whether customers are measured by numbers: DuckDB's tables of many rows, not grouped by a column of these."""
    if grouping.column is not None or not is_compilable({"rows": rows}):
        return False
    return bool(rows.count().to_pyarrow().as_py() >= FEWEST_ROWS)


@shared
def numbers_of(tables: Tables, until: date) -> ir.Table:
    """Give a number to all customers with a line or an event that is measured: customer_id and number."""
    lines = tables.transactions
    ids = lines.filter(lines.available_at < midnight(until)).select("customer_id")
    if tables.events is not None:
        own = tables.events.filter(is_own(tables.events), tables.events.available_at < midnight(until))
        ids = ibis.union(ids, own.select("customer_id"))
    customers = ids.distinct()
    return customers.mutate(number=ibis.row_number().cast("int32")).cache()


@shared
def _numbered_purchases(tables: Tables, until: date) -> Tables:
    numbers, lines = numbers_of(tables, until), tables.transactions
    # Nothing is asked of an order's id but whether it is the same as another of the customer's, which are few: two of
    # them have the same 64 bits once in a million million runs.
    lines = lines.mutate(order=_bits_of(ibis.coalesce(lines.order_id, NO_ORDER)))
    lines = by_number(_aged(lines, until, "order", *_OF_LINES), numbers)
    stands, matching = lines.amount >= 0, everyone_matched(tables, until).matching
    if matching is not None:
        came_back = matching.cancelled
        age = ibis.literal(until).delta(came_back.day, unit="day").cast("int32")
        came_back = came_back.select("customer_id", age=age, order=_bits_of(came_back.order), came_back=True)
        lines = left_joined(lines, by_number(came_back, numbers), ["customer_id", AGE, "order"])
        stands = (lines.amount >= 0) & lines.came_back.isnull()
    order_id = lines.order.nullif(_bits_of(NO_ORDER))
    lines = lines.select("customer_id", AGE, *_OF_LINES, **{"order_id": order_id, STANDS: stands})
    customers = tables.customers
    if customers is not None:
        customers = by_number(customers.select("customer_id", "valid_from", "cost_to_serve"), numbers).cache()
    return Tables(lines.cache(), customers=customers)


@ibis.udf.scalar.builtin(name="hash")  # type: ignore[untyped-decorator]
def _bits_of(text: str) -> dt.UInt64:
    """Hash a text to 64 bits, as DuckDB does."""


def _aged(rows: ir.Table, until: date, *columns: str) -> ir.Table:
    """Keep columns of the rows available before a midnight, with their age in days at it."""
    seen = rows.filter(rows.available_at < midnight(until))
    return seen.select(
        "customer_id", *columns, **{AGE: ibis.literal(until).delta(seen.ts.date(), unit="day").cast("int32")}
    )


@shared
def numbered_grouping(tables: Tables, until: date, grouping: Grouping) -> Grouping:
    """Give the grouping of customers by their numbers."""
    if grouping.customers is None:
        return grouping
    return Grouping(grouping.name, by_number(grouping.customers, numbers_of(tables, until)).cache())


def by_number(rows: ir.Table, numbers: ir.Table) -> ir.Table:
    """Put the number in the place of customer_id, and leave out whom the measures do not see."""
    named = numbers.select(named_customer="customer_id", number="number")
    joined = rows.join(named, rows.customer_id == named.named_customer).drop("customer_id", "named_customer")
    return joined.rename(customer_id="number").select(rows.columns)
