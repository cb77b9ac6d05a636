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

import ibis
import ibis.expr.types as ir

# Transactions with a column of this name hold no return, and nothing is matched: the expressions stay small.
NO_RETURNS = "no_returns"
# What a line without an order_id has: no id is empty text.
NO_ORDER = ""


def needed_columns(transactions: ir.Table) -> list[str]:
    """Name the columns of transactions that the matching needs and that are there."""
    optional = [name for name in ("order_id", NO_RETURNS) if name in transactions.columns]
    return ["customer_id", "ts", "available_at", "amount", *optional]


def returned_by_day(lines: ir.Table, keys: Sequence[str]) -> ir.Table | None:
    """Say what came back of each day's sales. Grain: one row per pair and day with a sale, of who returned something.

    Parameters
    ----------
    lines
        Visible lines with the keys, ts, amount and, where there are, order_id and `NO_RETURNS`.
    keys
        Of the spine.

    Returns
    -------
    Table or None
        The keys, day, returned (exact decimal, between zero and the day's sales), stands (whether an order of the day
        has not come back in full); None where it is known that nothing was returned.
    """
    if NO_RETURNS in lines.columns:
        return None
    sales = _sales_of_who_returned(lines, keys)
    return sales.group_by([*keys, "day"]).agg(
        returned=sales.amount.sum() - sales.left.sum(), stands=(~_came_back(sales)).any()
    )


def beyond_sales(lines: ir.Table, keys: Sequence[str]) -> ir.Table | None:
    """Add up the returns that no sale is there for. Grain: one row per pair that returned something.

    Parameters
    ----------
    lines, keys
        As for `returned_by_day`.

    Returns
    -------
    Table or None
        The keys, beyond (exact decimal, zero or more); None as for `returned_by_day`.
    """
    if NO_RETURNS in lines.columns:
        return None
    events = _matched(lines, keys)
    return events.group_by(list(keys)).agg(beyond=events.left.sum() - events.amount.sum())


def standing_sales(lines: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Keep the sale lines (amount >= 0) of orders that have not come back in full; a day without order_id is an order.

    Parameters
    ----------
    lines, keys
        As for `returned_by_day`, with any other columns.
    """
    sold = lines.filter(lines.amount >= 0)
    if NO_RETURNS in lines.columns:
        return sold
    sales = _sales_of_who_returned(lines, keys)
    cancelled = sales.filter(_came_back(sales)).select(*keys, "day", "order")
    standing = _with_order(sold).anti_join(cancelled, [*keys, "day", "order"])
    return standing.select(lines.columns)


def _sales_of_who_returned(lines: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Give the keys, day, order, amount (sold) and left (not returned); one row per pair, day and order with a sale."""
    events = _matched(lines, keys)
    return events.filter(~events.is_return)


def _came_back(sales: ir.Table) -> ir.BooleanValue:
    """Say whether nothing is left of an order; one of value zero cannot come back."""
    return (sales.amount > 0) & (sales.left <= 0)


def _matched(lines: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Add up the lines of who returned something by day, order and sign, and match them.

    Returns
    -------
    Table
        The keys, day, order, is_return, amount; left: what is left of a sale, zero of a return.
    """
    events = matched_to_sales(matched_to_orders(lines, keys), keys)
    left = ibis.ifelse(events.is_return, events.amount * 0, events.left)
    return events.select(*keys, "day", "order", "is_return", amount=events.own, left=left)


def matched_to_orders(lines: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Add up the lines of who returned something by day, order and sign, and match returns to their orders.

    Parameters
    ----------
    lines, keys
        As for `returned_by_day`.

    Returns
    -------
    Table
        The keys, day, order (text, empty where there is no order_id), is_return, at (time of the first of the lines),
        amount; left: what is left of a sale (zero or more), and of a return what its order did not take (zero or less);
        height of the order's pile.
    """
    # Where nobody returned anything the rest has no rows, and costs nothing.
    returning = lines.filter(lines.amount < 0).select(*keys).distinct()
    own = _with_order(lines.semi_join(returning, list(keys)))
    own = own.mutate(is_return=own.amount < 0)
    events = own.group_by([*keys, "day", "order", "is_return"]).agg(amount=own.amount.sum(), at=own.ts.min())
    matched = _on_pile(events, [*keys, "order"], ["day", "is_return"])
    left = ibis.ifelse(matched.order == NO_ORDER, matched.amount, matched.left)
    return matched.select(*events.columns, "height", left=left)


def matched_to_sales(events: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Match what the orders did not take to the latest sales of the customer.

    Parameters
    ----------
    events
        As `matched_to_orders` gives them.
    keys
        Of the spine.

    Returns
    -------
    Table
        The columns of `matched_to_orders`: amount is what that left, and left and height are of the customer's one
        pile; own: the amount as it was.
    """
    left_over = events.mutate(own=events.amount, amount=events.left).drop("left", "height")
    return _on_pile(left_over, keys, ["day", "is_return", "at", "order"])


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
