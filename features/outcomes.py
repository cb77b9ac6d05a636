"""What customers did: in the horizon, which predictions are judged by, and month by month."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from data.errors import InputError
from features.describe import describe_everyone, in_order, materialised
from features.engine.compiled import Rows, Write, compiled, given
from features.purchases import purchase_days, purchase_summary
from features.returns.kept import everyone_matched, everyone_read, tables_to_read
from features.spine import Spine, everyone, left_joined
from features.tables import Tables
from features.vocabulary import Vocabulary

# Of more than 18 digits, so that DuckDB gives a product 38.
_EXACT = "decimal(19, 4)"
# Columns of what was bought in as many days before as_of as the horizon has.
BEFORE = ["purchases_before", "revenue_before"]
# Before the names of what came back by the date until which outcomes are known.
_KNOWN = "known_"


def outcomes(
    transactions: ir.Table,
    spine: Spine,
    horizon: int,
    known_before: date,
    kept: Mapping[int, Decimal] | None = None,
    known: Spine | None = None,
) -> ir.Table:
    """Count what each known customer bought in [as_of, as_of + horizon days).

    Revenue is the value of the purchases of the horizon after their own returns, whenever these are booked; what came
    back of earlier purchases is none of it. It is the quantity that the purchase and spend models expect.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        The pairs to judge.
    horizon
        Days, at least 1.
    known_before
        Only rows available before this midnight are counted, so that a past judgement can be repeated.
    kept
        Share of a purchase's present value that is expected to stay, by its age in days at `known_before` (1 is the
        last day seen), 1 for other ages: the newest purchases are taken at what will be left of them. All stays unless
        given.
    known
        Everyone at `known_before`, where their returns are matched already (`features.returns.kept`).

    Returns
    -------
    Table
        customer_id, as_of, purchases (purchase days, DOUBLE), revenue (DOUBLE); one row per pair with a purchase
        visible before as_of, zeros where nothing was bought.

    Raises
    ------
    InputError
        If the horizon is not positive, or ends after `known_before`: its outcomes are not known yet.
    """
    _check_horizon(spine, horizon, known_before)
    shares = None if kept is None else ibis.memtable(_shares(kept))
    known = known or everyone(transactions, known_before)
    return _outcomes(transactions, spine, known, lambda days: days.day.delta(days.as_of, unit="day") < horizon, shares)


def _outcomes(
    transactions: ir.Table,
    spine: Spine,
    known: Spine,
    is_before_end: Callable[[ir.Table], ir.BooleanValue],
    shares: ir.Table | None,
) -> ir.Table:
    # Who has a purchase: no more of their summary is needed.
    customers = spine.with_as_of(purchase_days(transactions, spine).select(*spine.keys).distinct())
    days = purchase_days(transactions, known)
    if shares is not None:
        shares = shares.select(age=shares.age.cast(days.age.type()), kept=shares.kept.cast(_EXACT))
        days = left_joined(days, shares, ["age"])
        # Decimals, so that the sums do not depend on the order of rows.
        days = days.mutate(net=days.net.cast(_EXACT) * days.kept.fill_null(ibis.literal(1).cast(_EXACT)))
    joined = customers.join(days.select("customer_id", "day", "net"), "customer_id", how="left")
    within = (joined.day >= joined.as_of) & is_before_end(joined)
    sums = joined.group_by(["customer_id", "as_of"]).agg(
        purchases=joined.count(where=within), revenue=joined.net.sum(where=within)
    )
    return sums.mutate(
        purchases=sums.purchases.cast("float64"), revenue=ibis.coalesce(sums.revenue.cast("float64"), 0.0)
    )


def _shares(kept: Mapping[int, Decimal]) -> pa.Table:
    return pa.table({"age": list(kept), "kept": [str(share) for share in kept.values()]})


def realised_outcomes(
    tables: Tables, as_of: date, horizon: int, known_before: date, kept: Mapping[int, Decimal] | None = None
) -> pd.DataFrame:
    """Return the `outcomes` of everyone at a date by customer_id, with returns matched once a run."""
    return materialised(_compiled(_realised, tables, as_of, horizon, known_before, kept))


def summary_with_outcomes(
    tables: Tables, as_of: date, horizon: int, known_before: date, kept: Mapping[int, Decimal] | None = None
) -> pd.DataFrame:
    """Return everyone's purchases before a date beside what they did after it.

    Parameters
    ----------
    tables
        Clean tables.
    as_of
        Exclusive.
    horizon, known_before, kept
        As for `outcomes`.

    Returns
    -------
    DataFrame
        The columns of `features.purchases.purchase_summary`; purchases and revenue; and of as many days before as_of as
        the horizon has after it, purchases_before and revenue_before. Sorted by customer_id.
    """
    summary = {"summary": purchase_summary(tables, as_of)}
    return materialised(_compiled(_with_summary, tables, as_of, horizon, known_before, kept, summary))


def _compiled(
    write: Write,
    tables: Tables,
    as_of: date,
    horizon: int,
    known_before: date,
    kept: Mapping[int, Decimal] | None,
    others: Mapping[str, ir.Table] | None = None,
) -> Rows:
    spine, known = everyone_matched(tables, as_of), everyone_matched(tables, known_before)
    _check_horizon(spine, horizon, known_before)
    read = {**tables_to_read(tables.transactions, spine), **tables_to_read(tables.transactions, known, _KNOWN)}
    if kept is not None:
        rows, beside = _shares(kept), tables.transactions
        read["kept"] = tables.workspace.once(("kept", *kept.items()), lambda: given(rows, beside))
    # Dates instead of the number of days: all horizons share one text.
    span = timedelta(days=horizon)
    return compiled(write, read | dict(others or {}), [as_of, known_before, as_of + span, as_of - span])


def _realised(tables: Mapping[str, ir.Table], as_of: date, known_before: date, end: date, _: date) -> ir.Table:
    spine, known = everyone_read(tables, as_of), everyone_read(tables, known_before, _KNOWN)
    realised = _outcomes(tables["transactions"], spine, known, lambda days: days.day < end, tables.get("kept"))
    return realised.drop("as_of").order_by("customer_id")


def _with_summary(tables: Mapping[str, ir.Table], as_of: date, known_before: date, end: date, before: date) -> ir.Table:
    days = purchase_days(tables["transactions"], everyone_read(tables, as_of))
    recent = days.filter(days.day >= before)
    sums_before = recent.group_by("customer_id").agg(
        purchases_before=recent.count().cast("float64"), revenue_before=recent.net.sum().cast("float64")
    )
    realised = _realised(tables, as_of, known_before, end, before)
    described = left_joined(tables["summary"].inner_join(realised, "customer_id"), sums_before, ["customer_id"])
    filled = {name: described[name].fill_null(0.0) for name in BEFORE}
    return in_order(described.mutate(**filled))


def describe_with_outcomes(
    tables: Tables,
    as_of: date,
    horizon: int,
    vocabulary: Vocabulary,
    known_before: date,
    kept: Mapping[int, Decimal] | None = None,
) -> pd.DataFrame:
    """Describe everyone at a date beside what they did in the horizon after it.

    Parameters
    ----------
    tables
        Clean tables.
    as_of
        Exclusive.
    horizon, known_before, kept
        As for `outcomes`.
    vocabulary
        As for `features.describe.describe`.

    Returns
    -------
    DataFrame
        The columns of `features.describe.describe_everyone`, then purchases and revenue.
    """
    realised = realised_outcomes(tables, as_of, horizon, known_before, kept)
    return describe_everyone(tables, as_of, vocabulary).merge(realised, on="customer_id")


def purchases_by_day(transactions: ir.Table, spine: Spine, known_before: date, known: Spine | None = None) -> ir.Table:
    """Count the purchases of the spine's known customers day by day, before and after as_of, for a tracking plot.

    Parameters
    ----------
    transactions
        Clean transactions, one row per line.
    spine
        The customers to follow; each pair is followed by itself.
    known_before
        Only rows available before this midnight are counted.
    known
        As for `outcomes`.

    Returns
    -------
    Table
        as_of, date, purchases (purchase days), repeat_purchases (those after a customer's first), as integers; dates
        without a purchase have no row.
    """
    before = purchase_days(transactions, spine)
    customers = spine.with_as_of(before.group_by(spine.keys).agg(first_purchase=before.day.min()))
    days = purchase_days(transactions, known or everyone(transactions, known_before)).select("customer_id", "day")
    joined = customers.join(days, "customer_id", how="inner")
    return joined.group_by(["as_of", joined.day.name("date")]).agg(
        purchases=joined.count(), repeat_purchases=joined.count(where=joined.day > joined.first_purchase)
    )


def everyones_purchases_by_day(tables: Tables, as_of: date, known_before: date) -> pd.DataFrame:
    """Return `purchases_by_day` of everyone at a date, with returns matched once a run, in the order of the dates."""
    if as_of == known_before:
        # Repeats are all purchases but the first ones, which the summary holds: nobody's days are joined.
        read = tables_to_read(tables.transactions, everyone_matched(tables, as_of))
        read["summary"] = purchase_summary(tables, as_of)
        return materialised(compiled(_until_now_by_day, read, [as_of]))
    spine, known = everyone_matched(tables, as_of), everyone_matched(tables, known_before)
    read = {**tables_to_read(tables.transactions, spine), **tables_to_read(tables.transactions, known, _KNOWN)}
    return materialised(compiled(_by_day, read, [as_of, known_before]))


def counts_by_day(tables: Tables, as_of: date) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Count all purchases and the repeat ones of each day from the first purchase of all to the last day seen."""
    by_day = everyones_purchases_by_day(tables, as_of, as_of)
    days = by_day["date"].to_numpy("datetime64[D]")
    last = np.datetime64(as_of - timedelta(days=1), "D")
    length = int((last - days.min()).astype(np.int64)) + 1 if days.size else 0
    places = (days - days.min()).astype(np.int64) if days.size else np.zeros(0, dtype=np.int64)
    seen = places < length
    every, repeats = (
        np.bincount(places[seen], by_day[name].to_numpy(float)[seen], minlength=length).astype(np.float64)
        for name in ("purchases", "repeat_purchases")
    )
    return every, repeats


def _by_day(tables: Mapping[str, ir.Table], as_of: date, known_before: date) -> ir.Table:
    spine, known = everyone_read(tables, as_of), everyone_read(tables, known_before, _KNOWN)
    return in_order(purchases_by_day(tables["transactions"], spine, known_before, known))


def _until_now_by_day(tables: Mapping[str, ir.Table], as_of: date) -> ir.Table:
    spine, summary = everyone_read(tables, as_of), tables["summary"]
    days = purchase_days(tables["transactions"], spine)
    by_day = days.group_by(days.day.name("date")).agg(purchases=days.count())
    firsts = summary.group_by(summary.first_purchase.name("date")).agg(first_purchases=summary.count())
    both = left_joined(by_day, firsts, ["date"])
    repeats = both.purchases - both.first_purchases.fill_null(0)
    counted = both.mutate(as_of=spine.date_of(both), repeat_purchases=repeats)
    return in_order(counted.select("as_of", "date", "purchases", "repeat_purchases"))


def _check_horizon(spine: Spine, horizon: int, known_before: date) -> None:
    if horizon < 1:
        raise InputError(f"horizon must be at least 1 day, got {horizon}.")
    newest = spine.as_of or spine.table.as_of.max().to_pyarrow().as_py() or date.min
    end = newest + timedelta(days=horizon)
    if end > known_before:
        raise InputError(
            f"The outcomes of {horizon} days from {newest} are complete at {end}, but only what was available before "
            f"{known_before} is known. Take an earlier as_of, a shorter horizon or a later known_before."
        )
