"""The published table of scores: its contract, how it is written, and how it is checked.

Grain: one row per customer with at least one purchase visible at ``as_of``. Adding a column is allowed,
renaming is not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import RevealedError
from models.scoring.columns import FORECAST_COLUMNS, PROBABILITIES

if TYPE_CHECKING:
    import pandas as pd

_DATES = ("as_of", "first_purchase", "last_purchase")
_PROBABILITIES = ("p_alive", "p_purchase", "p_any_revenue", "p_churn", *PROBABILITIES, "p_satisfied")
_NPS = (*PROBABILITIES, "nps_category", "nps_source")
# Null for everyone where the scorer holds no purchase model; of p_alive also for customers it cannot judge.
_FORECAST = tuple(name for name in FORECAST_COLUMNS if name not in ("p_alive", "p_any_revenue"))

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
_GROUP_ROWS = 122_880
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
    schema = SCHEMA.with_metadata(as_metadata({key: metadata[key] for key in METADATA_KEYS}))
    ordered = scores.sort_values("customer_id", kind="stable")[list(COLUMNS)]
    return pa.Table.from_pandas(ordered, schema=schema.remove_metadata(), preserve_index=False).cast(schema)


def as_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Name metadata as they stand in a published file."""
    return {f"{_PREFIX}{key}": str(value) for key, value in metadata.items()}


def read_metadata(table: pa.Table | pa.Schema) -> dict[str, str]:
    """Return the metadata of a table of scores, as written by `to_table`."""
    metadata = (table.schema if isinstance(table, pa.Table) else table).metadata or {}
    prefix = _PREFIX.encode()
    return {k.removeprefix(prefix).decode(): v.decode() for k, v in metadata.items() if k.startswith(prefix)}


def write_scores(table: pa.Table, file: Path) -> None:
    """Write scores to a new file; an existing file is never overwritten."""
    with file.open("xb") as sink:
        pq.write_table(table, sink, compression="zstd", row_group_size=_GROUP_ROWS)


def read_scores_at(place: Path, columns: Sequence[str] | None = None, customer: str | None = None) -> pa.Table:
    """Read published scores, with their metadata, from the file or from the folder that a cluster wrote.

    Parameters
    ----------
    place : Path
        A file, or a folder of Parquet files beside a file `COMMON` with the schema and the metadata.
    columns : sequence of str, optional
        Those to read; all unless given.
    customer : str, optional
        Read the rows of this customer only, without the other parts of the folder where these tell.
    """
    filters = None if customer is None else pc.field("customer_id") == customer
    table = pq.read_table(place, columns=columns, filters=filters)
    if place.is_dir():
        schema = pq.read_schema(place / COMMON)
        table = table.cast(pa.schema([schema.field(name) for name in table.column_names], schema.metadata))
    return table


def write_common(place: Path, metadata: Mapping[str, str]) -> None:
    """Write the schema and the metadata of scores into the folder of Parquet files that a cluster wrote."""
    pq.write_metadata(SCHEMA.with_metadata(as_metadata({key: metadata[key] for key in METADATA_KEYS})), place / COMMON)


def check_scores(table: pa.Table, customers: int | None = None, *, is_older: bool = False) -> None:
    """Check a table of scores against its contract.

    Parameters
    ----------
    table : pyarrow.Table
        The table, preferably as read back after it was written.
    customers : int, optional
        The expected number of rows.
    is_older : bool
        Whether it may have been published by an earlier release: then nullable columns and metadata that the contract
        gained since may be missing.

    Raises
    ------
    RevealedError
        The message names the column, the violation and the number of rows.
    """
    if is_older:
        table = _with_later_columns(table)
    _require(table.schema.remove_metadata().equals(SCHEMA), "schema", "differs from the contract", 0)
    missing = [key for key in METADATA_KEYS if key not in read_metadata(table)] if not is_older else []
    _require(not missing, "metadata", f"lacks {', '.join(missing)}", 0)
    _require(table.num_rows > 0, "customer_id", "holds no customer", 0)
    if customers is not None:
        _require(table.num_rows == customers, "customer_id", f"holds {table.num_rows:,} of {customers:,} rows", 0)
    for field in SCHEMA:
        column = table[field.name]
        if not field.nullable:
            _require(column.null_count == 0, field.name, "is null", column.null_count)
        if pa.types.is_floating(field.type):
            not_finite = pc.sum(pc.invert(pc.is_finite(column))).as_py() or 0
            _require(not_finite == 0, field.name, "is NaN or infinite", not_finite)
    repeated = len(table) - len(pc.unique(table["customer_id"]))
    _require(repeated == 0, "customer_id", "is repeated", repeated)
    values = {name: table[name].to_numpy() for name in COLUMNS if pa.types.is_floating(SCHEMA.field(name).type)}
    for name in _PROBABILITIES:
        outside = int(np.sum((values[name] < 0) | (values[name] > 1)))
        _require(outside == 0, name, "is outside 0..1", outside)
    for low, middle, high in (("clv_low", "clv", "clv_high"), ("revenue_low", None, "revenue_high")):
        ends = [values[name] for name in (low, middle, high) if name]
        wrong = int(np.sum([lower > upper for lower, upper in pairwise(ends)]))
        _require(wrong == 0, low, f"is not in order with {high}", wrong)
    absent = [table[name].null_count for name in _FORECAST]
    partly = int(max(absent)) if set(absent) not in ({0}, {len(table)}) else 0
    _require(partly == 0, ", ".join(_FORECAST), "are null only in part", partly)
    nulls = np.sum([pc.is_null(table[name]).to_numpy() for name in _NPS], axis=0)
    partly = int(np.sum((nulls > 0) & (nulls < len(_NPS))))
    _require(partly == 0, ", ".join(_NPS), "are null only in part", partly)
    total = values["p_detractor"] + values["p_passive"] + values["p_promoter"]
    off = int(np.sum(np.abs(total[~np.isnan(total)] - 1) > 1e-9))
    _require(off == 0, "p_detractor", "does not sum to 1 with p_passive and p_promoter", off)


def _with_later_columns(table: pa.Table) -> pa.Table:
    """Add the nullable columns that a table of an earlier release lacks, and let columns be null that may be now."""
    fields = [field.with_nullable(True) if _may_be_null(field) else field for field in table.schema]
    table = table.cast(pa.schema(fields, table.schema.metadata))
    for field in SCHEMA:
        if field.nullable and field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select([name for name in COLUMNS if name in table.column_names])


def _may_be_null(field: pa.Field) -> bool:
    return field.name in COLUMNS and SCHEMA.field(field.name).nullable


def _require(holds: bool, column: str, violation: str, rows: int) -> None:
    if not holds:
        where = f" in {rows:,} rows" if rows else ""
        raise RevealedError(f"the scores break their contract: {column} {violation}{where}; nothing was published")
