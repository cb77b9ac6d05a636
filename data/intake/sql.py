"""SQL that is put together from names and texts, and its only row. Imports nothing, not even DuckDB."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb


def quote(text: str) -> str:
    """Write an SQL text literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """Write the name of a column or table, whatever letters it has."""
    return '"' + name.replace('"', '""') + '"'


def only_row(connection: "duckdb.DuckDBPyConnection", query: str) -> tuple[Any, ...]:
    """Return the first row of a query that has at least one, such as that of an aggregate."""
    row = connection.execute(query).fetchone()
    assert row is not None, "an aggregate has one row"
    return tuple(row)
