"""Reading from files of SQLite: a column has the type that its values have."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import starmap
from pathlib import Path

import pyarrow as pa

from data.intake.databases.address import Address
from data.intake.databases.columns import NotDescribedError, TableColumn
from data.intake.databases.parquet import write_batches
from data.intake.sql import identifier
from data.secrecy.reasons import reason_of

_ROWS = 2**16
"""Rows of a batch."""


class SQLite:
    """An open file of SQLite."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def open(cls, address: Address) -> Iterator["SQLite"]:
        """Open a file for reading: all that is read is of one moment."""
        uri = f"{Path(address.place).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
            connection.text_factory = lambda text: text.decode("utf-8", errors="replace")
            # A query reads what is in this file; what its views call is trusted no more than the file.
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.execute("PRAGMA query_only = on")
            connection.execute("PRAGMA trusted_schema = off")
            connection.execute("BEGIN")
            yield cls(connection)

    def describe(self, relation: str) -> Sequence[TableColumn]:
        """List the columns; see `Database`. Their types are not known before the values are."""
        try:
            header = self._connection.execute(f"SELECT * FROM {relation} LIMIT 0").description
        except sqlite3.Error as error:
            raise NotDescribedError(reason_of(error, [relation])) from None
        return [TableColumn(name, "", identifier(name)) for name, *_ in header]

    def tables(self) -> Sequence[str]:
        """List the tables; see `Database`."""
        rows = self._connection.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%' ORDER BY 1"
        )
        return [str(name) for (name,) in rows]

    def write_parquet(self, relation: str, columns: Sequence[TableColumn], rest: str, target: str) -> int:
        """Write rows into a Parquet file; see `Database`."""
        kinds = ", ".join(
            f"max(typeof({column.value}) IN ('text', 'blob')), max(typeof({column.value}) = 'real'), "
            f"max(typeof({column.value}) = 'integer')"
            for column in columns
        )
        flags = self._connection.execute(f"SELECT {kinds} FROM {relation} {rest}").fetchone()
        types = list(starmap(_type_of, zip(*(flags[k::3] for k in range(3)), strict=True)))
        casts = [_CASTS[kind].format(column.value) for kind, column in zip(types, columns, strict=True)]
        schema = pa.schema([pa.field(column.name, kind) for column, kind in zip(columns, types, strict=True)])
        cursor = self._connection.execute(f"SELECT {', '.join(casts)} FROM {relation} {rest}")

        def batches() -> Iterator[pa.RecordBatch]:
            while rows := cursor.fetchmany(_ROWS):
                cells = zip(*rows, strict=True)
                yield pa.record_batch(
                    [pa.array(cell, kind) for cell, kind in zip(cells, types, strict=True)], schema=schema
                )

        return write_batches(schema, batches(), target)


_CASTS = {pa.int64(): "{0}", pa.float64(): "CAST({0} AS REAL)", pa.string(): "CAST({0} AS TEXT)"}


def _type_of(has_text: int | None, has_real: int | None, has_integer: int | None) -> pa.DataType:
    if has_text or not (has_real or has_integer):
        return pa.string()
    return pa.float64() if has_real else pa.int64()
