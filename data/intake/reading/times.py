"""How times are written: ISO forms, epochs, serial days of Excel and `strptime` formats, found by evidence."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from data.errors import InputError
from data.intake.reading.pasting import paste, toml_text
from data.intake.sql import only_row, quote
from data.secrecy.reasons import reason_of
from data.secrecy.showing import describe

EPOCHS: Mapping[str, tuple[str, int]] = {
    "epoch_s": ("seconds", 1),
    "epoch_ms": ("milliseconds", 1_000),
    "epoch_us": ("microseconds", 1_000_000),
    "epoch_ns": ("nanoseconds", 1_000_000_000),
}
"""Time format -> what is counted since 1970 in UTC, and how many of it are a second."""

EXCEL = "excel"
"""Time format of days since 1899-12-30, the serial dates of spreadsheets."""

ISO = "ISO"

_FIRST_SECOND, _LAST_SECOND = 631_152_000, 4_102_444_800
_FIRST_DAY, _LAST_DAY = 32_874, 73_051
"""1990 to 2100: numbers outside are no times."""

_DATES = (
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d"),
    "%Y%m%d",
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%m.%d.%y", "%d-%m-%y", "%m-%d-%y"),
    *("%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%b %d %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y", "%d-%b-%y", "%d %b %y"),
    *("%b-%d-%y", "%Y年%m月%d日"),
)
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %I:%M %p", " %I:%M:%S %p", " %I:%M%p", " %I:%M:%S%p"),
    *(", %H:%M", ", %H:%M:%S", ", %I:%M %p", ", %I:%M:%S %p", "T%H:%M:%S", "T%H:%M", " %H:%M:%S %z", " %H:%M %z"),
    *(" %H%M%S", " %H%M", " %H.%M", " %H.%M.%S", " %Hh%M", ", %H:%M Uhr", " %H:%M Uhr"),
)
_SAMPLE, _SHAPES = 2_000, 200
_PARTS = {"%Y": r"\d{4}", "%y": r"\d\d", "%b": "[A-Za-z]{3}", "%B": "[A-Za-z]+", "%p": "[APap][Mm]", "%z": r"[-+\d:Z]+"}
_PARTS |= {"%f": r"\d+"} | dict.fromkeys(("%d", "%m", "%H", "%I", "%M", "%S"), r"\d\d?")


@dataclass(frozen=True)
class TimeReading:
    """How one column's times are read.

    Parameters
    ----------
    form
        `ISO`, a key of `EPOCHS`, `EXCEL` or a `strptime` format.
    notes
        What is said of it, in sentences.
    """

    form: str = ISO
    notes: tuple[str, ...] = field(default=())

    def value(self, cell: str, zone: str) -> str:
        """Write SQL for the time in a cell of text, without zone and in the shop's zone."""
        if self.form == ISO:
            return f"as_time({cell}, {quote(zone)})"
        if self.form in EPOCHS:
            return f"as_epoch({cell}, {EPOCHS[self.form][1]}) AT TIME ZONE 'UTC' AT TIME ZONE {quote(zone)}"
        if self.form == EXCEL:
            return f"as_serial({cell})"
        parsed = f"try_strptime({cell}, {quote(self.form)})"
        if "%z" in self.form.lower():
            return f"CAST({parsed} AT TIME ZONE {quote(zone)} AS TIMESTAMP)"
        # %Y would read 24 as the year 24, and DuckDB takes words such as infinity for a time in any format.
        is_time = f"regexp_matches({cell}, '\\d') AND year({parsed}) >= 1000"
        return f"CASE WHEN {is_time} THEN CAST({parsed} AS TIMESTAMP) END"


