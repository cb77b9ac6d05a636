"""Reading from files of DuckDB."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb

from data.intake.databases.address import Address
from data.intake.databases.columns import NotDescribedError, TableColumn
from data.intake.sql import identifier, quote
from data.secrecy.reasons import reason_of

_MEMORY = "1GB"
_AS_THEY_ARE = ("DATE", "TIMESTAMP", "BOOLEAN", "DOUBLE", "FLOAT", "VARCHAR")
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")


class DuckDB:
    """An open file of DuckDB."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, address: Address) -> Iterator["DuckDB"]:
        """Open a file for reading: all that is read is of one moment."""
        # A table that is not there must not be taken for a variable of this name.
        with duckdb.connect(address.place, read_only=True, config={"python_enable_replacements": False}) as connection:
            connection.execute(f"SET memory_limit = '{_MEMORY}'")
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET preserve_insertion_order = false")
            connection.execute("BEGIN")
            yield cls(connection)

    def describe(self, relation: str) -> Sequence[TableColumn]:
        """List the columns; see `Database`."""
        try:
            rows = self._connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        except duckdb.Error as error:
            raise NotDescribedError(reason_of(error, [relation])) from None
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
        written = self._connection.execute(
            f"COPY (SELECT {selected} FROM {relation} {rest}) TO {quote(target)} (FORMAT parquet)"
        ).fetchone()
        assert written is not None, "COPY counts its rows"
        return int(written[0])


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
