"""How customers buy: the behavioural features that come from transactions."""

from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir

from features.definition import WINDOWS
from features.purchases import mean, purchase_sequence, summary_columns, summary_sums
from features.returns.kept import matching_at, visible_lines, with_beyond
from features.returns.matching import standing_sales
from features.spine import Spine

TREND_DAYS = 90


def line_features(
    transactions: ir.Table, spine: Spine, columns: Sequence[str], channels: Mapping[str, str]
) -> ir.Table:
    """Describe value, returns, discounts, margin and channels. Grain: one row per pair with any visible line.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line; amounts are net of discounts.
    spine
        Whom to describe, and as of when.
    columns
        The optional columns that the shop fills; discount and cost matter here.
    channels
        Name of a feature -> the channel whose share it is.

    Returns
    -------
    Table
        The spine's keys and, per window: net_value (returns deducted); returns (lines), returns_value (positive) and
        return_rate (share of the lines that are returns); with discount: discount and discount_share (discount /
        (sales + discount)). Then sales_trend_90d, the sales of the last 90 days against those of the 90 before as
        (late - early) / (late + early), between -1 and 1; with cost: margin_share ((sales - cost) / sales, of the lines
        whose cost is known); the share of each channel, of the sale lines that have a channel. Discounts and margin are
        null for a customer none of whose lines has them.
    """
    optional = ["channel", *(name for name in ("discount", "cost") if name in columns)]
    lines = spine.visible(transactions.select("customer_id", "ts", "available_at", "amount", *optional))
    lines = lines.mutate(
        age=spine.date_of(lines).delta(lines.ts.date(), unit="day"),
        is_sale=lines.amount >= 0,
        is_return=lines.amount < 0,
    )
    sums: dict[str, ir.Value] = {
        "late": lines.amount.sum(where=lines.is_sale & _late(lines)),
        "early": lines.amount.sum(where=lines.is_sale & _early(lines)),
    }
    for window, length in WINDOWS.items():
        inside = _inside(lines, length)
        sums |= {
            f"lines_{window}": lines.count(where=inside),
            f"net_value_{window}": lines.amount.sum(where=inside),
            f"returns_{window}": lines.count(where=_inside(lines, length, lines.is_return)),
            f"returns_value_{window}": lines.amount.sum(where=_inside(lines, length, lines.is_return)),
        }
        if "discount" in columns:
            sums[f"discount_{window}"] = lines.discount.sum(where=_inside(lines, length, lines.is_sale))
    if "discount" in columns:
        sums["discounts"] = lines.discount.count(where=lines.is_sale)
    if "cost" in columns:
        has_cost = lines.is_sale & lines["cost"].notnull()
        sums |= {"cost": lines["cost"].sum(where=has_cost), "costed": lines.amount.sum(where=has_cost)}
    if channels:
        sums["channelled"] = lines.channel.count(where=lines.is_sale)
        for name, channel in channels.items():
            sums[name] = lines.count(where=lines.is_sale & (lines.channel == channel))
    summed = lines.group_by(spine.keys).agg(**sums)

    features: dict[str, ir.Value] = {"sales_trend_90d": _trend(summed)}
    for window in WINDOWS:
        returns_value = -summed[f"returns_value_{window}"].fill_null(0)
        features |= {
            f"net_value_{window}": _double(summed[f"net_value_{window}"]),
            f"returns_{window}": _double(summed[f"returns_{window}"]),
            f"returns_value_{window}": _double(returns_value),
            f"return_rate_{window}": mean(summed[f"returns_{window}"], summed[f"lines_{window}"]),
        }
        if "discount" in columns:
            sales = summed[f"net_value_{window}"].fill_null(0) + returns_value
            discount = summed[f"discount_{window}"].fill_null(0)
            recorded = ibis.ifelse(summed.discounts > 0, discount, ibis.null(discount.type()))
            features[f"discount_{window}"] = recorded.cast("float64")
            features[f"discount_share_{window}"] = mean(recorded, discount + sales)
    if "cost" in columns:
        features["margin_share"] = mean(summed.costed - summed["cost"], summed.costed)
    for name in channels:
        features[name] = mean(summed[name], summed.channelled)
    return summed.select(*spine.keys, **features)


