"""CSV files as tables of text: the separator and the header are found, and each record is a row."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import duckdb

from data.contracts import MOST_COLUMNS, Contract
from data.errors import InputError
from data.intake.reading.column_kinds import kinds_of_text
from data.intake.reading.content import read_text
from data.intake.reading.leftovers import count_marks, is_header, tell, unmark, without_marks
from data.intake.reading.matching import match_columns
from data.intake.sources import File, Source
from data.intake.sql import only_row
from data.intake.streaming.csv_records import CELL_END, find_separator, read_header, read_records

_LONGEST_SHOWN = 40


@dataclass(frozen=True)
class CsvStart:
    """A CSV file of which the header was read: how it goes on, and the position of each column."""

    blocks: Iterator[bytes]
    separator: str
    header: tuple[str, ...]
    columns: dict[str, int]


def start_text(file: File, source: Source) -> tuple[bytes, Iterator[bytes]] | None:
    """Read the first block of a text, and give those after it; None where the text is blank."""
    blocks = read_text(file, source.encoding)
    first = next((block for block in blocks if block.strip()), None)
    return None if first is None else (first, blocks)


def start_csv(
    first: bytes, blocks: Iterator[bytes], file: File, source: Source, contract: Contract, computed: Sequence[str]
) -> CsvStart:
    """Read the header of a CSV file, whose first block was read, and match its columns as `match_columns` does."""
    if source.header_line is not None:
        # What stands above the header is left blank, so that lines keep their numbers.
        first = b"\n" * (source.header_line - 1) + b"".join(first.splitlines(keepends=True)[source.header_line - 1 :])
    required = [source.columns.get(name, name) for name in contract.required]
    # Excel may name the separator in a line of its own; it is left blank, so that lines keep their numbers.
    named = re.match(rb"sep=([ -~\t])\r?\n", first)
    first = first[len(named[0]) - 1 :] if named else first
    separator = source.separator or (named[1].decode() if named else find_separator(first, required))
    header = list(map(unmark, read_header(first, separator)))
    columns = match_columns(
        contract,
        header,
        source.columns,
        file.name,
        computed=computed,
        contents=lambda: kinds_of_text(first, separator, len(header)),
    )
    return CsvStart(chain([first], blocks), separator, tuple(header), columns)


def load_csv(
    connection: duckdb.DuckDBPyConnection,
    blocks: Iterable[bytes],
    separator: str,
    header: Sequence[str],
    relation: str,
    file: File,
) -> tuple[str, ...]:
    """Read the records of a CSV file into a table as `data.intake.raw.RawFile` describes it.

    Returns
    -------
    tuple of str
        What was taken out of its cells and rows; and where the last line has no end,
        that its last cell may be a part of what it was. In sentences.

    Raises
    ------
    InputError
        The file was cut short.
    """
    names = [f"c{k}" for k in range(len(header))]
    connection.execute(
        f"CREATE TABLE {relation} (line BIGINT, shape TINYINT, odd VARCHAR[], "
        + ", ".join(f"{name} VARCHAR" for name in names)
        + ")"
    )
    open_end = False
    marked = 0
    for batch in read_records(blocks, separator, file.name):
        open_end = b"open_end" in (batch.schema.metadata or {})
        connection.register("batch", batch)
        marked += _insert(connection, relation, len(header))
        connection.unregister("batch")
    connection.execute(f"DELETE FROM {relation} WHERE line = (SELECT min(line) FROM {relation})")
    end = _judge_end(connection, relation, len(header), file) if open_end else ()
    condition = is_header(header)
    repeated = (
        int(only_row(connection, f"DELETE FROM {relation} WHERE shape = 0 AND {condition}")[0]) if condition else 0
    )
    return (*tell(file.table, file.name, marked, repeated), *end)


def _insert(connection: duckdb.DuckDBPyConnection, relation: str, width: int) -> int:
    """Insert the records of `batch`; return how many of their cells were marked for spreadsheets."""
    # A line of a million separators, in a file that is no table, is not cut into a million cells: it stays one text.
    ends = f"strlen(text) - strlen(replace(text, '{CELL_END}', ''))"
    is_endless = f"strlen(text) > {MOST_COLUMNS} AND {ends} > {MOST_COLUMNS}"
    split = f"CASE WHEN {is_endless} THEN [text] ELSE string_split(text, '{CELL_END}') END"
    marked = int(only_row(connection, f"SELECT {count_marks(split, 'text')} FROM batch")[0])
    cells = without_marks(split) if marked else split
    connection.execute(
        f"""
        INSERT INTO {relation}
        SELECT line, shape, CASE WHEN shape > 0 THEN cells END, {", ".join(f"cells[{k + 1}]" for k in range(width))}
        FROM (
            SELECT line, cells,
                   CASE WHEN broken THEN 1 WHEN endless THEN 3 WHEN len(cells) < {width} THEN 2
                        WHEN len(cells) > {width} THEN 3 ELSE 0 END AS shape
            FROM (SELECT line, broken, {is_endless} AS endless, {cells} AS cells FROM batch WHERE trim(text) <> '')
        )
        """
    )
    return marked


def _judge_end(connection: duckdb.DuckDBPyConnection, relation: str, width: int, file: File) -> tuple[str, ...]:
    """Judge a last record without a line end: it is incomplete, or its last cell may be."""
    last = connection.execute(f"SELECT line, shape, c{width - 1} FROM {relation} ORDER BY line DESC LIMIT 1").fetchone()
    if last is None:
        return ()
    line, shape, cell = last
    if shape == 2:
        raise InputError(
            f"{file.name} was cut short: its last record, line {line}, is incomplete and has no line end. "
            "Fetch or write the file again."
        )
    if shape or not cell:
        return ()
    return (
        f"{file.table}: the last line of {file.name}, line {line}, has no line end. If the file was cut short, "
        f"its last cell is only a part of what it was ({cell[:_LONGEST_SHOWN]!r}): fetch it again.",
    )
