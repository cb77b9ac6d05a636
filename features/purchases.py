"""Purchases as Fader & Hardie count them: frequency, recency, T, monetary value, and how many customers share them.

The likelihood of BG/NBD depends on a customer only through (frequency, recency, T), that of Gamma-Gamma only through
(spend_frequency, spend_value): the sufficient statistics of a fit are these and their number of customers. The counting
is a GROUP BY, so it runs in the engine that holds the summary, and only the counts leave it.
"""

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir

from data.errors import InputError
from features.engine.compiled import Query, compiled
from features.returns.kept import (
    everyone_matched,
    everyone_read,
    matching_at,
    tables_to_read,
    visible_lines,
    with_beyond,
)
from features.returns.matching import NO_RETURNS
from features.spine import Spine, everyone, left_joined, midnight
from features.tables import Tables


def purchase_days(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Add up the visible lines of each customer and day. Grain: one row per pair and purchase day.

    A purchase is a day with at least one sale (a line of amount >= 0), be its value zero, that has not come back in
    full. Its value is its sales less what came back of them, on whatever day (`features.returns.matching`).

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Whom to describe, and as of when.

    Returns
    -------
    Table
        The spine's keys, day, net (exact decimal, zero or more), age (days from the day to as_of: 1 is the last day
        seen).
    """
    lines = visible_lines(transactions, spine)
    sales = lines.filter(lines.amount >= 0)
    sales = sales.mutate(day=sales.ts.date())
    days = sales.group_by([*spine.keys, "day"]).agg(net=sales.amount.sum())
    matching = matching_at(transactions, spine)
    if matching is not None:
        days = left_joined(days, matching.by_day, [*spine.keys, "day"])
        days = days.filter(days.stands.fill_null(True))
        days = days.mutate(net=days.net - days.returned.fill_null(0)).drop("returned", "stands")
    return days.mutate(age=spine.date_of(days).delta(days.day, unit="day"))


def purchase_sequence(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Give `purchase_days` with gap: days since the purchase day before, null for the first purchase."""
    days = purchase_days(transactions, spine)
    in_order = ibis.window(group_by=spine.keys, order_by="day")
    # The age falls by one a day, so the gap is what it has fallen since the purchase before.
    return days.mutate(gap=days.age.lag().over(in_order) - days.age)


def summarise_purchases(transactions: ir.Table, spine: Spine, *, with_first_value: bool = False) -> ir.Table:
    """Summarise each customer's visible purchases. Grain: one row per pair with at least one of them.

    Equal to `lifetimes.utils.summary_data_from_transaction_data` with observation_period_end = as_of - 1 day where no
    amount is negative.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Whom to describe, and as of when.
    with_first_value
        Whether to add first_value (exact decimal): the value of the first purchase, after its returns.

    Returns
    -------
    Table
        customer_id, as_of, first_purchase and last_purchase (DATE), and as DOUBLE: frequency (purchase days - 1),
        recency (days from the first to the last purchase), T (days from the first purchase to as_of - 1 day),
        monetary_value (mean value of the repeat days, those of zero value included; 0.0 where there are none),
        spend_frequency and spend_value (number and mean of the repeat days of positive value, which is what
        Gamma-Gamma takes; 0.0 where there are none), total_value (net revenue: all sales less all returns, those beyond
        all sales included).
    """
    days = purchase_days(transactions, spine)
    by_pair = days.group_by(spine.keys).agg(**summary_sums(days, days.net.argmin(days.day)))
    sums = with_beyond(by_pair, transactions, spine)
    columns = summary_columns(sums, spine) | ({"first_value": sums.first_value} if with_first_value else {})
    return spine.with_as_of(sums.select(*spine.keys, **columns))


