"""Places of rows in the order of a column, worked out by all executors at once."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import numpy as np

from features.spine import is_drawn

# Parts that rows are put in order in; their edges are values of so many customers, drawn by a hash of their ids.
PARTS, _DRAWN = 64, 256


def ranked(table: ir.Table, by: str, customers: int, seed: int = 0) -> ir.Table:
    """Add the place of each row, from 0 on, in ascending order of a column without nulls, ties by customer_id.

    A window over all rows would put them in order in one process. Here rows are divided by values of the column, and
    numbered within their part from the number of rows in the parts below.

    Parameters
    ----------
    table : ibis.expr.types.Table
        With customer_id; kept, as it is read three times.
    by : str
        The column.
    customers : int
        Rows of the table.
    seed : int
        Of the values that divide the rows, which changes no place.
    """
    some = table.filter(is_drawn(table.customer_id, min(_DRAWN / max(customers, 1), 1.0), seed)).limit(2 * _DRAWN)
    values = np.sort(some.select(by).to_pyarrow()[by].to_numpy().astype(float))
    edges = np.unique(values[np.linspace(0, len(values) - 1, PARTS + 1).astype(int)[1:-1]]) if len(values) else values
    parted = table.mutate(part=_part(table[by], [float(edge) for edge in edges]))
    counts = parted.group_by("part").agg(rows=parted.count()).to_pyarrow().to_pylist()
    sizes = np.zeros(len(edges) + 1, dtype=np.int64)
    for row in counts:
        sizes[int(row["part"])] = row["rows"]
    below = (np.cumsum(sizes) - sizes).tolist()
    within = ibis.row_number().over(group_by=[parted.part], order_by=[parted[by], parted.customer_id])
    first = ibis.cases(*((parted.part == part, start) for part, start in enumerate(below)), else_=0)
    return parted.mutate(place=first.cast("int64") + within.cast("int64")).drop("part")


def _part(value: ir.NumericValue, edges: Sequence[float]) -> ir.IntegerValue:
    """Count the edges that a value is not below, by halves: each row is compared with as few as there are halvings."""
    if not edges:
        return ibis.literal(0).cast("int32")

    def count(low: int, high: int) -> ir.Value:
        if low == high:
            return ibis.literal(low)
        middle = (low + high) // 2
        return ibis.ifelse(value >= ibis.literal(edges[middle], "float64"), count(middle + 1, high), count(low, middle))

    return count(0, len(edges)).cast("int32")


def tenths(table: ir.Table, by: str, customers: int) -> list[float] | None:
    """Give the share of a column's total that each tenth of the customers brings, the largest values first.

    Parameters
    ----------
    table, by, customers
        Those of `ranked`; what is below zero counts as zero.

    Returns
    -------
    list of float or None
        None of fewer than ten customers, or where the total is not positive. A customer on a border counts in parts.
    """
    if customers < 10:
        return None
    placed = ranked(table, by, customers)
    above = customers - 1 - placed.place
    value = ibis.greatest(placed[by], 0.0)
    shares = {}
    for tenth in range(10):
        low, high = customers * tenth / 10, customers * (tenth + 1) / 10
        part = ibis.greatest(ibis.least(above + 1, high) - ibis.greatest(above, low), 0.0)
        shares[f"tenth_{tenth}"] = (value * part).sum()
    [row] = placed.agg(**shares).to_pyarrow().to_pylist()
    sums = [float(row[name]) for name in shares]
    total = sum(sums)
    return [each / total for each in sums] if total > 0 else None
