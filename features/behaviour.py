"""How customers buy: the behavioural features that come from transactions."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from features.purchases import customer_days, mean, purchase_days
from features.spine import Spine

# Days before as_of; "ever" is everything visible.
WINDOWS: Mapping[str, int | None] = {"30d": 30, "90d": 90, "365d": 365, "ever": None}
TREND_DAYS = 90


def day_features(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Describe value, returns and trend of value. Grain: one row per pair with any visible line.

    Returns
    -------
    Table
        The spine's keys and, per window: purchase_days; net_value (returns deducted); returns (lines), returns_value
        (positive) and return_rate (share of the lines that are returns). Then sales_trend_90d, the sales of the last
        90 days against those of the 90 before as (late - early) / (late + early), between -1 and 1, and
        weekend_share, the share of purchase days on Saturdays and Sundays.
    """
    days = customer_days(transactions, spine)
    is_purchase = days.sales > 0
    sums: dict[str, ir.Value] = {}
    for window, length in WINDOWS.items():
        inside = _inside(days, length)
        sums |= {
            f"purchase_days_{window}": days.count(where=inside & is_purchase),
            f"net_value_{window}": days.net.sum(where=inside),
            f"returns_{window}": days.returns.sum(where=inside),
            f"returns_value_{window}": days.returns_value.sum(where=inside),
            f"sales_{window}": days.sales.sum(where=inside),
        }
    summed = days.group_by(spine.keys).agg(
        **sums,
        late=days.sales_value.sum(where=_late(days)),
        early=days.sales_value.sum(where=_early(days)),
        weekend_days=days.count(where=is_purchase & (days.day.day_of_week.index() >= 5)),
    )
    features: dict[str, ir.Value] = {}
    for window in WINDOWS:
        returns = summed[f"returns_{window}"].fill_null(0)
        features |= {
            f"{name}_{window}": _double(summed[f"{name}_{window}"])
            for name in ("purchase_days", "net_value", "returns", "returns_value")
        }
        features[f"return_rate_{window}"] = mean(returns, returns + summed[f"sales_{window}"].fill_null(0))
    return summed.select(
        *spine.keys,
        **features,
        sales_trend_90d=_trend(summed),
        weekend_share=mean(summed.weekend_days, summed.purchase_days_ever),
    )