def summary_sums(days: ir.Table, first_value: ir.Value) -> dict[str, ir.Value]:
    """Name the sums over purchase days that a summary is made of, given the value of the first day."""
    # The first purchase is taken off again below: sums of decimals are exact, and days need not be put in order.
    return {
        "first_purchase": days.day.min(),
        "last_purchase": days.day.max(),
        "first_value": first_value,
        "days": days.count(),
        "total": days.net.sum(),
        "paid_days": days.count(where=days.net > 0),
        "paid": days.net.sum(where=days.net > 0),
    }


def summary_columns(sums: ir.Table, spine: Spine) -> dict[str, ir.Value]:
    """Make the columns of `summarise_purchases` from `summary_sums` by pair, after `with_beyond`."""
    repeats, spends = sums.days - 1, sums.paid_days - ibis.ifelse(sums.first_value > 0, 1, 0)
    spend = sums.paid - ibis.greatest(sums.first_value, 0)
    return {
        **{name: sums[name] for name in ("first_purchase", "last_purchase")},
        "frequency": repeats.cast("float64"),
        "recency": sums.last_purchase.delta(sums.first_purchase, unit="day").cast("float64"),
        # T ends at the last day seen, as_of - 1 day.
        "T": (spine.date_of(sums).delta(sums.first_purchase, unit="day") - 1).cast("float64"),
        "monetary_value": mean(sums.total - sums.first_value, repeats).fill_null(0.0),
        "spend_frequency": spends.cast("float64"),
        "spend_value": mean(spend, spends).fill_null(0.0),
        "total_value": sums.net.cast("float64"),
    }


def purchase_summary(tables: Tables, as_of: date) -> ir.Table:
    """Summarise everyone's purchases before a date: once a run, into a file, as it is counted several times.

    Parameters
    ----------
    tables
        Clean tables.
    as_of
        Exclusive.

    Returns
    -------
    Table
        As `summarise_purchases` gives it.
    """
    key = ("purchase summary", as_of)
    return tables.workspace.once(key, lambda: purchase_summary_with_first_value(tables, as_of).drop("first_value"))


def purchase_summary_with_first_value(tables: Tables, as_of: date) -> ir.Table:
    """Give `purchase_summary` with first_value, as `summarise_purchases` does: the same file."""

    def summary() -> ir.Table:
        read = tables_to_read(tables.transactions, everyone_matched(tables, as_of, with_lags=True))
        rows = compiled(_summary, read, [as_of])
        if not isinstance(rows, Query):
            return rows.cache()
        # Kept in the engine, those of ten million customers at three dates would fill its memory.
        stored = tables.workspace.table(("file of the purchase summary", as_of), lambda: rows)
        return rows.engine.read_parquet(stored.file)

    return tables.workspace.once(("purchase summary with the first value", as_of), summary)


def _summary(tables: Mapping[str, ir.Table], as_of: date) -> ir.Table:
    return summarise_purchases(tables["transactions"], everyone_read(tables, as_of), with_first_value=True)


def without_purchase(tables: Tables, as_of: date) -> ir.Table:
    """Give customer_id of those with visible transactions and no purchase. Grain: one row per such customer.

    What they bought came back in full, or its sale is not among the transactions. They are no customers of the base.

    Parameters
    ----------
    tables
        Clean tables.
    as_of
        Exclusive.
    """
    customers = everyone(tables.transactions, as_of).table.select("customer_id")
    if NO_RETURNS in tables.transactions.columns:
        return customers.limit(0)
    return customers.anti_join(purchase_summary(tables, as_of), "customer_id")


def purchase_statistics(summary: ir.Table) -> ir.Table:
    """Count the customers of each purchase history. Grain: one row per distinct (frequency, recency, T).

    Parameters
    ----------
    summary
        What `summarise_purchases` gives, or any table that holds frequency, recency and T in whole
        days.

    Returns
    -------
    Table
        frequency, recency, T (days) and customers (rows of the summary that have this history), all DOUBLE, ordered by
        the first three. The customers add up to the rows of the summary.
    """
    counts = _counted(summary, "frequency", "recency", "T")
    # Whole numbers are put in order in half the time that doubles take.
    return counts.order_by([counts[name].cast("int64") for name in ("frequency", "recency", "T")])


