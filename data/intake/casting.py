"""SQL that turns cells into values: what counts as filled, and which text is a time, a number or a scale."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import duckdb

from data.contracts import LONGEST_NAME, NUMBER, SCALES, Column
from data.intake.privacy.customers import create_customer_macros
from data.intake.reading.numbers import NumberReading, create_number_macros
from data.intake.reading.times import TimeReading, create_time_macros
from data.intake.rules import Rules
from data.intake.sameness.ids import SURELY_PRESENT, create_id_macros
from data.intake.sql import identifier, only_row, quote

_NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_ATTRIBUTE = r"-?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)([eE][+-]?\d+)?"
_CLOCK = r"[ T]\d\d:\d\d(:\d\d(\.\d+)?)?"
_OFFSET = r" ?(Z|z|UTC|[+-]\d\d(:?\d\d)?)"
_BLANK = r"[\s\x{a0}]*"
_NOTHING = "null|none|<na>"
_MISSING = rf"{_NOTHING}|na|n/a|n\.a\.|#n/a|#na|#null!|\\N|-+|–|—"
"""What stands for a missing id, number or time, beside blanks and nan; in a text, NA may be a word of its own."""

_AT_ONCE = 50
_WHOLE_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")


@dataclass(frozen=True)
class Value:
    """SQL for a cell (null where it is not filled) and for its typed value (null where it has none)."""

    cell: str
    value: str


def create_macros(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Define the parsing functions in the working database; ids are read as the rules say."""
    usual = {**SCALES, **rules.scales}
    scales = " ".join(f"WHEN {quote(name)} THEN [{worst}, {best}]" for name, (worst, best) in usual.items())
    fillings = {"filled": f"{_NOTHING}|nan", "present": f"{_MISSING}|nan", "present_or_nan": _MISSING}
    create_number_macros(connection)
    create_time_macros(connection)
    for macro in (
        *(
            f"{name}(x) AS CASE WHEN {SURELY_PRESENT} THEN x "
            f"WHEN regexp_full_match(x, '(?i){_BLANK}({words})?{_BLANK}') THEN NULL ELSE x END"
            for name, words in fillings.items()
        ),
        f"is_plain_text(x) AS ({SURELY_PRESENT}) AND strlen(x) <= {LONGEST_NAME}",
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
    create_id_macros(connection, rules)
    create_customer_macros(connection, rules.protection)


def as_text(column: str, kind: str) -> str:
    """Write SQL for a value of any type as text; whole numbers keep their digits only.

    NUMERIC is text that holds a number as a database writes it.
    """
    if kind in ("DOUBLE", "FLOAT"):
        digits = f"CAST(CAST({column} AS HUGEINT) AS VARCHAR)"
        whole = f"isfinite({column}) AND abs({column}) < 1e18 AND {column} = trunc({column})"
        return f"CASE WHEN {whole} THEN {digits} ELSE CAST({column} AS VARCHAR) END"
    if kind == "NUMERIC" or (kind.startswith("DECIMAL") and not kind.endswith(",0)")):
        return rf"regexp_replace(CAST({column} AS VARCHAR), '\.0+$', '')"
    return column if kind == "VARCHAR" else f"CAST({column} AS VARCHAR)"


def _is_whole(sql_type: str) -> bool:
    return sql_type.removeprefix("U") in _WHOLE_NUMBERS


_TYPES = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "time": "TIMESTAMP",
    "number": NUMBER,
    "score": "DOUBLE",
    "scale": "INTEGER[]",
}


@dataclass(frozen=True)
class Readings:
    """How the columns of a table are written, by their contract names.

    Parameters
    ----------
    numbers, times
        Columns of text, and of whole numbers that are times; a column that is not named is plain.
    cents
        Whether amounts of money are written in hundredths.
    as_they_are
        Columns of ids and names, of which each cell of text is known to be there, to have no blanks at its ends, to be
        in one form, and to be no longer than it may be.
    """

    numbers: Mapping[str, NumberReading] = field(default_factory=dict)
    times: Mapping[str, TimeReading] = field(default_factory=dict)
    cents: bool = False
    as_they_are: frozenset[str] = frozenset()

    def describe(self) -> dict[str, str]:
        """Say by column how its numbers and times are written."""
        return {name: reading.form for name, reading in self.times.items()} | {
            name: reading.example for name, reading in self.numbers.items()
        }


def describe_all(readings: Sequence[Readings]) -> dict[str, str]:
    """Say by column how its numbers and times are written in all files, each way once."""
    ways: dict[str, dict[str, None]] = {}
    for each in readings:
        for name, form in each.describe().items():
            ways.setdefault(name, {})[form] = None
    return {name: " or ".join(forms) for name, forms in ways.items()}


def text_cell(column: Column, raw_column: str, sql_type: str, *, as_it_is: bool = False) -> str:
    """Write SQL for the text in a cell, null where it is missing; NaN is no missing value of a required amount.

    Parameters
    ----------
    column, raw_column, sql_type
        The contract's column, the raw one, and its SQL type.
    as_it_is
        Whether each cell of a column of ids or names is known to hold its value and nothing else.
    """
    text = as_text(raw_column, sql_type)
    # A whole number is there, and in one form only.
    as_it_is = as_it_is or _is_whole(sql_type)
    if column.kind == "text":
        return text if as_it_is else f"filled({text})"
    if column.kind == "id":
        # Settings of ids speak of customers and orders, not of kinds of events.
        if column.name.endswith("_id"):
            clean = f"clean_plain_id({text})" if as_it_is else f"clean_id(present({text}))"
        else:
            clean = text if as_it_is else f"trimmed_id(present({text}))"
        return f"customer({clean})" if column.name == "customer_id" else clean
    present = "present_or_nan" if column.kind == "number" and column.required else "present"
    return f"trim({present}({text}))"


