"""What is wrong with a row: one ordered list of faults per table, in SQL over whole columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from zoneinfo import ZoneInfo

import duckdb

from data.contracts import Column, Contract
from data.errors import InputError
from data.intake.casting import as_text, read_value, scale_from_the_worst
from data.intake.raw import SHAPES, RawFile, identifier, quote
from data.intake.sources import Source

REPEATED_LINE = "(order_id, line_id) is repeated"
REPEATED_CUSTOMER = "customer_id is repeated"
UNKNOWN_CUSTOMER = "customer is unknown"


@dataclass(frozen=True)
class Rules:
    """What holds for all tables.

    Parameters
    ----------
    timezone
        The shop's zone, by its IANA name.
    currency
        The one currency of all amounts, or None where a column or nobody says it.
    now
        The time by which "in the future" is judged; the wall clock where None. Naive: in the shop's zone.
    quarantine_limit
        Largest share of rows that may be set aside, for all tables or by table (0.05 where a table is not named).
    ces_version
        1 where the question ces asks how much effort it took (low is good), 2 where it asks how easy it was (high is
        good); None: 1 on the scale 1-5, as the first form was asked, 2 on others.
    """

    timezone: str = "UTC"
    currency: str | None = None
    now: datetime | None = None
    quarantine_limit: Mapping[str, float] | float = field(default=0.05)
    ces_version: Literal[1, 2] | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.timezone)
        except (ValueError, OSError, KeyError):
            raise InputError(f'timezone must be an IANA name such as "Europe/Berlin", got {self.timezone!r}.') from None
        limits = self.quarantine_limit
        for limit in limits.values() if isinstance(limits, Mapping) else [limits]:
            if not 0 <= limit <= 1:
                raise InputError(f"quarantine_limit must be a share from 0 to 1, got {limit}.")

    def local_now(self) -> datetime:
        """Give the time by which the future is judged, naive, in the shop's zone."""
        now = self.now or datetime.now(ZoneInfo(self.timezone))
        return now.astimezone(ZoneInfo(self.timezone)).replace(tzinfo=None) if now.tzinfo else now

    def limit(self, table: str) -> float:
        """Largest share of a table's rows that may be set aside."""
        if isinstance(self.quarantine_limit, Mapping):
            return self.quarantine_limit.get(table, 0.05)
        return self.quarantine_limit


@dataclass(frozen=True)
class Fault:
    """One reason to set a row aside, the column it is about, and when it holds (None: found across rows)."""

    column: str
    reason: str
    condition: str | None = None


def faults(contract: Contract) -> tuple[Fault, ...]:
    """All faults of a table; a row has the first one that holds. Fault k is stored as k + 1, none as null."""
    found = [Fault("", reason, f"shape = {k}") for k, reason in enumerate(SHAPES, start=1)]
    for column in contract.columns:
        found += _column_faults(contract, column)
    if contract.table == "answers":
        found += [
            Fault("scale", "question has no scale", "scale IS NULL"),
            Fault("score", "score is not a whole number", "score <> trunc(score)"),
            Fault("score", "score is outside its scale", f"score NOT BETWEEN {_LOWEST} AND {_HIGHEST}"),
            Fault("importance", "importance is negative", "importance < 0"),
            Fault("score", "neither score nor invitation", "score IS NULL AND invited_at IS NULL"),
            Fault("answered_at", "answered_at is missing", "score IS NOT NULL AND answered_at IS NULL"),
            Fault("answered_at", "answered before invited", "answered_at < invited_at"),
        ]
    if contract.table == "transactions":
        found.append(Fault("line_id", REPEATED_LINE))
    if contract.table == "customers":
        found.append(Fault("customer_id", REPEATED_CUSTOMER))
    if contract.table in ("answers", "events"):
        found.append(Fault("customer_id", UNKNOWN_CUSTOMER))
    return tuple(found)


