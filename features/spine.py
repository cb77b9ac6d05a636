"""Whom to describe, and as of when: the spine, and what is visible from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time

import ibis
import ibis.expr.types as ir

from features.returns.matching import Matching

# Digits of a hash, to the base of 16, that draw a sample.
_DIGITS = 8


@dataclass(frozen=True)
class Spine:
    """The (customer_id, as_of) pairs to describe. Make one with `everyone` or `pairs`.

    Parameters
    ----------
    table
        customer_id VARCHAR and as_of DATE, each pair once.
    as_of
        The one date of all pairs where they are everyone at that date, else None.
    matching
        What came back of what the pairs bought, where that is kept (`features.returns.kept`); each expression that
        needs it works it out unless given.
    """

    table: ir.Table
    as_of: date | None = None
    matching: Matching | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of the columns that tell the rows of attached tables apart by pair.

        With one date for everyone it is left out of joins and groups: that is what makes a nightly run fast.
        """
        return ("customer_id",) if self.as_of is not None else ("customer_id", "as_of")

    def attach(self, rows: ir.Table) -> ir.Table:
        """Give each row of a customer once for every pair of that customer; the result holds `keys`."""
        if self.as_of is not None:
            return rows
        return rows.join(self.table, "customer_id", how="inner")

    def date_of(self, attached: ir.Table) -> ir.DateValue:
        """as_of of each row of a table that holds `keys`."""
        return ibis.literal(self.as_of) if self.as_of is not None else attached.as_of

    def midnight_of(self, attached: ir.Table) -> ir.TimestampValue:
        """Give the first moment that is not visible: the midnight with which as_of begins."""
        return midnight(self.as_of) if self.as_of is not None else attached.as_of.cast("timestamp")

    def visible(self, rows: ir.Table) -> ir.Table:
        """Attach the rows that were available before as_of, by `available_at`."""
        attached = self.attach(rows)
        return attached.filter(attached.available_at < self.midnight_of(attached))

    def with_as_of(self, described: ir.Table) -> ir.Table:
        """Put customer_id and as_of first in a table that holds `keys`."""
        named = described.mutate(as_of=self.date_of(described))
        return named.relocate("customer_id", "as_of")


def left_joined(left: ir.Table, right: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Put the columns of a table beside another's, null where it has no row with these keys."""
    joined = left.left_join(right, list(keys), rname="joined_{name}")
    return joined.select(*left.columns, *(name for name in right.columns if name not in keys))


def midnight(day: date) -> ir.TimestampScalar:
    """Midnight at the beginning of a day, in the shop's zone as all times are."""
    return ibis.literal(datetime.combine(day, time()))


def everyone(transactions: ir.Table, as_of: date) -> Spine:
    """Every customer with a visible transaction, as of one date.

    Parameters
    ----------
    transactions
        Clean transactions (customer_id, available_at, ...).
    as_of
        Exclusive: only what was available before its midnight is visible.
    """
    visible = transactions.filter(transactions.available_at < midnight(as_of))
    return Spine(table=visible.select("customer_id").distinct().mutate(as_of=ibis.literal(as_of)), as_of=as_of)


def is_drawn(customer_id: ir.StringValue, share: float, seed: int) -> ir.BooleanValue:
    """Say whether a customer belongs to a random sample of all customers.

    A hash of the id draws it, the same in each engine: so it depends neither on who else is there nor on the order of
    rows, and a smaller share draws some of those that a larger one draws.

    Parameters
    ----------
    customer_id
        Text.
    share
        Of the customers, 0 to 1; at 1 all are drawn.
    seed
        Another seed draws others.
    """
    digest = (ibis.literal(f"{seed}:") + customer_id).hexdigest("md5")
    limit = f"{round(share * 16**_DIGITS):0{_DIGITS}x}"
    # The limit of all has a digit more, and is none.
    return digest.substr(0, _DIGITS) < limit if share < 1.0 else customer_id.notnull()


def pairs(table: ir.Table) -> Spine:
    """Arbitrary pairs, several as_of of one customer allowed.

    Parameters
    ----------
    table
        customer_id and as_of (a date, or a timestamp whose day counts), other columns are ignored. Repeated pairs
        count once, pairs with a null are left out.
    """
    typed = table.select(customer_id=table.customer_id.cast("string"), as_of=table.as_of.cast("date"))
    return Spine(table=typed.drop_null().distinct())
