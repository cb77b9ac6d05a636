"""Drawing customers on a cluster as one process draws them: by a hash that only Python has."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.stats.drawing import drawing_hash

HASHED_SCHEMA = "customer_id string, hashed bigint"


@dataclass(frozen=True)
class HashedIds:
    """Hashes ids: a function for `mapInArrow`, with `HASHED_SCHEMA`; who has the lowest numbers is drawn.

    Attributes
    ----------
    seed : int
        Of the draw.
    """

    seed: int

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take rows of customer_id."""
        for batch in batches:
            ids = batch.column("customer_id").cast(pa.string())
            hashed = drawing_hash(np.asarray(ids.to_pylist(), dtype=object), self.seed)
            # Spark has signed numbers only: the first bit is turned, which keeps the order.
            signed = (hashed ^ np.uint64(1 << 63)).view(np.int64)
            yield pa.RecordBatch.from_arrays([ids, pa.array(signed)], names=["customer_id", "hashed"])
