"""A file as DuckDB reads it: one row per record; the cells of a CSV file are still text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import duckdb

from data.contracts import Contract
from data.errors import InputError
from data.intake.reading.column_kinds import kinds_of_parquet
from data.intake.reading.content import is_parquet, name_encoding
from data.intake.reading.csv_files import load_csv, start_csv, start_text
from data.intake.reading.expressions import Expression
from data.intake.reading.json_lines import is_json, load_json
from data.intake.reading.matching import match_columns
from data.intake.reading.workbooks import (
    cell_text,
    header_row,
    is_workbook,
    load_sheet,
    notes_on,
    without_leftovers,
)
from data.intake.sheets.asking import read_sheet
from data.intake.sources import File, Source
from data.intake.sql import identifier, quote

SHAPES = ("quotes do not match", "too few cells", "too many cells", "not a JSON object", "nested too deep")
"""What may be wrong with a whole record. The column `shape` holds 1 to 5 for these, and 0 for a good record."""


_KINDS = {"DOUBLE": "number", "TIMESTAMP": "time", "BOOLEAN": "text", "VARCHAR": "?"}
_JSON_START = 2**20


@dataclass(frozen=True)
class RawFile:
    """A file that DuckDB can read.

    The relation has the columns line (BIGINT: the record's number, 1 being the header of a CSV file or the first
    row of a Parquet file), shape (see `SHAPES`), odd (VARCHAR[]: all cells of a record of wrong shape), and
    c0, c1, ... in the order of `header`, of the SQL types `types`. `columns` gives the position of each
    contract column and attribute that the file has, and `computed` the expressions of those that it has not.
    `left_out` counts the records that the setting `rows` leaves out; they are not in the relation. `written` says how
    the file is written: Parquet, a sheet, or the encoding and the separator of its text. `unread` names the
    columns that were left in a database. A column of type NUMERIC holds numbers as a database writes them, in text.
    `notes` is what is said of the file, in sentences.
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
    notes: tuple[str, ...] = ()

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
    if is_workbook(file.path):
        return _load_workbook(connection, file, source, contract, relation)
    text = start_text(file, source)
    if text is None:
        return None
    if is_json(text[0]):
        return _load_json(connection, chain([text[0]], text[1]), file, source, contract, relation)
    start = start_csv(*text, file, source, contract, tuple(source.computed))
    notes = load_csv(connection, start.blocks, start.separator, start.header, relation, file)
    tab_or_sign = "a tab" if start.separator == "\t" else f'"{start.separator}"'
    written = f"{name_encoding(file, source.encoding)}, separator {tab_or_sign}"
    types = ("VARCHAR",) * len(start.header)
    return RawFile(file.name, relation, start.header, types, start.columns, written=written, notes=notes)


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
    if is_workbook(file.path):
        raw = _load_workbook(connection, file, source, contract, relation)
        return () if raw is None else tuple(raw.columns)
    text = start_text(file, source)
    if text is None:
        return ()
    if is_json(text[0]):
        return tuple(
            _load_json(connection, text[0][:_JSON_START].rsplit(b"\n", 1)[:1], file, source, contract, relation).columns
        )
    return tuple(start_csv(*text, file, source, contract, tuple(source.computed)).columns)


def _load_workbook(
    connection: duckdb.DuckDBPyConnection, file: File, source: Source, contract: Contract, relation: str
) -> RawFile | None:
    wanted = file.sheet or (source.sheet if isinstance(source.sheet, str) else None)
    sheet = read_sheet(file, wanted)
    at = header_row(sheet.rows, source.header_line)
    if at < 0:
        return None
    sheet, leftovers = without_leftovers(sheet, at, file)
    header = tuple(cell_text(cell).strip() for cell in sheet.rows[at])
    types = load_sheet(connection, sheet.rows, at, relation)
    columns = match_columns(
        contract,
        header,
        source.columns,
        file.name,
        computed=tuple(source.computed),
        contents=lambda: [_KINDS[kind] for kind in types],
    )
    written = f"sheet {sheet.name!r} of a workbook"
    return RawFile(
        file.name,
        relation,
        header,
        types,
        columns,
        written=written,
        notes=(*notes_on(sheet, file, types, asked=wanted is not None), *leftovers),
    )


def _load_json(
    connection: duckdb.DuckDBPyConnection,
    blocks: Iterable[bytes],
    file: File,
    source: Source,
    contract: Contract,
    relation: str,
) -> RawFile:
    header, types = load_json(connection, blocks, relation, file)
    columns = match_columns(contract, header, source.columns, file.name, computed=tuple(source.computed))
    return RawFile(file.name, relation, header, types, columns, written="JSON lines")


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
        header = tuple(str(row[0]) for row in described)
        types = tuple("NUMERIC" if row[0] in file.numerics else str(row[1]) for row in described)
        # Where a column is missing, the first rows of the others are read.
        columns = match_columns(
            contract,
            header,
            source.columns,
            file.name,
            computed=tuple(source.computed),
            contents=lambda: kinds_of_parquet(connection, parquet, header, types),
        )
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise unreadable(file.name, error) from None
    selected = "".join(f", {identifier(name)} AS c{k}" for k, name in enumerate(header))
    connection.execute(
        f"CREATE VIEW {relation} AS SELECT file_row_number + 1 AS line, 0::TINYINT AS shape, "
        f"NULL::VARCHAR[] AS odd{selected} FROM {parquet}"
    )
    return RawFile(file.name, relation, header, types, columns, is_view=True, written=file.written, unread=file.unread)


@contextmanager
def telling_damage(connection: duckdb.DuckDBPyConnection, raws: Sequence[RawFile]) -> Iterator[None]:
    """Say which file or expression is at fault where the engine fails.

    The pages of a Parquet file are read only when they are needed, and an expression may overflow in some row.

    Raises
    ------
    InputError
        An error of the engine came up, and an expression fails or a Parquet file is among those read.
    """
    try:
        yield
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        if isinstance(error, (duckdb.OutOfRangeException, duckdb.ConversionException, duckdb.InvalidInputException)):
            _blame_expression(connection, raws)
        # A damaged page gives errors of any kind.
        views = [raw.name for raw in raws if raw.is_view]
        if not views:
            raise
        raise unreadable(" or ".join(views[:5]), error) from None


def _blame_expression(connection: duckdb.DuckDBPyConnection, raws: Sequence[RawFile]) -> None:
    for raw in raws:
        for expression in raw.computed.values():
            try:
                connection.execute(f"SELECT count({expression.sql}) FROM {raw.relation}")
            except duckdb.Error as error:
                raise expression.blame(error) from None


def unreadable(name: str, error: duckdb.Error) -> InputError:
    """Make the error that says in one line that a Parquet file is damaged."""
    reason = str(error).splitlines()[0].partition(": ")[2] or type(error).__name__
    return InputError(f"{name} cannot be read as Parquet ({reason}); fetch or write it again.")
