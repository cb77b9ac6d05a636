"""How long after a sale its returns come: what was sold, what came back of it, and when."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from features.purchases import purchase_days
from features.returns.kept import visible_lines
from features.returns.matching import NO_ORDER, events_of, matched_to_orders, matched_to_sales
from features.spine import Spine


def returned_by_lag(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Add up what came back by the age of the sale and the lag of the return. Grain: one row per age and lag.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Everyone at one date.

    Returns
    -------
    Table
        age (days from the sale to as_of: 1 is the last day seen), lag (days from the sale to the return; at most age -
        1), returned (exact decimal), returns (their number), ordered by age and lag.
    """
    keys = spine.keys
    by_order = matched_to_orders(events_of(visible_lines(transactions, spine), keys), keys)
    of_orders = _taken(by_order.filter(by_order.order != NO_ORDER), [*keys, "order"])
    taken = ibis.union(of_orders, _taken(matched_to_sales(by_order, keys), keys))
    taken = taken.mutate(
        age=spine.date_of(taken).delta(taken.sold_on, unit="day"),
        lag=taken.returned_on.delta(taken.sold_on, unit="day"),
    )
    sums = taken.group_by(["age", "lag"]).agg(returned=taken.returned.sum(), returns=taken.count())
    return sums.order_by(["age", "lag"])


def sold_by_age(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Add up what was sold by the age of the sale, returns or not. Grain: one row per age.

    Returns
    -------
    Table
        age (as in `returned_by_lag`), sold (exact decimal), ordered by age.
    """
    lines = visible_lines(transactions, spine)
    sales = lines.filter(lines.amount >= 0)
    sales = sales.mutate(age=spine.date_of(sales).delta(sales.ts.date(), unit="day"))
    return sales.group_by("age").agg(sold=sales.amount.sum()).order_by("age")


def repeat_value_by_age(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Add up the value of the purchases after each customer's first, by their age. Grain: one row per age.

    Returns
    -------
    Table
        age (as in `returned_by_lag`), net (exact decimal: less what has come back), ordered by age.
    """
    days = purchase_days(transactions, spine)
    days = days.mutate(oldest=days.age.max().over(ibis.window(group_by=spine.keys)))
    repeats = days.filter(days.age < days.oldest)
    return repeats.group_by("age").agg(net=repeats.net.sum()).order_by("age")


def _taken(events: ir.Table, piles: Sequence[str]) -> ir.Table:
    """Pair sales with the returns that took from them: sold_on, returned_on (DATE), returned.

    What is left of a sale is what lies between the height of the pile before it and the lowest height since: a return
    took by how much it lowered that. Only sales of which something came back are paired.
    """
    sales = events.filter(~events.is_return & (events.left < events.amount))
    sales = sales.select(
        *piles, sold_on="day", sold_order="order", below=sales.height - sales.amount, sold=sales.amount
    )
    returns = events.filter(events.is_return)
    returns = returns.select(*piles, "at", "height", returned_on="day", returned_order="order")
    pairs = sales.inner_join(returns, list(piles))
    pairs = pairs.filter(pairs.returned_on >= pairs.sold_on)
    sale = [*piles, "sold_on", "sold_order"]
    in_order = ["returned_on", "at", "returned_order"]
    until_now = ibis.window(group_by=sale, order_by=in_order, preceding=None, following=0)
    lowest = pairs.height.min().over(until_now)
    pairs = pairs.mutate(left=ibis.least(ibis.greatest(lowest - pairs.below, pairs.sold * 0), pairs.sold))
    before = pairs.left.lag().over(ibis.window(group_by=sale, order_by=in_order))
    pairs = pairs.mutate(returned=ibis.coalesce(before, pairs.sold) - pairs.left)
    return pairs.filter(pairs.returned > 0).select("sold_on", "returned_on", "returned")
