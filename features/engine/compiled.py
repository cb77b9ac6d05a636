"""Expressions that are compiled once, and run as of many dates and over many tables with the same columns.

Ibis takes a tenth of a second and more to write the SQL of a wide expression: many times what the engine takes to run
it for a small shop, and a retraining asks the same at up to seven dates. So the SQL is written once, for tables and
dates that stand in for others, and these are put in their places: the text is the one that Ibis would have written.
A store keeps it for the next run (`features.engine.kept_texts`).
"""

import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from data.intake.sql import identifier, quote
from features.engine.kept_texts import kept_text

# Writes an expression of tables (by name), dates and settings; nothing else may decide what it writes.
Write = Callable[..., ir.Table]

# Of other engines the places of tables and dates in the SQL are not known, and the expression itself is run.
_ENGINE = "duckdb"
# Years of dates that stand in for others: no shop is that old.
_FIRST_YEAR = 1601
_STANDS_IN = "stands_in_for_"
# A retraining has about thirty.
_MOST_TEXTS = 256
_numbers = count()
# Texts of selections for as long as these are used: a run asks of the same ones many times.
_places: WeakKeyDictionary[ops.Node, str] = WeakKeyDictionary()


@dataclass(frozen=True)
class Query:
    """SQL of DuckDB's, with the verbs of an expression.

    Attributes
    ----------
    engine : ibis backend
        Holds the tables that it reads.
    sql : str
        What is asked.
    schema : ibis.Schema
        Of its rows.
    """

    engine: Any
    sql: str
    schema: ibis.Schema

    def get_backend(self) -> Any:
        """Give the engine."""
        return self.engine

    def to_pyarrow(self) -> pa.Table:
        """Run it, and give its rows with the types of the schema.

        DuckDB plans it once, where it plans a relation twice, and copies its rows, which is what it warns of: planning
        takes longer than a copy of a million numbers. Of many rows see `many_to_pyarrow`.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            rows = self.engine.raw_sql(self.sql).to_arrow_table()
        return rows.cast(self.schema.to_pyarrow())

    def many_to_pyarrow(self) -> pa.Table:
        """Run it as `to_pyarrow` does, without a copy of its rows: for those that fill much of the memory."""
        return self.engine.con.sql(self.sql).to_arrow_table().cast(self.schema.to_pyarrow())

    def beside(self, rows: ir.Table, keys: Sequence[str], order: Sequence[str]) -> "Query":
        """Put its columns beside those of a table of the same engine, where both have the keys, in an order of these.

        The keys are the table's; of the order the table has the columns.
        """
        columns = [name for name in self.schema if name not in keys]
        on = " AND ".join(f"l.{identifier(key)} = r.{identifier(key)}" for key in keys)
        by = ", ".join(f"l.{identifier(name)} ASC" for name in order)
        both = ", ".join(["l.*", *(f"r.{identifier(name)}" for name in columns)])
        sql = f"SELECT {both} FROM {_place_of(rows)} AS l INNER JOIN ({self.sql}) AS r ON {on} ORDER BY {by}"
        schema = ibis.schema({**rows.schema(), **{name: self.schema[name] for name in columns}})
        return Query(self.engine, sql, schema)

    def to_parquet(self, file: Path, /) -> None:
        """Run it straight into a file."""
        self.engine.raw_sql(f"COPY ({self.sql}) TO {quote(str(file))} (FORMAT PARQUET)")

    def cache(self) -> ir.Table:
        """Run it into a table of the engine, which stays as long as the engine."""
        name = f"kept_{next(_numbers)}"
        self.engine.raw_sql(f'CREATE TEMPORARY TABLE "{name}" AS {self.sql}')
        return ops.DatabaseTable(name, schema=self.schema, source=self.engine).to_expr()


# What can be run: by `to_pyarrow`, `to_parquet` and `cache`.
Rows: TypeAlias = Query | ir.Table


def compiled(
    write: Write, tables: Mapping[str, ir.Table], dates: Sequence[date] = (), settings: Sequence[Hashable] = ()
) -> Rows:
    """Give what an expression asks of some tables as of some dates, compiled once for all tables with these columns.

    Parameters
    ----------
    write
        Writes the expression from tables (a mapping like `tables`), then the dates, then the settings, one by one. It
        compares dates with columns, and computes no other date from them.
    tables
        Of one engine, by the names that `write` knows them by.
    dates
        Each another one, or the same.
    settings
        Everything else that it depends on.

    Returns
    -------
    Query or Table
        A query of DuckDB's; of another engine, and of tables in memory, the expression.
    """
    if not is_compilable(tables):
        return write(tables, *dates, *settings)
    columns = tuple((name, table.schema()) for name, table in tables.items())
    sql, schema = _text(write, columns, len(dates), tuple(settings))
    for number, day in enumerate(dates):
        sql = sql.replace(_in_sql(_standing_in(number)), _in_sql(day))
    for name, table in tables.items():
        sql = sql.replace(f'"{_STANDS_IN}{name}"', _place_of(table))
    return Query(next(iter(tables.values())).get_backend(), sql, schema)


def given(rows: pa.Table, beside: ir.Table) -> ir.Table:
    """Give rows of this process as a table of the engine that holds another one."""
    engine = beside.get_backend()
    if engine.name != _ENGINE:
        return ibis.memtable(rows)
    table: ir.Table = engine.create_table(f"given_{next(_numbers)}", rows, temp=True)
    return table


@contextmanager
def given_meanwhile(rows: pa.Table, beside: ir.Table) -> Iterator[ir.Table]:
    """Give rows as `given` does, for as long as they are needed."""
    table = given(rows, beside)
    try:
        yield table
    finally:
        if beside.get_backend().name == _ENGINE:
            beside.get_backend().drop_table(table.get_name(), force=True)


@contextmanager
def kept_meanwhile(rows: Rows) -> Iterator[ir.Table]:
    """Keep rows as a table of the engine for as long as they are needed."""
    table = rows.cache()
    try:
        yield table
    finally:
        if isinstance(table, ir.CachedTable):
            table.release()
        else:
            table.get_backend().drop_table(table.get_name(), force=True)


@lru_cache(maxsize=_MOST_TEXTS)
def _text(
    write: Write, columns: tuple[tuple[str, ibis.Schema], ...], dates: int, settings: tuple[Hashable, ...]
) -> tuple[str, ibis.Schema]:
    """Write the SQL for tables and dates that stand in for others, and give the schema of its rows."""

    def written() -> tuple[str, ibis.Schema]:
        tables = {name: ibis.table(schema, name=f"{_STANDS_IN}{name}") for name, schema in columns}
        expression = write(tables, *(_standing_in(number) for number in range(dates)), *settings)
        return str(ibis.to_sql(expression, dialect=_ENGINE, pretty=False)), expression.schema()

    return kept_text(write, columns, dates, settings, written)


def _standing_in(number: int) -> date:
    return date(_FIRST_YEAR + number, 2, 3)


def _in_sql(day: date) -> str:
    """Write a date as the beginning of the arguments of DuckDB's MAKE_DATE and MAKE_TIMESTAMP."""
    return f"({day.year}, {day.month}, {day.day}"


def is_compilable(tables: Mapping[str, ir.Table]) -> bool:
    """Say whether all tables are DuckDB's, or selections of such, and hold no rows of this process."""
    return all(t.get_backend().name == _ENGINE and not t.op().find(ops.InMemoryTable) for t in tables.values())


def _place_of(table: ir.Table) -> str:
    """Give what stands after FROM, in the text that Ibis would have written."""
    node = table.op()
    if isinstance(node, ops.DatabaseTable):
        names = (node.namespace.catalog, node.namespace.database, node.name)
        return ".".join(identifier(name) for name in names if name)
    if node not in _places:
        _places[node] = f"({table.get_backend().compile(table)})"
    return _places[node]
