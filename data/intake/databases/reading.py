"""Tables in databases, read into Parquet files or only described."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import duckdb

from data.contracts import CONTRACTS, Contract
from data.errors import InputError
from data.intake.databases.address import TITLES, Address, split_addresses
from data.intake.databases.columns import Database, NotDescribedError, Selection, TableColumn, select
from data.intake.databases.duckdb_file import DuckDB, is_one_statement
from data.intake.databases.postgresql import PostgreSQL
from data.intake.databases.sqlite import SQLite
from data.intake.reading.workbooks import part_by_sheet
from data.intake.sources import File, Source, find_files
from data.secrecy.showing import describe, nearest

_MOST_TABLES = 20


def find_files_and_tables(source: Source, contract: Contract, folder: Path, zone: str) -> tuple[list[File], list[str]]:
    """Find every file of a source, fetch what URLs name, and read the tables of databases; see `find_files`.

    Parameters
    ----------
    source, contract
        The source, and what it must hold.
    folder
        Where files are written.
    zone
        The shop's zone.

    Raises
    ------
    InputError, ConnectionLostError
        As `find_files` and `read_tables`.
    """
    addresses, paths = split_addresses(source.paths)
    files: list[File] = []
    notes: list[str] = []
    if paths or not addresses:
        files, notes = find_files(replace(source, paths=paths), contract.table, folder)
        files = part_by_sheet(files, source)
    return [*files, *read_tables(source, addresses, contract, folder, zone)], notes


def files_on_disk(sources: Mapping[str, Source]) -> Iterator[Path]:
    """List the files of all sources that lie on this machine; raises as `find_files`."""
    for table, source in sources.items():
        local = [path for path in split_addresses(source.paths)[1] if "://" not in str(path)]
        if local:
            # They are only listed: nothing is fetched.
            yield from (file.path for file in find_files(replace(source, paths=local), table, Path())[0])


def without_rows(source: Source, contract: Contract, names: Sequence[str]) -> InputError:
    """Make the error that says that files and tables hold no row."""
    addresses, paths = split_addresses(source.paths)
    listed, table = ", ".join(names[:5]), contract.table
    if not addresses:
        return InputError(f"{table}: no rows in {listed}, only a header.")
    if paths or source.before is None:
        return InputError(f"{table}: no rows in {listed}.")
    return InputError(
        f"{table}: no rows before {source.before} (as_of) in {listed}. Leave {table} out, or name a later as_of."
    )


def read_tables(
    source: Source, addresses: list[Address], contract: Contract, folder: Path, zone: str
) -> Iterator[File]:
    """Read tables of databases into Parquet files: the columns of the contract, and the rows before as_of.

    Parameters
    ----------
    source, addresses
        The source, and those of its paths that are databases.
    contract
        What the table must hold.
    folder
        Where the files are written.
    zone
        The shop's zone.

    Raises
    ------
    InputError
        A database cannot be reached or read, or a table or column is not there.
    ConnectionLostError
        The connection was lost while rows were read.
    """
    _check_query(source, addresses, contract)
    for number, address in enumerate(addresses):
        with _opened(source, address, contract) as (database, relation, place, header):
            selection, _ = select(contract, source, header, place.full_name, zone)
            target = folder / f"database_{contract.table}_{number}.parquet"
            rest = f"WHERE {selection.condition}" if selection.condition else ""
            database.write_parquet(relation, selection.columns, rest, str(target))
            yield File(
                contract.table,
                place.full_name,
                target,
                numerics=frozenset(column.name for column in selection.columns if column.sql_type == "NUMERIC"),
                unread=selection.unread,
                written=f"a table of {TITLES[address.kind]}",
                later=_read_later(database, relation, contract, selection, target),
            )


def read_first_rows(address: Address, target: Path, rows: int = 100_000) -> File:
    """Read the first rows of a table, with all of its columns, into a Parquet file.

    Raises
    ------
    InputError
        As `read_tables`; or the address names no table.
    """
    if not address.table:
        raise InputError(f"{address.shown} names no table; write {address.shown}/TABLE.")
    contract = CONTRACTS["transactions"]
    with _opened(Source(address.name), address, contract) as (database, relation, place, header):
        database.write_parquet(relation, header, f"LIMIT {rows}", str(target))
        numerics = frozenset(column.name for column in header if column.sql_type == "NUMERIC")
        return File("init", place.full_name, target, numerics=numerics, written=f"a table of {TITLES[address.kind]}")


def _read_later(
    database: Database, relation: str, contract: Contract, selection: Selection, target: Path
) -> Path | None:
    """Read the ids of customers with rows from as_of on: they are no unknown customers."""
    if not selection.condition or contract.table not in ("transactions", "customers"):
        return None
    path = target.with_name(f"later_{target.name}")
    rest = f"WHERE NOT ({selection.condition}) GROUP BY 1"
    database.write_parquet(relation, [selection.customer], rest, str(path))
    return path


def describe_tables(source: Source, addresses: list[Address], contract: Contract) -> Iterator[str]:
    """Match the columns of tables as `read_tables` does, and read no row; give their names in the clean table.

    Raises
    ------
    InputError
        As `read_tables`.
    """
    _check_query(source, addresses, contract)
    for address in addresses:
        with _opened(source, address, contract) as (_, _, place, header):
            yield from select(contract, source, header, place.full_name, "UTC")[1]


def _check_query(source: Source, addresses: list[Address], contract: Contract) -> None:
    if source.query is None:
        return
    setting = f"formats.{contract.table}.query"
    if not addresses:
        raise InputError(f"{setting} is set, but {contract.table} names no database to run it in.")
    for address in addresses:
        if address.table:
            raise InputError(f"{address.shown} names a table, and {setting} is set, too; leave out one of them.")
        # The drivers of the others take one statement at a time.
        if address.kind == "duckdb" and not is_one_statement(source.query):
            raise InputError(f"{setting} cannot be run in {address.shown}: it must be one SELECT.")


@contextmanager
def _opened(
    source: Source, address: Address, contract: Contract
) -> Iterator[tuple[Database, str, Address, Sequence[TableColumn]]]:
    """Open a database; give SQL for the table or query in it, its full address, and its columns."""
    place = address if source.query is not None else address.of_table(contract.table)
    # A line comment may end the query.
    relation = place.relation if source.query is None else f"({source.query.strip().rstrip(';')}\n) AS queried"
    # Until the table is found, its name may be anything.
    name = place.shown
    try:
        with _OPEN[address.kind](address) as database:
            try:
                header = database.describe(relation)
            except NotDescribedError as error:
                raise InputError(_not_described(source, address, place, contract, database, str(error))) from None
            name = place.full_name
            yield database, relation, place, header
    except (sqlite3.Error, duckdb.Error) as error:
        raise InputError(f"{name} cannot be read: {place.reason_of(error, [relation])}.") from None


def _not_described(
    source: Source, address: Address, place: Address, contract: Contract, database: Database, reason: str
) -> str:
    reason = reason.rstrip(".")
    if source.query is not None:
        return f"formats.{contract.table}.query cannot be run in {address.shown}: {reason}."
    tables = list(database.tables())
    wanted = ".".join(place.table)
    if wanted in tables:
        return f"{contract.table}: {place.full_name} cannot be read: {reason}."
    near = nearest(wanted, [name for name in tables if name.endswith(f".{wanted}")] or tables)
    listed = ", ".join(tables[:_MOST_TABLES]) or "none that this user may read"
    listed += f" and {len(tables) - _MOST_TABLES} more" if len(tables) > _MOST_TABLES else ""
    write = "" if address.table else f" Write the one to read after the database: {address.shown}/TABLE."
    what = f"table of the name given ({describe(wanted)})" if address.table else f"table {wanted!r}"
    return f"{contract.table}: {address.shown} has no {what}.{near} Its tables: {listed}.{write}"


_OPEN: Mapping[str, Callable[[Address], AbstractContextManager[Database]]] = {
    "postgresql": PostgreSQL.open,
    "sqlite": SQLite.open,
    "duckdb": DuckDB.open,
}
