"""The database that an intake works in: it spills to a folder, and takes memory by the size of what is read."""

import os
from collections.abc import Iterable
from pathlib import Path

import duckdb

from data.intake.sources import File
from data.intake.sql import quote

_FLOOR, _PER_THREAD = 256 * 2**20, 128 * 2**20
"""Bytes of memory that a database may take before anything is read; the engine asks for the second for each thread."""

LARGEST = 4 * 2**30
"""Most bytes that it takes, however much is read; on a small machine, half of its memory."""


def open_database(folder: Path) -> duckdb.DuckDBPyConnection:
    """Open a database in memory that spills to a folder, so that tables may be larger than memory."""
    connection = duckdb.connect()
    connection.execute(f"SET temp_directory = {quote(str(folder / 'spilled'))}")
    connection.execute("SET TimeZone = 'UTC'")
    allow_memory(connection, 0)
    return connection


def allow_memory(connection: duckdb.DuckDBPyConnection, size: int) -> None:
    """Let a database take the memory that files of so many bytes need: their size, beyond a floor."""
    threads = int(connection.execute("SELECT current_setting('threads')").fetchall()[0][0])
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(_FLOOR + _PER_THREAD * threads + size, LARGEST, machine // 2)
    connection.execute(f"SET memory_limit = '{limit}B'")


def size_of(files: Iterable[File]) -> int:
    """Return how many bytes files have."""
    return sum(file.path.stat().st_size for file in files)