def create_time_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the functions that read counted times."""
    number = r"'\d{1,19}([.,]\d+)?'"
    for macro in (
        f"counted(x) AS CASE WHEN regexp_full_match(x, {number}) "
        "THEN TRY_CAST(replace(x, ',', '.') AS DECIMAL(38, 9)) END",
        f"as_epoch(x, per_second) AS CASE WHEN counted(x) BETWEEN {_FIRST_SECOND}::HUGEINT * per_second AND "
        f"{_LAST_SECOND}::HUGEINT * per_second THEN make_timestamp(CASE WHEN per_second > 1000000 THEN "
        "TRY_CAST(trunc(counted(x)) AS BIGINT) // 1000 ELSE TRY_CAST(counted(x) * (1000000 // per_second) AS BIGINT) "
        "END) END",
        f"as_serial(x) AS CASE WHEN counted(x) BETWEEN {_FIRST_DAY} AND {_LAST_DAY} THEN "
        "TIMESTAMP '1899-12-30' + to_seconds(CAST(round(counted(x) * 86400) AS BIGINT)) END",
    ):
        connection.execute(f"CREATE MACRO {macro}")


def check_time_format(connection: duckdb.DuckDBPyConnection, table: str, time_format: str | None) -> None:
    """Raise InputError where a time format of the settings is neither a `strptime` format nor a counted one."""
    if time_format is None or time_format == EXCEL or time_format in EPOCHS:
        return
    counted = ", ".join(f'"{name}"' for name in (*EPOCHS, EXCEL))
    try:
        connection.execute(f"SELECT try_strptime('', {quote(time_format)})")
    except duckdb.Error as error:
        reason = reason_of(error, [time_format])
        raise InputError(
            f"time_format of {table} is {describe(time_format)}, which is no strptime format: {reason}"
        ) from None
    if "%" not in time_format:
        raise InputError(
            f'time_format of {table} is {describe(time_format)}; it must be a format such as "%d/%m/%Y", or one of '
            f"{counted}."
        )


def find_time_reading(
    connection: duckdb.DuckDBPyConnection, cells: str, column: str, files: Sequence[str], zone: str
) -> TimeReading | tuple[str, ...]:
    """Find how the times of a column are written, by its cells.

    Parameters
    ----------
    connection, cells, column, files
        As in `data.intake.reading.numbers.find_number_reading`.
    zone
        The shop's zone.

    Returns
    -------
    TimeReading or tuple of str
        The formats that all fit, where the column does not tell the day from the month.

    Raises
    ------
    InputError
        Some cells can only be day-first and others only month-first.
    """
    sample = _sample(connection, cells)
    if _count_fits(connection, sample, [ISO], zone)[ISO] == _size(connection, sample):
        return TimeReading()
    forms = [ISO, *EPOCHS, EXCEL, *_strptime_forms(connection, sample)]
    in_sample = _count_fits(connection, sample, forms, zone)
    best = max(in_sample.values(), default=0)
    if not best:
        return TimeReading()
    likely = [form for form in forms if in_sample[form] >= 0.3 * best]
    counts = _count_fits(connection, cells, likely, zone)
    first = max(likely, key=lambda form: (counts[form], -forms.index(form)))
    swapped = _swap(first)
    if swapped in counts:
        _check_one_order(connection, cells, column, files, first, swapped, zone)
        if counts[swapped] == counts[first] and _differ(connection, cells, first, swapped, zone):
            return first, swapped
    return TimeReading(first, _notes(column, first, zone))


def refuse_to_order(
    connection: duckdb.DuckDBPyConnection, cells: str, column: str, files: Sequence[str], forms: Sequence[str]
) -> InputError:
    """Make the error of a column that does not tell the day from the month."""
    file, line, cell = _first_row(connection, cells, "true")
    section = f"formats.{column.split('.')[0]}"
    others = {f"time_format = {toml_text(form)}": _order(form) for form in forms[1:]}
    return InputError(
        f"{column}: {cell!r} in {files[file]} line {line} may be written with the day or the month first, and no cell "
        f"of the column tells which. The line below says {_order(forms[0])}; the other one says it otherwise. "
        + paste(section, {"time_format": forms[0]}, others)
    )


def _swap(form: str) -> str:
    """Write a format with day and month exchanged."""
    return form.replace("%d", "%\0").replace("%m", "%d").replace("%\0", "%m") if "%m" in form else ""


def is_day_first(form: str) -> bool:
    """Whether the day stands before the month in a `strptime` format."""
    return form.index("%d") < form.index("%m")


def _order(form: str) -> str:
    return "day first" if is_day_first(form) else "month first"


def _check_one_order(
    connection: duckdb.DuckDBPyConnection,
    cells: str,
    column: str,
    files: Sequence[str],
    form: str,
    swapped: str,
    zone: str,
) -> None:
    one, other = (TimeReading(each).value("cell", zone) for each in (form, swapped))
    only = [f"{one} IS NOT NULL AND {other} IS NULL", f"{other} IS NOT NULL AND {one} IS NULL"]
    counts = only_row(connection, f"SELECT {', '.join(f'count(*) FILTER ({each})' for each in only)} FROM ({cells})")
    if not all(counts):
        return
    told = []
    for condition, each in zip(only, (form, swapped), strict=True):
        file, line, cell = _first_row(connection, cells, condition)
        told.append(f"{cell!r} in {files[file]} line {line} only {_order(each)}")
    raise InputError(
        f"{column}: times are written in two ways: {told[0]}, {told[1]}. Write them alike; or say which is right, and "
        f"the other rows are set aside. {paste('formats.' + column.split('.')[0], {'time_format': form})}"
    )


def _differ(connection: duckdb.DuckDBPyConnection, cells: str, form: str, swapped: str, zone: str) -> bool:
    one, other = (TimeReading(each).value("cell", zone) for each in (form, swapped))
    return bool(only_row(connection, f"SELECT count(*) FILTER ({one} <> {other}) FROM ({cells})")[0])


def _notes(column: str, form: str, zone: str) -> tuple[str, ...]:
    if form == ISO:
        return ()
    if form in EPOCHS:
        return (f"{column} was read as {EPOCHS[form][0]} since 1970 in UTC, in times of {zone}.",)
    if form == EXCEL:
        return (f"{column} was read as serial days of a spreadsheet (1 is 1899-12-31).",)
    return (f'{column} was read as "{form}".',)


def _sample(connection: duckdb.DuckDBPyConnection, cells: str) -> str:
    size = _size(connection, cells)
    step = max(1, size // _SAMPLE)
    every = f"WHERE (line + file) % {step} = 0" if step > 1 else ""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE time_sample AS SELECT * FROM ({cells}) {every}")
    return "SELECT * FROM time_sample"


def _size(connection: duckdb.DuckDBPyConnection, cells: str) -> int:
    return int(only_row(connection, f"SELECT count(cell) FROM ({cells})")[0])


def _strptime_forms(connection: duckdb.DuckDBPyConnection, sample: str) -> list[str]:
    """List the formats whose shape some of the cells have; a query of all formats would take long to plan."""
    rows = connection.execute(f"SELECT DISTINCT cell FROM ({sample}) WHERE cell IS NOT NULL LIMIT {_SHAPES}").fetchall()
    # Cells that differ in their digits only have one shape.
    cells = {re.sub(r"\d", "0", str(row[0])) for row in rows}
    forms = []
    for form in (date + clock for date in _DATES for clock in _CLOCKS):
        shape = re.compile(re.sub("%Y%m%d|%H%M%S|%H%M|%.", _part, re.escape(form).replace(r"\ ", " +")))
        if any(shape.fullmatch(cell) for cell in cells):
            forms.append(form)
    return forms


def _part(part: re.Match[str]) -> str:
    """Give the shape of a part of a format; parts without a sign between them have all of their digits."""
    widths = {"%Y%m%d": 8, "%H%M%S": 6, "%H%M": 4}
    return rf"\d{{{widths[part[0]]}}}" if part[0] in widths else _PARTS[part[0]]


def _count_fits(connection: duckdb.DuckDBPyConnection, cells: str, forms: Sequence[str], zone: str) -> dict[str, int]:
    counted = ", ".join(f"count({TimeReading(form).value('cell', zone)})" for form in forms)
    return dict(zip(forms, only_row(connection, f"SELECT {counted} FROM ({cells})"), strict=True))


def _first_row(connection: duckdb.DuckDBPyConnection, cells: str, condition: str) -> tuple[Any, ...]:
    return only_row(
        connection,
        f"SELECT file, line, cell FROM ({cells}) WHERE cell IS NOT NULL AND {condition} ORDER BY file, line LIMIT 1",
    )