def is_typed(column: Column, sql_type: str) -> bool:
    """Return whether a column's type tells its values, so that nothing must be found out by evidence."""
    if column.kind == "time":
        return sql_type == "DATE" or sql_type.startswith("TIMESTAMP")
    return sql_type != "VARCHAR"


def read_value(column: Column, raw_column: str | None, sql_type: str, readings: Readings, zone: str) -> Value:
    """Write SQL for a cell and its value.

    Parameters
    ----------
    column
        The contract's column; the value is made from the cell, which must be selected as `cell_<name>`.
    raw_column
        The raw column, or None where the file has none.
    sql_type
        The raw column's SQL type.
    readings
        How numbers and times are written.
    zone
        The shop's time zone, to which times with an offset are converted.
    """
    cell = f"cell_{column.name}"
    if raw_column is None:
        return Value("NULL::VARCHAR", f"NULL::{_TYPES[column.kind]}")
    if column.kind == "time":
        return _read_time(cell, column, raw_column, sql_type, readings, zone)
    if column.kind in ("number", "score"):
        return _read_number(cell, column, raw_column, sql_type, readings)
    text = text_cell(column, raw_column, sql_type, as_it_is=column.name in readings.as_they_are)
    return Value(text, f"as_scale({cell})" if column.kind == "scale" else cell)


def _read_time(cell: str, column: Column, raw_column: str, sql_type: str, readings: Readings, zone: str) -> Value:
    if not is_typed(column, sql_type):
        reading = readings.times.get(column.name, TimeReading())
        return Value(text_cell(column, raw_column, sql_type), reading.value(cell, zone))
    zoned = f" AT TIME ZONE {quote(zone)}" if "ZONE" in sql_type or "TZ" in sql_type else ""
    # Little can be done with nanoseconds in a zone.
    raw_column = f"CAST({raw_column} AS TIMESTAMPTZ)" if sql_type == "TIMESTAMPTZ_NS" else raw_column
    return Value(raw_column, f"CASE WHEN isfinite({cell}) THEN CAST({cell}{zoned} AS TIMESTAMP) END")


def _read_number(cell: str, column: Column, raw_column: str, sql_type: str, readings: Readings) -> Value:
    target = _TYPES[column.kind]
    reading = readings.numbers.get(column.name, NumberReading())
    if sql_type in ("DOUBLE", "FLOAT"):
        # NaN is no number where one is required, and a missing value elsewhere.
        keeps_nan = column.required and column.kind == "number"
        text = raw_column if keeps_nan else f"CASE WHEN isnan({raw_column}) THEN NULL ELSE {raw_column} END"
        value = f"CASE WHEN isfinite({cell}) THEN TRY_CAST({cell} AS {target}) END"
    elif _is_whole(sql_type) or sql_type.startswith("DECIMAL"):
        text, value = raw_column, f"TRY_CAST({cell} AS {target})"
    else:
        text = text_cell(column, raw_column, sql_type)
        text = text if reading.plain else reading.cell(text)
        # A cast alone would accept underscores, so text must first look like a number.
        value = f"CASE WHEN is_number({cell}) THEN TRY_CAST({cell} AS {target}) END"
    if column.money and readings.cents:
        value = f"TRY_CAST({value} * 0.01::DECIMAL(3, 2) AS {target})"
    return Value(text, value)


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


def attribute_columns(names: Sequence[str]) -> list[str]:
    """Name the columns of `staged` that hold attributes: theirs may be those of other columns, such as line or file."""
    return [f"attribute_{k}" for k in range(len(names))]


def attribute_values(connection: duckdb.DuckDBPyConnection, names: Sequence[str], decimal: str) -> list[str]:
    """Write SQL for attributes of `staged`: DOUBLE where every valid value is a number, else the text.

    A value with a leading zero, or with more than 15 digits before the point, is a code and no number.
    """
    values = []
    staged = attribute_columns(names)
    # A query for each of a thousand attributes takes long, and one for all of them much memory.
    for at in range(0, len(names), _AT_ONCE):
        columns = staged[at : at + _AT_ONCE]
        named = map(identifier, names[at : at + _AT_ONCE])
        texts = [f"translate({column}, ',.', '.,')" if decimal == "," else column for column in columns]
        fits = [f"regexp_full_match({text}, '{_ATTRIBUTE}')" for text in texts]
        numbers = [
            f"CASE WHEN {fit} THEN TRY_CAST({text} AS DOUBLE) END" for fit, text in zip(fits, texts, strict=True)
        ]
        checks = ", ".join(
            f"bool_and(coalesce(isfinite({number}), false)) FILTER ({column} IS NOT NULL)"
            for number, column in zip(numbers, columns, strict=True)
        )
        row = only_row(connection, f"SELECT {checks} FROM staged WHERE violation IS NULL")
        read = [number if fit else column for number, column, fit in zip(numbers, columns, row, strict=True)]
        values += [f"{value} AS {name}" for value, name in zip(read, named, strict=True)]
    return values
