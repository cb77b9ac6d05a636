"""How long after a sale its returns come: what was sold, what came back of it, and when."""

import ibis
import ibis.expr.types as ir

from features.returns.kept import matching_at, visible_lines
from features.returns.matching import events_of, matched_to_orders, matched_to_sales
from features.returns.pairing import sums_by_lag
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
    if spine.matching is not None and spine.matching.by_lag is not None:
        return spine.matching.by_lag.order_by(["age", "lag"])
    keys = spine.keys
    by_order = matched_to_orders(events_of(visible_lines(transactions, spine), keys), keys)
    return sums_by_lag(by_order, matched_to_sales(by_order, keys), keys, spine.date_of)


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


def repeat_value_by_age(transactions: ir.Table, spine: Spine, summary: ir.Table) -> ir.Table:
    """Add up the value of the purchases after each customer's first, by their age. Grain: one row per age with any.

    It is all that was sold, less what came back of it, less the first purchases: no day of a customer is added up anew.
    Of a day that is no purchase, as all of it came back, nothing is left.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Everyone at one date.
    summary
        Their first_purchase and first_value, as `features.purchases.summarise_purchases` gives them.

    Returns
    -------
    Table
        age (as in `returned_by_lag`), net (exact decimal: less what has come back; not zero), ordered by age.
    """
    sold = sold_by_age(transactions, spine)
    parts = [sold.select("age", value=sold.sold)]
    matching = matching_at(transactions, spine)
    less = [] if matching is None else [matching.by_day.select("day", value=matching.by_day.returned)]
    less.append(summary.select(day=summary.first_purchase, value=summary.first_value))
    for taken in less:
        age = spine.date_of(taken).delta(taken.day, unit="day")
        by_age = taken.mutate(age=age).group_by("age").agg(value=taken.value.sum())
        parts.append(by_age.select("age", value=(-by_age.value).cast(sold.sold.type())))
    together = ibis.union(*parts)
    net = together.group_by("age").agg(net=together.value.sum())
    return net.filter(net.net != 0).order_by("age")
