"""The matching of returns at a date: said in the expression that needs it, or made once and kept in the engine."""

from dataclasses import replace
from datetime import date

import ibis.expr.types as ir

from features.returns.matching import (
    NO_RETURNS,
    Matching,
    events_of,
    match,
    matched_to_orders,
    matched_to_sales,
    matching_of,
    needed_columns,
)
from features.returns.pairing import sums_by_lag
from features.spine import Spine, everyone
from features.tables import Tables


def visible_lines(transactions: ir.Table, spine: Spine, *columns: str) -> ir.Table:
    """Give the visible lines of the pairs with the columns that purchases and returns need, and with others."""
    return spine.visible(transactions.select(*needed_columns(transactions), *columns))


def matching_at(transactions: ir.Table, spine: Spine) -> Matching | None:
    """Match the visible returns of the pairs, unless the spine holds that; None where nobody returned anything."""
    if NO_RETURNS in transactions.columns:
        return None
    return spine.matching or match(visible_lines(transactions, spine), spine.keys)


def everyone_matched(tables: Tables, as_of: date, *, with_lags: bool = False) -> Spine:
    """Give `features.spine.everyone` before a date with the matching, as `with_matching` keeps it."""
    return with_matching(tables, everyone(tables.transactions, as_of), with_lags=with_lags)


def with_matching(tables: Tables, spine: Spine, *, with_lags: bool = False) -> Spine:
    """Match the returns of the pairs once a run, and give the spine with that.

    Many expressions read purchases, and each would match them anew: compile it, plan it and run it. What is kept is
    small: days and orders of which something came back.

    Parameters
    ----------
    tables
        Clean tables, whose workspace keeps the matching.
    spine
        Whom to describe, and as of when.
    with_lags
        Whether `features.returns.lags.returned_by_lag` will be asked for: it is worked out in the same steps.
    """
    if NO_RETURNS in tables.transactions.columns:
        return spine
    key = ("matching", spine.as_of or spine.table.op())
    return replace(spine, matching=tables.workspace.once(key, lambda: _computed(tables.transactions, spine, with_lags)))


def _computed(transactions: ir.Table, spine: Spine, with_lags: bool) -> Matching:
    keys = spine.keys
    # Each step reads the one before several times, so each is a table of its own until the next is there.
    with (
        events_of(visible_lines(transactions, spine), keys).cache() as events,
        matched_to_orders(events, keys, narrow=True).cache() as by_order,
        matched_to_sales(by_order, keys, narrow=True).cache() as by_sale,
    ):
        matching = matching_of(by_sale, keys)
        by_lag = sums_by_lag(by_order, by_sale, keys, spine.date_of).cache() if with_lags else None
        return Matching(matching.by_day.cache(), matching.beyond.cache(), matching.cancelled.cache(), by_lag)
