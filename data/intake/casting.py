"""SQL that turns cells into values: what counts as filled, and which text is a time, a number or a scale."""

from dataclasses import dataclass
from typing import Literal

import duckdb

from data.contracts import NUMBER, SCALES, Kind
from data.errors import InputError
from data.intake.sources import Source
from data.intake.sql import identifier, quote

_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_ATTRIBUTE = r"-?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_CLOCK = r"[ T]\d\d:\d\d(:\d\d(\.\d+)?)?"
_OFFSET = r" ?(Z|z|UTC|[+-]\d\d(:?\d\d)?)"
_BLANK = r"[\s\x{a0}]*"
_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


@dataclass(frozen=True)
class Value:
    """SQL for a cell (null where it is not filled) and for its typed value (null where it has none)."""

    cell: str
    value: str


def create_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the parsing functions in the working database."""
    scales = " ".join(f"WHEN '{name}' THEN [{low}, {high}]" for name, (low, high) in SCALES.items())
    nothing, nothing_but_nan = (f"(?i){_BLANK}({words})?{_BLANK}" for words in ("null|nan|none|<na>", "null|none|<na>"))
    for macro in (
        f"filled(x) AS CASE WHEN regexp_full_match(x, '{nothing}') THEN NULL ELSE x END",
        f"filled_or_nan(x) AS CASE WHEN regexp_full_match(x, '{nothing_but_nan}') THEN NULL ELSE x END",
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
    """Raise InputError where the time format of a source is no `strptime` format."""
    if source.time_format is None:
        return
    try:
        connection.execute(f"SELECT try_strptime('', {quote(source.time_format)})")
    except duckdb.Error as error:
        raise InputError(
            f"time_format of {table} is {source.time_format!r}, which is no strptime format: {error}"
        ) from None
    if "%" not in source.time_format:
        raise InputError(f'time_format of {table} is {source.time_format!r}; it must be a format such as "%d/%m/%Y".')


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
    """Write SQL for a cell and its value.

    Parameters
    ----------
    name
        The contract's name; the value is made from the cell, which must be selected as `cell_<name>`.
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
        Whether the contract requires it. NaN is no number where one is required, and a missing value elsewhere.
    """
    if column is None:
        return Value("NULL::VARCHAR", f"NULL::{_TYPES[kind]}")
    if kind == "time":
        return _read_time(f"cell_{name}", column, sql_type, source, zone)
    # A cast alone would accept underscores, so text must first look like a number.
    if kind in ("number", "score"):
        filled = "filled" if kind == "score" or not required else "filled_or_nan"
        return _read_number(f"cell_{name}", column, _TYPES[kind], sql_type, source, filled)
    cell = f"filled({as_text(column, sql_type)})"
    if kind == "scale":
        return Value(f"trim({cell})", f"as_scale(cell_{name})")
    return Value(cell, f"cell_{name}")


def _read_time(cell: str, column: str, sql_type: str, source: Source, zone: str) -> Value:
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return Value(column, f"CASE WHEN isfinite({cell}) THEN {cell} AT TIME ZONE {quote(zone)} END")
    if sql_type == "DATE" or sql_type.startswith("TIMESTAMP"):
        return Value(column, f"CASE WHEN isfinite({cell}) THEN CAST({cell} AS TIMESTAMP) END")
    text = f"trim(filled({as_text(column, sql_type)}))"
    if source.time_format is None:
        return Value(text, f"as_time({cell}, {quote(zone)})")
    parsed = f"try_strptime({cell}, {quote(source.time_format)})"
    zoned = f" AT TIME ZONE {quote(zone)}" if "%z" in source.time_format.lower() else ""
    return Value(text, f"CAST({parsed}{zoned} AS TIMESTAMP)")


def _read_number(cell: str, column: str, target: str, sql_type: str, source: Source, filled: str) -> Value:
    if sql_type in ("DOUBLE", "FLOAT"):
        number = f"CASE WHEN isnan({column}) THEN NULL ELSE {column} END" if filled == "filled" else column
        return Value(number, f"CASE WHEN isfinite({cell}) THEN TRY_CAST({cell} AS {target}) END")
    if sql_type.removeprefix("U") in _WHOLE_NUMBERS or sql_type.startswith("DECIMAL"):
        return Value(column, f"TRY_CAST({cell} AS {target})")
    text = f"trim({filled}({as_text(column, sql_type)}))"
    if source.decimal == "," and sql_type == "VARCHAR":
        # With a decimal comma a point is no part of a number. Swapping the two makes the pattern refuse it.
        text = f"translate({text}, ',.', '.,')"
    return Value(text, f"CASE WHEN is_number({cell}) THEN TRY_CAST({cell} AS {target}) END")


def scale_from_the_worst(ces_version: Literal[1, 2] | None) -> str:
    """Write SQL for a row's scale, from the worst answer to the best: effort is turned round, as less of it is better.

    Parameters
    ----------
    ces_version
        As in `data.intake.rules.Rules`.
    """
    written = "(CASE WHEN cell_scale IS NULL THEN usual_scale(question) ELSE read_scale END)"
    of_effort = {1: f"{written}[1] < {written}[2]", 2: "false", None: f"{written} = [1, 5]"}[ces_version]
    return f"CASE WHEN question = 'ces' AND {of_effort} THEN [{written}[2], {written}[1]] ELSE {written} END"


def attribute_value(connection: duckdb.DuckDBPyConnection, name: str, decimal: str) -> str:
    """Write SQL for an attribute of `staged`: DOUBLE where every valid value is a number, else the text.

    A value with a leading zero, or with more than 15 digits before the point, is a code and no number.
    """
    column = identifier(name)
    text = f"translate({column}, ',.', '.,')" if decimal == "," else column
    number = f"CASE WHEN regexp_full_match({text}, '{_ATTRIBUTE}') THEN TRY_CAST({text} AS DOUBLE) END"
    row = connection.execute(
        f"SELECT bool_and(coalesce(isfinite({number}), false)) FROM staged "
        f"WHERE violation IS NULL AND {column} IS NOT NULL"
    ).fetchone()
    return f"{number} AS {column}" if row and row[0] else column
