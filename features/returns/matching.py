"""Which sale each return takes from, as far as it is visible: the returns of another date give another net.

A return takes from the order that has its order_id, where the customer bought something under it on that day or
before. What no order tells takes from the customer's latest sales until then, last in, first out, over as many as it
needs. What exceeds all of them takes from no sale and counts in net revenue only. A day's sales come before its
returns.

Last in, first out needs no loop. Sales put money on a pile and returns take it from the top; the pile's height is the
sum so far, but never below zero. Of a sale is left what lies between the height before it and the lowest height after
it. Both are running sums and minima of the customer's days, of decimals, so they are exact.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

# Transactions with a column of this name hold no return, and nothing is matched: the expressions stay small.
NO_RETURNS = "no_returns"
# Transactions with a column of this name say of each line whether its order has not come back in full.
STANDS = "stands"
# What a line without an order_id has: no id is empty text.
NO_ORDER = ""


def needed_columns(transactions: ir.Table) -> list[str]:
    """Name the columns of transactions that the matching needs and that are there."""
    optional = [name for name in ("order_id", NO_RETURNS) if name in transactions.columns]
    return ["customer_id", "ts", "available_at", "amount", *optional]


@dataclass(frozen=True)
class Matching:
    """What came back of what was sold; customers who returned nothing have no row in it.

    Attributes
    ----------
    by_day
        One row per pair and day of whose sales something came back: the spine's keys, day, returned (exact decimal,
        positive, at most the day's sales), stands (whether an order of the day has not come back in full).
    beyond
        One row per pair with returns that no sale is there for: the keys, beyond (exact decimal, positive).
    cancelled
        The keys, day and order of sales that have come back in full.
    by_lag
        What came back by the age of the sale and the lag of the return, where that was asked for.
    """

    by_day: ir.Table
    beyond: ir.Table
    cancelled: ir.Table
    by_lag: ir.Table | None = None


def match(lines: ir.Table, keys: Sequence[str]) -> Matching:
    """Match the returns among lines to the sales among them.

    Parameters
    ----------
    lines
        Visible lines with the keys, ts, amount and, where there is one, order_id.
    keys
        Of the spine.
    """
    return matching_of(matched_to_sales(matched_to_orders(events_of(lines, keys), keys), keys), keys)


def matching_of(events: ir.Table, keys: Sequence[str]) -> Matching:
    """Say what came back from what `matched_to_sales` gives."""
    # An order of value zero cannot come back.
    sales = events.filter(~events.is_return).select(*keys, "day", "order", sold="own", left="left")
    came_back = (sales.sold > 0) & (sales.left <= 0)
    by_day = sales.group_by([*keys, "day"]).agg(returned=sales.sold.sum() - sales.left.sum(), stands=(~came_back).any())
    # What a return did not find on the pile is below zero.
    lacking = events.filter(events.is_return & (events.left < 0))
    return Matching(
        by_day=by_day.filter(by_day.returned > 0),
        beyond=lacking.group_by(list(keys)).agg(beyond=-lacking.left.sum()),
        cancelled=sales.filter(came_back).select(*keys, "day", "order"),
    )


def standing_sales(lines: ir.Table, keys: Sequence[str], matching: Matching | None) -> ir.Table:
    """Keep the sale lines (amount >= 0) of orders that have not come back in full; a day without order_id is an order.

    Parameters
    ----------
    lines, keys
        As for `match`, with any other columns.
    matching
        Of these lines; None where it is known that nothing was returned.
    """
    sold = lines.filter(lines.amount >= 0)
    if matching is None:
        return sold
    standing = _with_order(sold).anti_join(matching.cancelled, [*keys, "day", "order"])
    return standing.select(lines.columns)


def events_of(lines: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Add up the lines of who returned something by day, order and sign.

    Parameters
    ----------
    lines, keys
        As for `match`.

    Returns
    -------
    Table
        The keys, day, order (text, empty where there is no order_id), is_return, at (time of the first of the lines),
        amount.
    """
    # Where nobody returned anything the rest has no rows, and costs nothing.
    returning = lines.filter(lines.amount < 0).select(*keys).distinct()
    own = _with_order(lines.semi_join(returning, list(keys)))
    own = own.mutate(is_return=own.amount < 0)
    return own.group_by([*keys, "day", "order", "is_return"]).agg(amount=own.amount.sum(), at=own.ts.min())


