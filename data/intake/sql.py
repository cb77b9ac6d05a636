"""SQL that is put together from names and texts, its only row, and what it may reach. Imports no DuckDB."""

from collections.abc import Iterable
from pathlib import Path
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


def confine(connection: "duckdb.DuckDBPyConnection", folders: Iterable[Path], files: Iterable[Path] = ()) -> None:
    """Let SQL reach these files alone, and those in these folders, and load no extension; neither can be taken back.

    Expressions of the settings are checked before they become SQL: this holds where a check has a hole.
    """
    for setting, places in (("allowed_directories", folders), ("allowed_paths", files)):
        listed = ", ".join(quote(str(place.resolve())) for place in places)
        connection.execute(f"SET {setting} = [{listed}]")
    for setting in ("autoinstall_known_extensions", "autoload_known_extensions", "enable_external_access"):
        connection.execute(f"SET {setting} = false")
