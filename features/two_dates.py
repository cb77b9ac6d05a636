"""Purchase histories as they were at one date beside the same customers' as they are at a later one."""

from datetime import date

import ibis
import ibis.expr.types as ir

from data.errors import InputError
from features.spine import everyone, midnight


def purchase_changes(transactions: ir.Table, before: date, as_of: date) -> ir.Table:
    """Count the customers of each pair of histories. Grain: one row per distinct pair.

    Each history is what `features.purchases.summarise_purchases` says of a customer at that date; both come from one
    pass over the transactions.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    before
        The earlier date, exclusive by `available_at`.
    as_of
        The later date, exclusive likewise.

    Returns
    -------
    Table
        frequency, recency, T at the later date; frequency_before, recency_before, T_before at the earlier one, null
        for customers with no purchase visible then; customers; all DOUBLE, ordered by all but the last. Everyone with
        a purchase visible at the later date counts once.

    Raises
    ------
    InputError
        If the dates are not in order.
    """
    if before >= as_of:
        raise InputError(f"the earlier date must be before {as_of}, got {before}.")
    lines = everyone(transactions, as_of).visible(transactions.select("customer_id", "ts", "available_at", "amount"))
    lines = lines.mutate(day=lines.ts.date())
    # A day is a purchase from the moment on at which a sale of it is visible.
    is_sale = lines.amount >= 0
    days = lines.group_by(["customer_id", "day"]).agg(
        sales=lines.count(where=is_sale),
        sales_before=lines.count(where=is_sale & (lines.available_at < midnight(before))),
    )
    days = days.filter(days.sales > 0)
    was_seen = days.sales_before > 0
    sums = days.group_by("customer_id").agg(
        number=days.count(),
        first=days.day.min(),
        last=days.day.max(),
        number_before=days.count(where=was_seen),
        first_before=days.day.min(where=was_seen),
        last_before=days.day.max(where=was_seen),
    )
    known = sums.number_before.nullif(0)
    names = ["frequency", "recency", "T", "frequency_before", "recency_before", "T_before"]
    histories = sums.select(
        frequency=(sums.number - 1).cast("float64"),
        recency=sums["last"].delta(sums["first"], unit="day").cast("float64"),
        T=(ibis.literal(as_of).delta(sums["first"], unit="day") - 1).cast("float64"),
        frequency_before=(known - 1).cast("float64"),
        recency_before=sums.last_before.delta(sums.first_before, unit="day").cast("float64"),
        T_before=(ibis.literal(before).delta(sums.first_before, unit="day") - 1).cast("float64"),
    )
    counted = histories.group_by(names).agg(customers=histories.count())
    return counted.mutate(customers=counted.customers.cast("float64")).order_by(names)