def matched_to_orders(events: ir.Table, keys: Sequence[str], *, narrow: bool = False) -> ir.Table:
    """Match returns to their orders.

    Parameters
    ----------
    events
        As `events_of` gives them.
    keys
        Of the spine.
    narrow
        Whether to put in order only what lies on a pile that a return takes from. It reads the events three times,
        so it is cheap where they are a table of the engine, and dear where they are computed each time.

    Returns
    -------
    Table
        The columns of `events_of`; left: what is left of a sale (zero or more), and of a return what its order did not
        take (zero or less); height of the order's pile.
    """
    of_orders = events.filter(events.is_return & (events.order != NO_ORDER))
    piles, order = [*keys, "order"], ["day", "is_return"]
    if narrow:
        return _on_piles_of(of_orders, events, piles, order)
    matched = _on_pile(events, piles, order)
    left = ibis.ifelse(matched.order == NO_ORDER, matched.amount, matched.left)
    return matched.select(*events.columns, "height", left=left)


def matched_to_sales(events: ir.Table, keys: Sequence[str], *, narrow: bool = False) -> ir.Table:
    """Match what the orders did not take to the latest sales of the customer.

    Parameters
    ----------
    events
        As `matched_to_orders` gives them.
    keys, narrow
        As for `matched_to_orders`.

    Returns
    -------
    Table
        The columns of `matched_to_orders`: amount is what that left, and left and height are of the customer's one
        pile; own: the amount as it was.
    """
    left_over = events.mutate(own=events.amount, amount=events.left).drop("left", "height")
    not_taken = left_over.filter(left_over.is_return & (left_over.amount < 0))
    order = ["day", "is_return", "at", "order"]
    return _on_piles_of(not_taken, left_over, keys, order) if narrow else _on_pile(left_over, keys, order)


def _on_piles_of(returns: ir.Table, events: ir.Table, piles: Sequence[str], order: Sequence[str]) -> ir.Table:
    """As `_on_pile`; all is left of the events of piles without one of the returns, and they need not be put in order.

    Their height is null.
    """
    own = returns.select(*piles).distinct()
    on_pile = _on_pile(events.semi_join(own, list(piles)), piles, order)
    others = events.anti_join(own, list(piles))
    height = ibis.null(on_pile.height.type())
    others = others.mutate(height=height, left=others.amount.cast(on_pile.left.type()))
    return ibis.union(on_pile, others.select(on_pile.columns))


def _on_pile(events: ir.Table, piles: Sequence[str], order: Sequence[str]) -> ir.Table:
    """Add height of the pile, and left: of a sale what no later return took, of a return what it did not find there."""
    until_now = ibis.window(group_by=list(piles), order_by=list(order), preceding=None, following=0)
    from_now = ibis.window(group_by=list(piles), order_by=list(order), preceding=0, following=None)
    in_order = ibis.window(group_by=list(piles), order_by=list(order))
    events = events.mutate(total=events.amount.sum().over(until_now))
    # What was returned beyond the pile, as a negative total.
    events = events.mutate(lacking=ibis.least(events.total.min().over(until_now), events.total * 0))
    events = events.mutate(height=events.total - events.lacking)
    events = events.mutate(lowest=events.height.min().over(from_now), lacked=events.lacking.lag().over(in_order))
    below = events.height - events.amount
    left_of_sale = ibis.greatest(events.lowest - below, events.total * 0)
    left_of_return = events.lacking - ibis.coalesce(events.lacked, events.total * 0)
    left = ibis.ifelse(events.is_return, left_of_return, left_of_sale)
    return events.mutate(left=left).drop("total", "lacking", "lowest", "lacked")


def _with_order(lines: ir.Table) -> ir.Table:
    order_id = lines.order_id if "order_id" in lines.columns else ibis.null("string")
    return lines.mutate(day=lines.ts.date(), order=ibis.coalesce(order_id, NO_ORDER))
