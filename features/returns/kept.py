"""The matching of returns at a date: said in the expression that needs it, or made once and kept in the engine."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import date

import ibis
import ibis.expr.types as ir

from features.engine.compiled import compiled, kept_meanwhile
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
from features.spine import Spine, everyone, left_joined, pairs
from features.tables import Tables


def visible_lines(transactions: ir.Table, spine: Spine, *columns: str) -> ir.Table:
    """Give the visible lines of the pairs with the columns that purchases and returns need, and with others."""
    return spine.visible(transactions.select(*needed_columns(transactions), *columns))


def matching_at(transactions: ir.Table, spine: Spine) -> Matching | None:
    """Match the visible returns of the pairs, unless the spine holds that; None where nobody returned anything."""
    if NO_RETURNS in transactions.columns:
        return None
    return spine.matching or match(visible_lines(transactions, spine), spine.keys)


def with_beyond(sums: ir.Table, transactions: ir.Table, spine: Spine) -> ir.Table:
    """Add net to sums by pair: their total less the returns that no sale is there for."""
    matching = matching_at(transactions, spine)
    if matching is None:
        return sums.mutate(net=sums.total)
    sums = left_joined(sums, matching.beyond, spine.keys)
    return sums.mutate(net=sums.total - sums.beyond.fill_null(0))


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


def tables_to_read(transactions: ir.Table, spine: Spine, when: str = "") -> dict[str, ir.Table]:
    """Name the tables that purchases are read from, for `features.engine.compiled.compiled`: lines, and what came back.

    Parameters
    ----------
    transactions
        Clean transactions.
    spine
        With its matching, where there are returns.
    when
        Before the names of what came back, where two dates are read.
    """
    parts = {part.name: getattr(spine.matching, part.name) for part in fields(Matching)} if spine.matching else {}
    came_back = {f"{when}{name}": table for name, table in parts.items() if table is not None}
    return {"transactions": transactions, **came_back}


def everyone_read(tables: Mapping[str, ir.Table], as_of: date, when: str = "") -> Spine:
    """Give everyone at a date with the matching, from what `tables_to_read` names."""
    return _with_what_came_back(everyone(tables["transactions"], as_of), tables, when)


def pairs_read(tables: Mapping[str, ir.Table], rows: ir.Table) -> Spine:
    """Give the pairs of some rows with the matching, from what `tables_to_read` names."""
    return _with_what_came_back(pairs(rows), tables)


def _with_what_came_back(spine: Spine, tables: Mapping[str, ir.Table], when: str = "") -> Spine:
    parts = {part.name: tables.get(f"{when}{part.name}") for part in fields(Matching)}
    return spine if parts["by_day"] is None else replace(spine, matching=Matching(**parts))


def _computed(transactions: ir.Table, spine: Spine, with_lags: bool) -> Matching:
    keys, dates = spine.keys, [] if spine.as_of is None else [spine.as_of]
    lines = {"transactions": transactions, **({} if dates else {"pairs": spine.table})}

    # Each step reads the one before several times, so each is a table of its own until the next is there.
    with (
        kept_meanwhile(compiled(_events, lines, dates)) as events,
        kept_meanwhile(compiled(_matched_to_orders, {"events": events}, (), [keys])) as by_order,
        kept_meanwhile(compiled(_matched_to_sales, {"events": by_order}, (), [keys])) as by_sale,
    ):
        parts = {
            name: compiled(_part_of_matching, {"events": by_sale}, (), [keys, name]).cache()
            for name in ("by_day", "beyond", "cancelled")
        }
        if with_lags:
            parts["by_lag"] = compiled(_by_lag, {"by_order": by_order, "by_sale": by_sale}, dates).cache()
        return Matching(**parts)


def _spine(tables: Mapping[str, ir.Table], dates: Sequence[date]) -> Spine:
    return everyone(tables["transactions"], dates[0]) if dates else Spine(tables["pairs"])


def _events(tables: Mapping[str, ir.Table], *dates: date) -> ir.Table:
    spine = _spine(tables, dates)
    return events_of(visible_lines(tables["transactions"], spine), spine.keys)


def _matched_to_orders(tables: Mapping[str, ir.Table], keys: Sequence[str]) -> ir.Table:
    return matched_to_orders(tables["events"], keys, narrow=True)


def _matched_to_sales(tables: Mapping[str, ir.Table], keys: Sequence[str]) -> ir.Table:
    return matched_to_sales(tables["events"], keys, narrow=True)


def _part_of_matching(tables: Mapping[str, ir.Table], keys: Sequence[str], name: str) -> ir.Table:
    part: ir.Table = getattr(matching_of(tables["events"], keys), name)
    return part


def _by_lag(tables: Mapping[str, ir.Table], as_of: date) -> ir.Table:
    return sums_by_lag(tables["by_order"], tables["by_sale"], ["customer_id"], lambda _: ibis.literal(as_of))
