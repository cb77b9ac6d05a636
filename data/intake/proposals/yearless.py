"""Days without a year, as DATEV writes them: the year stands in the line above the names of the columns."""

import csv
import re
from datetime import date

import duckdb

from data.intake.proposals.clocks import Joined, read_as_time
from data.intake.proposals.opening import Opened
from data.intake.proposals.profiles import Profile
from data.intake.proposals.proposal import Choice, Line, Question
from data.intake.reading.content import open_packed
from data.intake.reading.expressions import in_expression

_DAY = re.compile(r"(0?[1-9]|[12]\d|3[01])(0[1-9]|1[0-2])")
_KINDS = ("EXTF", "DTVF")
# Cells of DATEV's line: the beginning of the business year, and the first day of the bookings.
_YEAR_BEGINS, _FIRST_DAY = 12, 14
_BYTES, _YEARS_BACK = 2**12, 4


def add_year(
    connection: duckdb.DuckDBPyConnection, opened: Opened, setting: str, day: Profile
) -> Joined | Question | None:
    """Propose how days such as 3112 get their year, or ask for it; None where they have one.

    Parameters
    ----------
    connection, opened
        The working database and the file.
    setting
        The setting that the expression is for, such as ``formats.transactions.ts``.
    day
        The column with the day.
    """
    if not day.examples or not all(_DAY.fullmatch(each) for each in day.examples):
        return None
    section, _, key = setting.rpartition(".")
    shown = f"{day.name!r} has days and months, such as {day.examples[0]}"
    begin = _beginning(opened)
    if begin is None:
        this = date.today().year
        lines = {year: Line(section, key, _with_year(day, date(year, 1, 1)), "you chose it") for year in _years(this)}
        choices = tuple(Choice(f"all are of {year}", (line,)) for year, line in lines.items())
        return Question(f"{shown}, and no year. Which year is it?", choices, decided=False)
    text = _with_year(day, begin)
    joined = read_as_time(connection, opened.raw, setting, text)
    if joined is None:
        return None
    reason = f"{shown}, of the year that begins on {begin}: so says the first line"
    return Joined(Line(section, key, text, reason), joined)


def _years(this: int) -> range:
    return range(this, this - _YEARS_BACK, -1)


def _with_year(day: Profile, begin: date) -> str:
    """Write the day with its year as an expression."""
    padded = f"right('0' || {in_expression(day.name)}, 4)"
    month = f"right({padded}, 2)"
    year = f"'{begin.year}'"
    if begin.month > 1:
        year = f"case when {month} >= '{begin:%m}' then '{begin.year}' else '{begin.year + 1}' end"
    return f"{year} || '-' || {month} || '-' || left({padded}, 2)"


def _beginning(opened: Opened) -> date | None:
    """Read the first day of the year that the first line of the file tells."""
    encoding = next((str(each.value) for each in opened.settings if each.name == "encoding"), "utf-8-sig")
    stream, _ = open_packed(opened.file.path)
    with stream:
        lines = stream.read(_BYTES).decode(encoding, errors="ignore").splitlines()
    cells = next(csv.reader(lines[:1], delimiter=";"), [])
    if not cells or cells[0] not in _KINDS:
        return None
    for place in (_YEAR_BEGINS, _FIRST_DAY):
        if len(cells) > place and re.fullmatch(r"20\d\d(0[1-9]|1[0-2])01", cells[place]):
            return date(*(int(part) for part in re.findall(r"^....|..", cells[place])))
    return None
