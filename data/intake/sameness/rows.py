"""Rows that stand twice: files that repeat others, whole or in part, and lines that equal another in every column."""

from collections.abc import Sequence

import duckdb

from data.errors import InputError
from data.intake.raw import RawFile
from data.intake.reading.pasting import paste
from data.intake.report import Overlap
from data.intake.sql import identifier


class RepeatedFileError(InputError):
    """All rows of a file stand in another one."""

    def __init__(self, message: str, table: str, file: str, other: str) -> None:
        super().__init__(message)
        self.table, self.file, self.other = table, file, other


_CANDIDATES = 20
"""So many files are looked at whose rows all stand in others, to find one whose rows all stand in a single one."""


def find_overlaps(
    connection: duckdb.DuckDBPyConnection, table: str, raws: Sequence[RawFile], columns: Sequence[str]
) -> tuple[Overlap, ...]:
    """Find the rows of `staged` that stand in several files: equal in every column that is read.

    Rows that break the contract are not compared. A row that stands twice in a file must stand twice in the other one.

    Parameters
    ----------
    connection
        The working database.
    table, raws
        The table and its files.
    columns
        Columns of `staged` that make a row.

    Returns
    -------
    tuple of Overlap
        For each file the rows that stand in an earlier one as well, the largest overlap first.

    Raises
    ------
    InputError
        All rows of a file stand in another one.
    """
    if len(raws) < 2:
        return ()
    hashed = f"hash({', '.join(map(identifier, columns))})"
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE counted AS
        SELECT {hashed} AS hashed, file, count(*) AS n FROM staged WHERE violation IS NULL GROUP BY ALL;
        CREATE OR REPLACE TEMP TABLE several AS
        SELECT hashed, min(file) AS first, max(n) AS most, count(*) AS files FROM counted
        GROUP BY hashed HAVING count(*) > 1
        """
    )
    try:
        _refuse_whole(connection, table, raws)
        rows = connection.execute(
            """
            SELECT counted.file, first, sum(least(counted.n, other.n))
            FROM counted JOIN several USING (hashed)
            JOIN counted AS other ON other.hashed = counted.hashed AND other.file = first
            WHERE counted.file > first GROUP BY ALL ORDER BY 3 DESC, 1, 2
            """
        ).fetchall()
    finally:
        connection.execute("DROP TABLE counted; DROP TABLE several")
    return tuple(Overlap(raws[file].name, raws[other].name, int(count)) for file, other, count in rows)


def _refuse_whole(connection: duckdb.DuckDBPyConnection, table: str, raws: Sequence[RawFile]) -> None:
    """Raise InputError where all rows of a file stand in another one; the later of two equal files is named."""
    candidates = connection.execute(
        f"""
        SELECT file, sum(n) FROM counted LEFT JOIN several USING (hashed)
        GROUP BY file HAVING count(files) = count(*) ORDER BY file DESC LIMIT {_CANDIDATES}
        """
    ).fetchall()
    for file, rows in candidates:
        found = connection.execute(
            f"""
            SELECT other.file, sum(other.n) FROM counted JOIN counted AS other USING (hashed)
            WHERE counted.file = {file} AND other.file <> {file}
            GROUP BY other.file HAVING sum(least(counted.n, other.n)) = {rows} ORDER BY 1 LIMIT 1
            """
        ).fetchone()
        if found is not None:
            raise RepeatedFileError(
                f"{table}: all {rows:,} rows of {raws[file].name} stand in {raws[found[0]].name} as well, and would "
                "count twice. Give one of the two files; or let rows that equal another in every column count once. "
                + paste(f"formats.{table}", {"repeated": "drop"}),
                table,
                raws[file].name,
                raws[found[0]].name,
            )


def drop_repeated(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> int:
    """Take out of `staged` the rows that equal another one in every column, but one of each; return how many."""
    names = ", ".join(map(identifier, columns))
    row = connection.execute(
        f"""
        DELETE FROM staged WHERE rowid IN (
            SELECT row FROM (
                SELECT rowid AS row, row_number() OVER (PARTITION BY {names} ORDER BY file, line) AS place
                FROM staged
                WHERE violation IS NULL AND hash({names}) IN (
                    SELECT hash({names}) AS hashed FROM staged WHERE violation IS NULL
                    GROUP BY hashed HAVING count(*) > 1)
            ) WHERE place > 1)
        """
    ).fetchone()
    return int(row[0]) if row else 0
