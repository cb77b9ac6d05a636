"""Workbooks of spreadsheets (.xlsx, .xlsb, .xls, .ods): one sheet becomes a table of numbers, times and text."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, ZipError

from data.errors import InputError
from data.intake.reading.pasting import paste
from data.intake.sources import File

_OLE = b"\xd0\xcf\x11\xe0"
_ARROW = {"DOUBLE": pa.float64(), "TIMESTAMP": pa.timestamp("us"), "BOOLEAN": pa.bool_(), "VARCHAR": pa.string()}
_EXACT = 10**15
"""From here on a spreadsheet rounds whole numbers."""


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook.

    Parameters
    ----------
    name
        Its name.
    others
        Names of the other sheets that hold anything.
    rows
        All rows from the first row of the sheet on, as wide as the sheet; an empty cell holds an empty text.
    """

    name: str
    others: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


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


def read_sheet(file: File, wanted: str | None) -> Sheet:
    """Read one sheet of a workbook: the one that is wanted, else the first that holds anything.

    Raises
    ------
    InputError
        The workbook cannot be read, is locked by a password, or has no such sheet.
    """
    try:
        with CalamineWorkbook.from_path(str(file.path)) as workbook:
            names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
            if wanted is not None and wanted not in names:
                close = get_close_matches(wanted, names, n=1)
                near = f" Nearest: {close[0]!r}." if close else ""
                raise InputError(f"{file.name} has no sheet {wanted!r}. Its sheets: {', '.join(names)}.{near}")
            filled = [name for name in names if workbook.get_sheet_by_name(name).height] if len(names) > 1 else names
            chosen = wanted or next(iter(filled), "")
            rows = workbook.get_sheet_by_name(chosen).to_python(skip_empty_area=False) if chosen else []
    except PasswordError:
        raise InputError(f"{file.name} is locked by a password: save it without one, and give that file.") from None
    except (CalamineError, ZipError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{file.name} cannot be read as a workbook ({error}); save it again, or as CSV.") from None
    return Sheet(chosen, tuple(name for name in filled if name != chosen), rows)


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
            f"{file.table}: of {file.name} the sheet {sheet.name!r} is read, and not {others}. "
            + paste(f"formats.{file.table}", {"sheet": sheet.others[0]})
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
