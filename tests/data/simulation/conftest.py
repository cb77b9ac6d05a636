"""Simulated shops, each as a DuckDB connection with a view for each of its tables."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data.simulation.shop import ShopSettings, textbook, write_shop

CUSTOMERS, DAYS = 30_000, 730


@pytest.fixture(scope="session")
def end() -> datetime:
    """The end of the shops `shop` and `book`."""
    return datetime(2023, 1, 1) + timedelta(days=DAYS)


@pytest.fixture(scope="session")
def views() -> Callable[[Mapping[str, Path]], duckdb.DuckDBPyConnection]:
    """Open a connection with a view for each table of a shop."""

    def open_views(paths: Mapping[str, Path]) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect()
        for name, path in paths.items():
            connection.execute(f"create view {name} as from read_parquet('{path}')")
        return connection

    return open_views


@pytest.fixture(scope="session")
def one() -> Callable[[duckdb.DuckDBPyConnection, str], Any]:
    """Run a query that has one row, and return the row, or its only value."""

    def fetch_one(connection: duckdb.DuckDBPyConnection, query: str) -> Any:
        [row] = connection.execute(query).fetchall()
        return row[0] if len(row) == 1 else row

    return fetch_one


@pytest.fixture(scope="session")
def shop(tmp_path_factory, views) -> duckdb.DuckDBPyConnection:
    """A default shop, two blocks of customers."""
    settings = ShopSettings(csat_share=0.5)
    return views(write_shop(tmp_path_factory.mktemp("shop"), CUSTOMERS, seed=11, days=DAYS, settings=settings))


@pytest.fixture(scope="session")
def book(tmp_path_factory, views) -> duckdb.DuckDBPyConnection:
    """A textbook shop of the same size."""
    return views(write_shop(tmp_path_factory.mktemp("book"), CUSTOMERS, seed=12, days=DAYS, settings=textbook()))
