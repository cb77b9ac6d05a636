"""Several sources of one table: put below each other, whatever columns each has, and the rows of customers joined."""

from collections.abc import Mapping, Sequence
from functools import reduce

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
from ibis.common.exceptions import IbisTypeError

from data.errors import InputError
from data.intake.cluster.session import ClusterBackend

SOURCE = "source_of_the_row"
"""Of customers in several sources, the number of the one that a row is from."""

_KEYS = ("customer_id", "valid_from")


def put_together(
    backend: ClusterBackend,
    tables: Sequence[ir.Table],
    matches: Sequence[Mapping[str, str]],
    names: Sequence[str],
    table: str,
) -> tuple[ir.Table, dict[str, str]]:
    """Put sources of one table below each other; a column that one does not have is null there.

    Parameters
    ----------
    backend
        The session with the cluster.
    tables, matches, names
        Of each source its rows, as a table of the session by name; the names in the contract (or of attributes) ->
        names in the source; and what to call it.
    table
        Which of the four tables it is.

    Returns
    -------
    Table, dict of str to str
        The rows, with the columns that any source has, and `SOURCE` where there are several of customers; and the
        names of the columns.

    Raises
    ------
    InputError
        Where a column has types that have nothing in common.
    """
    if len(tables) == 1:
        return tables[0], dict(matches[0])
    _check_types(tables, matches, names, table)
    frames = []
    for number, (rows, match) in enumerate(zip(tables, matches, strict=True)):
        frame = backend.session.table(rows.get_name())
        frame = frame.select(*(frame[column].alias(name) for name, column in match.items()))
        # Columns of both kinds, moments and times of a clock, keep their type, which Ibis does not tell apart.
        frames.append(frame.selectExpr("*", f"{number} AS {SOURCE}") if table == "customers" else frame)
    together = reduce(lambda above, below: above.unionByName(below, allowMissingColumns=True), frames)
    together.createOrReplaceTempView(f"sources_of_{table}")
    rows = backend.table(f"sources_of_{table}")
    return rows, {name: name for name in rows.columns if name != SOURCE}


def _check_types(
    tables: Sequence[ir.Table], matches: Sequence[Mapping[str, str]], names: Sequence[str], table: str
) -> None:
    for column in dict.fromkeys(column for match in matches for column in match):
        there = [
            (kinds[match[column]].copy(nullable=True), name)
            for kinds, match, name in zip((each.schema() for each in tables), matches, names, strict=True)
            if column in match
        ]
        try:
            dt.highest_precedence([kind for kind, _ in there])
        except IbisTypeError:
            kinds = ", ".join(f"{kind} in {name}" for kind, name in there)
            raise InputError(
                f"{table}: the column {column!r} is of several types: {kinds}. Cast it in a view of the cluster, and "
                "name that."
            ) from None


def join_customers(backend: ClusterBackend, staged: ir.Table, told: Sequence[str]) -> tuple[ir.Table, int]:
    """Join the rows that sources hold of one customer from one date on; give how many rows were joined to others.

    As with files, a customer with two rows in one source, or with two values in one column, is left as found.

    Parameters
    ----------
    backend
        The session with the cluster.
    staged
        Kept rows with `SOURCE`, each with its violation.
    told
        The columns of a row but for the customer and the date.
    """
    valid = staged.filter(staged.violation.isnull())
    counts = {f"values_{k}": valid[name].nunique() for k, name in enumerate(told)}
    sums = valid.group_by(list(_KEYS)).agg(
        rows=valid.count(), sources=valid[SOURCE].nunique(), **counts, **{name: valid[name].max() for name in told}
    )
    agree = [sums[name] < 2 for name in counts]
    joined = sums.filter(sums.rows > 1, sums.rows == sums.sources, *agree)
    joined = joined.select(**{f"joined_{name}": joined[name] for name in joined.columns})
    kept = backend.keep(joined, "joined_customers")
    removed = int((kept.joined_rows.sum() - kept.count()).to_pyarrow().as_py() or 0)
    rows = staged.drop(SOURCE)
    if not removed:
        return rows, 0
    key = [rows.customer_id == kept.joined_customer_id, rows.valid_from.identical_to(kept.joined_valid_from)]
    others = rows.left_join(kept, key)
    others = others.filter(others.violation.notnull() | others.joined_customer_id.isnull()).select(rows.columns)
    values = {name: kept[f"joined_{name}"] for name in rows.columns if name != "violation"}
    whole = kept.select(violation=ibis.null(rows.violation.type()), **values).select(*rows.columns)
    return backend.keep(others.union(whole), "staged_customers"), removed
