"""The published table of scores: its columns, and how it is written and read; `scores_contract` checks it.

The features that the scorer read are published beside it where the settings say so.

Grain: one row per customer with at least one purchase visible at ``as_of``. Adding a column is allowed,
renaming is not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import pandas as pd

# Rows of features that are in memory at a time.
_FEATURES_BATCH = 65_536
_DATES = ("as_of", "first_purchase", "last_purchase")

SCHEMA = pa.schema(
    [
        pa.field("customer_id", pa.string(), nullable=False),
        *[pa.field(name, pa.date32(), nullable=False) for name in _DATES],
        *[pa.field(name, pa.int64(), nullable=False) for name in ("frequency", "recency", "T")],
        pa.field("monetary_value", pa.float64(), nullable=False),
        pa.field("p_alive", pa.float64()),
        pa.field("p_purchase", pa.float64()),
        pa.field("expected_purchases", pa.float64()),
        pa.field("p_churn", pa.float64()),
        pa.field("expected_spend", pa.float64()),
        pa.field("expected_revenue", pa.float64()),
        # Null also in tables of earlier releases, which did not have it.
        pa.field("p_any_revenue", pa.float64()),
        pa.field("revenue_low", pa.float64()),
        pa.field("revenue_high", pa.float64()),
        pa.field("clv", pa.float64()),
        pa.field("clv_low", pa.float64()),
        pa.field("clv_high", pa.float64()),
        pa.field("next_purchase_index", pa.float64()),
        pa.field("next_purchase_index_change", pa.float64()),
        pa.field("rfm", pa.string(), nullable=False),
        pa.field("segment", pa.string(), nullable=False),
        pa.field("segment_before", pa.string()),
        pa.field("persona", pa.string()),
        pa.field("p_detractor", pa.float64()),
        pa.field("p_passive", pa.float64()),
        pa.field("p_promoter", pa.float64()),
        pa.field("nps_category", pa.string()),
        pa.field("nps_source", pa.string()),
        pa.field("nps_category_before", pa.string()),
        pa.field("p_satisfied", pa.float64()),
        pa.field("reasons", pa.string()),
    ]
)
COLUMNS: tuple[str, ...] = tuple(SCHEMA.names)
METADATA_KEYS = (
    "scorer_version",
    "scorer_trained_after_as_of",
    "horizon",
    "churn_horizon",
    "clv_horizon",
    "currency",
    "nps_question",
    "nps_as_of",
    "nps_prior",
    "run_id",
    "input_digest",
)
# Rows are in the order of ids, and each group knows its first and last: one customer is found without reading the
# others. So many are also what DuckDB gives a thread.
GROUP_ROWS = 122_880
_PREFIX = "revealed."
# Where the convention of Parquet puts the schema of a folder of files. Readers of the folder pass it over.
COMMON = "_common_metadata"


def to_table(scores: pd.DataFrame, metadata: Mapping[str, str]) -> pa.Table:
    """Give scores the types and the order of the contract.

    Parameters
    ----------
    scores : pandas.DataFrame
        One row per customer with every column of `COLUMNS`.
    metadata : Mapping of str to str
        The table's metadata; all of `METADATA_KEYS` must be there.

    Returns
    -------
    pyarrow.Table
        Sorted by customer_id; missing values are nulls.
    """
    return typed(scores.sort_values("customer_id", kind="stable")).cast(schema_of(metadata))


def typed(scores: pd.DataFrame) -> pa.Table:
    """Give scores the types of the contract, in their own order."""
    return pa.Table.from_pandas(scores[list(COLUMNS)], schema=SCHEMA, preserve_index=False).replace_schema_metadata()


def schema_of(metadata: Mapping[str, str]) -> pa.Schema:
    """Return the schema of a published table with its metadata, of which all of `METADATA_KEYS` must be there."""
    return SCHEMA.with_metadata(as_metadata({key: metadata[key] for key in METADATA_KEYS}))


def as_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Name metadata as they stand in a published file."""
    return {f"{_PREFIX}{key}": str(value) for key, value in metadata.items()}


def read_metadata(table: pa.Table | pa.Schema) -> dict[str, str]:
    """Return the metadata of a table of scores, as written by `to_table`."""
    metadata = (table.schema if isinstance(table, pa.Table) else table).metadata or {}
    prefix = _PREFIX.encode()
    return {k.removeprefix(prefix).decode(): v.decode() for k, v in metadata.items() if k.startswith(prefix)}


def write_scores(parts: Iterable[pa.Table], file: Path, *, is_draft: bool = False) -> None:
    """Write scores part by part, one at least, to a new file; an existing file is never overwritten.

    A draft, which is read within the run and is then gone, is packed less: it is written and read in less time.
    """
    rest = iter(parts)
    first = next(rest)
    # Of doubles nearly all differ: without a dictionary they are written in half the time, and smaller.
    repeated = [field.name for field in first.schema if not pa.types.is_floating(field.type)]
    with (
        file.open("xb") as sink,
        pq.ParquetWriter(
            sink, first.schema, compression="snappy" if is_draft else "zstd", use_dictionary=repeated
        ) as writer,
    ):
        for part in chain([first], rest):
            writer.write_table(part, row_group_size=GROUP_ROWS)


def read_scores_at(
    place: Path, columns: Sequence[str] | None = None, customers: Sequence[str] | None = None
) -> pa.Table:
    """Read published scores, with their metadata, from the file or from the folder that a cluster wrote.

    Parameters
    ----------
    place : Path
        A file, or a folder of Parquet files beside a file `COMMON` with the schema and the metadata.
    columns : sequence of str, optional
        Those to read; all unless given.
    customers : sequence of str, optional
        Read the rows of these customers only, without the parts of the file or the folder that tell they have none.
    """
    filters = None if customers is None else pc.field("customer_id").isin(pa.array(customers, pa.string()))
    table = pq.read_table(place, columns=columns, filters=filters)
    if place.is_dir():
        schema = pq.read_schema(place / COMMON)
        table = table.cast(pa.schema([schema.field(name) for name in table.column_names], schema.metadata))
    return table


def write_common(place: Path, metadata: Mapping[str, str]) -> None:
    """Write the schema and the metadata of scores into the folder of Parquet files that a cluster wrote."""
    pq.write_metadata(schema_of(metadata), place / COMMON)


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
        for batch in source.iter_batches(_FEATURES_BATCH):
            writer.write_batch(batch.replace_schema_metadata(schema.metadata))
