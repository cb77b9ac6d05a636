"""A shop in memory, with the columns of the clean tables, from a few readable rows."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pandas as pd
import pyarrow as pa
import pytest

from features.returns.matching import NO_RETURNS
from features.tables import Tables

MONEY = pa.decimal128(18, 4)
TIME = pa.timestamp("us")
TEXT = pa.string()
SCHEMAS = {
    "transactions": pa.schema(
        {
            "customer_id": TEXT,
            "ts": TIME,
            "available_at": TIME,
            "amount": MONEY,
            "order_id": TEXT,
            "line_id": TEXT,
            "category": TEXT,
            "channel": TEXT,
            "store": TEXT,
            "quantity": MONEY,
            "discount": MONEY,
            "cost": MONEY,
        }
    ),
    "answers": pa.schema(
        {
            "customer_id": TEXT,
            "question": TEXT,
            "score": pa.int32(),
            "scale_low": pa.int32(),
            "scale_high": pa.int32(),
            "invited_at": TIME,
            "answered_at": TIME,
            "comment": TEXT,
            "touchpoint": TEXT,
            "attribute": TEXT,
            "importance": MONEY,
        }
    ),
    "events": pa.schema(
        {
            "customer_id": TEXT,
            "ts": TIME,
            "available_at": TIME,
            "kind": TEXT,
            "value": MONEY,
            "due_at": TIME,
            "duration_s": MONEY,
        }
    ),
    "customers": pa.schema(
        {
            "customer_id": TEXT,
            "valid_from": TIME,
            "cost_to_serve": MONEY,
            "age": pa.float64(),
            "region": TEXT,
        }
    ),
}
ANSWER_DEFAULTS = {"question": "nps", "scale_low": 0, "scale_high": 10}
Rows = Sequence[Mapping[str, Any]]


def _cell(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if kind == TIME and isinstance(value, str):
        return datetime.fromisoformat(value)
    if kind == MONEY:
        return Decimal(str(value))
    return value


def _arrow(name: str, rows: Rows) -> pa.Table:
    defaults = ANSWER_DEFAULTS if name == "answers" else {}
    columns = {}
    for field in SCHEMAS[name]:
        cells = []
        for row in rows:
            value = row.get(field.name, defaults.get(field.name))
            if field.name == "available_at" and value is None:
                value = row["ts"]
            cells.append(_cell(value, field.type))
        columns[field.name] = pa.array(cells, type=field.type)
    return pa.table(columns, schema=SCHEMAS[name])


@pytest.fixture(scope="session")
def clean_rows() -> Callable[[str, Rows], pa.Table]:
    """Give rows the columns and types of a clean table."""
    return _arrow


@pytest.fixture(scope="session")
def shop() -> Callable[..., Tables]:
    """Build the clean tables from rows; times as ISO text, money as numbers, `threads` of the engine."""

    def build(
        transactions: Rows,
        events: Rows | None = None,
        answers: Rows | None = None,
        customers: Rows | None = None,
        threads: int = 1,
    ) -> Tables:
        connection = ibis.duckdb.connect()
        connection.raw_sql(f"SET threads = {threads}")
        rows_of = {"transactions": transactions, "events": events, "answers": answers, "customers": customers}
        tables = {
            name: connection.create_table(name, _arrow(name, rows))
            for name, rows in rows_of.items()
            if rows is not None
        }
        # As tables of files are opened; a shop without rows is filled later.
        if transactions and not any(Decimal(str(row["amount"])) < 0 for row in transactions):
            tables["transactions"] = tables["transactions"].mutate(**{NO_RETURNS: True})
        return Tables(**tables)

    return build


@pytest.fixture(scope="session")
def cdnow() -> pd.DataFrame:
    """All purchases of CDNOW (customer_id, day, amount), as they ship with lifetimes."""
    import lifetimes

    file = Path(lifetimes.__file__).parent / "datasets" / "CDNOW_master.txt"
    frame = pd.read_csv(file, sep=r"\s+", dtype=str, header=0, names=["customer_id", "day", "items", "amount"])
    return frame.assign(day=pd.to_datetime(frame.day, format="%Y%m%d"))
