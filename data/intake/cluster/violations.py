"""The violations of a contract as conditions of Ibis, with the reasons and in the order that files have them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import ibis
import ibis.expr.types as ir

from data.contracts import Contract
from data.intake.cluster.columns import is_filled, is_finite
from data.intake.cluster.protecting import FORGOTTEN
from data.intake.raw import SHAPES
from data.intake.violations import REPEATED_CUSTOMER, REPEATED_LINE, UNKNOWN_CUSTOMER, Violation, violations_of

OF_SEVERAL_ROWS = (REPEATED_LINE, REPEATED_CUSTOMER, UNKNOWN_CUSTOMER)
"""Found by comparing rows."""


def first_violation(
    table: ir.Table, contract: Contract, now: datetime, *, is_pseudonymous: bool = False
) -> ir.IntegerValue:
    """Give the number of the first violation that each row shows by itself; null where there is none.

    Parameters
    ----------
    table
        The columns of `data.intake.cluster.columns.read_columns`; of answers also worst and best of the row's scale.
    contract
        Whose violations; the number is the place in `violations_of`, from 1.
    now
        What is later is in the future.
    is_pseudonymous
        Whether pseudonyms stand for the ids of customers: none is too long, whatever the id is.
    """
    conditions = [
        (condition, k)
        for k, violation in enumerate(violations_of(contract), start=1)
        if not (is_pseudonymous and violation.reason.startswith("customer_id is longer"))
        and (condition := _condition(table, violation, now)) is not None
    ]
    return ibis.cases(*conditions, else_=ibis.null("int32")).cast("int32")


def number_of(contract: Contract, reason: str) -> int:
    """Give the number of a violation by its reason."""
    return next(k for k, each in enumerate(violations_of(contract), start=1) if each.reason == reason)


def _condition(table: ir.Table, violation: Violation, now: datetime) -> ir.BooleanValue | None:
    reason, name = violation.reason, violation.column
    if reason in SHAPES or reason in OF_SEVERAL_ROWS:
        # A table of a cluster has no records of text that may be torn.
        return None
    if reason in _OF_ANSWERS:
        return _OF_ANSWERS[reason](table)
    if reason.startswith(f"{name} "):
        return _of_column(table, name, reason.removeprefix(f"{name} "), now)
    raise AssertionError(f"no condition for the violation {reason!r}")


def _of_column(table: ir.Table, name: str, ending: str, now: datetime) -> ir.BooleanValue:
    value, filled = table[name], table[is_filled(name)]
    unreadable = value.isnull() & filled
    if ending == "is missing":
        return ~filled
    if ending == "is in the future":
        return value > ibis.literal(now)
    if ending.startswith("is longer than"):
        return value.length() > int(ending.split()[3].replace(",", ""))
    if ending in ("is not a time", "is not a number", "has more than 18 digits"):
        # What is a number and has no value has too many digits.
        is_number = table[is_finite(name)] if is_finite(name) in table.columns else ibis.literal(False)
        return unreadable & (is_number if ending.startswith("has") else ~is_number)
    raise AssertionError(f"no condition for {name} {ending}")


def _answered_early(table: ir.Table) -> ir.BooleanValue:
    return (table.answered_at < table.invited_at) & ~answered_that_day(table)


def answered_that_day(table: ir.Table) -> ir.BooleanValue:
    """Say of which answer only the day is known, which is the day of its invitation: it is not early."""
    return (table.answered_at < table.invited_at) & (table.answered_at == table.invited_at.truncate("D"))


_OF_ANSWERS = {
    "scale is not written like 0-10": lambda t: (
        t[is_filled("scale")] & (t.written_worst.isnull() | (t.written_worst == t.written_best))
    ),
    "question has no scale": lambda t: t.worst.isnull(),
    "score is not a whole number": lambda t: t.score != t.score.floor(),
    "score is outside its scale": lambda t: (
        ~t.score.between(ibis.least(t.worst, t.best), ibis.greatest(t.worst, t.best))
    ),
    "importance is negative": lambda t: t.importance < 0,
    "neither score nor invitation": lambda t: t.score.isnull() & t.invited_at.isnull(),
    "answered_at is missing": lambda t: t.score.notnull() & t.answered_at.isnull(),
    "answered before invited": _answered_early,
}


def count_reasons(staged: ir.Table, contract: Contract) -> tuple[int, Mapping[str, int], int]:
    """Count the rows, those set aside by reason, the commonest first, and beside these those of the forgotten."""
    rows = staged.group_by("violation").agg(rows=staged.count()).to_pyarrow().to_pylist()
    names: Sequence[Violation] = violations_of(contract)
    by_violation = {row["violation"]: int(row["rows"]) for row in rows}
    forgotten = by_violation.pop(FORGOTTEN, 0)
    counts = {names[int(each) - 1].reason: count for each, count in by_violation.items() if each is not None}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return sum(by_violation.values()), dict(ordered), forgotten
