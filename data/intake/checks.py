"""Reading values and checking rows, in SQL over whole columns: each row gets the first violation that holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from data.contracts import Contract
from data.intake.casting import Readings, as_text, attribute_columns, read_value, scale_from_the_worst, text_cell
from data.intake.raw import RawFile
from data.intake.reading.numbers import is_code
from data.intake.rules import Rules, one_currency
from data.intake.sql import identifier, quote
from data.intake.violations import (
    ANSWERED_THAT_DAY,
    HIGHEST,
    LOWEST,
    REPEATED_CUSTOMER,
    REPEATED_LINE,
    UNKNOWN_CUSTOMER,
    violations_of,
)

_QUESTION = """CASE
    WHEN cell_question IS NULL THEN 'nps'
    WHEN usual_scale(lower(trim(cell_question))) IS NOT NULL THEN lower(trim(cell_question))
    ELSE cell_question END"""
"""Questions with a scale of their own are recognised in any case."""

_CLEAN = {
    "available_at": "greatest(ts, available_at)",
    "scale_low": LOWEST,
    "scale_high": HIGHEST,
    # A scale is written from the worst answer to the best: on 5-1, a 1 is kept as a 5 of 1-5.
    "answered_at": f"CASE WHEN {ANSWERED_THAT_DAY} THEN invited_at ELSE answered_at END",
    "score": "TRY_CAST(CASE WHEN scale[1] > scale[2] THEN scale[1] + scale[2] - score ELSE score END AS INTEGER)",
}
"""Clean columns that are more than the value read."""

_UNKNOWN = "customer_id NOT IN (SELECT customer_id FROM known_customers)"

_MANY = 50
"""Attributes of customers from which on a query is not searched for what stands in it twice."""


def create_staged(connection: duckdb.DuckDBPyConnection, contract: Contract, attributes: Sequence[str]) -> None:
    """Make the empty table `staged` that all files of a table are read into."""
    columns = dict(contract.clean) | dict.fromkeys(attribute_columns(attributes), "VARCHAR")
    if contract.table == "transactions":
        columns["currency"] = "VARCHAR"
    typed = ", ".join(f"{identifier(name)} {kind}" for name, kind in columns.items())
    connection.execute(f"CREATE OR REPLACE TABLE staged (file INTEGER, line BIGINT, violation UTINYINT, {typed})")


@dataclass(frozen=True)
class CheckedRows:
    """The rows of a file, each with its values and its first violation, as a query.

    Parameters
    ----------
    names
        Columns of `staged` beside file, line and violation, which come first.
    query
        SQL that gives all of them.
    """

    names: tuple[str, ...]
    query: str

    def insert(self, connection: duckdb.DuckDBPyConnection, where: str = "true") -> None:
        """Add the rows, or those that a condition holds for, to `staged`."""
        names = ", ".join(map(identifier, ("file", "line", "violation", *self.names)))
        connection.execute(f"INSERT INTO staged ({names}) SELECT {names} FROM ({self.query}) WHERE {where}")


def check_rows(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raw: RawFile,
    number: int,
    readings: Readings,
    rules: Rules,
    attributes: Sequence[str],
) -> CheckedRows:
    """Write SQL that reads the values of a file, each row with its first violation.

    Parameters
    ----------
    connection
        The working database.
    contract, raw, readings, rules
        The table's contract, the file, how it is written, and what holds for all.
    number
        The file's number, to find the row again.
    attributes
        Attributes of customers that any of the files has.
    """
    cells, values = _read_columns(contract, raw, readings, rules.timezone)
    for k, name in enumerate(attributes):
        at = raw.columns.get(name)
        cell = "NULL::VARCHAR" if at is None else f"filled({as_text(f'c{at}', raw.types[at])})"
        cells.append(f"{cell} AS a{k}")
    cases = " ".join(
        f"WHEN {violation.condition} THEN {k}"
        for k, violation in enumerate(violations_of(contract), start=1)
        if violation.condition and not (violation.of_length and violation.column in readings.as_they_are)
    )
    clean = [_CLEAN.get(name, name) for name in contract.clean] + [f"a{k}" for k in range(len(attributes))]
    names = [*contract.clean, *attribute_columns(attributes)]
    if contract.table == "transactions":
        clean.append(_currency(raw, readings))
        names.append("currency")
    answers = contract.table == "answers"
    scale = f", {scale_from_the_worst(rules.ces_version)} AS scale" if answers else ""
    if len(attributes) > _MANY:
        # Looking for expressions that stand twice takes time with the square of the number of columns.
        connection.execute("SET disabled_optimizers = 'common_subexpressions'")
    now = f"{quote(rules.local_now().isoformat(' '))}::TIMESTAMP"
    given = ", ".join(f"{value} AS {identifier(name)}" for value, name in zip(clean, names, strict=True))
    return CheckedRows(
        tuple(names),
        f"""
        WITH cells AS (SELECT line, shape, {", ".join(cells)} FROM {raw.relation}),
        typed AS (SELECT *, {", ".join(values)}, {now} AS now FROM cells),
        whole AS (SELECT *{scale} FROM typed)
        SELECT {number} AS file, line, CASE {cases} END AS violation, {given} FROM whole
        """,
    )


def _currency(raw: RawFile, readings: Readings) -> str:
    """Write SQL for the currency of a row: of the column currency, else the one beside the amounts."""
    amount = readings.numbers.get("amount")
    if "currency" in raw.columns or amount is None or amount.currency is None or not is_code(amount.currency):
        return "upper(trim(currency))"
    return quote(amount.currency)


def _read_columns(contract: Contract, raw: RawFile, readings: Readings, zone: str) -> tuple[list[str], list[str]]:
    """Write SQL for the filled cells of all columns, and for the values made from these."""
    cells, values = [], []
    for column in contract.columns:
        raw_column, sql_type = raw.place(column.name)
        reading = read_value(column, raw_column, sql_type, readings, zone)
        cells.append(f"{reading.cell} AS cell_{column.name}")
        value = _QUESTION if column.name == "question" else reading.value
        values.append(f"{value} AS {'read_scale' if column.kind == 'scale' else column.name}")
    return cells, values


def check_repeated_lines(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Keep one of several rows with the same (order_id, line_id), whatever the order of rows and files.

    The row that became available last is kept; of several such rows, the greatest by the other columns.
    """
    latest = ["available_at", "ts", *(name for name in contract.clean if name not in ("available_at", "ts"))]
    _mark_repeated(connection, contract, REPEATED_LINE, ("order_id", "line_id"), latest, "IS NOT NULL")


