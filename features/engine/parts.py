"""Queries that are asked of one part of the customers after the other, so that none needs more memory than it may.

What is described of a customer depends on that customer alone. Tables of groups and joins of a part fit in memory,
where those of everyone would be written to disk and read again.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow.parquet as pq

from data.intake.sql import quote
from features.engine.compiled import Query

# Rows of transactions and events that are described at once. Of a million customers (15 million rows) describing takes
# 39 processor seconds and 2.4 GB as a whole, 31 and 1.1 in parts of so many rows.
PART_ROWS = 2_000_000
_CUSTOMER = "customer_id"
# Rows of a file that are looked at: a group of rows of the intake's.
_FIRST_ROWS = 122_880


@dataclass(frozen=True)
class Parts:
    """Queries that are run one after the other, whose rows together are one table.

    Attributes
    ----------
    queries : sequence of Query
        At least one, all with the same columns.
    """

    queries: Sequence[Query]

    def get_backend(self) -> Any:
        """Give the engine."""
        return self.queries[0].engine

    def to_parquet(self, file: Path, /) -> None:
        """Run them into one file."""
        with pq.ParquetWriter(file, self.queries[0].schema.to_pyarrow()) as stored:
            for query in self.queries:
                stored.write_table(query.many_to_pyarrow())


def edges_of_parts(large: Sequence[ir.Table]) -> list[str]:
    """Give the first customers of all parts but the first, in their order; none where one part holds everyone.

    Parameters
    ----------
    large
        Tables whose rows decide how many parts there are, the first with all customers.
    """
    number = math.ceil(sum(table.count().to_pyarrow().as_py() for table in large) / PART_ROWS)
    if number < 2:
        return []
    customers = large[0].select(_CUSTOMER).distinct()[_CUSTOMER]
    edges = customers.quantile([k / number for k in range(1, number)]).to_pyarrow().as_py()
    return list(dict.fromkeys(edges))


def by_customers(
    tables: Mapping[str, ir.Table], edges: Sequence[str], apart: Mapping[str, Sequence[ir.Table]]
) -> list[Mapping[str, ir.Table]]:
    """Cut tables of DuckDB's by ranges of customer_id, in their order: each customer is in one part.

    Parameters
    ----------
    tables
        By name; those without customer_id stay whole.
    edges
        As `edges_of_parts` gives them.
    apart
        By name, the parts of tables that `put_apart` has written.
    """

    def of(name: str, table: ir.Table, number: int, first: str | None, end: str | None) -> ir.Table:
        if name in apart:
            return apart[name][number]
        return _between(table, first, end) if _CUSTOMER in table.columns else table

    ranges = pairwise([None, *edges, None])
    return [
        {name: of(name, table, number, *limits) for name, table in tables.items()}
        for number, limits in enumerate(ranges)
    ]


def is_scattered(table: ir.Table, edges: Sequence[str]) -> bool:
    """Say whether the rows of a part lie all over a table, as in a file in the order of time.

    Each part would read all of it: of 15 million rows so ordered parts take 80 processor seconds and the whole 55. Only
    the time depends on what is said here.
    """
    rows = table.select(_CUSTOMER).limit(_FIRST_ROWS)
    first, last = rows.agg(first=rows[_CUSTOMER].min(), last=rows[_CUSTOMER].max()).to_pyarrow().to_pylist()[0].values()
    return first is not None and sum(first < edge <= last for edge in edges) > 1


def put_apart(table: ir.Table, edges: Sequence[str], place: Path) -> list[ir.Table]:
    """Write the rows of each part of a table of DuckDB's into a file of its own, in a new folder, and open these."""
    engine = table.get_backend()
    number = ibis.cases(*((table[_CUSTOMER] < edge, k) for k, edge in enumerate(edges)), else_=len(edges))
    sql = engine.compile(table.mutate(part_of_customers=number))
    engine.raw_sql(f"COPY ({sql}) TO {quote(str(place))} (FORMAT PARQUET, PARTITION_BY (part_of_customers))")
    ranges = [None, *edges, None]
    return [
        engine.read_parquet(files, hive_partitioning=False)
        if (files := sorted(map(str, (place / f"part_of_customers={k}").glob("*.parquet"))))
        else _between(table, *limits)
        for k, limits in enumerate(pairwise(ranges))
    ]


def _between(table: ir.Table, first: str | None, end: str | None) -> ir.Table:
    """Keep the customers from the first one on, before the end; None is no limit."""
    limits = ([] if first is None else [table[_CUSTOMER] >= first]) + ([] if end is None else [table[_CUSTOMER] < end])
    return table.filter(*limits)
