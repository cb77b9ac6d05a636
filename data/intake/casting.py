"""Cells to values, as SQL: what counts as given, and which text is a time, a number or a scale."""

from dataclasses import dataclass
from typing import Literal

import duckdb

from data.contracts import NUMBER, SCALES, Kind
from data.errors import InputError
from data.intake.raw import identifier, quote
from data.intake.sources import Source

_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_ATTRIBUTE = r"-?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_CLOCK = r"[ T]\d\d:\d\d(:\d\d(\.\d+)?)?"
_OFFSET = r" ?(Z|z|UTC|[+-]\d\d(:?\d\d)?)"
_BLANK = r"[\s\x{a0}]*"
_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


@dataclass(frozen=True)
class Value:
    """A cell in SQL: what was given (null where nothing was), and its typed value (null where it has none)."""

    given: str
    value: str


def create_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the parsing functions in the working database."""
    scales = " ".join(f"WHEN '{name}' THEN [{low}, {high}]" for name, (low, high) in SCALES.items())
    nothing, nothing_but_nan = (f"(?i){_BLANK}({words})?{_BLANK}" for words in ("null|nan|none|<na>", "null|none|<na>"))
    for macro in (
        f"given(x) AS CASE WHEN regexp_full_match(x, '{nothing}') THEN NULL ELSE x END",
        f"given_or_nan(x) AS CASE WHEN regexp_full_match(x, '{nothing_but_nan}') THEN NULL ELSE x END",
        f"is_number(x) AS regexp_full_match(x, '{_NUMBER}')",
        rf"""as_time(x, zone) AS CASE
            WHEN regexp_full_match(x, '\d{{4}}-\d\d-\d\d({_CLOCK})?') THEN TRY_CAST(x AS TIMESTAMP)
            WHEN regexp_full_match(x, '\d{{8}}') THEN try_strptime(x, '%Y%m%d')
            WHEN regexp_full_match(x, '\d{{4}}-\d\d-\d\d{_CLOCK}{_OFFSET}') THEN
                TRY_CAST(regexp_replace(regexp_replace(regexp_replace(x,
                    ' ?(Z|z|UTC)$', '+00:00'), ' ?([+-]\d\d)$', '\1:00'), ' ?([+-]\d\d):?(\d\d)$', '\1:\2')
                AS TIMESTAMPTZ) AT TIME ZONE zone
            END""",
        r"""as_scale(x) AS CASE WHEN regexp_full_match(x, '\d{1,3} *(-|–|to) *\d{1,3}') THEN
            [CAST(regexp_extract(x, '^\d+') AS INTEGER), CAST(regexp_extract(x, '\d+$') AS INTEGER)] END""",
        f"usual_scale(question) AS CASE question {scales} END",
    ):
        connection.execute(f"CREATE MACRO {macro}")


def check_time_format(connection: duckdb.DuckDBPyConnection, table: str, source: Source) -> None:
    """Raise InputError where the time format is none."""
    if source.time_format is None:
        return
    try:
        connection.execute(f"SELECT try_strptime('', {quote(source.time_format)})")
    except duckdb.Error as error:
        raise InputError(
            f"time_format of {table} is {source.time_format!r}, which is no strptime format: {error}"
        ) from None
    if "%" not in source.time_format:
        raise InputError(f'time_format of {table} is {source.time_format!r}; a format such as "%d/%m/%Y" is meant.')


def as_text(column: str, kind: str) -> str:
    """Write SQL for a value of any type as text; whole numbers keep their digits only."""
    if kind in ("DOUBLE", "FLOAT"):
        digits = f"CAST(CAST({column} AS HUGEINT) AS VARCHAR)"
        whole = f"isfinite({column}) AND abs({column}) < 1e18 AND {column} = trunc({column})"
        return f"CASE WHEN {whole} THEN {digits} ELSE CAST({column} AS VARCHAR) END"
    if kind.startswith("DECIMAL") and not kind.endswith(",0)"):
        return rf"regexp_replace(CAST({column} AS VARCHAR), '\.0+$', '')"
    return column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"


_TYPES = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "number": NUMBER,
    "score": "DOUBLE",
    "scale": "INTEGER[]",
}


def read_value(
    name: str, column: str | None, kind: Kind, sql_type: str, source: Source, zone: str, *, required: bool
) -> Value:
    """Write SQL for what a cell gives and its value.

    Parameters
    ----------
    name
        The contract's name; what is given is to be selected under `given_<name>`, from which the value is made.
    column
        The raw column, or None where the file has none.
    kind
        What the contract says it holds.
    sql_type
        The raw column's SQL type.
    source
        Time format and decimal mark of text.
    zone
        The shop's time zone, to which times with an offset are converted.
    required
        Whether the contract requires it. NaN in a required number is no number; elsewhere it is a missing one.
    """
    if column is None:
        return Value("NULL::VARCHAR", f"NULL::{_TYPES[kind]}")
    if kind == "time":
        return _read_time(f"given_{name}", column, sql_type, source, zone)
    # A cast by itself takes underscores too, so text must first look like a number.
    if kind in ("number", "score"):
        nan = "given" if kind == "score" or not required else "given_or_nan"
        return _read_number(f"given_{name}", column, _TYPES[kind], sql_type, source, nan)
    given = f"given({as_text(column, sql_type)})"
    if kind == "scale":
        return Value(f"trim({given})", f"as_scale(given_{name})")
    return Value(given, f"given_{name}")


def _read_time(given: str, column: str, sql_type: str, source: Source, zone: str) -> Value:
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return Value(column, f"CASE WHEN isfinite({given}) THEN {given} AT TIME ZONE {quote(zone)} END")
    if sql_type == "DATE" or sql_type.startswith("TIMESTAMP"):
        return Value(column, f"CASE WHEN isfinite({given}) THEN CAST({given} AS TIMESTAMP) END")
    text = f"trim(given({as_text(column, sql_type)}))"
    if source.time_format is None:
        return Value(text, f"as_time({given}, {quote(zone)})")
    parsed = f"try_strptime({given}, {quote(source.time_format)})"
    zoned = f" AT TIME ZONE {quote(zone)}" if "%z" in source.time_format.lower() else ""
    return Value(text, f"CAST({parsed}{zoned} AS TIMESTAMP)")


def _read_number(given: str, column: str, target: str, sql_type: str, source: Source, nan: str) -> Value:
    if sql_type in ("DOUBLE", "FLOAT"):
        some = f"CASE WHEN isnan({column}) THEN NULL ELSE {column} END" if nan == "given" else column
        return Value(some, f"CASE WHEN isfinite({given}) THEN TRY_CAST({given} AS {target}) END")
    if sql_type.removeprefix("U") in _WHOLE_NUMBERS or sql_type.startswith("DECIMAL"):
        return Value(column, f"TRY_CAST({given} AS {target})")
    text = f"trim({nan}({as_text(column, sql_type)}))"
    if source.decimal == "," and sql_type == "VARCHAR":
        # With a decimal comma a point is no part of a number: swapped, it makes the pattern fail.
        text = f"translate({text}, ',.', '.,')"
    return Value(text, f"CASE WHEN is_number({given}) THEN TRY_CAST({given} AS {target}) END")


def scale_from_the_worst(ces_version: Literal[1, 2] | None) -> str:
    """Write SQL for a row's scale, from the worst answer to the best: effort is turned round, for less is better.

    Parameters
    ----------
    ces_version
        As `data.intake.checks.Rules` has it.
    """
    written = "(CASE WHEN given_scale IS NULL THEN usual_scale(question) ELSE read_scale END)"
    of_effort = {1: f"{written}[1] < {written}[2]", 2: "false", None: f"{written} = [1, 5]"}[ces_version]
    return f"CASE WHEN question = 'ces' AND {of_effort} THEN [{written}[2], {written}[1]] ELSE {written} END"


def attribute_value(connection: duckdb.DuckDBPyConnection, name: str, decimal: str) -> str:
    """Write SQL for an attribute of `staged`: DOUBLE where every valid value is a number, else the text.

    A leading zero, or more than 15 digits before the point, mark a code rather than a number.
    """
    column = identifier(name)
    text = f"translate({column}, ',.', '.,')" if decimal == "," else column
    number = f"CASE WHEN regexp_full_match({text}, '{_ATTRIBUTE}') THEN TRY_CAST({text} AS DOUBLE) END"
    row = connection.execute(
        f"SELECT bool_and(coalesce(isfinite({number}), false)) FROM staged WHERE fault IS NULL AND {column} IS NOT NULL"
    ).fetchone()
    return f"{number} AS {column}" if row and row[0] else column
