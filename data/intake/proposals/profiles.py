"""What each column of a file holds: the kind of its cells, how many are filled, and how many differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from data.errors import InputError
from data.intake.casting import as_text
from data.intake.raw import RawFile
from data.intake.reading.column_kinds import kind_of_cells
from data.intake.reading.numbers import NumberFormat, find_number_reading
from data.intake.sql import only_row

_SAMPLE, _FEW = 200, 20


@dataclass(frozen=True)
class Profile:
    """What one column holds.

    Parameters
    ----------
    name, place
        Its name in the header, and its position.
    kind
        "time", "number" or "text"; "" where it is empty.
    sql_type
        Its SQL type in the relation.
    filled, different
        Rows in which it is filled, and how many of these values differ.
    rows
        All rows of the file.
    examples
        Some cells as text, from all over the file.
    values
        Its values, the commonest first, with their rows; empty where there are more than twenty.
    """

    name: str
    place: int
    kind: str
    sql_type: str
    filled: int
    different: int
    rows: int
    examples: tuple[str, ...]
    values: dict[str, int]

    @property
    def column(self) -> str:
        """The column in the relation."""
        return f"c{self.place}"

    @property
    def text(self) -> str:
        """SQL for a filled cell as trimmed text, else null."""
        return f"trim(present({as_text(self.column, self.sql_type)}))"


def describe_columns(connection: duckdb.DuckDBPyConnection, raw: RawFile) -> list[Profile]:
    """Describe all named columns of a file; of many different values the number is an estimate, to about 2 %."""
    places = [k for k, (name, kind) in enumerate(zip(raw.header, raw.types, strict=True)) if name and _is_plain(kind)]
    texts = [f"trim(present({as_text(f'c{k}', raw.types[k])}))" for k in places]
    counted = ", ".join(f"count({text}), approx_count_distinct({text})" for text in texts)
    rows, *counts = only_row(connection, f"SELECT count(*), {counted} FROM {raw.relation} WHERE shape = 0")
    examples = _examples(connection, raw, texts, rows)
    profiles = []
    for k, place in enumerate(places):
        filled, different = counts[2 * k : 2 * k + 2]
        values: dict[str, int] = {}
        if different <= 2 * _FEW:
            found = connection.execute(
                f"SELECT {texts[k]} AS value, count(*) FROM {raw.relation} WHERE shape = 0 AND value IS NOT NULL "
                f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {3 * _FEW}"
            ).fetchall()
            different = len(found)
            values = dict(found) if different <= _FEW else {}
        kind = _kind(raw.types[place], examples[k])
        different = min(different, filled)
        profiles.append(
            Profile(raw.header[place], place, kind, raw.types[place], filled, different, rows, examples[k], values)
        )
    return profiles


def _is_plain(sql_type: str) -> bool:
    return not sql_type.startswith(("STRUCT", "MAP", "BLOB")) and not sql_type.endswith("]")


def _examples(
    connection: duckdb.DuckDBPyConnection, raw: RawFile, texts: Sequence[str], rows: int
) -> list[tuple[str, ...]]:
    """Return filled cells of each column, from all over the file and from its start."""
    step = max(1, rows // (2 * _SAMPLE))
    columns = ", ".join(texts) or "NULL"
    found = connection.execute(
        f"SELECT {columns} FROM {raw.relation} WHERE shape = 0 AND (line % {step} = 0 OR line <= {_SAMPLE}) "
        "ORDER BY line"
    ).fetchall()
    spread = found[:: max(1, len(found) // (2 * _SAMPLE))]
    return [tuple(str(row[k]) for row in spread if row[k] is not None)[:_SAMPLE] for k in range(len(texts))]


def _kind(sql_type: str, examples: Sequence[str]) -> str:
    if sql_type == "DATE" or sql_type.startswith("TIMESTAMP"):
        return "time"
    if sql_type in ("DOUBLE", "FLOAT") or sql_type.startswith("DECIMAL"):
        return "number" if examples else ""
    return kind_of_cells(examples)


def number_of(connection: duckdb.DuckDBPyConnection, raw: RawFile, profile: Profile, mark: str | None) -> str | None:
    """Write SQL for a column's number by the evidence of all of its cells; None where it is not told.

    Parameters
    ----------
    connection, raw, profile
        The working database, the file and the column.
    mark
        The decimal mark where it is known.
    """
    if profile.sql_type != "VARCHAR":
        return f"TRY_CAST({profile.column} AS DOUBLE)" if profile.kind == "number" else None
    text = profile.text
    cells = f"SELECT 0 AS file, line, {text} AS cell FROM {raw.relation} WHERE shape = 0"
    try:
        reading = find_number_reading(connection, cells, NumberFormat(mark), f"transactions.{profile.name}", [raw.name])
    except InputError:
        return None
    if reading is None:
        return None
    plain = text if reading.plain else reading.cell(text)
    return f"TRY_CAST(CASE WHEN is_number({plain}) THEN {plain} END AS DOUBLE)"


def readings_of_mark(connection: duckdb.DuckDBPyConnection, raw: RawFile, profiles: Sequence[Profile]) -> set[str]:
    """Return the decimal marks that columns of numbers of a file can only be read with."""
    marks = set()
    for profile in profiles:
        has_mark = any(sign in each for each in profile.examples for sign in ".,")
        if profile.kind != "number" or profile.sql_type != "VARCHAR" or not has_mark:
            continue
        cells = f"SELECT 0 AS file, line, {profile.text} AS cell FROM {raw.relation} WHERE shape = 0"
        try:
            reading = find_number_reading(connection, cells, NumberFormat(), f"transactions.{profile.name}", [raw.name])
        except InputError:
            continue
        if reading is not None and reading.decided:
            marks.add(reading.decimal)
    return marks


def is_unclear(connection: duckdb.DuckDBPyConnection, raw: RawFile, profile: Profile) -> bool:
    """Whether each number of a column with a mark has exactly three digits after it, and could mean either."""
    if profile.sql_type != "VARCHAR":
        return False
    cells = f"SELECT 0 AS file, line, {profile.text} AS cell FROM {raw.relation} WHERE shape = 0"
    try:
        found = find_number_reading(connection, cells, NumberFormat(), f"transactions.{profile.name}", [raw.name])
    except InputError:
        return False
    return found is None
