"""Purchases as Fader & Hardie count them: frequency, recency, T and monetary value."""

import ibis
import ibis.expr.types as ir

from features.spine import Spine


def customer_days(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Sum the visible lines of each customer and day. Grain: one row per pair and day with any line.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Whom to describe, and as of when.

    Returns
    -------
    Table
        The spine's keys, day, age (days from the day to as_of: 1 is the last day seen), sales and returns (lines of
        amount >= 0 and < 0), net, sales_value and returns_value (positive) as exact decimals.
    """
    lines = spine.visible(transactions)
    lines = lines.mutate(day=lines.ts.date())
    is_sale = lines.amount >= 0
    days = lines.group_by([*spine.keys, "day"]).agg(
        sales=lines.count(where=is_sale),
        returns=lines.count(where=~is_sale),
        net=lines.amount.sum(),
        sales_value=ibis.coalesce(lines.amount.sum(where=is_sale), 0),
        returns_value=-ibis.coalesce(lines.amount.sum(where=~is_sale), 0),
    )
    return days.mutate(age=spine.date_of(days).delta(days.day, unit="day"))


def purchase_days(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Keep the customer-days that are purchases: those with at least one sale, be its value zero.

    A day with only returns is no purchase. The value of a purchase is the day's net, its returns included. Columns
    as in `customer_days`.
    """
    days = customer_days(transactions, spine)
    return days.filter(days.sales > 0)


def summarise_purchases(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Summarise each customer's visible purchases. Grain: one row per pair with at least one of them.

    Equal to `lifetimes.utils.summary_data_from_transaction_data` with observation_period_end = as_of - 1 day where no
    amount is negative.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Whom to describe, and as of when.

    Returns
    -------
    Table
        customer_id, as_of, first_purchase and last_purchase (DATE), and as DOUBLE: frequency (purchase days - 1),
        recency (days from the first to the last purchase), T (days from the first purchase to as_of - 1 day),
        monetary_value (mean value of the repeat days, those of zero value included; 0.0 where there are none),
        spend_frequency and spend_value (number and mean of the repeat days of positive value, which is what
        Gamma-Gamma takes; 0.0 where there are none).
    """
    days = purchase_days(transactions, spine)
    firsts = days.group_by(spine.keys).agg(first_purchase=days.day.min())
    joined = days.join(firsts, spine.keys, how="inner")
    is_repeat = joined.day > joined.first_purchase
    is_spend = is_repeat & (joined.net > 0)
    sums = joined.group_by(spine.keys).agg(
        first_purchase=joined.day.min(),
        last_purchase=joined.day.max(),
        repeats=joined.count(where=is_repeat),
        repeat_value=joined.net.sum(where=is_repeat),
        spends=joined.count(where=is_spend),
        spend=joined.net.sum(where=is_spend),
    )
    summary = sums.select(
        *spine.keys,
        "first_purchase",
        "last_purchase",
        frequency=sums.repeats.cast("float64"),
        recency=sums.last_purchase.delta(sums.first_purchase, unit="day").cast("float64"),
        # T ends at the last day seen, as_of - 1 day.
        T=(spine.date_of(sums).delta(sums.first_purchase, unit="day") - 1).cast("float64"),
        monetary_value=mean(sums.repeat_value, sums.repeats).fill_null(0.0),
        spend_frequency=sums.spends.cast("float64"),
        spend_value=mean(sums.spend, sums.spends).fill_null(0.0),
    )
    return spine.with_as_of(summary)


def mean(total: ir.NumericValue, count: ir.NumericValue) -> ir.FloatingValue:
    """Divide an exact total by a count, as doubles and last of all; null where the count is zero."""
    return total.cast("float64") / count.cast("float64").nullif(0.0)