def rhythm_features(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Compare the time since the last purchase with the customer's own rhythm. Grain: a row per pair with a purchase.

    Returns
    -------
    Table
        The spine's keys, days_since_last_purchase (T - recency: 0 is the last day seen), days_between_purchases (mean
        gap), gap_ratio (time since the last purchase / mean gap) and gap_z ((time since - mean gap) / standard
        deviation of the gaps); null where there are too few gaps, or for gap_z, all are equal.
    """
    days = purchase_days(transactions, spine)
    in_order = ibis.window(group_by=spine.keys, order_by="day")
    days = days.mutate(previous=days.day.lag().over(in_order))
    days = days.mutate(gap=days.day.delta(days.previous, unit="day"))
    sums = days.group_by(spine.keys).agg(
        since=days.age.min() - 1,
        gaps=days.gap.count(),
        total=days.gap.sum(),
        squares=(days.gap * days.gap).sum(),
    )
    since, usual = sums.since.cast("float64"), mean(sums.total, sums.gaps)
    # Sums of integers are exact, so the variance has no rounding but its own: (n S2 - S1^2) / (n (n - 1)).
    spread = mean(sums.gaps * sums.squares - sums.total * sums.total, sums.gaps * (sums.gaps - 1)).sqrt()
    return sums.select(
        *spine.keys,
        days_since_last_purchase=since,
        days_between_purchases=usual,
        gap_ratio=since / usual.nullif(0.0),
        gap_z=(since - usual) / spread.nullif(0.0),
    )


def order_features(transactions: ir.Table, spine: Spine, channels: Mapping[str, str]) -> ir.Table:
    """Describe orders. Grain: one row per pair with a visible sale.

    An order is what shares an order_id; sales of one day without order_id are one order. It belongs to the day of its
    first sale, and to the channel of its sales (the first by name, should they differ).

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Whom to describe, and as of when.
    channels
        Channel -> its name in feature names.

    Returns
    -------
    Table
        The spine's keys; orders per window; orders_trend_90d as sales_trend_90d; quantity_per_order; per channel
        channel_share_of_<channel>, its share of the orders that name a channel.
    """
    lines = _sales(transactions, spine)
    lines = lines.mutate(order_day=ibis.ifelse(lines.order_id.isnull(), lines.day, ibis.null("date")))
    orders = lines.group_by([*spine.keys, "order_id", "order_day"]).agg(
        age=lines.age.max(), channel=lines.channel.min(), quantity=lines.quantity.sum()
    )
    sums = orders.group_by(spine.keys).agg(
        **{f"orders_{window}": orders.count(where=_inside(orders, length)) for window, length in WINDOWS.items()},
        late=orders.count(where=_late(orders)),
        early=orders.count(where=_early(orders)),
        quantity=orders.quantity.sum(),
        quantities=orders.quantity.count(),
        channelled=orders.channel.count(),
        **{f"channel_{name}": orders.count(where=orders.channel == channel) for channel, name in channels.items()},
    )
    return sums.select(
        *spine.keys,
        **{f"orders_{window}": _double(sums[f"orders_{window}"]) for window in WINDOWS},
        orders_trend_90d=_trend(sums),
        quantity_per_order=mean(sums.quantity, sums.quantities),
        **{f"channel_share_of_{name}": mean(sums[f"channel_{name}"], sums.channelled) for name in channels.values()},
    )


def discount_features(transactions: ir.Table, spine: Spine, columns: Sequence[str]) -> ir.Table:
    """Describe discounts and margin. Grain: one row per pair with a visible sale.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line; amounts are net of discounts.
    spine
        Whom to describe, and as of when.
    columns
        Those of discount and cost that the shop fills.

    Returns
    -------
    Table
        The spine's keys; with discount, per window: discount, and discount_share (discount / (sales + discount)); with
        cost: margin_share ((sales - cost) / sales over the lines whose cost is known). Null for a customer of whom no
        line tells it.
    """
    lines = _sales(transactions, spine)
    sums: dict[str, ir.Value] = {}
    features: dict[str, ir.Value] = {}
    if "discount" in columns:
        sums["discounts"] = lines.discount.count()
        for window, length in WINDOWS.items():
            sums[f"discount_{window}"] = lines.discount.sum(where=_inside(lines, length))
            sums[f"sales_{window}"] = lines.amount.sum(where=_inside(lines, length))
    if "cost" in columns:
        has_cost = lines["cost"].notnull()
        sums |= {"cost": lines["cost"].sum(), "costed": lines.amount.sum(where=has_cost)}
    summed = lines.group_by(spine.keys).agg(**sums)
    if "discount" in columns:
        for window in WINDOWS:
            discount = summed[f"discount_{window}"].fill_null(0)
            told = ibis.ifelse(summed.discounts > 0, discount, ibis.null(discount.type()))
            features[f"discount_{window}"] = told.cast("float64")
            features[f"discount_share_{window}"] = mean(told, discount + summed[f"sales_{window}"].fill_null(0))
    if "cost" in columns:
        features["margin_share"] = mean(summed.costed - summed["cost"], summed.costed)
    return summed.select(*spine.keys, **features)


def category_features(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Describe the breadth of categories. Grain: one row per pair with a visible sale that names a category.

    Returns
    -------
    Table
        The spine's keys, categories (distinct) and top_category_share (of the lines that name one).
    """
    lines = _sales(transactions, spine)
    lines = lines.filter(lines.category.notnull())
    counts = lines.group_by([*spine.keys, "category"]).agg(number=lines.count())
    sums = counts.group_by(spine.keys).agg(
        categories=counts.count(), top=counts.number.max(), total=counts.number.sum()
    )
    return sums.select(*spine.keys, categories=_double(sums.categories), top_category_share=mean(sums.top, sums.total))


def _sales(transactions: ir.Table, spine: Spine) -> ir.Table:
    lines = spine.visible(transactions)
    lines = lines.filter(lines.amount >= 0)
    lines = lines.mutate(day=lines.ts.date())
    return lines.mutate(age=spine.date_of(lines).delta(lines.day, unit="day"))


def _inside(rows: ir.Table, length: int | None) -> ir.BooleanValue:
    return rows.age >= 1 if length is None else rows.age <= length


def _late(rows: ir.Table) -> ir.BooleanValue:
    return rows.age <= TREND_DAYS


def _early(rows: ir.Table) -> ir.BooleanValue:
    return (rows.age > TREND_DAYS) & (rows.age <= 2 * TREND_DAYS)


def _trend(sums: ir.Table) -> ir.FloatingValue:
    late, early = sums.late.fill_null(0), sums.early.fill_null(0)
    return mean(late - early, late + early)


def _double(total: ir.NumericValue) -> ir.FloatingValue:
    """Cast an exact sum or count; nothing to add up is zero."""
    return total.fill_null(0).cast("float64")
