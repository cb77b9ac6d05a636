"""A file as DuckDB reads it: one row per record; the cells of a CSV file are still text."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import duckdb

from data.contracts import Contract
from data.errors import InputError
from data.intake.csv_records import CELL_END, find_separator, read_header, read_records
from data.intake.reading.column_kinds import kinds_of_parquet, kinds_of_text
from data.intake.reading.content import is_parquet, name_encoding, read_text
from data.intake.reading.expressions import Expression
from data.intake.reading.matching import match_columns
from data.intake.sources import File, Source
from data.intake.sql import identifier, quote

SHAPES = ("quotes do not match", "too few cells", "too many cells")
"""What may be wrong with a whole CSV record. The column `shape` holds 1, 2 or 3 for these, and 0 for a good record."""


@dataclass(frozen=True)
class RawFile:
    """A file that DuckDB can read.

    The relation has the columns line (BIGINT: the record's number, 1 being the header of a CSV file or the first
    row of a Parquet file), shape (see `SHAPES`), odd (VARCHAR[]: all cells of a record of wrong shape), and
    c0, c1, ... in the order of `header`, of the SQL types `types`. `columns` gives the position of each
    contract column and attribute that the file has, and `computed` the expressions of those that it has not.
    `left_out` counts the records that the setting `rows` leaves out; they are not in the relation. `written` says how
    the file is written: Parquet, or the encoding and the separator of its text. `unread` names the
    columns that were left in a database. A column of type NUMERIC holds numbers as a database writes them, in text.
    """

    name: str
    relation: str
    header: tuple[str, ...]
    types: tuple[str, ...]
    columns: dict[str, int]
    is_view: bool = False
    computed: Mapping[str, Expression] = field(default_factory=dict)
    left_out: int = 0
    written: str = "Parquet"
    unread: tuple[str, ...] = ()

    def place(self, name: str) -> tuple[str | None, str]:
        """Return SQL for a contract column and its SQL type; None where the file has none."""
        if name in self.computed:
            return self.computed[name].sql, self.computed[name].sql_type
        at = self.columns.get(name)
        return (None, "") if at is None else (f"c{at}", self.types[at])

    def drop(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Drop the relation, and the one with all records where `rows` has left some out."""
        for name in (self.relation, f"{self.relation}_all"):
            row = connection.execute("SELECT table_type FROM information_schema.tables WHERE table_name = ?", [name])
            kind = row.fetchone()
            if kind is not None:
                connection.execute(f"DROP {'VIEW' if kind[0] == 'VIEW' else 'TABLE'} {name}")


def load(
    connection: duckdb.DuckDBPyConnection,
    file: File,
    source: Source,
    contract: Contract,
    relation: str,
    folder: Path,
) -> RawFile | None:
    """Make a file readable in DuckDB under a name; return None where it is empty.

    Parameters
    ----------
    connection
        The working database.
    file, source, contract
        What is read, how it is written, and what it must hold.
    relation
        Name of the table (CSV) or view (Parquet) that is made.
    folder
        The working folder.

    Raises
    ------
    InputError
        The file cannot be read, was cut short, or lacks a column.
    """
    if file.path.stat().st_size == 0:
        return None
    if is_parquet(file):
        return _load_parquet(connection, file, source, contract, relation, folder)
    start = _start_csv(file, source, contract)
    if start is None:
        return None
    width = len(start.header)
    _load_csv(connection, start.blocks, start.separator, width, relation, file)
    tab_or_sign = "a tab" if start.separator == "\t" else f'"{start.separator}"'
    written = f"{name_encoding(file, source.encoding)}, separator {tab_or_sign}"
    return RawFile(file.name, relation, start.header, ("VARCHAR",) * width, start.columns, written=written)


def read_columns(
    connection: duckdb.DuckDBPyConnection,
    file: File,
    source: Source,
    contract: Contract,
    relation: str,
    folder: Path,
) -> tuple[str, ...]:
    """Match the columns of a file as `load` does, and read no row; an empty file has none.

    Raises
    ------
    InputError
        As `load`, as far as the start of the file tells.
    """
    if file.path.stat().st_size == 0:
        return ()
    if is_parquet(file):
        return tuple(_load_parquet(connection, file, source, contract, relation, folder).columns)
    start = _start_csv(file, source, contract)
    return () if start is None else tuple(start.columns)


@dataclass(frozen=True)
class _CsvStart:
    """A CSV file of which the header was read: how it goes on, and the position of each column."""

    blocks: Iterator[bytes]
    separator: str
    header: tuple[str, ...]
    columns: dict[str, int]


