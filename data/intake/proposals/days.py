"""Whether days or months stand first, where the cells of a column alone do not tell it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import duckdb

from data.errors import InputError
from data.intake.proposals.profiles import Profile
from data.intake.raw import RawFile
from data.intake.reading.times import TimeReading, find_time_reading, is_day_first
from data.intake.sql import only_row

_IN_ORDER = 0.97
"""Share of neighbouring rows in order of time from which a file counts as sorted."""

_FEWEST = 20
"""Neighbouring rows of different times that must be there to tell it."""


@dataclass(frozen=True)
class Order:
    """A time format, what tells it, and the format that it rules out; `certain` where it need not be asked."""

    form: str
    other: str
    reason: str
    certain: bool


def settle_order(
    connection: duckdb.DuckDBPyConnection, raw: RawFile, profile: Profile, language: str, joined: str | None = None
) -> Order | str | None:
    """Settle the order of days and months; None where the column itself tells it.

    Parameters
    ----------
    connection, raw, profile
        The working database, the file, and the column of times.
    language
        "de", "ru", "zh" or "" by the names of the columns.
    joined
        SQL for the time that the column is a part of; None where it holds the time itself.

    Returns
    -------
    Order, str or None
        A text is the message where the column is written in two ways.
    """
    if profile.sql_type != "VARCHAR":
        return None
    cells = f"SELECT 0 AS file, line, {joined or profile.text} AS cell FROM {raw.relation} WHERE shape = 0"
    try:
        reading = find_time_reading(connection, cells, f"transactions.{profile.name}", [raw.name], "UTC")
    except InputError as error:
        return str(error)
    if isinstance(reading, TimeReading):
        return None
    return _by_evidence(connection, cells, reading, language)


def describe_days(
    connection: duckdb.DuckDBPyConnection, raw: RawFile, profile: Profile, joined: str | None
) -> tuple[str | None, tuple[date, date] | None]:
    """Return how the times of a column are written, where its cells tell it, and their first and last day.

    Parameters
    ----------
    connection, raw, profile, joined
        As in `settle_order`.
    """
    cells = f"SELECT 0 AS file, line, {joined or profile.text} AS cell FROM {raw.relation} WHERE shape = 0"
    form, value = None, f"TRY_CAST({profile.column} AS DATE)"
    if joined or profile.sql_type == "VARCHAR":
        try:
            reading = find_time_reading(connection, cells, f"transactions.{profile.name}", [raw.name], "UTC")
        except InputError:
            return None, None
        told = isinstance(reading, TimeReading)
        form = reading.form if isinstance(reading, TimeReading) else reading[0]
        value, form = TimeReading(form).value("cell", "UTC"), form if told else None
        relation = f"({cells})"
    else:
        relation = f"(SELECT * FROM {raw.relation} WHERE shape = 0)"
    first, last = connection.execute(f"SELECT min({value})::DATE, max({value})::DATE FROM {relation}").fetchall()[0]
    return form, (first, last) if first else None


def _by_evidence(connection: duckdb.DuckDBPyConnection, cells: str, forms: Sequence[str], language: str) -> Order:
    day_first, month_first = sorted(forms, key=lambda form: not is_day_first(form))
    if "." in day_first.split(" ")[0]:
        return Order(day_first, month_first, "days with points between are written day first", certain=True)
    shares = {form: _share_in_order(connection, cells, form) for form in (day_first, month_first)}
    for form, other in ((day_first, month_first), (month_first, day_first)):
        if shares[form] >= _IN_ORDER and shares[other] < _IN_ORDER:
            told = f"({shares[form]:.0%}); otherwise they are not ({shares[other]:.0%})"
            reason = f"read so, the rows are in order of time {told}"
            return Order(form, other, reason, certain=True)
    late = {form: _future(connection, cells, form) for form in (day_first, month_first)}
    for form, other in ((day_first, month_first), (month_first, day_first)):
        if late[other] and not late[form]:
            return Order(form, other, f"read otherwise, {late[other]:,} rows would lie in the future", certain=True)
    if language in ("de", "ru"):
        return Order(
            day_first, month_first, "the names of the columns are in a language that writes days first", certain=False
        )
    return Order(day_first, month_first, "", certain=False)


def _share_in_order(connection: duckdb.DuckDBPyConnection, cells: str, form: str) -> float:
    """Return the larger share of neighbouring rows with other times that rise, or that fall; 0 where these are few."""
    time = TimeReading(form).value("cell", "UTC")
    row = only_row(
        connection,
        f"""
        SELECT count(*) FILTER (t > before), count(*) FILTER (t < before) FROM (
            SELECT t, lag(t) OVER (ORDER BY file, line) AS before
            FROM (SELECT file, line, {time} AS t FROM ({cells})) WHERE t IS NOT NULL)
        """,
    )
    return max(row) / sum(row) if sum(row) >= _FEWEST else 0.0


def _future(connection: duckdb.DuckDBPyConnection, cells: str, form: str) -> int:
    time = TimeReading(form).value("cell", "UTC")
    row = connection.execute(
        f"SELECT count(*) FILTER ({time} > now()::TIMESTAMP + INTERVAL 2 DAY) FROM ({cells})"
    ).fetchone()
    return int(row[0]) if row else 0