def check_repeated_customers(
    connection: duckdb.DuckDBPyConnection, contract: Contract, attributes: Sequence[str]
) -> None:
    """Keep one of several rows with the same (customer_id, valid_from), whatever the order of rows and files."""
    ranked = [*contract.clean, *attribute_columns(attributes)]
    _mark_repeated(connection, contract, REPEATED_CUSTOMER, ("customer_id", "valid_from"), ranked, None)


def _mark_repeated(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    reason: str,
    key: tuple[str, str],
    ranked: Sequence[str],
    filled: str | None,
) -> None:
    valid = "violation IS NULL" + "".join(f" AND {name} {filled}" for name in key if filled)
    hashed = f"hash({', '.join(key)})"
    order = ", ".join(f"{identifier(name)} DESC NULLS LAST" for name in ranked)
    connection.execute(
        f"""
        UPDATE staged SET violation = {_code(contract, reason)} WHERE rowid IN (
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
    """Add the customers of the valid rows to the table `known_customers`."""
    connection.execute(f"INSERT INTO known_customers SELECT DISTINCT customer_id FROM valid WHERE {_UNKNOWN}")


def remember_later_customers(connection: duckdb.DuckDBPyConnection, contract: Contract, files: Sequence[Path]) -> None:
    """Add the customers of rows from as_of on, which were left in a database: they are known, and not yet there."""
    column = next(column for column in contract.columns if column.name == "customer_id")
    for file in files:
        parquet = f"read_parquet({quote(str(file))})"
        name, sql_type = connection.execute(f"DESCRIBE SELECT * FROM {parquet}").fetchall()[0][:2]
        connection.execute(
            f"""
            INSERT INTO known_customers SELECT DISTINCT id
            FROM (SELECT {text_cell(column, identifier(name), sql_type)} AS id FROM {parquet})
            WHERE id IS NOT NULL AND id NOT IN (SELECT customer_id FROM known_customers)
            """
        )


def check_known_customers(connection: duckdb.DuckDBPyConnection, contract: Contract) -> None:
    """Set aside the rows of customers with no valid transaction and no row among the customers."""
    connection.execute(
        f"""
        UPDATE staged SET violation = {_code(contract, UNKNOWN_CUSTOMER)} WHERE violation IS NULL AND {_UNKNOWN}
        """
    )


def check_currency(connection: duckdb.DuckDBPyConnection, rules: Rules, rows: str) -> str | None:
    """Find the one currency of the valid transactions; None where neither a column nor a setting names it.

    Parameters
    ----------
    connection, rules
        The working database, and what holds for all tables.
    rows
        SQL behind FROM that gives the valid rows with their currency.

    Raises
    ------
    InputError
        There are several, or the one in the column is not the one of the setting.
    """
    counted = connection.execute(
        f"SELECT currency, count(*) FROM (FROM {rows}) WHERE currency IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall()
    return one_currency([str(row[0]) for row in counted], rules)


def _code(contract: Contract, reason: str) -> int:
    return next(k for k, each in enumerate(violations_of(contract), start=1) if each.reason == reason)
