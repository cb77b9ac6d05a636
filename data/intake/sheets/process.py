"""Reads a workbook, run as a process of its own: `python -P process.py FILE WANTED BYTES SECONDS`.

A workbook may ask for any memory: two cells in opposite corners make a sheet of seventeen thousand million. The library
that reads it then ends its process, so that is not the process of the run. Imports nothing of the project.
"""

import json
import marshal
import resource
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError, SheetTypeEnum, ZipError

ROWS = 1_000
"""Rows that are handed over at a time."""


def read(file: str, wanted: str | None, *, names_only: bool) -> Iterator[Any]:
    """Yield what there is to say of a workbook, and then lists of rows of one sheet.

    The first is a tuple: ("locked",), ("damaged", why), ("no such sheet", names), ("sheets", names of those that hold
    anything), or ("sheet", name, names of the others that hold anything, where none was wanted); only after the last
    one rows follow, and an empty list at the end.
    """
    rows: list[list[Any]] = []
    try:
        with CalamineWorkbook.from_path(file) as workbook:
            names = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
            if wanted is None and len(names) > 1:
                names = [name for name in names if workbook.get_sheet_by_name(name).height]
            if names_only:
                yield ("sheets", names)
                return
            if wanted is not None and wanted not in names:
                yield ("no such sheet", names)
                return
            chosen = wanted or next(iter(names), "")
            rows = workbook.get_sheet_by_name(chosen).to_python(skip_empty_area=False) if chosen else []
        yield ("sheet", chosen, [name for name in names if name != chosen and wanted is None])
    except PasswordError:
        yield ("locked",)
        return
    except (CalamineError, ZipError, OSError, zipfile.BadZipFile) as error:
        yield ("damaged", str(error))
        return
    for at in range(0, len(rows), ROWS):
        yield [[_packed(cell) for cell in row] for row in rows[at : at + ROWS]]
    yield []


def _packed(cell: Any) -> Any:
    """Write times as tuples, which can be handed over; other cells are texts, numbers, true or false."""
    if isinstance(cell, datetime):
        return ("datetime", cell.year, cell.month, cell.day, cell.hour, cell.minute, cell.second, cell.microsecond)
    if isinstance(cell, date):
        return ("date", cell.year, cell.month, cell.day)
    if isinstance(cell, time):
        return ("time", cell.hour, cell.minute, cell.second, cell.microsecond)
    return ("timedelta", cell.days, cell.seconds, cell.microseconds) if isinstance(cell, timedelta) else cell


if __name__ == "__main__":
    _, file, asked, most_bytes, seconds = sys.argv
    resource.setrlimit(resource.RLIMIT_AS, (int(most_bytes), int(most_bytes)))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for part in read(file, **json.loads(asked)):
        marshal.dump(part, sys.stdout.buffer)
