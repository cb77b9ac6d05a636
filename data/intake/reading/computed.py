"""Columns and rows that the settings compute: expressions are compiled for a file and applied to it."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import duckdb

from data.contracts import NUMBER, Contract
from data.errors import InputError
from data.intake.casting import as_text
from data.intake.raw import RawFile
from data.intake.reading.expressions import Kind, compile_expression
from data.intake.reading.numbers import NumberFormat, find_number_reading, refuse_to_guess
from data.intake.reading.pasting import toml_text
from data.intake.sources import Source
from data.intake.sql import only_row

_EXAMPLES = 5
_KINDS: Mapping[str, Kind] = {"number": "number", "time": "time"}


def apply_expressions(
    connection: duckdb.DuckDBPyConnection, contract: Contract, raw: RawFile, source: Source, notes: list[str]
) -> RawFile:
    """Leave out the records that the setting `rows` does not choose, and compute the columns that have expressions.

    Raises
    ------
    InputError
        An expression cannot be used, or chooses no record.
    """
    section = f"formats.{contract.table}"
    kinds = {column.name: column.kind for column in contract.columns}
    for name in source.computed:
        if name not in kinds:
            raise InputError(f"{section}.{name} is set, but {contract.table} has no column {name}.")

    def as_number(position: int) -> str:
        return _number_of(connection, contract, raw, position, source)

    def as_words(position: int) -> str:
        return f"trim(c{position})" if raw.types[position] == "VARCHAR" else f"c{position}"

    def as_part_of_time(position: int) -> str:
        return part_of_time(f"c{position}", raw.types[position])

    if source.rows is not None:
        raw = _choose_rows(connection, contract, raw, source.rows, as_number, as_words)
        if raw.left_out:
            setting = f"rows = {toml_text(source.rows)}"
            notes.append(f"{contract.table}: rows left out of {raw.name} by {setting}: {raw.left_out:,}.")
    computed = {
        name: compile_expression(
            connection,
            f"{section}.{name}",
            text,
            raw.relation,
            raw.header,
            as_number,
            as_part_of_time if kinds[name] == "time" else as_words,
            kind=_KINDS.get(kinds[name], "text"),
        )
        for name, text in source.computed.items()
    }
    columns = {name: at for name, at in raw.columns.items() if name not in computed}
    return replace(raw, columns=columns, computed=computed)


def part_of_time(column: str, sql_type: str) -> str:
    """Write SQL for a cell as the text that becomes a part of a time: a day that a type ends at midnight is a day."""
    if sql_type == "DATE" or sql_type.startswith("TIMESTAMP"):
        midnight = f"CAST({column} AS TIMESTAMP) = date_trunc('day', CAST({column} AS TIMESTAMP))"
        return f"CASE WHEN {midnight} THEN CAST(CAST({column} AS DATE) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
    return f"trim({as_text(column, sql_type)})"


def _choose_rows(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raw: RawFile,
    rows: str,
    as_number: Callable[[int], str],
    as_words: Callable[[int], str],
) -> RawFile:
    """Leave records out of a file's relation; those of a wrong shape stay, as their cells are not known."""
    setting = f"formats.{contract.table}.rows"
    expression = compile_expression(
        connection, setting, rows, raw.relation, raw.header, as_number, as_words, kind="condition"
    )
    chosen = f"(shape > 0 OR coalesce({expression.sql}, false))"
    try:
        total, kept = only_row(connection, f"SELECT count(*), count(*) FILTER ({chosen}) FROM {raw.relation}")
    except duckdb.Error as error:
        raise expression.blame(error) from None
    if total and not kept:
        values = [
            f"{raw.header[k]} has {', '.join(map(repr, _commonest(connection, raw, k)))}" for k in expression.columns
        ]
        raise InputError(f"{setting} chooses no row of {raw.name}: {'; '.join(values)}.")
    connection.execute(f"ALTER {'VIEW' if raw.is_view else 'TABLE'} {raw.relation} RENAME TO {raw.relation}_all")
    connection.execute(f"CREATE VIEW {raw.relation} AS SELECT * FROM {raw.relation}_all WHERE {chosen}")
    return replace(raw, left_out=total - kept)


def _commonest(connection: duckdb.DuckDBPyConnection, raw: RawFile, position: int) -> list[str]:
    rows = connection.execute(
        f"SELECT CAST(c{position} AS VARCHAR) FROM {raw.relation} WHERE c{position} IS NOT NULL "
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT {_EXAMPLES}"
    ).fetchall()
    return [str(row[0]) for row in rows]


def _number_of(
    connection: duckdb.DuckDBPyConnection, contract: Contract, raw: RawFile, position: int, source: Source
) -> str:
    """Write SQL for a column of an expression as a number, by the evidence of this file."""
    column, sql_type = f"c{position}", raw.types[position]
    if sql_type == "NUMERIC":
        return f"CASE WHEN is_number({column}) THEN TRY_CAST({column} AS {NUMBER}) END"
    if sql_type != "VARCHAR":
        return column
    cells = f"SELECT 0 AS file, line, trim(present({column})) AS cell FROM {raw.relation} WHERE shape = 0"
    name = f"{contract.table}.{raw.header[position]}"
    reading = find_number_reading(connection, cells, NumberFormat(source.decimal, source.thousands), name, [raw.name])
    if reading is None:
        raise refuse_to_guess(connection, cells, name, [raw.name])
    text = f"trim(present({column}))"
    plain = text if reading.plain else reading.cell(text)
    return f"CASE WHEN is_number({plain}) THEN TRY_CAST({plain} AS {NUMBER}) END"
