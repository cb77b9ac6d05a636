"""Spans of days to measure, one ending where the next begins, and the groups of customers to measure them by."""

from dataclasses import dataclass
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir

from data.errors import InputError
from features.spine import midnight

EVERYONE_NAME = "everyone"
NOT_KNOWN = "not known"
# Visible rows may have their age in days at `until` (1 is the last day seen) instead of a time.
AGE = "age"


@dataclass(frozen=True)
class Windows:
    """Equally long spans of days before a date; number 0 is the newest, each ends where the one before it begins.

    Parameters
    ----------
    until
        End of the newest, exclusive; nothing available from this midnight on is seen.
    days
        Length of each, at least 1.
    count
        How many, at least 1.

    Raises
    ------
    InputError
        Where a window would have no day, or begin before there are dates.
    """

    until: date
    days: int
    count: int = 2

    def __post_init__(self) -> None:
        if self.days < 1 or self.count < 1:
            raise InputError(f"windows must hold at least one day each, got {self.count} windows of {self.days} days")
        if self.count * self.days > (self.until - date.min).days:
            raise InputError(
                f"{self.count} windows of {self.days:,} days before {self.until} begin before the year 1: measure "
                "fewer days (--days, or a later --from)"
            )

    def start(self, number: int) -> date:
        """First day of a window."""
        return self.until - timedelta(days=(number + 1) * self.days)

    def end(self, number: int) -> date:
        """Day after the last day of a window."""
        return self.until - timedelta(days=number * self.days)

    def of(self, rows: ir.Table, time: str = "ts") -> ir.Table:
        """Keep the rows that fall into a window and say into which.

        Parameters
        ----------
        rows
            Clean rows. Where they have `available_at`, what was not available before `until` is left out. Where they
            have their age in days at `until`, that says when.
        time
            The column that says when.

        Returns
        -------
        Table
            The rows with `window` (INTEGER, 0 the newest) added.
        """
        if AGE in rows.columns:
            return self._of_ages(rows.filter(rows[AGE] <= self.count * self.days), rows[AGE])
        inside = rows.filter(rows[time] >= midnight(self.start(self.count - 1)), rows[time] < midnight(self.until))
        if "available_at" in rows.columns:
            inside = inside.filter(inside.available_at < midnight(self.until))
        return self._of_ages(inside, ibis.literal(self.until).delta(inside[time].date(), unit="day"))

    def _of_ages(self, rows: ir.Table, age: ir.IntegerValue) -> ir.Table:
        return rows.mutate(window=((age - 1) // self.days).cast("int32"))


@dataclass(frozen=True)
class Grouping:
    """What to measure by: everyone together, a segmentation of customers, or a column of the measured rows.

    Parameters
    ----------
    name
        As it is shown.
    customers
        customer_id, group (texts): the segment of each customer, the same in every window.
    column
        A column of the rows themselves, such as touchpoint of answers or channel of transactions. A measure whose
        rows do not have it has no value by it.
    """

    name: str = EVERYONE_NAME
    customers: ir.Table | None = None
    column: str | None = None

    def applies_to(self, rows: ir.Table) -> bool:
        """Whether rows can be grouped so."""
        return self.column is None or self.column in rows.columns

    @property
    def of_rows(self) -> tuple[str, ...]:
        """Name the columns of rows that tell their group; where customers tell it, none."""
        return () if self.column is None else ("group",)

    def before(self, rows: ir.Table) -> ir.Table:
        """Add what `of_rows` names to rows that are then added up by customer: a group's text in each is dear."""
        return rows if self.column is None else self.of(rows)

    def after(self, sums: ir.Table) -> ir.Table:
        """Add `group` to what was added up by customer and `of_rows`."""
        return sums if self.column is not None else self.of(sums)

    def of(self, rows: ir.Table) -> ir.Table:
        """Add `group` (text) to rows that have customer_id; what is in no group is in "not known"."""
        if self.column is not None:
            return rows.mutate(group=rows[self.column].cast("string").fill_null(NOT_KNOWN))
        if self.customers is None:
            return rows.mutate(group=ibis.literal(EVERYONE_NAME))
        named = self.customers.select(group_customer="customer_id", group="group")
        joined = rows.left_join(named, rows.customer_id == named.group_customer).drop("group_customer")
        return joined.mutate(group=joined.group.fill_null(NOT_KNOWN))
