"""Workbooks of spreadsheets (.xlsx, .xlsb, .xls, .ods): one sheet becomes a table of numbers, times and text."""

import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from fnmatch import fnmatchcase
from glob import has_magic
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from data.intake.reading.leftovers import tell, unmark
from data.intake.reading.pasting import paste
from data.intake.sheets.asking import Sheet, filled_sheets, no_sheet
from data.intake.sources import File, Source

_OLE = b"\xd0\xcf\x11\xe0"
_ARROW = {"DOUBLE": pa.float64(), "TIMESTAMP": pa.timestamp("us"), "BOOLEAN": pa.bool_(), "VARCHAR": pa.string()}
_EXACT = 10**15
"""From here on a spreadsheet rounds whole numbers."""


def is_workbook(path: Path) -> bool:
    """Whether a file is a workbook, by what it holds."""
    with path.open("rb") as stream:
        start = stream.read(4)
    if start == _OLE:
        return True
    if not start.startswith(b"PK"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return False
    return any(name.startswith("xl/") for name in names) or "content.xml" in names


def part_by_sheet(files: Sequence[File], source: Source) -> list[File]:
    """Part workbooks of which several sheets are read into one file for each sheet, named FILE/SHEET.

    Parameters
    ----------
    files
        Files of any kind.
    source
        How they are written; a file with settings of its own is parted as these say.

    Raises
    ------
    InputError
        A workbook cannot be read, or has no sheet of such a name.
    """
    parted: list[File] = []
    for file in files:
        wanted = source.of(file).sheet
        patterns = [wanted] if isinstance(wanted, str) else wanted or []
        several = len(patterns) > 1 or any(map(has_magic, patterns))
        if not patterns or not is_workbook(file.path):
            parted.append(file)
        elif not several:
            parted.append(replace(file, sheet=patterns[0]))
        else:
            names = _sheets_that_fit(file, patterns)
            parted += [replace(file, name=f"{file.name}/{name}", sheet=name) for name in names]
    return parted


def _sheets_that_fit(file: File, patterns: Sequence[str]) -> list[str]:
    names = filled_sheets(file)
    fitting = {pattern: [name for name in names if fnmatchcase(name, pattern)] for pattern in patterns}
    for pattern, found in fitting.items():
        if not found:
            raise no_sheet(file, pattern, names)
    return [name for name in names if any(name in found for found in fitting.values())]


def header_row(rows: Sequence[Sequence[Any]], asked: int | None) -> int:
    """Return the position of the row with the names of the columns: the one asked for, else the first with a cell.

    Parameters
    ----------
    rows
        Rows of a sheet.
    asked
        Number of the row in the sheet, from 1.
    """
    if asked is not None:
        return min(asked, len(rows)) - 1
    return next((place for place, row in enumerate(rows) if any(cell != "" for cell in row)), -1)


def without_leftovers(sheet: Sheet, header_at: int, file: File) -> tuple[Sheet, tuple[str, ...]]:
    """Take marks off cells, and empty rows that repeat the header; say so in sentences."""
    marked = repeated = 0
    header: Sequence[Any] = []
    rows: list[Sequence[Any]] = []
    for place, row in enumerate(sheet.rows):
        plain = [unmark(cell) if isinstance(cell, str) else cell for cell in row]
        marked += sum(cell != other for cell, other in zip(row, plain, strict=True))
        if place == header_at:
            header = [cell_text(cell).strip() for cell in plain]
        elif place > header_at and sum(map(bool, header)) > 1 and [cell_text(c).strip() for c in plain] == header:
            plain = [""] * len(row)
            repeated += 1
        rows.append(plain)
    return replace(sheet, rows=rows), tell(file.table, file.name, marked, repeated)


def load_sheet(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[Sequence[Any]], header_at: int, relation: str
) -> tuple[str, ...]:
    """Write the rows below the header into a table as `data.intake.raw.RawFile` describes it; return its SQL types."""
    body = [(at + 1, row) for at, row in enumerate(rows) if at > header_at and any(cell != "" for cell in row)]
    columns: dict[str, pa.Array] = {"line": pa.array([line for line, _ in body], pa.int64())}
    types = []
    for place in range(len(rows[header_at])):
        cells = [row[place] for _, row in body]
        sql_type = _type_of(cells)
        types.append(sql_type)
        columns[f"c{place}"] = pa.array([_value(cell, sql_type) for cell in cells], _ARROW[sql_type])
    connection.register("sheet_rows", pa.table(columns))
    connection.execute(
        f"CREATE TABLE {relation} AS SELECT line, 0::TINYINT AS shape, NULL::VARCHAR[] AS odd, "
        f"* EXCLUDE (line) FROM sheet_rows"
    )
    connection.unregister("sheet_rows")
    return tuple(types)


def notes_on(sheet: Sheet, file: File, types: Sequence[str], *, asked: bool) -> tuple[str, ...]:
    """Say which sheet was read where there are several and none was asked for, and where numbers have lost digits."""
    notes = []
    if sheet.others and not asked:
        others = ", ".join(map(repr, sheet.others[:5])) + (" and more" if len(sheet.others) > 5 else "")
        notes.append(
            f"{file.table}: of {file.name} the sheet {sheet.name!r} is read, and not {others}. Name another, or all "
            + paste(f"formats.{file.table}", {"sheet": sheet.others[0]}, {'sheet = "*"': "all sheets"})
        )
    for place, sql_type in enumerate(types):
        long = (row[place] for row in sheet.rows if isinstance(row[place], float) and abs(row[place]) >= _EXACT)
        if sql_type == "DOUBLE" and next(long, None) is not None:
            notes.append(
                f"{file.table}: column {place + 1} of {file.name} holds numbers of more than 15 digits, of which a "
                "spreadsheet keeps 15. If they are ids, export them as text."
            )
    return tuple(notes)


def _type_of(cells: Sequence[Any]) -> str:
    """Name the SQL type that holds all filled cells of a column."""
    filled = [cell for cell in cells if cell != ""]
    kinds = {type(cell) for cell in filled}
    if not kinds:
        return "VARCHAR"
    if kinds <= {int, float}:
        return "DOUBLE"
    if kinds <= {date, datetime}:
        return "TIMESTAMP"
    return "BOOLEAN" if kinds == {bool} else "VARCHAR"


def _value(cell: Any, sql_type: str) -> Any:
    if cell == "":
        return None
    if sql_type == "TIMESTAMP":
        return cell if isinstance(cell, datetime) else datetime.combine(cell, time())
    return cell_text(cell) if sql_type == "VARCHAR" else cell


def cell_text(cell: Any) -> str:
    """Write a cell as text; three decimals get a fourth, as 1.234 might be read as a thousand."""
    if isinstance(cell, float):
        text = str(int(cell)) if cell.is_integer() and abs(cell) < 1e18 else repr(cell)
        return text + "0" if len(text.partition(".")[2]) == 3 else text
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return str(cell) if isinstance(cell, (str, int, date, time, timedelta)) else ""
