"""A time of day in a column of its own, as tills write it: the day and the clock are joined by an expression."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from data.errors import InputError
from data.intake.proposals.profiles import Profile
from data.intake.proposals.proposal import Line
from data.intake.proposals.vocabulary import fit
from data.intake.raw import RawFile
from data.intake.reading.computed import part_of_time
from data.intake.reading.expressions import compile_expression, in_expression
from data.intake.reading.times import TimeReading, find_time_reading
from data.intake.sql import only_row

_LEAST, _SURE = 0.3, 0.97
_NO_DAY = re.compile(r"((?:1899-12-3[01]|1900-01-0[01]|3[01]\.12\.1899|0[01]\.01\.1900|12/30/1899)[ T])\d.*")
_CLOCK = re.compile(r"\d\d?[:.h]\d\d([:.]\d\d([.,]\d+)?)?( ?[AaPp][Mm])?( Uhr)?|\d{1,6}")
_MIDNIGHT = re.compile(r"\d.*?([ T](?:0?0[:.]00([:.]00(\.0+)?)?|12:00(:00)? ?AM))")
"""A day, and a midnight after it that a program added."""


@dataclass(frozen=True)
class Joined:
    """A day and a clock as one time: the line that joins them, and SQL for the text that it gives."""

    line: Line
    text: str


def join_clock(
    connection: duckdb.DuckDBPyConnection, raw: RawFile, setting: str, day: Profile, profiles: Sequence[Profile]
) -> Joined | None:
    """Propose how the time of a row is made of a column with its day and one with its time of day.

    Parameters
    ----------
    connection, raw
        The working database and the file.
    setting
        The setting that the expression is for, such as ``formats.transactions.ts``.
    day
        The column with the day.
    profiles
        All columns of the file.

    Returns
    -------
    Joined or None
        None where the day has a time of its own, or no column holds times of day that can be read beside it.
    """
    first = _day_part(day)
    scored = [(fit("clock", each.name), -each.place, each) for each in profiles if each is not day]
    clocks = [each for score, _, each in sorted(scored, key=lambda e: e[:2], reverse=True) if score >= _LEAST]
    for clock in clocks if first else ():
        second = _clock_part(clock)
        text = f"{first} || ' ' || {second}"
        if second and (joined := read_as_time(connection, raw, setting, text)):
            section, _, key = setting.rpartition(".")
            shown = f"{day.examples[0]} and {clock.examples[0]}"
            reason = f"{clock.name!r} holds the time of day for the days in {day.name!r}, such as {shown}"
            return Joined(Line(section, key, text, reason), joined)
    return None


def _day_part(day: Profile) -> str | None:
    """Write the day as an expression, without a midnight behind it; None where it holds times of day."""
    name = in_expression(day.name)
    if day.sql_type != "VARCHAR":
        is_day = day.sql_type == "DATE" or all(each.endswith("00:00:00") for each in day.examples)
        return name if is_day and day.kind == "time" else None
    midnights = {found[1] for each in day.examples if (found := _MIDNIGHT.fullmatch(each))}
    if len(midnights) == 1 and all(_MIDNIGHT.fullmatch(each) for each in day.examples):
        return f"replace({name}, '{midnights.pop()}', '')"
    return None if not day.examples or any(":" in each for each in day.examples) else name


def _clock_part(clock: Profile) -> str | None:
    """Write the time of day as an expression that gives each row as many digits; None where it holds none."""
    name, cells = in_expression(clock.name), clock.examples
    before = {found[1] for each in cells if (found := _NO_DAY.fullmatch(each))}
    cells = tuple(each[len(next(iter(before))) :] if len(before) == 1 else each for each in cells)
    if not cells or not all(_CLOCK.fullmatch(each) for each in cells):
        return None
    if before:
        name = f"replace({name}, '{before.pop()}', '')"
    if all(each.isdecimal() for each in cells):
        width = 6 if max(map(len, cells)) > 4 else 4
        name = f"right('000000' || {name}, {width})" if min(map(len, cells)) < width else name
    if clock.filled < clock.rows:
        midnight = re.sub(r"\d", "0", cells[0])
        midnight = re.sub("^00?", "12", midnight[:-2]) + "AM" if cells[0][-1:] in "mM" else midnight
        name = f"coalesce(nullif({name}, ''), '{midnight}')"
    return name


def read_as_time(connection: duckdb.DuckDBPyConnection, raw: RawFile, setting: str, text: str) -> str | None:
    """Return SQL for the text that an expression gives, where nearly all rows that give one can be read as times."""

    def as_text(place: int) -> str:
        return part_of_time(f"c{place}", raw.types[place])

    try:
        written = compile_expression(connection, setting, text, raw.relation, raw.header, as_text, as_text, kind="time")
        cells = f"SELECT 0 AS file, line, {written.sql} AS cell FROM {raw.relation} WHERE shape = 0"
        reading = find_time_reading(connection, cells, setting.removeprefix("formats."), [raw.name], "UTC")
    except InputError:
        return None
    form = reading if isinstance(reading, TimeReading) else TimeReading(reading[0])
    row = only_row(connection, f"SELECT count({form.value('cell', 'UTC')}), count(cell) FROM ({cells})")
    return written.sql if row[1] and row[0] >= _SURE * row[1] else None
