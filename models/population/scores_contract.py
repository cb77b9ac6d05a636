"""The contract of the published table of scores, and how a table or a stored file is held against it."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import RevealedError
from features.engine.stored import StoredTable
from models.population.scores_table import (
    COLUMNS,
    COMMON,
    GROUP_ROWS,
    METADATA_KEYS,
    SCHEMA,
    read_metadata,
    read_scores_at,
)
from models.scoring.columns import FORECAST_COLUMNS, PROBABILITIES

_PROBABILITIES = ("p_alive", "p_purchase", "p_any_revenue", "p_churn", *PROBABILITIES, "p_satisfied")
_NPS = (*PROBABILITIES, "nps_source")
# Null for everyone where the scorer holds no purchase model; of p_alive also for customers it cannot judge.
_FORECAST = tuple(name for name in FORECAST_COLUMNS if name not in ("p_alive", "p_any_revenue"))


def check_stored_scores(place: Path, customers: int | None = None, *, is_older: bool = False) -> None:
    """Check stored scores against their contract, part by part, so that they are never in memory as a whole.

    Parameters
    ----------
    place : Path
        A file, or the folder that a cluster wrote, as `models.population.scores_table.read_scores_at` reads it.
    customers, is_older
        As in `check_scores`.

    Raises
    ------
    RevealedError
        The message names the column, the violation and the number of rows.
    """
    rows, empty, last, in_order = 0, 0, "", True
    for part in _parts(place):
        check_scores(part, is_older=is_older)
        ids = part["customer_id"].combine_chunks()
        rises = pc.all(pc.less(ids[:-1], ids[1:])).as_py() is not False
        in_order = in_order and rises and (rows == 0 or last < ids[0].as_py())
        last, rows = ids[-1].as_py(), rows + len(ids)
        empty += part[_FORECAST[0]].null_count if _FORECAST[0] in part.column_names else len(ids)
    _require(rows > 0, "customer_id", "holds no customer", 0)
    _check_size(rows, customers)
    _require(empty in (0, rows), ", ".join(_FORECAST), "are null only in part", empty)
    # A folder of a cluster's is in no order.
    if not in_order:
        _check_unique(read_scores_at(place, ["customer_id"])["customer_id"])


def _parts(place: Path) -> Iterator[pa.Table]:
    """Read a file of scores, or a folder of them, in parts."""
    if not place.is_dir():
        yield from StoredTable(place).parts(GROUP_ROWS)
        return
    schema = pq.read_schema(place / COMMON)
    for file in sorted(place.glob("*.parquet")):
        for part in StoredTable(file).parts(GROUP_ROWS):
            yield part.select(schema.names).cast(schema)


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
    _check_size(table.num_rows, customers)
    for field in SCHEMA:
        column = table[field.name]
        if not field.nullable:
            _require(column.null_count == 0, field.name, "is null", column.null_count)
        if pa.types.is_floating(field.type):
            not_finite = pc.sum(pc.invert(pc.is_finite(column))).as_py() or 0
            _require(not_finite == 0, field.name, "is NaN or infinite", not_finite)
    _check_unique(table["customer_id"])
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
    # Where nothing tells the categories apart everyone has the shares of all answers, and no category.
    of_model, nameless = pc.equal(table["nps_source"], "model"), pc.is_null(table["nps_category"])
    unlike = pc.or_kleene(pc.and_kleene(of_model, nameless), pc.and_not(pc.is_null(table["nps_source"]), nameless))
    wrong = pc.sum(unlike).as_py() or 0
    _require(wrong == 0, "nps_category", "is null with a model of the NPS, or is there without an NPS", wrong)
    total = values["p_detractor"] + values["p_passive"] + values["p_promoter"]
    off = int(np.sum(np.abs(total[~np.isnan(total)] - 1) > 1e-9))
    _require(off == 0, "p_detractor", "does not sum to 1 with p_passive and p_promoter", off)


def _check_size(rows: int, customers: int | None) -> None:
    _require(customers in (None, rows), "customer_id", f"holds {rows:,} of {customers or 0:,} rows", 0)


def _check_unique(ids: pa.ChunkedArray) -> None:
    repeated = len(ids) - len(pc.unique(ids))
    _require(repeated == 0, "customer_id", "is repeated", repeated)


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
