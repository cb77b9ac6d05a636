"""The table of one version's scores, asked with DuckDB where its Parquet files lie."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from data.intake.sql import identifier, quote
from flows.app.reading.filters import EVERYONE, ORDERS, Conditions
from models.population.scores_table import COLUMNS, COMMON, SCHEMA

Row = dict[str, Any]

# What the engine may hold; a page of a million customers needs a tenth of it.
MEMORY = "1GB"
# Rows of a download that are in memory at once.
_BATCH = 50_000
_TYPES = {"string": "VARCHAR", "double": "DOUBLE", "int64": "BIGINT", "date32[day]": "DATE"}
# What a page of customers shows.
PAGE_COLUMNS = (
    "customer_id",
    "segment",
    "nps_category",
    "next_purchase_index",
    "expected_revenue",
    "clv",
    "p_churn",
    "last_purchase",
)
# What groups, filters and orders read: this much of everyone may be held in memory.
HELD_COLUMNS = (
    *PAGE_COLUMNS,
    "persona",
    "rfm",
    "first_purchase",
    "p_purchase",
    "expected_purchases",
)
# Groups of customers are told by these means and sums.
_GROUP = (
    "count(*) AS customers, avg(next_purchase_index) AS next_purchase_index, "
    "sum(expected_revenue) AS expected_revenue, avg(clv) AS clv, avg(p_churn) AS p_churn"
)


class Scores:
    """Answers questions about the customers of one version. What a user types reaches the engine as values only.

    Parameters
    ----------
    place : Path
        A Parquet file, or a folder of such files that a cluster wrote.

    Raises
    ------
    duckdb.Error
        Here and in each method, where the files cannot be read.
    """

    def __init__(self, place: Path) -> None:
        self._connection = duckdb.connect()
        run = self._connection.execute
        run(f"SET memory_limit = '{MEMORY}'")
        # Each thread answers its own request, so that what is held in the background takes one core and not all.
        run("SET threads = 1")
        # Nothing is fetched, and no other file can be read.
        allowed = "allowed_directories" if place.is_dir() else "allowed_paths"
        run(f"SET {allowed} = [{quote(str(place))}]")
        for setting in ("autoinstall_known_extensions", "autoload_known_extensions", "enable_external_access"):
            run(f"SET {setting} = false")
        run("SET lock_configuration = true")
        source = f"read_parquet({quote(str(place / '*.parquet' if place.is_dir() else place))})"
        there = {row[0] for row in run(f"DESCRIBE SELECT * FROM {source}").fetchall()}
        # A table of an earlier release may lack columns.
        columns = [
            identifier(field.name)
            if field.name in there
            else f"NULL::{_TYPES[str(field.type)]} AS {identifier(field.name)}"
            for field in SCHEMA
        ]
        run(f"CREATE VIEW scores AS SELECT {', '.join(columns)} FROM {source}")
        self._everyone = "scores"

    def hold(self) -> bool:
        """Hold in memory what groups, filters and orders read, so that the file is not decoded for each page.

        Each customer is held with the place in each order: a page in the middle is then found as fast as the first one.
        Of a million customers that is 170 MB. A base that does not fit is read from the file each time; then it gives
        False.
        """
        # What goes wrong with the file is told by the next page that reads it.
        with suppress(duckdb.Error):
            columns = ", ".join(map(identifier, HELD_COLUMNS))
            cursor = self._connection.cursor()
            cursor.execute(f"CREATE TABLE sorted AS SELECT {columns} FROM scores ORDER BY customer_id")
            places = pa.table({_place(order): _places(cursor, column) for order, column in ORDERS.items()})
            cursor.register("places", places)
            cursor.execute("CREATE TABLE held AS SELECT * FROM sorted POSITIONAL JOIN places")
            cursor.unregister("places")
            cursor.execute("DROP TABLE sorted")
            self._everyone = "held"
        return self._everyone == "held"

    def page(self, conditions: Conditions, order: str, first: int, rows: int) -> list[Row]:
        """Return some rows of the customers that fulfil conditions, in one of `ORDERS`."""
        columns, everyone = ", ".join(map(identifier, PAGE_COLUMNS)), self._everyone
        if everyone == "scores":
            column = ORDERS[order]
            by = "customer_id" if column is None else f"{identifier(column)} DESC NULLS LAST, customer_id"
            selected = f"SELECT {columns} FROM scores {conditions.sql} ORDER BY {by}"
            return self._rows(f"{selected} LIMIT {rows} OFFSET {first}", conditions.values)
        place = _place(order)
        # Of everyone a page is known by its places; else places alone are sorted. Other columns are read of its rows.
        shown = f"{place} BETWEEN {first + 1} AND {first + rows}"
        if conditions.parts:
            wanted = f"SELECT {place} FROM held {conditions.sql} ORDER BY 1 LIMIT {rows} OFFSET {first}"
            shown = f"{place} IN ({wanted})"
        return self._rows(f"SELECT {columns} FROM held WHERE {shown} ORDER BY {place}", conditions.values)

    def total(self, conditions: Conditions = EVERYONE) -> Row:
        """Count the customers that fulfil conditions, with their means and sums."""
        return self._rows(f"SELECT {_GROUP} FROM {self._everyone} {conditions.sql}", conditions.values)[0]

    def groups(self, column: str) -> list[Row]:
        """Describe the customers of each value of a column, the largest group first; a customer without is in none."""
        name = identifier(_known(column))
        query = (
            f"SELECT {name} AS name, {_GROUP} FROM {self._everyone} WHERE {name} IS NOT NULL "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        )
        return self._rows(query)

    def values(self, columns: Sequence[str]) -> dict[str, list[str]]:
        """List the values of columns that have few, each in alphabetical order; all columns are read at once."""
        lists = ", ".join(
            f"list_sort(list(DISTINCT {(name := identifier(_known(each)))})) AS {name}" for each in columns
        )
        row = self._rows(f"SELECT {lists} FROM {self._everyone}")[0]
        return {each: [value for value in row[each] or () if value is not None] for each in columns}

    def months(self) -> list[Row]:
        """Describe the customers of each month of first purchase, the newest first."""
        month = "strftime(first_purchase, '%Y-%m')"
        return self._rows(f"SELECT {month} AS name, {_GROUP} FROM {self._everyone} GROUP BY 1 ORDER BY 1 DESC")

    def index_of(self, customer: str) -> float | None:
        """Return a customer's next purchase index; None without scores, or without a forecast."""
        found = self._rows("SELECT next_purchase_index FROM scores WHERE customer_id = ?", [customer])
        return found[0]["next_purchase_index"] if found else None

    def customer(self, customer: str) -> Row | None:
        """Return the scores of one customer; None if there are none."""
        found = self._rows("SELECT * FROM scores WHERE customer_id = ?", [customer])
        return found[0] if found else None

    def near(self, customer: str) -> str | None:
        """Return an id that differs in blanks, case or zeros before it."""
        query = f"SELECT customer_id FROM {self._everyone} WHERE ltrim(lower(trim(customer_id)), '0') = ? LIMIT 1"
        found = self._rows(query, [customer.strip().lower().lstrip("0")])
        return None if not found else str(found[0]["customer_id"])

    def shares_below(self, row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, float | None]:
        """Return, for each of some columns, the share of the customers whose value is below that of a row."""
        known = [column for column in columns if row[_known(column)] is not None]
        if not known:
            return dict.fromkeys(columns)
        parts = [f"count(*) FILTER ({identifier(each)} < ?) / count({identifier(each)})" for each in known]
        values = self._execute(
            f"SELECT {', '.join(parts)} FROM {self._everyone}", [row[each] for each in known]
        ).fetchone()
        assert values is not None, "an aggregate has one row"
        return dict.fromkeys(columns) | dict(zip(known, values, strict=True))

    def batches(self, conditions: Conditions) -> Iterator[pa.Table]:
        """Yield all rows that fulfil conditions, in the order of the file, a batch at a time; at least one batch."""
        asked = self._connection.cursor().sql(f"SELECT * FROM scores {conditions.sql}", params=list(conditions.values))
        reader = asked.to_arrow_reader(_BATCH)
        is_empty = True
        for batch in reader:
            is_empty = False
            yield pa.Table.from_batches([batch])
        if is_empty:
            yield reader.schema.empty_table()

    def _execute(self, query: str, values: Sequence[Any] = ()) -> Any:
        # A cursor for each question: requests come in several threads.
        return self._connection.cursor().execute(query, list(values))

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        done = self._execute(query, values)
        names = [column[0] for column in done.description]
        return [dict(zip(names, row, strict=True)) for row in done.fetchall()]


def _place(order: str) -> str:
    """Name the column that holds the places in an order."""
    return f"place_by_{order}"


def _places(cursor: duckdb.DuckDBPyConnection, column: str | None) -> pa.Array:
    """Give the place of each row in an order, from 1: of a column, the largest first, or as they lie."""
    if column is None:
        return cursor.sql("SELECT row_number() OVER ()::INTEGER AS place FROM sorted").to_arrow_table()["place"]
    values = cursor.sql(f"SELECT {identifier(column)} AS value FROM sorted").to_arrow_table()["value"]
    ranks = pc.rank(values, sort_keys="descending", tiebreaker="first")
    return ranks.cast(pa.int32())


def _known(column: str) -> str:
    if column not in COLUMNS:
        raise ValueError(f"the scores have no column {column!r}")
    return column


def schema_file(place: Path) -> Path:
    """Return the file that holds the schema and the metadata of published scores."""
    return place / COMMON if place.is_dir() else place