def spend_statistics(summary: ir.Table) -> ir.Table:
    """Count the customers of each spend history. Grain: one row per distinct (spend_frequency, spend_value).

    Parameters
    ----------
    summary
        What `summarise_purchases` gives, or any table that holds spend_frequency and spend_value.

    Returns
    -------
    Table
        spend_frequency, spend_value (money) and customers, all DOUBLE, ordered by the first two. Only customers with
        a repeat day of positive value count: Gamma-Gamma does not use the others.
    """
    priced = summary.filter((summary.spend_frequency > 0) & (summary.spend_value > 0))
    return _counted(priced, "spend_frequency", "spend_value").order_by(["spend_frequency", "spend_value"])


def purchase_changes(tables: Tables, before: date, as_of: date) -> ir.Table:
    """Count the customers of each pair of histories. Grain: one row per distinct pair.

    Each history is what `summarise_purchases` gives for a customer at that date, but for purchases of the earlier date
    that have come back since: they stay in the later history, so that it goes on from the earlier one.

    Parameters
    ----------
    tables
        Clean tables, of which transactions are read.
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
    transactions = tables.transactions
    lines = visible_lines(transactions, everyone(transactions, as_of))
    lines = lines.mutate(day=lines.ts.date())
    # A day is a purchase from the moment on at which a sale of it is visible, until all of it has come back.
    is_sale = lines.amount >= 0
    days = lines.group_by(["customer_id", "day"]).agg(
        sales=lines.count(where=is_sale),
        sales_before=lines.count(where=is_sale & (lines.available_at < midnight(before))),
    )
    is_purchase, was_purchase = days.sales > 0, days.sales_before > 0
    now, then = (everyone_matched(tables, day).matching for day in (as_of, before))
    if now is not None and then is not None:
        stood = then.by_day.select("customer_id", "day", stood="stands")
        days = left_joined(left_joined(days, now.by_day, ["customer_id", "day"]), stood, ["customer_id", "day"])
        was_purchase = (days.sales_before > 0) & days.stood.fill_null(True)
        is_purchase = was_purchase | ((days.sales > 0) & days.stands.fill_null(True))
    sums = days.group_by("customer_id").agg(
        number=days.count(where=is_purchase),
        first=days.day.min(where=is_purchase),
        last=days.day.max(where=is_purchase),
        number_before=days.count(where=was_purchase),
        first_before=days.day.min(where=was_purchase),
        last_before=days.day.max(where=was_purchase),
    )
    sums = sums.filter(sums.number > 0)
    number_before = sums.number_before.nullif(0)
    names = ["frequency", "recency", "T", "frequency_before", "recency_before", "T_before"]
    histories = sums.select(
        frequency=(sums.number - 1).cast("float64"),
        recency=sums["last"].delta(sums["first"], unit="day").cast("float64"),
        T=(ibis.literal(as_of).delta(sums["first"], unit="day") - 1).cast("float64"),
        frequency_before=(number_before - 1).cast("float64"),
        recency_before=sums.last_before.delta(sums.first_before, unit="day").cast("float64"),
        T_before=(ibis.literal(before).delta(sums.first_before, unit="day") - 1).cast("float64"),
    )
    counted = histories.group_by(names).agg(customers=histories.count())
    return counted.mutate(customers=counted.customers.cast("float64")).order_by(names)


def _counted(rows: ir.Table, *names: str) -> ir.Table:
    counts = rows.group_by(names).agg(customers=rows.count())
    return counts.select(*names, customers=counts.customers.cast("float64"))


def mean(total: ir.NumericValue, count: ir.NumericValue) -> ir.FloatingValue:
    """Divide an exact total by a count, as doubles and last of all; null where the count is zero."""
    return total.cast("float64") / count.cast("float64").nullif(0.0)
