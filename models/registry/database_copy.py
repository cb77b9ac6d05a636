"""Writing published scores into a table of a database in one transaction: a staging table takes the old one's place."""

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pyarrow as pa

from data.errors import ConnectionLostError, InputError
from data.intake.databases.address import Address
from data.intake.databases.postgresql import complaint_of, connect, is_lost
from data.intake.sql import identifier, quote

KEY = "customer_id"
VERSION = "scores_version"
_OURS = {KEY, "as_of", VERSION}
"""Columns of a table that holds scores; no other table is ever replaced."""


@dataclass(frozen=True)
class Written:
    """What became of the table.

    Parameters
    ----------
    rows
        Rows written.
    replaced
        Version of the scores that were there before; None where there were none.
    in_place
        Whether the rows of the table were replaced, and not the table, as views depend on it.
    """

    rows: int
    replaced: int | None = None
    in_place: bool = False


def with_versions(table: pa.Table, scores_version: int, scorer_version: int) -> pa.Table:
    """Add the versions of the scores and of the scorer as columns."""
    for name, version in ((VERSION, scores_version), ("scorer_version", scorer_version)):
        values = pa.repeat(pa.scalar(version, pa.int64()), table.num_rows)
        table = table.append_column(pa.field(name, pa.int64(), nullable=False), values)
    return table.replace_schema_metadata()


def write_copy(address: Address, scores: pa.RecordBatchReader, rows: int, comment: str) -> Written:
    """Write scores into a table, in the place of those that it holds; if that fails, the table stays as it was.

    Parameters
    ----------
    address
        The database and the table.
    scores
        Scores with their versions.
    rows
        How many they are, which is checked before the old table goes.
    comment
        What is said of the table, where the database keeps that.

    Raises
    ------
    InputError
        The table cannot be written, or is there and holds no scores.
    ConnectionLostError
        The connection was lost.
    """
    return _WRITE[address.kind](address, scores, rows, comment)


def _write_postgresql(address: Address, scores: pa.RecordBatchReader, rows: int, comment: str) -> Written:
    with closing(connect(address)) as connection:
        try:
            with connection.cursor() as cursor:
                written = _exchange(cursor, address, scores, rows, comment)
            connection.commit()
        except (connection.Error, pa.ArrowException, OSError) as error:
            reason = complaint_of(address, error)
            if is_lost(error):
                raise ConnectionLostError(
                    f"the connection to {address.shown} was lost ({reason}). The table is as it was; run it again."
                ) from None
            raise InputError(f"{address.shown} cannot be written: {reason}. The table is as it was.") from None
    return written


def _exchange(cursor: Any, address: Address, scores: pa.RecordBatchReader, rows: int, comment: str) -> Written:
    """Fill a staging table and put it in the old one's place, all in the transaction that is open."""
    schema, name = _place(cursor, address)
    # Another publication waits here, and no staging table is ever seen by it.
    cursor.execute(f"SELECT pg_advisory_xact_lock(hashtextextended({quote(f'revealed {schema}.{name}')}, 0))")
    there = _columns_in_postgresql(cursor, schema, name)
    replaced = _version_before(cursor, address, there)
    staging = f"{name[:50]}_revealed"
    target, draft = (f"{identifier(schema)}.{identifier(each)}" for each in (name, staging))
    columns = ", ".join(_column(field, _POSTGRESQL) for field in scores.schema)
    cursor.execute(f"CREATE TABLE {draft} ({columns})")
    cursor.adbc_ingest(staging, scores, mode="append", db_schema_name=schema)
    cursor.execute(f"SELECT count(*) FROM {draft}")
    _check_rows(address, int(cursor.fetchone()[0]), rows)
    if not there:
        _finish(cursor, draft, name, comment)
        return Written(rows)
    for privilege, grantee in _privileges(cursor, schema, name):
        cursor.execute(f"GRANT {privilege} ON {draft} TO {grantee}")
    # Views keep to the table that they were made of: it stays where there are any.
    drop = f"BEGIN DROP TABLE {target}; EXCEPTION WHEN dependent_objects_still_exist THEN NULL; END"
    cursor.execute(f"DO $revealed$ {drop} $revealed$")
    cursor.execute(f"SELECT to_regclass({quote(target)}) IS NOT NULL")
    if cursor.fetchone()[0]:
        for field in scores.schema:
            if field.name not in there:
                cursor.execute(f"ALTER TABLE {target} ADD COLUMN {identifier(field.name)} {_POSTGRESQL[field.type]}")
        names = ", ".join(map(identifier, scores.schema.names))
        cursor.execute(f"DELETE FROM {target}")
        cursor.execute(f"INSERT INTO {target} ({names}) SELECT {names} FROM {draft}")
        cursor.execute(f"DROP TABLE {draft}")
        cursor.execute(f"COMMENT ON TABLE {target} IS {quote(comment)}")
        return Written(rows, replaced, in_place=True)
    _finish(cursor, draft, name, comment)
    return Written(rows, replaced)


def _finish(cursor: Any, draft: str, name: str, comment: str) -> None:
    cursor.execute(f"ALTER TABLE {draft} ADD PRIMARY KEY ({KEY})")
    cursor.execute(f"COMMENT ON TABLE {draft} IS {quote(comment)}")
    cursor.execute(f"ALTER TABLE {draft} RENAME TO {identifier(name)}")


def _place(cursor: Any, address: Address) -> tuple[str, str]:
    """Return schema and table; without a schema it is the first one of the search path."""
    if len(address.table) == 2:
        return address.table[0], address.table[1]
    cursor.execute("SELECT current_schema()")
    schema = cursor.fetchone()[0]
    if schema is None:
        raise InputError(f"{address.shown} names no schema, and the user has none; write SCHEMA.TABLE.")
    return str(schema), address.table[0]


