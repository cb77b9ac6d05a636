"""Reading from PostgreSQL through ADBC, in one read-only transaction."""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa

from data.errors import ConnectionLostError, InputError
from data.intake.databases.address import Address
from data.intake.databases.columns import NotDescribedError, TableColumn
from data.intake.databases.parquet import write_batches
from data.intake.sql import identifier

_BATCH = 8 * 2**20
"""Bytes of a batch as the server sends it."""

_FINITE = "CASE WHEN isfinite({0}) THEN {0} END"
_TYPES = {
    **dict.fromkeys(("int2", "int4", "int8"), ("BIGINT", "{0}")),
    "oid": ("BIGINT", "CAST({0} AS bigint)"),
    **dict.fromkeys(("float4", "float8"), ("DOUBLE", "{0}")),
    # Exact numbers come as text, as Arrow's decimals have fewer digits.
    "numeric": ("NUMERIC", "CAST({0} AS text)"),
    "money": ("NUMERIC", "CAST(CAST({0} AS numeric) AS text)"),
    "interval": ("NUMERIC", "CAST(EXTRACT(EPOCH FROM {0}) AS text)"),
    "bool": ("BOOLEAN", "{0}"),
    "date": ("DATE", _FINITE),
    "timestamp": ("TIMESTAMP", _FINITE),
    "timestamptz": ("TIMESTAMPTZ", _FINITE),
    **dict.fromkeys(("text", "varchar", "name"), ("VARCHAR", "{0}")),
    "bpchar": ("VARCHAR", "CAST({0} AS text)"),
}
"""Type in PostgreSQL -> type of `TableColumn`, and SQL for a value as it is read; other types are read as text."""


def connect(address: Address) -> Any:
    """Open a connection of ADBC's, in a transaction of its own.

    Raises
    ------
    InputError
        The driver is not installed, or the server or the database cannot be reached.
    """
    try:
        driver = importlib.import_module("adbc_driver_postgresql.dbapi")
    except ModuleNotFoundError:
        raise InputError(
            f"{address.shown} needs the driver of PostgreSQL: python -m pip install 'revealed[postgresql]'."
        ) from None
    try:
        return driver.connect(address.place)
    except driver.Error as error:
        reason = complaint_of(address, error).removeprefix("[libpq] Failed to connect: ")
        hint = " Give it in PGPASSWORD or ~/.pgpass." if "password" in reason else ""
        raise InputError(f"{address.shown} cannot be reached: {reason}.{hint}") from None


def complaint_of(address: Address, error: Exception, sql: str = "") -> str:
    """Say in one line, without secrets, what the server or the driver complained of."""
    text = str(error).partition("ERROR:  ")[2] or str(error).partition("FATAL:  ")[2] or str(error).partition(": ")[2]
    return address.reason_of(text or str(error), [sql])


def is_lost(error: Exception) -> bool:
    """Whether a connection was lost: the server ended it, or says nothing any more."""
    return "ERROR:" not in str(error) and (isinstance(error, OSError) or str(error).startswith("IO: "))


class PostgreSQL:
    """An open database of a server; its connection ends with the block."""

    def __init__(self, address: Address, connection: Any) -> None:
        self._address = address
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, address: Address) -> Iterator["PostgreSQL"]:
        """Open a database for reading: all that is read is of one moment, and nothing can be written."""
        with closing(connect(address)) as connection:
            with connection.cursor() as cursor:
                cursor.execute("SET default_transaction_read_only = on")
                connection.commit()
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield cls(address, connection)

    def describe(self, relation: str) -> Sequence[TableColumn]:
        """List the columns; see `Database`."""
        try:
            with self._connection.cursor() as cursor:
                schema = cursor.adbc_execute_schema(f"SELECT * FROM {relation}")
        except self._connection.Error as error:
            raise NotDescribedError(complaint_of(self._address, error, relation)) from None
        return [_column(field) for field in schema]

    def tables(self) -> Sequence[str]:
        """List the tables; see `Database`."""
        self._connection.rollback()
        with self._connection.cursor() as cursor:
            cursor.execute(
                "SELECT CASE WHEN table_schema = ANY (current_schemas(false)) THEN table_name "
                "ELSE table_schema || '.' || table_name END FROM information_schema.tables "
                "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
            )
            return [str(row[0]) for row in cursor.fetchall()]

    def write_parquet(self, relation: str, columns: Sequence[TableColumn], rest: str, target: str) -> int:
        """Stream rows into a Parquet file; see `Database`.

        Raises
        ------
        ConnectionLostError
            The connection was lost before the last row.
        InputError
            The server cannot compute a row.
        """
        selected = ", ".join(f"{column.value} AS {identifier(column.name)}" for column in columns)
        rows = 0

        def counted(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
            nonlocal rows
            for batch in reader:
                rows += batch.num_rows
                yield batch

        with self._connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(_BATCH)})
            try:
                cursor.execute(f"SELECT {selected} FROM {relation} {rest}")
                reader = cursor.fetch_record_batch()
                return write_batches(reader.schema, counted(reader), target)
            except (self._connection.Error, pa.ArrowException, OSError) as error:
                if not is_lost(error):
                    raise InputError(
                        f"{self._address.full_name} cannot be read: {complaint_of(self._address, error, relation)}."
                    ) from None
                raise ConnectionLostError(
                    f"the connection to {self._address.full_name} was lost after {rows:,} rows "
                    f"({complaint_of(self._address, error, relation)}). Nothing was published; run it again."
                ) from None


def _column(field: pa.Field) -> TableColumn:
    kind = (field.metadata or {}).get(b"POSTGRESQL:type", b"").decode()
    sql_type, value = _TYPES.get(kind, ("OTHER", "CAST({0} AS text)"))
    return TableColumn(field.name, sql_type, value.format(identifier(field.name)))
