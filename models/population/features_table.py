"""The published table of features: what the scorer read of each customer, beside the scores."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.parquet as pq

from models.population.scores_table import as_metadata

# Rows that are in memory at a time.
_BATCH = 65_536


def write_features(described: Path, file: Path, metadata: Mapping[str, str]) -> None:
    """Copy the described customers into a file of their own, batch by batch.

    Parameters
    ----------
    described : Path
        The file of what `features.describe.everyone_described` gives.
    file : Path
        Where to: the same rows and columns, each documented in ``docs/features.md``.
    metadata : Mapping of str to str
        The file's metadata: those of the scores beside it.
    """
    source = pq.ParquetFile(described)
    schema = source.schema_arrow.with_metadata(as_metadata(metadata))
    with pq.ParquetWriter(file, schema) as writer:
        for batch in source.iter_batches(_BATCH):
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