def _columns_in_postgresql(cursor: Any, schema: str, name: str) -> list[str]:
    cursor.execute(
        "SELECT column_name FROM information_schema.columns "
        f"WHERE table_schema = {quote(schema)} AND table_name = {quote(name)}"
    )
    return [str(row[0]) for row in cursor.fetchall()]


def _privileges(cursor: Any, schema: str, name: str) -> list[tuple[str, str]]:
    """List who may do what with a table, beside its owner."""
    cursor.execute(
        "SELECT privilege_type, grantee FROM information_schema.table_privileges "
        f"WHERE table_schema = {quote(schema)} AND table_name = {quote(name)} AND grantee <> grantor"
    )
    return [(str(kind), "PUBLIC" if who == "PUBLIC" else identifier(str(who))) for kind, who in cursor.fetchall()]


def _write_sqlite(address: Address, scores: pa.RecordBatchReader, rows: int, comment: str) -> Written:  # noqa: ARG001
    target, draft = address.relation, _draft(address)
    try:
        with closing(sqlite3.connect(address.place, isolation_level=None)) as connection:
            cursor = connection.cursor()
            cursor.execute("BEGIN IMMEDIATE")
            there = [row[1] for row in cursor.execute(f"PRAGMA table_info({identifier(address.table[-1])})")]
            replaced = _version_before(cursor, address, there)
            columns = ", ".join(_column(field, _SQLITE) for field in scores.schema)
            cursor.execute(f"CREATE TABLE {draft} ({columns}, PRIMARY KEY ({KEY}))")
            marks = ", ".join("?" * len(scores.schema))
            for batch in scores:
                cells = [map(_in_sqlite, batch.column(k).to_pylist()) for k in range(batch.num_columns)]
                cursor.executemany(f"INSERT INTO {draft} VALUES ({marks})", zip(*cells, strict=True))
            _check_rows(address, cursor.execute(f"SELECT count(*) FROM {draft}").fetchone()[0], rows)
            cursor.execute(f"DROP TABLE IF EXISTS {target}")
            cursor.execute(f"ALTER TABLE {draft} RENAME TO {identifier(address.table[-1])}")
            cursor.execute("COMMIT")
    except sqlite3.Error as error:
        raise InputError(
            f"{address.shown} cannot be written: {address.reason_of(error)}. The table is as it was."
        ) from None
    return Written(rows, replaced)


def _write_duckdb(address: Address, scores: pa.RecordBatchReader, rows: int, comment: str) -> Written:
    target, draft = address.relation, _draft(address)
    try:
        # A table that is not there must not be taken for a variable of this name.
        with duckdb.connect(address.place, config={"python_enable_replacements": False}) as connection:
            connection.execute("BEGIN")
            try:
                header = connection.execute(f"SELECT * FROM {target} LIMIT 0").description
                there = [str(column[0]) for column in header or ()]
            except duckdb.CatalogException:
                connection.execute("ROLLBACK")
                connection.execute("BEGIN")
                there = []
            replaced = _version_before(connection, address, there)
            columns = ", ".join(_column(field, _DUCKDB) for field in scores.schema)
            connection.execute(f"CREATE TABLE {draft} ({columns}, PRIMARY KEY ({KEY}))")
            connection.register("new_scores", scores)
            written = connection.execute(f"INSERT INTO {draft} SELECT * FROM new_scores").fetchone()
            _check_rows(address, written[0] if written else 0, rows)
            connection.execute(f"COMMENT ON TABLE {draft} IS {quote(comment)}")
            connection.execute(f"DROP TABLE IF EXISTS {target}")
            connection.execute(f"ALTER TABLE {draft} RENAME TO {identifier(address.table[-1])}")
            connection.execute("COMMIT")
    except duckdb.Error as error:
        reason = address.reason_of(error)
        raise InputError(f"{address.shown} cannot be written: {reason}. The table is as it was.") from None
    return Written(rows, replaced)


def _version_before(cursor: Any, address: Address, there: list[str]) -> int | None:
    """Return the version of the scores in a table, and refuse a table that holds none."""
    if not there:
        return None
    if not set(there) >= _OURS:
        raise InputError(
            f"{address.full_name} is there and holds no scores: its columns are {', '.join(there[:8])}. It was not "
            "touched; name another table."
        )
    cursor.execute(f"SELECT max({VERSION}) FROM {address.relation}")
    row = cursor.fetchone()
    return None if row is None or row[0] is None else int(row[0])


def _check_rows(address: Address, written: int, rows: int) -> None:
    if written != rows:
        raise InputError(
            f"{written:,} of {rows:,} rows came to {address.shown}. The table is as it was; publish again."
        )


def _draft(address: Address) -> str:
    *schema, name = address.table
    return ".".join(map(identifier, (*schema, f"{name}_revealed")))


def _column(field: pa.Field, types: Mapping[pa.DataType, str]) -> str:
    return f"{identifier(field.name)} {types[field.type]}{'' if field.nullable else ' NOT NULL'}"


def _in_sqlite(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value


_POSTGRESQL = {pa.string(): "text", pa.date32(): "date", pa.int64(): "bigint", pa.float64(): "double precision"}
_SQLITE = {pa.string(): "TEXT", pa.date32(): "TEXT", pa.int64(): "INTEGER", pa.float64(): "REAL"}
_DUCKDB = {pa.string(): "VARCHAR", pa.date32(): "DATE", pa.int64(): "BIGINT", pa.float64(): "DOUBLE"}
_WRITE: Mapping[str, Callable[[Address, pa.RecordBatchReader, int, str], Written]] = {
    "postgresql": _write_postgresql,
    "sqlite": _write_sqlite,
    "duckdb": _write_duckdb,
}
