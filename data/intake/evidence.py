"""What the cells of a table tell of how they are written: its numbers, its times, the rows and amounts to read."""

from collections.abc import Sequence

import duckdb

from data.contracts import Column, Contract
from data.intake.casting import Readings, is_typed, text_cell
from data.intake.raw import RawFile
from data.intake.reading.matching import find_near_misses
from data.intake.reading.numbers import (
    NumberFormat,
    NumberReading,
    as_asked,
    find_number_reading,
    refuse_to_guess,
)
from data.intake.reading.pasting import naming_section, toml_text
from data.intake.reading.times import TimeReading, find_time_reading, refuse_to_order
from data.intake.sources import Source
from data.intake.sql import only_row

_EXAMPLES = 5
_PLAIN = {"id": "is_plain_id", "text": "is_plain_text"}
"""Kind of a column -> the function that is true for text which needs no reading, and that tells so fast."""


def find_readings_by_way(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raws: Sequence[RawFile],
    ways: Sequence[Source],
    zone: str,
    notes: list[str],
) -> list[Readings]:
    """Find how the columns of each file are written; files that the settings describe alike tell it together.

    Parameters
    ----------
    connection, contract, raws, zone, notes
        As in `find_readings`.
    ways
        What the settings say of each file.

    Raises
    ------
    InputError
        As `find_readings`.
    """
    found: dict[int, Readings] = {}
    for way in ways:
        if id(way) not in found:
            alike = [raw for raw, other in zip(raws, ways, strict=True) if other is way]
            with naming_section(contract.table, way.section, notes):
                found[id(way)] = find_readings(connection, contract, alike, way, zone, notes)
    return [found[id(way)] for way in ways]


def find_readings(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raws: Sequence[RawFile],
    source: Source,
    zone: str,
    notes: list[str],
) -> Readings:
    """Find how the columns of a table are written, over all of its files.

    Parameters
    ----------
    connection
        The working database.
    contract, raws, source
        The table's contract, its files, and what the settings say of them.
    zone
        The shop's zone.
    notes
        What is said of it is added here, in sentences.

    Raises
    ------
    InputError
        A column may be read in two ways that differ, or is written in both.
    """
    numbers = _read_numbers(connection, contract, raws, source)
    times = _read_times(connection, contract, raws, source, zone)
    plain, changed = _texts_as_they_are(connection, contract, raws)
    notes += [note for number in numbers.values() for note in number.notes]
    notes += [note for time in times.values() for note in time.notes]
    notes += changed
    cents = source.unit == "cents"
    present = {name for raw in raws for name in (*raw.columns, *raw.computed)}
    money = [column.name for column in contract.columns if column.money and column.name in present]
    if cents and money:
        notes.append(f"{contract.table}: {', '.join(money)} was read in cents, and divided by 100.")
    return Readings(numbers, times, cents, plain)


def near_miss_note(contract: Contract, raw: RawFile) -> str | None:
    """Say which columns that are not read are named nearly like an optional one."""
    near = find_near_misses(contract, (*raw.header, *raw.unread), raw.columns)
    near = {name: other for name, other in near.items() if name not in raw.computed}
    if not near:
        return None
    told = ", ".join(f"{other!r} ({name}?)" for name, other in near.items())
    lines = ", ".join(f"columns.{contract.table}.{name} = {toml_text(other)}" for name, other in near.items())
    return (
        f"{contract.table}: these columns of {raw.name} are not read, but are named nearly like ours: {told}. "
        f"If they are meant, say so in revealed.toml: {lines}."
    )


def _read_numbers(
    connection: duckdb.DuckDBPyConnection, contract: Contract, raws: Sequence[RawFile], source: Source
) -> dict[str, NumberReading]:
    files = [raw.name for raw in raws]
    readings: dict[str, NumberReading] = {}
    unclear: dict[str, str] = {}
    for column in contract.columns:
        cells = _cells(column, raws) if column.kind in ("number", "score") else ""
        if cells:
            reading = find_number_reading(connection, cells, _asked(source), f"{contract.table}.{column.name}", files)
            if reading is None:
                unclear[column.name] = cells
            else:
                readings[column.name] = reading
    marks = {reading.decimal for reading in readings.values() if reading.decided}
    for column in contract.columns:
        if column.name not in unclear:
            continue
        if column.kind == "score":
            # No scale goes to a thousand.
            readings[column.name] = as_asked(_asked(source), _mark(connection, unclear[column.name]))
        elif column.money or len(marks) != 1:
            raise refuse_to_guess(connection, unclear[column.name], f"{contract.table}.{column.name}", files)
        else:
            readings[column.name] = as_asked(_asked(source), next(iter(marks)))
    return readings