def _column_faults(contract: Contract, column: Column) -> list[Fault]:
    name = column.name
    unread = f"{name} IS NULL AND given_{name} IS NOT NULL"
    # An answer may lack score and time: it is then an invitation that was not answered.
    needed = column.required and (contract.table != "answers" or column.kind == "id")
    found = [Fault(name, f"{name} is missing", f"given_{name} IS NULL")] if needed else []
    if column.kind == "time":
        found.append(Fault(name, f"{name} is not a time", unread))
    if name in ("ts", "answered_at", "invited_at"):
        found.append(Fault(name, f"{name} is in the future", f"{name} > now"))
    if column.kind in ("number", "score"):
        not_number = f"{unread} AND NOT is_number(CAST(given_{name} AS VARCHAR))"
        found.append(Fault(name, f"{name} is not a number", not_number))
    if column.kind == "number":
        found.append(Fault(name, f"{name} has more than 18 digits", unread))
    if column.kind == "scale":
        found.append(Fault(name, "scale is not written like 0-10", f"given_scale IS NOT NULL AND {_BAD_SCALE}"))
    return found


_QUESTION = """CASE
    WHEN given_question IS NULL THEN 'nps'
    WHEN usual_scale(lower(trim(given_question))) IS NOT NULL THEN lower(trim(given_question))
    ELSE given_question END"""
"""A known question is known in any case."""

_BAD_SCALE = "(read_scale IS NULL OR read_scale[1] = read_scale[2])"

_LOWEST, _HIGHEST = "least(scale[1], scale[2])", "greatest(scale[1], scale[2])"

_CLEAN = {
    "available_at": "greatest(ts, available_at)",
    "scale_low": _LOWEST,
    "scale_high": _HIGHEST,
    # A scale is written from the worst answer to the best: on 5-1, a 1 is kept as a 5 of 1-5.
    "score": "TRY_CAST(CASE WHEN scale[1] > scale[2] THEN scale[1] + scale[2] - score ELSE score END AS INTEGER)",
}
"""Clean columns that are more than the value read."""


def create_staged(connection: duckdb.DuckDBPyConnection, contract: Contract, attributes: Sequence[str]) -> None:
    """Make the empty table `staged` that all files of a table are read into."""
    columns = dict(contract.clean) | dict.fromkeys(attributes, "VARCHAR")
    if contract.table == "transactions":
        columns["currency"] = "VARCHAR"
    typed = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
    connection.execute(f"CREATE OR REPLACE TABLE staged (file INTEGER, line BIGINT, fault UTINYINT, {typed})")


def stage(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raw: RawFile,
    number: int,
    source: Source,
    rules: Rules,
    attributes: Sequence[str],
) -> None:
    """Read the values of a file into `staged`, each row with its first fault.

    Parameters
    ----------
    connection
        The working database.
    contract, raw, source, rules
        The table's contract, the file, how it is written, and what holds for all.
    number
        The file's number, to find the row again.
    attributes
        Attributes of customers that any of the files has.
    """
    given, values = _read_columns(contract, raw, source, rules.timezone)
    for k, name in enumerate(attributes):
        at = raw.columns.get(name)
        cell = "NULL::VARCHAR" if at is None else f"given({as_text(f'c{at}', raw.types[at])})"
        given.append(f"{cell} AS a{k}")
    cases = " ".join(
        f"WHEN {fault.condition} THEN {k}" for k, fault in enumerate(faults(contract), start=1) if fault.condition
    )
    clean = [_CLEAN.get(name, name) for name in contract.clean] + [f"a{k}" for k in range(len(attributes))]
    names = [*contract.clean, *attributes]
    if contract.table == "transactions":
        clean.append("upper(trim(currency))")
        names.append("currency")
    answers = contract.table == "answers"
    scale = f", {scale_from_the_worst(rules.ces_version)} AS scale" if answers else ""
    now = f"{quote(rules.local_now().isoformat(' '))}::TIMESTAMP"
    connection.execute(
        f"""
        INSERT INTO staged (file, line, fault, {", ".join(map(identifier, names))})
        WITH cells AS (SELECT line, shape, {", ".join(given)} FROM {raw.relation}),
        typed AS (SELECT *, {", ".join(values)}, {now} AS now FROM cells),
        whole AS (SELECT *{scale} FROM typed)
        SELECT {number}, line, CASE {cases} END, {", ".join(clean)} FROM whole
        """
    )


