"""Batches of rows become a Parquet file."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def write_batches(schema: pa.Schema, batches: Iterable[pa.RecordBatch], target: str) -> int:
    """Write batches as they come, so that memory holds few of them; return the number of rows."""
    rows = 0
    with pq.ParquetWriter(Path(target), schema.remove_metadata()) as writer:
        for batch in batches:
            writer.write_batch(batch.cast(schema.remove_metadata()))
            rows += batch.num_rows
    return rows
