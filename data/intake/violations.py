"""What may be wrong with a row: the violations of each table's contract, in their order, as SQL conditions."""

from dataclasses import dataclass

from data.contracts import LONGEST_ID, LONGEST_NAME, Column, Contract
from data.intake.raw import SHAPES

REPEATED_LINE = "(order_id, line_id) is repeated"
REPEATED_CUSTOMER = "customer_id is repeated"
UNKNOWN_CUSTOMER = "customer is unknown"

LOWEST, HIGHEST = "least(scale[1], scale[2])", "greatest(scale[1], scale[2])"
"""SQL for the lowest and the highest answer of a row's scale, which may be written from either end."""

ANSWERED_THAT_DAY = "(answered_at < invited_at AND answered_at = date_trunc('day', invited_at))"
"""SQL for an answer of which only the day is known, which is the day of its invitation: it is not early."""

_BAD_SCALE = "(read_scale IS NULL OR read_scale[1] = read_scale[2])"


@dataclass(frozen=True)
class Violation:
    """One reason to set a row aside.

    Parameters
    ----------
    column
        The column it is about; empty where it is about the whole record.
    reason
        What people read.
    condition
        SQL that is true for rows that have it; None where it is found by comparing rows.
    of_length
        Whether it is about a text that is too long.
    """

    column: str
    reason: str
    condition: str | None = None
    of_length: bool = False


def violations_of(contract: Contract) -> tuple[Violation, ...]:
    """List all violations that a table's rows may have.

    A row gets the first one that holds: its position in this list, counted from 1; a valid row has null.
    """
    violations = [Violation("", reason, f"shape = {k}") for k, reason in enumerate(SHAPES, start=1)]
    for column in contract.columns:
        violations += _column_violations(contract, column)
    if contract.table == "answers":
        violations += [
            Violation("scale", "question has no scale", "scale IS NULL"),
            Violation("score", "score is not a whole number", "score <> trunc(score)"),
            Violation("score", "score is outside its scale", f"score NOT BETWEEN {LOWEST} AND {HIGHEST}"),
            Violation("importance", "importance is negative", "importance < 0"),
            Violation("score", "neither score nor invitation", "score IS NULL AND invited_at IS NULL"),
            Violation("answered_at", "answered_at is missing", "score IS NOT NULL AND answered_at IS NULL"),
            Violation(
                "answered_at", "answered before invited", f"answered_at < invited_at AND NOT {ANSWERED_THAT_DAY}"
            ),
        ]
    if contract.table == "transactions":
        violations.append(Violation("line_id", REPEATED_LINE))
    if contract.table == "customers":
        violations.append(Violation("customer_id", REPEATED_CUSTOMER))
    if contract.table in ("answers", "events"):
        violations.append(Violation("customer_id", UNKNOWN_CUSTOMER))
    return tuple(violations)


def _column_violations(contract: Contract, column: Column) -> list[Violation]:
    name = column.name
    unreadable = f"{name} IS NULL AND cell_{name} IS NOT NULL"
    # An answer without score and time is an invitation that was not answered.
    needed = column.required and (contract.table != "answers" or column.kind == "id")
    violations = [Violation(name, f"{name} is missing", f"cell_{name} IS NULL")] if needed else []
    longest = longest_text(column)
    if longest:
        violations.append(
            Violation(name, f"{name} is longer than {longest:,} characters", f"length({name}) > {longest}", True)
        )
    if column.kind == "time":
        violations.append(Violation(name, f"{name} is not a time", unreadable))
    if name in ("ts", "answered_at", "invited_at"):
        violations.append(Violation(name, f"{name} is in the future", f"{name} > now"))
    if column.kind in ("number", "score"):
        not_number = f"{unreadable} AND NOT is_number(CAST(cell_{name} AS VARCHAR))"
        violations.append(Violation(name, f"{name} is not a number", not_number))
    if column.kind == "number":
        violations.append(Violation(name, f"{name} has more than 18 digits", unreadable))
    if column.kind == "scale":
        violations.append(Violation(name, "scale is not written like 0-10", f"cell_scale IS NOT NULL AND {_BAD_SCALE}"))
    return violations


def longest_text(column: Column) -> int:
    """Return how many characters an id or a name may have; 0 where a column holds neither."""
    if column.kind == "id":
        return LONGEST_ID
    return LONGEST_NAME if column.kind == "text" and column.name != "comment" else 0