def _read_columns(contract: Contract, raw: RawFile, source: Source, zone: str) -> tuple[list[str], list[str]]:
    """Write SQL for what each cell gives, and for the values made from these."""
    given, values = [], []
    for column in contract.columns:
        at = raw.columns.get(column.name)
        cell, kind = (None, "") if at is None else (f"c{at}", raw.types[at])
        read = read_value(column.name, cell, column.kind, kind, source, zone, required=column.required)
        given.append(f"{read.given} AS given_{column.name}")
        value = _QUESTION if column.name == "question" else read.value
        values.append(f"{value} AS {'read_scale' if column.kind == 'scale' else column.name}")
    return given, values


def check_repeated_lines(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Of rows with the same (order_id, line_id) keep one, whatever the order of rows and files.

    The one known last is kept; where that does not decide, the greatest by its other columns.
    """
    latest = ["available_at", "ts", *(name for name in contract.clean if name not in ("available_at", "ts"))]
    _mark_repeated(connection, contract, REPEATED_LINE, ("order_id", "line_id"), latest, "IS NOT NULL")


def check_repeated_customers(
    connection: duckdb.DuckDBPyConnection, contract: Contract, attributes: Sequence[str]
) -> None:
    """Of rows with the same (customer_id, valid_from) keep one, whatever the order of rows and files."""
    ranked = [*contract.clean, *attributes]
    _mark_repeated(connection, contract, REPEATED_CUSTOMER, ("customer_id", "valid_from"), ranked, None)


def _mark_repeated(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    reason: str,
    key: tuple[str, str],
    ranked: Sequence[str],
    filled: str | None,
) -> None:
    valid = "fault IS NULL" + "".join(f" AND {name} {filled}" for name in key if filled)
    hashed = f"hash({', '.join(key)})"
    order = ", ".join(f"{identifier(name)} DESC NULLS LAST" for name in ranked)
    connection.execute(
        f"""
        UPDATE staged SET fault = {_code(contract, reason)} WHERE rowid IN (
            SELECT row FROM (
                SELECT rowid AS row,
                       row_number() OVER (PARTITION BY {", ".join(key)} ORDER BY {order}, file, line) AS place
                FROM staged
                WHERE {valid} AND {hashed} IN (
                    SELECT {hashed} FROM staged WHERE {valid} GROUP BY ALL HAVING count(*) > 1)
            ) WHERE place > 1)
        """
    )


def remember_customers(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the customers of the valid rows of `staged` to the known ones."""
    connection.execute(
        """
        INSERT INTO known SELECT DISTINCT customer_id FROM staged
        WHERE fault IS NULL AND customer_id NOT IN (SELECT customer_id FROM known)
        """
    )


def check_known_customers(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Set aside the rows of customers with no valid transaction and no row among the customers."""
    connection.execute(
        f"""
        UPDATE staged SET fault = {_code(contract, UNKNOWN_CUSTOMER)}
        WHERE fault IS NULL AND customer_id NOT IN (SELECT customer_id FROM known)
        """
    )


def check_currency(connection: duckdb.DuckDBPyConnection, rules: Rules) -> str | None:
    """Find the one currency of the valid transactions, or None where nobody says it.

    Raises
    ------
    InputError
        There are several, or another one than the setting says.
    """
    rows = connection.execute(
        "SELECT currency FROM staged WHERE fault IS NULL AND currency IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1"
    ).fetchall()
    found = [str(row[0]) for row in rows]
    if len(found) > 1:
        raise InputError(
            f"transactions are in {len(found)} currencies ({', '.join(found[:5])}), and amounts of several "
            "cannot be added. Convert them to one, or give the rows of one currency only."
        )
    setting = rules.currency.strip().upper() if rules.currency else None
    if found and setting and found[0] != setting:
        raise InputError(f"currency is set to {setting}, but the transactions are in {found[0]}.")
    return setting or (found[0] if found else None)


def _code(contract: Contract, reason: str) -> int:
    return next(k for k, fault in enumerate(faults(contract), start=1) if fault.reason == reason)
