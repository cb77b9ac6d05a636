"""Reading from files of DuckDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from data.errors import InputError
from data.intake.databases.address import Address
from data.intake.databases.columns import NotDescribedError, TableColumn
from data.intake.databases.parquet import write_batches
from data.intake.sql import identifier
from data.secrecy.reasons import reason_of

_MEMORY = "1GB"
_ALONE: dict[str, str | bool | int | float | list[str]] = dict.fromkeys(
    (
        # A table that is not there must not be taken for a variable of this name.
        "python_enable_replacements",
        # A query or view reads what is in this file: no other file, no URL, no extension, no secret kept for these.
        "enable_external_access",
        "autoinstall_known_extensions",
        "autoload_known_extensions",
        "allow_persistent_secrets",
    ),
    False,
)
_ROWS = 100_000
"""Rows of a batch."""
_AS_THEY_ARE = ("DATE", "TIMESTAMP", "BOOLEAN", "DOUBLE", "FLOAT", "VARCHAR")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


class DuckDB:
    """An open file of DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        self._connection = connection
        self._name = name

    @classmethod
    @contextmanager
    def open(cls, address: Address) -> Iterator["DuckDB"]:
        """Open a file for reading: all that is read is of one moment."""
        with duckdb.connect(address.place, read_only=True, config=_ALONE) as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = false")
            connection.execute("SET lock_configuration = true")
            connection.execute("BEGIN")
            yield cls(connection, address.shown)

    def describe(self, relation: str) -> Sequence[TableColumn]:
        """List the columns; see `Database`."""
        try:
            rows = self._connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        except duckdb.Error as error:
            raise NotDescribedError(_reason(error, [relation])) from None
        return [_column(str(row[0]), str(row[1])) for row in rows]

    def tables(self) -> Sequence[str]:
        """List the tables; see `Database`."""
        # A failed description ended the transaction.
        self._connection.rollback()
        rows = self._connection.execute(
            "SELECT CASE WHEN table_schema = 'main' THEN table_name ELSE table_schema || '.' || table_name END "
            "FROM information_schema.tables ORDER BY 1"
        ).fetchall()
        return [str(name) for (name,) in rows]

    def write_parquet(self, relation: str, columns: Sequence[TableColumn], rest: str, target: str) -> int:
        """Write rows into a Parquet file; see `Database`."""
        selected = ", ".join(f"{column.value} AS {identifier(column.name)}" for column in columns)
        # Written by Arrow: the engine itself reaches no file.
        try:
            reader = self._connection.sql(f"SELECT {selected} FROM {relation} {rest}").to_arrow_reader(_ROWS)
            return write_batches(reader.schema, reader, target)
        except duckdb.PermissionException as error:
            raise InputError(f"{self._name} cannot be read: {_reason(error, [relation])}.") from None


def is_one_statement(query: str) -> bool:
    """Whether a query is one statement by itself, before it stands in brackets within another."""
    try:
        return len(duckdb.extract_statements(query)) == 1
    except duckdb.Error:
        return False


def _reason(error: duckdb.Error, hidden: Sequence[str]) -> str:
    if isinstance(error, duckdb.PermissionException):
        return (
            "it reads files, URLs or extensions outside of the database, which is not allowed; name such files as "
            "paths of their own"
        )
    return reason_of(error, hidden)


def _column(name: str, sql_type: str) -> TableColumn:
    value = identifier(name)
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return TableColumn(name, "TIMESTAMPTZ", value)
    if sql_type in _WHOLE:
        return TableColumn(name, "BIGINT", value)
    if sql_type in _AS_THEY_ARE or sql_type.startswith("DECIMAL"):
        return TableColumn(name, "DOUBLE" if sql_type.startswith("DECIMAL") else sql_type, value)
    # Parquet has no whole numbers of more than 64 bits.
    exact = "NUMERIC" if sql_type in ("HUGEINT", "UHUGEINT", "BIGNUM") else "OTHER"
    return TableColumn(name, exact, f"CAST({value} AS VARCHAR)")
