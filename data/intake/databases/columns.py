"""Which columns and rows of a table in a database are read: those of the contract, before as_of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Protocol
from zoneinfo import ZoneInfo

from data.contracts import Contract
from data.intake.reading.expressions import columns_of
from data.intake.reading.matching import match_columns
from data.intake.sources import Source
from data.intake.sql import identifier
from data.intake.unread import tells_state

_TIMES = ("DATE", "TIMESTAMP", "TIMESTAMPTZ")
_KINDS = dict.fromkeys(_TIMES, "time") | dict.fromkeys(("NUMERIC", "BIGINT", "DOUBLE"), "number")


@dataclass(frozen=True)
class TableColumn:
    """A column of a table in a database.

    Parameters
    ----------
    name
        Its name there.
    sql_type
        DATE, TIMESTAMP (without a zone), TIMESTAMPTZ, NUMERIC, BIGINT, DOUBLE or VARCHAR; OTHER for all other types;
        empty where a column has no type.
    value
        SQL for its value as it is read.
    """

    name: str
    sql_type: str
    value: str


@dataclass(frozen=True)
class Selection:
    """What is read of a table.

    Parameters
    ----------
    columns
        The columns that are read.
    unread
        Names of the others.
    condition
        SQL that is true for the rows before as_of; empty where all rows are read.
    customer
        The column of the customer's id.
    """

    columns: tuple[TableColumn, ...]
    unread: tuple[str, ...]
    condition: str
    customer: TableColumn


class NotDescribedError(Exception):
    """A table or query cannot be used; the message is the database's, in one line and without secrets."""


class Database(Protocol):
    """An open database from which one table is read."""

    def describe(self, relation: str) -> Sequence[TableColumn]:
        """List the columns of a table or query; raise NotDescribedError where that cannot be done."""
        ...

    def tables(self) -> Sequence[str]:
        """List the tables and views, as addresses write them."""
        ...

    def write_parquet(self, relation: str, columns: Sequence[TableColumn], rest: str, target: str) -> int:
        """Write rows into a Parquet file in batches, and count them; `rest` follows the relation in the query."""
        ...


def select(
    contract: Contract, source: Source, header: Sequence[TableColumn], name: str, zone: str
) -> tuple[Selection, tuple[str, ...]]:
    """Choose columns and rows of a table.

    Parameters
    ----------
    contract, source
        What the table must hold; how its columns are called, and as_of.
    header
        The columns of the table.
    name
        What to call the table in a message.
    zone
        The shop's zone, in which as_of begins at midnight.

    Returns
    -------
    selection, names
        What is read, and the names of the columns in the clean table.

    Raises
    ------
    InputError
        A column is missing, or a setting names one that is not there.
    """
    names = [column.name for column in header]
    places = match_columns(
        contract,
        names,
        source.columns,
        name,
        computed=tuple(source.computed),
        contents=lambda: [_KINDS.get(column.sql_type, "?") for column in header],
    )
    chosen = set(places.values()) | {k for k, other in enumerate(names) if tells_state(other)}
    expressions = source.computed | ({"rows": source.rows} if source.rows is not None else {})
    for setting, text in expressions.items():
        chosen |= set(columns_of(f"formats.{contract.table}.{setting}", text, names))
    return (
        Selection(
            columns=tuple(header[k] for k in sorted(chosen)),
            unread=tuple(other for k, other in enumerate(names) if k not in chosen),
            condition=_before(contract, {name: header[k] for name, k in places.items()}, source.before, zone),
            customer=header[places["customer_id"]],
        ),
        tuple(places),
    )


def _before(contract: Contract, columns: dict[str, TableColumn], as_of: date | None, zone: str) -> str:
    """Write SQL that is true for rows before as_of, as far as typed columns tell; a row without a time is read."""
    if as_of is None:
        return ""
    if contract.table != "answers":
        names = [name for name in ("ts", "available_at", "valid_from") if name in columns]
        conditions = [_is_before(columns[name], as_of, zone) for name in names if columns[name].sql_type in _TIMES]
        return " AND ".join(f"({missing} OR {before})" for missing, before in conditions)
    # An answer that comes later is, until then, an invitation that nobody answered.
    times = [columns[name] for name in ("answered_at", "invited_at") if name in columns]
    if any(column.sql_type not in _TIMES for column in times):
        return ""
    conditions = [_is_before(column, as_of, zone) for column in times]
    missing = " AND ".join(missing for missing, _ in conditions)
    return f"({' OR '.join(before for _, before in conditions)} OR ({missing}))"


def _is_before(column: TableColumn, as_of: date, zone: str) -> tuple[str, str]:
    """Write SQL that is true where a column is null, and where it is before as_of's midnight in the shop's zone."""
    name = identifier(column.name)
    if column.sql_type == "TIMESTAMPTZ":
        instant = datetime.combine(as_of, time(), ZoneInfo(zone)).astimezone(UTC)
        limit = f"TIMESTAMPTZ '{instant:%Y-%m-%d %H:%M:%S}+00'"
    elif column.sql_type == "TIMESTAMP":
        limit = f"TIMESTAMP '{as_of.isoformat()} 00:00:00'"
    else:
        limit = f"DATE '{as_of.isoformat()}'"
    return f"{name} IS NULL", f"{name} < {limit}"
