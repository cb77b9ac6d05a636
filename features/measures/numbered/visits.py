"""Visits of the customers of a large shop: their events are put in order in this process, not in the engine.

`features.measures.engagement.time_spent` says what a visit is, as an expression that each engine runs; tests hold both
equal. The window functions of DuckDB take 2 seconds for five million events, and numbers in memory a quarter of it.
"""

from itertools import pairwise

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.measures.windows import AGE
from features.tables import give_memory_back

# Customers whose events are in memory at once: they have about a million.
CUSTOMERS_AT_ONCE = 200_000
_LARGEST = 2**62


def visits_of(events: ir.Table, length: int, pause: int) -> pa.Table:
    """Add up the time and count the days of each customer's visits.

    Parameters
    ----------
    events
        A table of the engine, or what is cheap to filter: customer_id (a whole number from 0 on), window, started and
        ended (microseconds from the beginning of all windows on; an event ends with its window at the latest), age of
        the day, is_visit.
    length
        Microseconds of all windows together.
    pause
        Microseconds: a visit is over after a longer one.

    Returns
    -------
    pyarrow.Table
        customer_id, window, spent (microseconds) and days (with a visit). One row per customer and window.
    """
    highest = events.customer_id.max().to_pyarrow().as_py()
    parts = []
    for first in range(0, (-1 if highest is None else highest) + 1, CUSTOMERS_AT_ONCE):
        part = events.filter(events.customer_id >= first, events.customer_id < first + CUSTOMERS_AT_ONCE)
        parts.append(_of_part(part.to_pyarrow(), length, pause))
        give_memory_back(events)
    return pa.concat_tables(parts) if parts else _of_part(events.to_pyarrow(), length, pause)


def _of_part(events: pa.Table, length: int, pause: int) -> pa.Table:
    customer, started = (events[name].to_numpy().astype(np.int64) for name in ("customer_id", "started"))
    order = _in_order(customer, started)
    customer, started = customer[order], started[order]
    window, age, ended, is_visit = (
        events[name].to_numpy(zero_copy_only=False)[order] for name in (("window", AGE, "ended", "is_visit"))
    )
    begins = _changes(customer, window)
    over = _latest_before(customer, ended, length)
    is_new = begins | (started - over > pause)
    added = np.where(is_new, ended - started, np.maximum(ended - over, 0))
    day = np.zeros(customer.size, dtype=np.int64)
    visits = np.flatnonzero(is_visit)
    day[visits] = _changes(customer[visits], age[visits])
    starts = np.flatnonzero(begins)
    spent, days = (np.add.reduceat(each, starts) if starts.size else each for each in (added, day))
    columns = {"customer_id": customer[starts], "window": window[starts], "spent": spent, "days": days}
    return pa.table({name: column.astype(np.int64) for name, column in columns.items()})


def _in_order(customer: np.ndarray, started: np.ndarray) -> np.ndarray:
    """Order by customer, then time: of one number that holds both, as finely as its bits allow, if that tells them."""
    if not customer.size:
        return np.arange(0)
    left = 62 - int(customer.max() - customer.min()).bit_length()
    dropped = max(int(started.max()).bit_length() - left, 0)
    order = np.argsort(((customer - customer.min()) << (left)) | (started >> dropped))
    same, then = np.diff(customer[order]) == 0, np.diff(started[order])
    return np.lexsort((started, customer)) if (same & (then < 0)).any() else order


def _latest_before(customer: np.ndarray, ended: np.ndarray, length: int) -> np.ndarray:
    """Give the latest end of a customer's earlier events; for the first event of a customer any number.

    Customers follow each other in time, a whole `length` apart, so that one running maximum is that of each; so many at
    once as there are numbers for. An event of an earlier window is over when a window begins.
    """
    over = np.zeros(ended.size, dtype=np.int64)
    at_once = max(_LARGEST // (length + 1), 1)
    block = (customer - (customer[0] if customer.size else 0)) // at_once
    edges = [0, *(np.flatnonzero(np.diff(block)) + 1).tolist(), ended.size]
    for first, end in pairwise(edges):
        if end - first > 1:
            shift = (customer[first:end] - customer[first]) * (length + 1)
            over[first + 1 : end] = np.maximum.accumulate(ended[first:end] + shift)[:-1] - shift[1:]
    return over


def _changes(*columns: np.ndarray) -> np.ndarray:
    """Say of each row whether it differs from the one before in any of the columns; the first does."""
    changes = np.ones(columns[0].size, dtype=bool)
    if changes.size:
        changes[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return changes
