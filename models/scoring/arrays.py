"""Arrays and tuples of the scorer: types, matrices of columns, distinct pairs of values, and groups of equal rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
# Rows that are worked on together, so that their columns stay in the cache. Of 16,000 to 64,000 a customer's six sets
# of trees take the same time, of 8,000 a fifth more and of 200,000 a tenth.
BLOCK_ROWS = 32_768


def distinct_pairs(first: Floats, second: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return the distinct pairs of two columns and, for each row, the place of its pair among them."""
    dense = _dense_keys(first, second)
    if dense is not None:
        keys, width = dense
        is_present = np.zeros(int(keys.max()) + 1, dtype=bool)
        is_present[keys] = True
        pairs, place = np.flatnonzero(is_present), (np.cumsum(is_present) - 1)[keys]
        return (pairs // width).astype(np.float64), (pairs % width).astype(np.float64), place
    first_code, first_values = pd.factorize(first)
    second_code, second_values = pd.factorize(second)
    width = max(len(second_values), 1)
    place, keys = pd.factorize(first_code.astype(np.int64) * width + second_code)
    return first_values[keys // width], second_values[keys % width], place.astype(np.int64)


def _dense_keys(first: Floats, second: Floats) -> tuple[NDArray[np.int64], int] | None:
    """Return first * width + second, and the width, where both are whole numbers so small that they need no hashing."""
    if not first.size:
        return None
    with np.errstate(invalid="ignore"):
        whole, other = first.astype(np.int64), second.astype(np.int64)
    if (whole != first).any() or (other != second).any() or whole.min() < 0 or other.min() < 0:
        return None
    width = int(other.max()) + 1
    if (int(whole.max()) + 1) * width > 4 * first.size:
        return None
    return whole * width + other, width


def groups(x: Floats, size: NDArray[np.int64], rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows that share both x and the number of nodes, in ascending order of both."""
    order = rows[np.lexsort((size[rows], x[rows]))]
    ends = np.flatnonzero((np.diff(x[order]) != 0) | (np.diff(size[order]) != 0)) + 1
    return (group for group in np.split(order, ends) if group.size)


def matrices_of(table: pd.DataFrame, names: Sequence[str]) -> Iterator[tuple[slice, Floats]]:
    """Yield columns by blocks of rows, each a matrix (n, k) until the next; NaN where a column is not there.

    They lie by columns, as trees are read. New memory for all rows would take as long as reading the trees.
    """
    matrix = np.empty((min(len(table), BLOCK_ROWS), len(names)), order="F")
    columns = columns_of(table, names)
    for start in range(0, len(table), BLOCK_ROWS):
        rows = slice(start, min(start + BLOCK_ROWS, len(table)))
        block = matrix[: rows.stop - start]
        fill_columns(block, columns, names, rows)
        yield rows, block


def columns_of(table: pd.DataFrame, names: Sequence[str]) -> dict[str, Floats]:
    """Take columns of a table by name, as far as they are there: once for all blocks, as asking a frame takes long."""
    return {name: table[name].to_numpy(float) for name in dict.fromkeys(names) if name in table}


def fill_columns(
    matrix: Floats,
    columns: Mapping[str, Floats],
    names: Sequence[str],
    rows: NDArray[np.int64] | slice | None = None,
) -> None:
    """Write columns into a matrix (n, k): all rows, or those at the places ``rows``, so that no others are copied.

    NaN where a column is not there.
    """
    for place, name in enumerate(names):
        if name not in columns:
            matrix[:, place] = np.nan
        else:
            matrix[:, place] = columns[name] if rows is None else columns[name][rows]


def consecutive(rows: NDArray[np.int64]) -> NDArray[np.int64] | slice:
    """Give ascending places as a slice where none is left out: it is read without being looked up."""
    first, last = int(rows[0]), int(rows[-1])
    return slice(first, last + 1) if last - first + 1 == rows.size else rows


def interpolated(column: Floats, knots: Sequence[float], values: Sequence[float]) -> Floats:
    """Return what `numpy.interp` does, NaN where the column is, in a third of its time.

    It looks for the place of each number among the knots; where these are few, counting those below is faster.

    Parameters
    ----------
    column : ndarray, shape (n,)
    knots, values : sequence of float
        Points of the line, one at least; knots ascend.
    """
    x, y = np.asarray(knots, dtype=float), np.asarray(values, dtype=float)
    # Of the numbers between a knot and the next one; those below the first and from the last on are put on these.
    slopes = np.concatenate([[0.0], np.diff(y) / np.diff(x), [0.0]])
    x_at, y_at = np.concatenate([x[:1], x]), np.concatenate([y[:1], y])
    line = np.empty(column.size)
    for start in range(0, column.size, BLOCK_ROWS):
        inside = np.clip(column[start : start + BLOCK_ROWS], x[0], x[-1])
        below: NDArray[np.unsignedinteger] = np.zeros(inside.size, np.uint8 if x.size < 256 else np.uint32)
        for knot in x:
            below += (inside >= knot).view(np.uint8)
        inside -= x_at.take(below)
        inside *= slopes.take(below)
        np.add(inside, y_at.take(below), out=line[start : start + BLOCK_ROWS])
    return line


def as_columns(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Return the columns as one-dimensional arrays of floats, one length."""
    return tuple(np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, dtype=np.float64)) for c in columns)))


def as_tuples(value: Any) -> Any:
    """Return a JSON value with tuples in place of its lists, at any depth, so that it is frozen and compares."""
    if isinstance(value, list | tuple):
        return tuple(as_tuples(each) for each in value)
    if isinstance(value, Mapping):
        return {name: as_tuples(each) for name, each in value.items()}
    return value