def _start_csv(file: File, source: Source, contract: Contract) -> _CsvStart | None:
    """Read the header of a CSV file; None where the file is blank."""
    blocks = read_text(file, source.encoding)
    first = next((block for block in blocks if block.strip()), None)
    if first is None:
        return None
    required = [source.columns.get(name, name) for name in contract.required]
    # Excel may name the separator in a line of its own; it is left blank, so that lines keep their numbers.
    named = re.match(rb"sep=([ -~\t])\r?\n", first)
    first = first[len(named[0]) - 1 :] if named else first
    separator = source.separator or (named[1].decode() if named else find_separator(first, required))
    header = read_header(first, separator)
    columns = match_columns(
        contract,
        header,
        source.columns,
        file.name,
        computed=_computed(source),
        contents=lambda: kinds_of_text(first, separator, len(header)),
    )
    return _CsvStart(chain([first], blocks), separator, tuple(header), columns)


def _load_csv(
    connection: duckdb.DuckDBPyConnection,
    blocks: Iterable[bytes],
    separator: str,
    width: int,
    relation: str,
    file: File,
) -> None:
    names = [f"c{k}" for k in range(width)]
    connection.execute(
        f"CREATE TABLE {relation} (line BIGINT, shape TINYINT, odd VARCHAR[], "
        + ", ".join(f"{name} VARCHAR" for name in names)
        + ")"
    )
    open_end = False
    for batch in read_records(blocks, separator, file.name):
        open_end = b"open_end" in (batch.schema.metadata or {})
        connection.register("batch", batch)
        connection.execute(
            f"""
            INSERT INTO {relation}
            SELECT line, shape, CASE WHEN shape > 0 THEN cells END, {", ".join(f"cells[{k + 1}]" for k in range(width))}
            FROM (
                SELECT line, cells,
                       CASE WHEN broken THEN 1 WHEN len(cells) < {width} THEN 2
                            WHEN len(cells) > {width} THEN 3 ELSE 0 END AS shape
                FROM (
                    SELECT line, broken, string_split(text, '{CELL_END}') AS cells
                    FROM batch WHERE trim(text) <> ''
                )
            )
            """
        )
        connection.unregister("batch")
    connection.execute(f"DELETE FROM {relation} WHERE line = (SELECT min(line) FROM {relation})")
    if open_end:
        last = connection.execute(f"SELECT line, shape FROM {relation} ORDER BY line DESC LIMIT 1").fetchone()
        if last is not None and last[1] == 2:
            raise InputError(
                f"{file.name} was cut short: its last record, line {last[0]}, is incomplete and has no line end. "
                "Fetch or write the file again."
            )


def _load_parquet(
    connection: duckdb.DuckDBPyConnection,
    file: File,
    source: Source,
    contract: Contract,
    relation: str,
    folder: Path,
) -> RawFile:
    # DuckDB would take brackets and stars in the file's own name for a glob.
    link = folder / f"{relation}.parquet"
    link.symlink_to(file.path.resolve())
    parquet = f"read_parquet({quote(str(link))}, binary_as_string = true, file_row_number = true)"
    try:
        described = connection.execute(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {parquet}").fetchall()
    except duckdb.Error as error:
        raise unreadable(file.name, error) from None
    header = tuple(str(row[0]) for row in described)
    types = tuple("NUMERIC" if row[0] in file.numerics else str(row[1]) for row in described)
    columns = match_columns(
        contract,
        header,
        source.columns,
        file.name,
        computed=_computed(source),
        contents=lambda: kinds_of_parquet(connection, parquet, header, types),
    )
    selected = "".join(f", {identifier(name)} AS c{k}" for k, name in enumerate(header))
    connection.execute(
        f"CREATE VIEW {relation} AS SELECT file_row_number + 1 AS line, 0::TINYINT AS shape, "
        f"NULL::VARCHAR[] AS odd{selected} FROM {parquet}"
    )
    return RawFile(file.name, relation, header, types, columns, is_view=True, written=file.written, unread=file.unread)


def unreadable(name: str, error: duckdb.Error) -> InputError:
    """Make the error that says in one line that a Parquet file is damaged."""
    reason = str(error).splitlines()[0].partition(": ")[2] or type(error).__name__
    return InputError(f"{name} cannot be read as Parquet ({reason}); fetch or write it again.")


def _computed(source: Source) -> Sequence[str]:
    return ("amount",) if source.amount is not None else ()
