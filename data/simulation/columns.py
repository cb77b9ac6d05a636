"""Columns of the simulated tables: ids, times, names, numbers and money as Arrow arrays."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa

from data.simulation.answers import Floats, Integers
from data.simulation.customers import Flags

DAY = 86_400


@dataclass(frozen=True)
class Block:
    """What all tables of a block of customers share: the ids, the first day of the simulation and its length."""

    customer_ids: pa.Array
    start: date
    days: int

    def ids(self, customer: Integers) -> pa.Array:
        """Return the ids at these positions."""
        return pa.DictionaryArray.from_arrays(pa.array(customer, pa.int32()), self.customer_ids)

    def times(self, time: Floats) -> pa.Array:
        """Turn days since the start into timestamps of whole seconds; NaN becomes null."""
        missing: Flags = np.isnan(time)
        seconds = np.floor(np.where(missing, 0.0, time) * DAY).astype(np.int64)
        start = np.datetime64(self.start, "s").astype(np.int64)
        return pa.array((start + seconds) * 1_000_000, pa.timestamp("us"), mask=missing)


def levels(position: Integers, names: tuple[str, ...]) -> pa.Array:
    """Return the names at these positions, as a dictionary of few values."""
    return pa.DictionaryArray.from_arrays(pa.array(position, pa.int32()), pa.array(names))


def numbers(values: Floats) -> pa.Array:
    """Return numbers with NaN as null."""
    return pa.array(values, mask=np.isnan(values))


def money(cents: Integers) -> pa.Array:
    """Return cents as exact decimals of 128 bits; the upper 64 bits repeat the sign."""
    words = np.stack([cents, cents >> 63], axis=1)
    return pa.Array.from_buffers(pa.decimal128(18, 2), len(cents), [None, pa.py_buffer(words.tobytes())])