def _read_times(
    connection: duckdb.DuckDBPyConnection, contract: Contract, raws: Sequence[RawFile], source: Source, zone: str
) -> dict[str, TimeReading]:
    files = [raw.name for raw in raws]
    readings: dict[str, TimeReading] = {}
    unclear: dict[str, tuple[str, tuple[str, ...]]] = {}
    for column in contract.columns:
        cells = _cells(column, raws) if column.kind == "time" else ""
        if not cells:
            continue
        if source.time_format is not None:
            readings[column.name] = TimeReading(source.time_format)
            continue
        reading = find_time_reading(connection, cells, f"{contract.table}.{column.name}", files, zone)
        if isinstance(reading, TimeReading):
            readings[column.name] = reading
        else:
            unclear[column.name] = (cells, reading)
    decided = {reading.form[:8] for reading in readings.values()}
    for name, (cells, forms) in unclear.items():
        # Another time of the same file that starts alike tells the order of days and months.
        agreeing = [form for form in forms if form[:8] in decided]
        if len(agreeing) != 1:
            raise refuse_to_order(connection, cells, f"{contract.table}.{name}", files, forms)
        readings[name] = TimeReading(agreeing[0], (f'{contract.table}.{name} was read as "{agreeing[0]}".',))
    return readings


def _cells(column: Column, raws: Sequence[RawFile]) -> str:
    """Write SQL for the cells of a column that are text, over all files; empty where all are typed or none is there."""
    parts = []
    for number, raw in enumerate(raws):
        raw_column, sql_type = raw.place(column.name)
        if raw_column is not None and not is_typed(column, sql_type):
            text = text_cell(column, raw_column, sql_type)
            parts.append(f"SELECT {number} AS file, line, {text} AS cell FROM {raw.relation} WHERE shape = 0")
    return " UNION ALL ".join(parts)


def _texts_as_they_are(
    connection: duckdb.DuckDBPyConnection, contract: Contract, raws: Sequence[RawFile]
) -> tuple[frozenset[str], list[str]]:
    """Find the columns of ids and names whose cells need no reading.

    Of other ids it is said how many were trimmed or brought to one Unicode form.
    """
    plain, notes = set(), []
    for column in contract.columns:
        if column.kind not in _PLAIN:
            continue
        places = [(raw.relation, *raw.place(column.name)) for raw in raws if column.name in raw.columns]
        texts = [(relation, cell) for relation, cell, sql_type in places if sql_type == "VARCHAR"]
        unread = f"NOT {_PLAIN[column.kind]}"
        other = [
            (relation, cell)
            for relation, cell in texts
            if connection.execute(f"SELECT 1 FROM {relation} WHERE {unread}({cell}) LIMIT 1").fetchone()
        ]
        is_text = len(texts) == sum(column.name in (*raw.columns, *raw.computed) for raw in raws)
        if is_text and not other:
            plain.add(column.name)
        changed = 0
        for relation, cell in other if column.kind == "id" else ():
            condition = f"trimmed_id({cell}) <> {cell} AND present({cell}) IS NOT NULL AND shape = 0"
            changed += only_row(connection, f"SELECT count(*) FROM {relation} WHERE {condition}")[0]
        if changed:
            notes.append(
                f"{contract.table}.{column.name}: {changed:,} ids were trimmed of blanks or "
                "brought to one Unicode form (NFC)."
            )
    return frozenset(plain), notes


def _mark(connection: duckdb.DuckDBPyConnection, cells: str) -> str:
    return "," if only_row(connection, f"SELECT count(*) FROM ({cells}) WHERE contains(cell, ',')")[0] else "."


def _asked(source: Source) -> NumberFormat:
    return NumberFormat(source.decimal, source.thousands)
