"""How the other customers of a store judged it: the stores where a customer bought last."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from features.purchases import mean
from features.returns.kept import matching_at, visible_lines, with_matching
from features.returns.matching import standing_sales
from features.spine import Spine, pairs
from features.tables import Tables

# A store's mean counts as if this many more answers had come at the mean of all stores.
ANSWERS_TO_TRUST = 10
# Answers are added up in whole thousandths of the scale, so that no order of rows changes a bit.
_UNITS = 1000


def standing_features(tables: Tables, answers: ir.Table, spine: Spine, question: str) -> ir.Table:
    """Give the mean earlier answer of others who bought where the customer last did. Grain: one row per pair.

    An answer judges the stores of the customer's newest day with a sale that was available before the day of the
    invitation (or of the answer, where that came first or has no invitation). It is visible from the day after it was
    given. A customer's own answers count neither for the store nor for the mean of all stores: the features of those
    who answered must not depend on what they answered.

    Parameters
    ----------
    tables
        Clean transactions with `store`: a branch, a seller of a marketplace.
    answers
        Clean answers.
    spine
        Whom to describe, and as of when.
    question
        The question whose answers count.

    Returns
    -------
    Table
        The spine's keys and store_satisfaction, from 0 (lowest answer of the scale) to 1 (highest), over the answers
        given before as_of to all stores of the newest day; with few answers it is close to the mean of all stores
        ((sum + 10 mean) / (number + 10)). Null before anybody else has answered; no row where no sale names a store.
    """
    judgements = _judgements(tables, answers, question)
    last = last_stores(tables.transactions, spine)
    last = last.mutate(as_of=spine.date_of(last))
    stores = last.select("store", "as_of").distinct()
    by_store = _given_before(stores, _by_day(judgements, ["store"]), ["store"], "store")
    own = _given_before(last, _by_day(judgements, ["customer_id", "store"]), ["customer_id", "store"], "own")
    everywhere = _given_before(last.select("as_of").distinct(), _by_day(judgements, []), [], "all")
    people = last.select("customer_id", "as_of").distinct()
    mine = _given_before(people, _by_day(judgements, ["customer_id"]), ["customer_id"], "mine")
    judged = last.left_join(by_store, ["store", "as_of"], rname="joined_{name}")
    judged = judged.left_join(own, ["customer_id", "store", "as_of"], rname="own_{name}")
    sums = judged.group_by(["customer_id", "as_of"]).agg(
        total=judged.store_total.sum().fill_null(0) - judged.own_total.sum().fill_null(0),
        number=judged.store_number.sum().fill_null(0) - judged.own_number.sum().fill_null(0),
    )
    sums = sums.left_join(everywhere, "as_of", rname="all_{name}")
    sums = sums.left_join(mine, ["customer_id", "as_of"], rname="mine_{name}")
    usual = mean(sums.all_total - sums.mine_total.fill_null(0), sums.all_number - sums.mine_number.fill_null(0))
    shrunk = (sums.total.cast("float64") + ANSWERS_TO_TRUST * usual) / (sums.number + ANSWERS_TO_TRUST)
    return sums.select(*spine.keys, store_satisfaction=shrunk / _UNITS)


def last_stores(transactions: ir.Table, spine: Spine) -> ir.Table:
    """Give the stores of each customer's newest visible purchase that names one. Grain: a row per store.

    Returns
    -------
    Table
        The spine's keys and store.
    """
    matching = matching_at(transactions, spine)
    lines = standing_sales(visible_lines(transactions, spine, "store"), spine.keys, matching)
    lines = lines.filter(lines.store.notnull())
    days = lines.select(*spine.keys, "store", day=lines.ts.date()).distinct()
    newest = days.group_by(spine.keys).agg(newest=days.day.max())
    joined = days.join(newest, list(spine.keys))
    return joined.filter(joined.day == joined.newest).select(*spine.keys, "store")


def _judgements(tables: Tables, answers: ir.Table, question: str) -> ir.Table:
    """Give the answers about each store: customer_id, store, day (of the answer), units (of the scale)."""
    rows = answers.filter(answers.question == question, answers.score.notnull(), answers.answered_at.notnull())
    # Where there is no invitation the comparison is null, and the answer's time is taken.
    asked = ibis.ifelse(rows.invited_at < rows.answered_at, rows.invited_at, rows.answered_at)
    rows = rows.select(
        "customer_id",
        as_of=asked.date(),
        day=rows.answered_at.date(),
        units=(_UNITS * (rows.score - rows.scale_low).cast("int64")) // (rows.scale_high - rows.scale_low),
    )
    then = last_stores(tables.transactions, with_matching(tables, pairs(rows)))
    return rows.join(then, ["customer_id", "as_of"]).drop("as_of")


def _by_day(judgements: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Add up the answers of each day: far fewer rows to look back over than answers."""
    return judgements.group_by([*keys, "day"]).agg(units=judgements.units.sum(), number=judgements.count())


def _given_before(described: ir.Table, days: ir.Table, keys: Sequence[str], name: str) -> ir.Table:
    """Add up the answers given before as_of: '<name>_total' in thousandths of the scale, '<name>_number'."""
    joined = described.join(days, list(keys)) if keys else described.cross_join(days)
    before = joined.filter(joined.day < joined.as_of)
    return before.group_by([*keys, "as_of"]).agg(
        **{f"{name}_total": before.units.sum(), f"{name}_number": before.number.sum()}
    )
