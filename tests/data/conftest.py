"""Small files for the intake, and its results as lists."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from data.intake.pipeline import Intake, Rules, Source, take_in

ONE = "customer_id,ts,amount\nA,2024-01-02,1\n"
NOW = datetime(2024, 6, 1, 12)


@dataclass
class Taken:
    """An intake and the folder it wrote."""

    intake: Intake
    folder: Path

    def rows(self, table: str, columns: str = "*") -> list[Any]:
        rows = duckdb.execute(f"SELECT {columns} FROM '{self.folder / table}.parquet'").fetchall()
        return [row[0] if len(row) == 1 else row for row in rows]

    def reasons(self, table: str = "transactions") -> dict[str, int]:
        return dict(self.intake.tables[table].reasons)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a small file and give its path."""

    def writer(content: str | bytes, name: str = "input.csv") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


@pytest.fixture
def take(tmp_path: Path, write: Callable[..., Path]) -> Callable[..., Taken]:
    """Take in tables given as CSV text, as paths or as sources; no share of bad rows is too large."""

    def taker(transactions: Any = None, rules: dict[str, Any] | None = None, /, **tables: Any) -> Taken:
        options = {name: tables.pop(name) for name in list(tables) if name not in ("answers", "events", "customers")}
        contents = {"transactions": ONE if transactions is None else transactions, **tables}
        sources = {}
        for name, table in contents.items():
            if isinstance(table, (str, bytes)):
                table = write(table, f"{name}.csv")
            if not isinstance(table, Source):
                table = Source(table, **(options if name == "transactions" else {}))
            sources[name] = table
        settings = {"now": NOW, "quarantine_limit": 1.0} | (rules or {})
        folder = tmp_path / "clean"
        return Taken(take_in(sources, folder, Rules(**settings)), folder)

    return taker


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write the result of a query as Parquet and give its path."""

    def writer(query: str, name: str = "input.parquet") -> Path:
        duckdb.execute(f"COPY ({query}) TO '{tmp_path / name}' (FORMAT parquet)")
        return tmp_path / name

    return writer