def purchase_features(transactions: ir.Table, spine: Spine, columns: Sequence[str]) -> ir.Table:
    """Summarise purchases, and compare the time since the last one with the customer's own rhythm.

    Grain: a row per pair with a purchase. Both look at the purchase days, which are added up once.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Whom to describe, and as of when.
    columns
        The optional columns that the shop fills; order_id matters here.

    Returns
    -------
    Table
        The columns of `features.purchases.summarise_purchases`; with order_id, without which a day is an order,
        purchase_days per window; days_since_last_purchase (T - recency: 0 is the last day seen), days_between_purchases
        (mean gap), gap_ratio (time since the last purchase / mean gap) and gap_z ((time since - mean gap) / standard
        deviation of the gaps), null where there are too few gaps, or for gap_z, all are equal; weekend_share, the share
        of purchase days on Saturdays and Sundays; last_purchase_value, the net of the last purchase day.
    """
    days = purchase_sequence(transactions, spine)
    sums = days.group_by(spine.keys).agg(
        # Only the first purchase has no gap before it.
        **summary_sums(days, days.net.sum(where=days.gap.isnull())),
        **{f"purchase_days_{window}": days.count(where=_inside(days, length)) for window, length in WINDOWS.items()},
        since=days.age.min() - 1,
        gaps=days.gap.count(),
        gap_total=days.gap.sum(),
        squares=(days.gap * days.gap).sum(),
        weekend_days=days.count(where=days.day.day_of_week.index() >= 5),
        last_value=days.net.argmax(days.day),
    )
    sums = with_beyond(sums, transactions, spine)
    since, usual = sums.since.cast("float64"), mean(sums.gap_total, sums.gaps)
    # Sums of integers are exact, so the variance has no rounding but its own: (n S2 - S1^2) / (n (n - 1)).
    spread = mean(sums.gaps * sums.squares - sums.gap_total * sums.gap_total, sums.gaps * (sums.gaps - 1)).sqrt()
    counted = WINDOWS if "order_id" in columns else {}
    return spine.with_as_of(
        sums.select(
            *spine.keys,
            **summary_columns(sums, spine),
            **{f"purchase_days_{window}": _double(sums[f"purchase_days_{window}"]) for window in counted},
            days_since_last_purchase=since,
            days_between_purchases=usual,
            gap_ratio=since / usual.nullif(0.0),
            gap_z=(since - usual) / spread.nullif(0.0),
            weekend_share=mean(sums.weekend_days, sums.purchase_days_ever),
            last_purchase_value=sums.last_value.cast("float64"),
        )
    )


def order_features(transactions: ir.Table, spine: Spine, columns: Sequence[str]) -> ir.Table:
    """Describe orders. Grain: one row per pair with a visible sale.

    An order is what shares an order_id; sales of one day without order_id are one order. It belongs to the day of its
    first sale. One that came back in full is none.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Whom to describe, and as of when.
    columns
        The optional columns that the shop fills; order_id and quantity matter here.

    Returns
    -------
    Table
        The spine's keys; orders per window; orders_trend_90d as sales_trend_90d; with quantity: quantity_per_order, of
        the orders that have one.
    """
    optional = [name for name in ("quantity",) if name in columns]
    lines = _sales(transactions, spine, *optional)
    parts = ["day"]
    if "order_id" in columns:
        lines = lines.mutate(day_without_id=ibis.ifelse(lines.order_id.isnull(), lines.day, ibis.null("date")))
        parts = ["order_id", "day_without_id"]
    quantities = {"quantity": lines.quantity.sum()} if "quantity" in columns else {}
    orders = lines.group_by([*spine.keys, *parts]).agg(
        age=spine.date_of(lines).delta(lines.day, unit="day").max(), **quantities
    )
    if quantities:
        quantities = {"quantity": orders.quantity.sum(), "quantities": orders.quantity.count()}
    sums = orders.group_by(spine.keys).agg(
        **{f"orders_{window}": orders.count(where=_inside(orders, length)) for window, length in WINDOWS.items()},
        late=orders.count(where=_late(orders)),
        early=orders.count(where=_early(orders)),
        **quantities,
    )
    features = {f"orders_{window}": _double(sums[f"orders_{window}"]) for window in WINDOWS}
    features["orders_trend_90d"] = _trend(sums)
    if quantities:
        features["quantity_per_order"] = mean(sums.quantity, sums.quantities)
    return sums.select(*spine.keys, **features)


def category_features(transactions: ir.Table, spine: Spine, categories: Mapping[str, str]) -> ir.Table:
    """Describe what is bought and kept. Grain: one row per pair with a visible sale that has a category.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        Whom to describe, and as of when.
    categories
        Name of a feature -> the category whose share it is.

    Returns
    -------
    Table
        The spine's keys, categories (distinct), top_category_share (of the lines that have a category) and the share of
        each category, likewise.
    """
    lines = _sales(transactions, spine, "category")
    lines = lines.filter(lines.category.notnull())
    counts = lines.group_by([*spine.keys, "category"]).agg(number=lines.count())
    sums = counts.group_by(spine.keys).agg(
        categories=counts.count(),
        top=counts.number.max(),
        total=counts.number.sum(),
        **{name: counts.number.sum(where=counts.category == category) for name, category in categories.items()},
    )
    return sums.select(
        *spine.keys,
        categories=_double(sums.categories),
        top_category_share=mean(sums.top, sums.total),
        **{name: mean(sums[name].fill_null(0), sums.total) for name in categories},
    )


def _sales(transactions: ir.Table, spine: Spine, *optional: str) -> ir.Table:
    # Each kind of feature reads just its own columns: reading twice is cheaper than keeping all lines in memory.
    matching = matching_at(transactions, spine)
    lines = standing_sales(visible_lines(transactions, spine, *optional), spine.keys, matching)
    return lines.mutate(day=lines.ts.date())


def _inside(rows: ir.Table, length: int | None, also: ir.BooleanValue | None = None) -> ir.BooleanValue | None:
    if length is None:
        return also
    recent = rows.age <= length
    return recent if also is None else recent & also


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
