"""Which return took from which sale: what came back by the age of the sale and the lag of the return."""

from collections.abc import Callable, Sequence

import ibis
import ibis.expr.types as ir

from features.returns.matching import NO_ORDER


def sums_by_lag(
    by_order: ir.Table, by_sale: ir.Table, keys: Sequence[str], date_of: Callable[[ir.Table], ir.DateValue]
) -> ir.Table:
    """Add up what came back by the age of the sale and the lag of the return. Grain: one row per age and lag.

    Parameters
    ----------
    by_order, by_sale
        As `features.returns.matching.matched_to_orders` and `matched_to_sales` give them.
    keys
        Of the spine.
    date_of
        Gives as_of of each row, as that of `features.spine.Spine`.

    Returns
    -------
    Table
        As `features.returns.lags.returned_by_lag` gives it.
    """
    of_orders = _taken(by_order.filter(by_order.order != NO_ORDER), [*keys, "order"])
    taken = ibis.union(of_orders, _taken(by_sale, keys))
    taken = taken.mutate(
        age=date_of(taken).delta(taken.sold_on, unit="day"),
        lag=taken.returned_on.delta(taken.sold_on, unit="day"),
    )
    sums = taken.group_by(["age", "lag"]).agg(returned=taken.returned.sum(), returns=taken.count())
    return sums.order_by(["age", "lag"])


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
