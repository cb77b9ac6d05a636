"""The rows of a table, checked: written at once where each can be judged alone, else staged and compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from data.contracts import Contract
from data.intake.casting import Readings, attribute_columns
from data.intake.checks import (
    CheckedRows,
    check_known_customers,
    check_repeated_customers,
    check_repeated_lines,
    check_rows,
    create_staged,
    remember_customers,
)
from data.intake.clean.direct import is_read_alone, write_directly
from data.intake.clean.kept_rows import KeptRows
from data.intake.privacy.customers import drop_forgotten
from data.intake.raw import RawFile
from data.intake.report import Overlap
from data.intake.rules import Rules
from data.intake.sameness.customers import join_rows_of_customers
from data.intake.sameness.rows import drop_repeated, find_overlaps
from data.intake.sources import File, Source
from data.intake.sql import only_row, quote

_STAGED = "staged WHERE violation IS NULL"


@dataclass(frozen=True)
class TableFiles:
    """The files of one table, how each is described by the settings and written, and the attributes that any has."""

    contract: Contract
    source: Source
    raws: Sequence[RawFile]
    files: Sequence[File]
    ways: Sequence[Source]
    readings: Sequence[Readings]
    attributes: Sequence[str]


@dataclass(frozen=True)
class Staged:
    """What became of the rows of a table before they are judged.

    Parameters
    ----------
    rows
        Rows read.
    dropped, joined, forgotten
        Rows that equal another one, are now part of another, or are of customers who are forgotten.
    overlaps
        Rows that stand in several files.
    with_currency
        SQL behind FROM that gives the valid transactions with their currency.
    """

    rows: int
    dropped: int = 0
    joined: int = 0
    forgotten: int = 0
    overlaps: tuple[Overlap, ...] = ()
    with_currency: str = _STAGED


def stage_table(
    connection: duckdb.DuckDBPyConnection,
    table: TableFiles,
    rules: Rules,
    unchanged: KeptRows,
    clean: Path,
    notes: list[str],
) -> Staged:
    """Check all rows of a table.

    Afterwards the view `valid` gives the valid ones, `staged` holds at least those with a violation, and the customers
    of transactions and customers are known.

    Parameters
    ----------
    connection, table, rules, unchanged
        The working database, the files, what holds for all, and the rows that are kept for the next intake.
    clean
        Where the clean table will be: it is written here where no row has to be compared with others.
    notes
        What else is said is added here.
    """
    contract = table.contract
    create_staged(connection, contract, table.attributes)
    checked = [
        check_rows(connection, contract, raw, number, reading, rules, table.attributes)
        for number, (raw, reading) in enumerate(zip(table.raws, table.readings, strict=True))
    ]
    if is_read_alone(connection, contract, table.raws, table.readings, table.source, rules):
        write_directly(connection, contract, table.raws[0], checked[0], clean)
        connection.execute(f"CREATE OR REPLACE VIEW valid AS FROM read_parquet({quote(str(clean))})")
        valid, others = only_row(connection, "SELECT (SELECT count(*) FROM valid), (SELECT count(*) FROM staged)")
        only_valid = " WHERE violation IS NULL" if others else ""
        staged = Staged(valid + others, with_currency=f"({checked[0].query}){only_valid}")
    else:
        staged = _compare_all(connection, table, checked, rules, unchanged, notes)
        connection.execute(f"CREATE OR REPLACE VIEW valid AS FROM {_STAGED}")
    if contract.table in ("transactions", "customers"):
        remember_customers(connection)
    return staged


def _compare_all(
    connection: duckdb.DuckDBPyConnection,
    table: TableFiles,
    checked: Sequence[CheckedRows],
    rules: Rules,
    unchanged: KeptRows,
    notes: list[str],
) -> Staged:
    """Stage the rows of all files, and compare them with each other."""
    forgotten = 0
    for number, (raw, rows) in enumerate(zip(table.raws, checked, strict=True)):
        rows.insert(connection)
        left_out = drop_forgotten(connection, raw, number, rules.protection)
        forgotten += left_out
        # A file with rows of forgotten customers is read each time, so that they are counted.
        if len(table.files) > 1 and not left_out:
            unchanged.keep(connection, table.files[number], table.ways[number], table.contract, raw, number)
    dropped, overlaps = _compare_rows(connection, table, notes)
    joined = _join_customers(connection, table, notes)
    _check_across_rows(connection, table)
    rows_read = joined + int(only_row(connection, "SELECT count(*) FROM staged")[0])
    return Staged(rows_read, dropped, joined, forgotten, overlaps)


def _compare_rows(
    connection: duckdb.DuckDBPyConnection, table: TableFiles, notes: list[str]
) -> tuple[int, tuple[Overlap, ...]]:
    """Find the rows that stand in several files, or take out those that are repeated; return how many, and where."""
    name = table.contract.table
    columns = [*table.contract.clean, *attribute_columns(table.attributes)]
    columns += ["currency"] if name == "transactions" else []
    if table.source.repeated == "keep":
        return 0, find_overlaps(connection, name, table.raws, columns)
    dropped = drop_repeated(connection, columns)
    if dropped:
        notes.append(f'{name}: rows left out by repeated = "drop", as they equal another one: {dropped:,}.')
    return dropped, ()


def _join_customers(connection: duckdb.DuckDBPyConnection, table: TableFiles, notes: list[str]) -> int:
    """Join what several files tell of one customer; return how many rows became part of another."""
    if table.contract.table != "customers" or len(table.raws) < 2:
        return 0
    joined = join_rows_of_customers(connection, [*table.contract.clean, *attribute_columns(table.attributes)])
    if joined:
        notes.append(f"customers: rows that were joined to those of the same customer in another file: {joined:,}.")
    return joined


def _check_across_rows(connection: duckdb.DuckDBPyConnection, table: TableFiles) -> None:
    if table.contract.table == "transactions":
        check_repeated_lines(connection, table.contract)
    elif table.contract.table == "customers":
        check_repeated_customers(connection, table.contract, table.attributes)
    else:
        check_known_customers(connection, table.contract)
