"""Tables of a few customers alone: a query of pairs reads each table several times, and all of it where it is large."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import ibis.expr.types as ir

from features.engine.compiled import compiled, is_compilable, kept_meanwhile
from features.engine.parts import PART_ROWS

# Of a million customers 10,000 pairs are described in 1.4 processor seconds instead of 3.0, 60,000 in 3.3 instead of
# 5.0 and 200,000 in 7.3 instead of 9.0, where their rows are put apart first. The engine holds these meanwhile.
MOST_PAIRS = 250_000


@contextmanager
def of_few(tables: Mapping[str, ir.Table], pairs: ir.Table) -> Iterator[Mapping[str, ir.Table]]:
    """Give the rows of the customers of some pairs, where the pairs are few and the tables large; else the tables.

    Parameters
    ----------
    tables
        By name, each with customer_id.
    pairs
        A table of the same engine, with customer_id.
    """
    if not _is_worth_it(tables, pairs):
        yield tables
        return
    with ExitStack() as stack:
        own = {name: compiled(_own, {"rows": rows, "pairs": pairs}) for name, rows in tables.items()}
        yield {name: stack.enter_context(kept_meanwhile(rows)) for name, rows in own.items()}


def _is_worth_it(tables: Mapping[str, ir.Table], pairs: ir.Table) -> bool:
    if not is_compilable(tables) or sum(map(_count, tables.values())) <= PART_ROWS:
        return False
    return _count(pairs) <= MOST_PAIRS


def _count(table: ir.Table) -> int:
    return int(table.count().to_pyarrow().as_py())


def _own(tables: Mapping[str, ir.Table]) -> ir.Table:
    return tables["rows"].semi_join(tables["pairs"], "customer_id")
