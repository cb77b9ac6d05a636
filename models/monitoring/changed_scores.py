"""Which customers' scores changed between two published versions: rows that are new, gone, or moved.

The published tables are sorted by customer, one row each; a consumer that holds an earlier version needs only these
rows to hold the newest one.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import InputError
from models.population.scores_table import COLUMNS, SCHEMA, as_metadata, read_metadata

TOLERANCE = 0.01
"""A change up to this is none: a point of a probability or of the index, a hundredth of an amount."""

SMALLEST = 0.01
"""Amounts and numbers of purchases that differ by no more than this are the same, whatever their share: a cent."""

_INDEX = "next_purchase_index"
# They differ in every two tables by the passing of time, or tell the change from another table themselves; the numbers
# within the words of `reasons` move each day.
_PASSING = (
    "customer_id",
    "as_of",
    "T",
    "next_purchase_index_change",
    "segment_before",
    "nps_category_before",
    "reasons",
)
COMPARED = tuple(name for name in COLUMNS if name not in _PASSING)


def changed_scores(
    current: pa.Table, before: pa.Table, tolerance: float = TOLERANCE, origin: Mapping[str, str] | None = None
) -> pa.Table:
    """Return the rows that differ between two tables of scores.

    Parameters
    ----------
    current, before : pyarrow.Table
        Published scores, one row per customer. Columns that one of them lacks are not compared.
    tolerance : float
        A probability has moved where it differs by more than this, the index by more than 100 times this, an amount or
        a number of purchases by more than this share of the larger of the two and by more than `SMALLEST`. Whole
        numbers, texts and dates have moved where they differ at all, and any value where one of the two is null.
    origin : mapping of str to str, optional
        What the table's metadata shall tell beside those of the current scores.

    Returns
    -------
    pyarrow.Table
        ``change`` (new, gone or moved), ``moved`` (the names of the columns that moved, null for the other two), and
        the columns of the scores: the current row, or the earlier one of a customer who is gone. Sorted by customer.

    Raises
    ------
    InputError
        If the tolerance is not a number from 0 to 1.
    """
    if not 0 <= tolerance <= 1:
        raise InputError(f"the tolerance must be a number from 0 to 1, got {tolerance:g}")
    matched = pc.index_in(current["customer_id"], value_set=before["customer_id"])
    stays = pc.is_valid(matched)
    rows, earlier = current.filter(stays), before.take(matched.filter(stays))
    moved = _moved_columns(rows, earlier, tolerance)
    is_moved = pa.array(moved != "")
    gone = before.filter(pc.invert(pc.is_in(before["customer_id"], value_set=current["customer_id"])))
    parts = [
        _told(current.filter(pc.invert(stays)), "new", None),
        _told(rows.filter(is_moved), "moved", moved[moved != ""]),
        _told(gone, "gone", None),
    ]
    metadata = as_metadata({**read_metadata(current), **(origin or {}), "tolerance": f"{tolerance:g}"})
    return pa.concat_tables(parts).sort_by("customer_id").replace_schema_metadata(metadata)


def _moved_columns(rows: pa.Table, earlier: pa.Table, tolerance: float) -> np.ndarray:
    """Name the columns that moved of each customer, in one text; it is empty where none did."""
    names = np.full(len(rows), "", dtype=object)
    for name in COMPARED:
        if name in rows.column_names and name in earlier.column_names:
            differs = _differs(name, rows[name], earlier[name], tolerance)
            names[differs] = [f"{text}, {name}" if text else name for text in names[differs]]
    return names


def _differs(name: str, now: pa.ChunkedArray, then: pa.ChunkedArray, tolerance: float) -> np.ndarray:
    if not pa.types.is_floating(SCHEMA.field(name).type):
        same = pc.equal(now, then)
    else:
        difference = pc.abs(pc.subtract(now, then))
        same = pc.less_equal(difference, _allowed(name, now, then, tolerance))
    both_null = pc.and_(pc.is_null(now), pc.is_null(then))
    differs: np.ndarray = pc.invert(pc.or_(pc.fill_null(same, fill_value=False), both_null)).to_numpy()
    return differs


def _allowed(name: str, now: pa.ChunkedArray, then: pa.ChunkedArray, tolerance: float) -> pa.ChunkedArray | float:
    if name.startswith("p_"):
        return tolerance
    if name == _INDEX:
        return 100 * tolerance
    larger = pc.max_element_wise(pc.abs(now), pc.abs(then))
    return pc.max_element_wise(pc.multiply(larger, tolerance), SMALLEST)


def _told(rows: pa.Table, change: str, moved: np.ndarray | None) -> pa.Table:
    """Put what became of the customers before their rows, which get the columns and types of the contract."""
    columns = [rows[n].cast(SCHEMA.field(n).type) if n in rows.column_names else _nulls(rows, n) for n in COLUMNS]
    told = [pa.array([change] * len(rows), pa.string()), pa.array(moved if moved is not None else [None] * len(rows))]
    return pa.table([told[0], told[1].cast(pa.string()), *columns], names=["change", "moved", *COLUMNS])


def _nulls(rows: pa.Table, name: str) -> pa.Array:
    return pa.nulls(len(rows), SCHEMA.field(name).type)
