"""How a file of unknown kind is written: its encoding, its separator, and the line with the names of its columns."""

import codecs
import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path

import duckdb

from data.contracts import Contract
from data.errors import InputError
from data.intake.proposals.vocabulary import ROLES, fit
from data.intake.raw import RawFile, load
from data.intake.reading.column_kinds import kind_of_cells
from data.intake.reading.content import is_parquet, open_packed, start_encoding, whole_lines
from data.intake.reading.encodings import propose_encodings, propose_wide_encoding
from data.intake.reading.json_lines import is_json
from data.intake.reading.workbooks import cell_text, is_workbook
from data.intake.sheets.asking import read_sheet
from data.intake.sources import File, Source
from data.intake.streaming.csv_records import SEPARATORS

_BLOCK, _LINES, _BYTES = 2**24, 60, 2**18
_KNOWN, _WHOLE = 2, 0.7
"""So many cells that are known names as a whole, which score so high, make a line the header wherever it stands."""

_ANY = Contract("transactions", (), {})
"""A contract that asks for no column."""


@dataclass(frozen=True)
class Setting:
    """A setting of a format that is proposed, with what tells it, and other values as comments: value -> meaning."""

    name: str
    value: str | int
    reason: str
    others: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """A file that DuckDB can read, and the settings that this takes.

    `sheet` names the sheet of a workbook, and `sheets` the others that hold anything.
    """

    file: File
    raw: RawFile
    settings: tuple[Setting, ...]
    sheet: str | None = None
    sheets: tuple[str, ...] = ()


def open_file(
    connection: duckdb.DuckDBPyConnection, file: File, relation: str, folder: Path, sheet: str | None = None
) -> Opened:
    """Find how a file is written, and read it whole.

    Parameters
    ----------
    connection
        A database with the macros of the intake.
    file
        The file.
    relation
        Name of the table or view that is made.
    folder
        For working files.
    sheet
        The sheet of a workbook; the first that holds anything where None.

    Raises
    ------
    InputError
        It is empty, cannot be read, or has no line with names of columns.
    """
    source, settings = Source(file.path), []
    others: tuple[str, ...] = ()
    if file.path.stat().st_size == 0:
        raise InputError(f"{file.name} is empty.")
    if is_parquet(file):
        pass
    elif is_workbook(file.path):
        read = read_sheet(file, sheet)
        sheet, others = read.name, read.others
        source = replace(source, sheet=read.name)
        rows = [[cell_text(cell).strip() for cell in row] for row in read.rows[:_LINES]]
        line, _ = _find_header(list(enumerate(rows, start=1)), file)
        settings += _header_setting(line, next((k for k, row in enumerate(rows, 1) if any(row)), 1))
    else:
        encoding = _find_encoding(file)
        settings += [encoding] if encoding else []
        start = _decoded_start(file, str(encoding.value) if encoding else None)
        source = replace(source, encoding=str(encoding.value) if encoding else None)
        if not is_json(start.encode()):
            separator, records = _cut(start)
            line, width = _find_header(records, file)
            if width > 1:
                source = replace(source, separator=separator)
            settings += _header_setting(line, next((number for number, cells in records if any(cells)), 1))
            if line > 1 or width < max(len(cells) for _, cells in records[:1]):
                settings.append(Setting("separator", separator, "it cuts most lines into the same number of cells"))
    lines = [int(setting.value) for setting in settings if setting.name == "header_line"]
    source = replace(source, header_line=next(iter(lines), None))
    raw = load(connection, file, source, _ANY, relation, folder)
    if raw is None:
        raise InputError(f"{file.name} is empty.")
    return Opened(file, raw, tuple(settings), sheet, others)


def _find_encoding(file: File) -> Setting | None:
    """Find the encoding of a text that is neither UTF-8 nor marked; None where it is."""
    stream, _ = open_packed(file.path)
    with stream:
        block = stream.read(_BLOCK)
        encoding = start_encoding(block)
        if b"\0" in block[:4096] and encoding == "utf-8-sig":
            wide = propose_wide_encoding(block[:4096])
            return Setting("encoding", wide, "every second byte is zero, as in UTF-16 without its mark")
        decoder = codecs.getincrementaldecoder(encoding)("strict")
        while block:
            following = stream.read(_BLOCK)
            try:
                decoder.decode(block, final=not following)
            except UnicodeDecodeError as error:
                return _likely_encoding(whole_lines(error.object, error.start))
            block = following
    return None


