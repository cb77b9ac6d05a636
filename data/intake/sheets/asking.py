"""Asks the process that reads workbooks: for the names of their sheets, and for the rows of one."""

import json
import marshal
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from data.errors import InputError
from data.intake.sources import File

_PROCESS = Path(__file__).with_name("process.py")
_TIMES: Mapping[str, Callable[..., Any]] = {"datetime": datetime, "date": date, "time": time, "timedelta": timedelta}
_FLOOR, _PER_BYTE = 2**29, 4
"""Bytes of memory that a workbook may take: so many, and so many times what it holds unpacked."""

_SECONDS, _SECONDS_PER_MEGABYTE = 8, 2


@dataclass(frozen=True)
class Sheet:
    """One sheet of a workbook.

    Parameters
    ----------
    name
        Its name.
    others
        Names of the other sheets that hold anything; none where this one was asked for.
    rows
        All rows from the first row of the sheet on, as wide as the sheet; an empty cell holds an empty text.
    """

    name: str
    others: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


def filled_sheets(file: File) -> list[str]:
    """Name the sheets of a workbook that hold anything; the only one in any case.

    Raises
    ------
    InputError
        As `read_sheet`.
    """
    names: list[str] = next(_ask(file, None, names_only=True))[1]
    return names


def read_sheet(file: File, wanted: str | None) -> Sheet:
    """Read one sheet of a workbook: the one that is wanted, else the first that holds anything.

    Raises
    ------
    InputError
        The workbook cannot be read, is locked by a password, has no such sheet, or takes too much memory or time.
    """
    parts = _ask(file, wanted, names_only=False)
    _, name, others = next(parts)
    rows: list[list[Any]] = []
    for part in parts:
        rows += [[_unpacked(cell) if type(cell) is tuple else cell for cell in row] for row in part]
    return Sheet(name, tuple(others), rows)


def no_sheet(file: File, wanted: str, names: Sequence[str]) -> InputError:
    """Make the error of a workbook that has no sheet of a name."""
    close = get_close_matches(wanted, names, n=1)
    near = f" Nearest: {close[0]!r}." if close else ""
    return InputError(f"{file.name} has no sheet {wanted!r}. Its sheets: {', '.join(names)}.{near}")


def _ask(file: File, wanted: str | None, *, names_only: bool) -> Iterator[Any]:
    """Run the process, and give what it says and the rows that follow."""
    seconds = _SECONDS + _SECONDS_PER_MEGABYTE * (file.path.stat().st_size >> 20)
    asked = json.dumps({"wanted": wanted, "names_only": names_only})
    command = [sys.executable, "-P", str(_PROCESS), str(file.path), asked, str(_most_bytes(file.path)), str(seconds)]
    with subprocess.Popen(  # noqa: S603 (a program of ours, and no shell)
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None, "it was asked for"
        try:
            said = marshal.load(process.stdout)  # noqa: S302 (written by our own process)
            if said[0] not in ("sheet", "sheets"):
                raise _refusal(file, wanted, *said)
            yield said
            while said[0] == "sheet" and (rows := marshal.load(process.stdout)):  # noqa: S302
                yield rows
        except (EOFError, ValueError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise _ended(file, process.wait()) from None


def _most_bytes(path: Path) -> int:
    """Return the memory that reading a workbook may take: a multiple of what it holds, and at most half of all."""
    held = path.stat().st_size
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            held = sum(part.file_size for part in archive.infolist())
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(_FLOOR + _PER_BYTE * held, machine // 2)


def _refusal(file: File, wanted: str | None, what: str, *more: Any) -> InputError:
    """Make the error that the process told."""
    if what == "locked":
        return InputError(f"{file.name} is locked by a password: save it without one, and give that file.")
    return no_sheet(file, str(wanted), more[0]) if what == "no such sheet" else _damaged(file, more[0])


def _ended(file: File, code: int) -> InputError:
    """Make the error of a workbook whose process was ended: by a limit, or by the library that reads it."""
    if code == -signal.SIGXCPU:
        return InputError(f"{file.name} takes too long to be read for its size; save it again, or as CSV.")
    if code == -signal.SIGABRT:
        return InputError(
            f"{file.name} takes too much memory for its size: some cell lies far from the others. Delete the empty "
            "rows and columns between them, or save the sheet as CSV."
        )
    return _damaged(file, "it is damaged")


def _damaged(file: File, why: str) -> InputError:
    return InputError(f"{file.name} cannot be read as a workbook ({why}); save it again, or as CSV.")


def _unpacked(cell: tuple[Any, ...]) -> Any:
    kind, *parts = cell
    return _TIMES[kind](*parts)
