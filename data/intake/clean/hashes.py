"""Hashes of rows: how many stand twice, and their sum."""

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

_AT_ONCE = 2**25
"""Hashes that are held at once, 8 bytes each: of more rows a part is read at a time."""


def count_repeated(connection: duckdb.DuckDBPyConnection, hashes: str, rows: int) -> int:
    """Count the hashes that equal another one, but one of each.

    To sort them takes a tenth of the time in which the engine counts distinct ones.

    Parameters
    ----------
    connection
        The working database.
    hashes
        SQL behind SELECT that gives them, such as ``hash(a) FROM t``.
    rows
        How many there are at most.
    """
    return sum(map(_repeated_in, _parts(connection, hashes, rows)))


def add_and_count_repeated(connection: duckdb.DuckDBPyConnection, hashes: str, rows: int) -> tuple[int, int]:
    """Give the sum of hashes, and what `count_repeated` says of them, with its parameters."""
    total = repeated = 0
    for part in _parts(connection, hashes, rows):
        # Halves do not exceed 64 bits when they are added up.
        total += (int(np.sum(part >> np.uint64(32))) << 32) + int(np.sum(part & np.uint64(0xFFFFFFFF)))
        repeated += _repeated_in(part)
    return total, repeated


def _repeated_in(part: npt.NDArray[np.uint64]) -> int:
    part.sort()
    return int(np.count_nonzero(part[1:] == part[:-1]))


def _parts(connection: duckdb.DuckDBPyConnection, hashes: str, rows: int) -> Iterator[npt.NDArray[np.uint64]]:
    parts = 1 + rows // _AT_ONCE
    for part in range(parts):
        chosen = f" WHERE h % {parts} = {part}" if parts > 1 else ""
        found: Any = connection.execute(f"SELECT h FROM (SELECT {hashes}) AS t(h){chosen}").fetchnumpy()["h"]
        yield np.asarray(found, dtype=np.uint64)