def _likely_encoding(lines: bytes) -> Setting | None:
    proposals = propose_encodings(lines)
    if not proposals:
        return None
    # The words of a header tell more than all cells below it: they are known in several languages.
    known = {name: _known_names(lines, name) for name in proposals}
    best, *rest = sorted(proposals, key=lambda name: -known[name])
    others = {name: f"reads {proposals[name]}" for name in rest}
    return Setting("encoding", best, f"it is not UTF-8; read so, a line says {proposals[best]!r}", others)


def _known_names(lines: bytes, encoding: str) -> int:
    """Count the cells of the first line that are usual names of columns."""
    names = re.split(r"[,;\t|]", lines.split(b"\n", 1)[0].decode(encoding, errors="ignore").replace('"', ""))
    return sum(any(fit(role, name) > 0.5 for role in ROLES) for name in names)


def _decoded_start(file: File, encoding: str | None) -> str:
    stream, _ = open_packed(file.path)
    with stream:
        block = stream.read(_BYTES)
    text = block.decode(encoding or start_encoding(block), errors="ignore").removeprefix("\ufeff")
    return text.replace("\r", "\n") if "\n" not in text else text


def _cut(text: str) -> tuple[str, list[tuple[int, list[str]]]]:
    """Cut the first lines into cells by the separator that gives most lines the same number of them, above one."""
    named = re.match(r"sep=([ -~\t])\r?\n", text)
    text = "\n" + text[len(named[0]) :] if named else text
    best: tuple[tuple[float, int], str, list[tuple[int, list[str]]]] | None = None
    for separator in [named[1]] if named else SEPARATORS:
        records = []
        reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
        try:
            at = 1
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    records.append((at, [cell.strip() for cell in cells]))
                at = reader.line_num + 1
                if len(records) >= _LINES:
                    break
        except csv.Error:
            continue
        widths = Counter(len(cells) for _, cells in records)
        width, lines = max(widths.items(), key=lambda each: (each[1] * (each[0] > 1), each[0]), default=(0, 0))
        score = (lines / max(len(records), 1) if width > 1 else 0.0, width)
        if best is None or score > best[0]:
            best = score, separator, records
    assert best is not None, "the comma always gives records"
    return best[1], best[2]


def _find_header(records: Sequence[tuple[int, Sequence[str]]], file: File) -> tuple[int, int]:
    """Return the line with the names of the columns, and how many there are.

    It is the first line that fills most of the usual cells with words; a title above it fills few.

    Raises
    ------
    InputError
        The first full line looks like data.
    """
    filled = [(number, [cell for cell in cells if cell]) for number, cells in records]
    widths = sorted(len(cells) for _, cells in filled if cells)
    if not widths:
        raise InputError(f"{file.name} is empty.")
    usual = widths[len(widths) // 2]
    # Of several lines of words, the header is the one whose words are known: above it banks and marketplaces write
    # whose file it is, and for which days.
    known = [(sum(map(_is_known, cells)), -number, len(cells)) for number, cells in filled]
    most, place, width = max(known)
    if most >= _KNOWN and width >= 0.6 * usual:
        return -place, width
    for number, cells in filled:
        if len(cells) >= max(0.6 * usual, min(usual, 2)):
            if sum(kind_of_cells([cell]) in ("time", "number") for cell in cells) >= max(1, 0.4 * len(cells)):
                shown = ", ".join(cells[:5])
                raise InputError(
                    f"{file.name} has no line with the names of its columns: its first full line says {shown}. Put "
                    "one above it, such as customer_id,ts,amount."
                )
            return number, len(cells)
    return filled[0][0], len(filled[0][1])


def _is_known(cell: str) -> bool:
    return any(fit(role, cell) >= _WHOLE for role in ROLES)


def _header_setting(line: int, first: int) -> list[Setting]:
    if line == first:
        return []
    return [Setting("header_line", line, "the names of the columns stand below a title")]
