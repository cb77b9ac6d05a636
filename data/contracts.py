"""The contracts of the four tables that come in: their columns, and what each holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["id", "text", "time", "number", "score", "scale"]

NUMBER = "DECIMAL(18, 4)"
"""Money and every other number: 14 digits before the point and 4 after it, summed exactly."""

LONGEST_ID, LONGEST_NAME = 256, 1_000
"""Most characters of an id (and of a kind of event), and of a name: a category, a question, a column of a file.

Every id that is in use is far shorter (a UUID has 36, a hash in hexadecimal digits 128, an e-mail address at most 254);
a longer one is the rest of a file that was read wrongly, such as lines after a quote that was never closed, and would
stand in each table, message and report. Comments may be longer.
"""

MOST_COLUMNS = 1_000
"""Most columns of a file. Wider ones are matrices, a column for each product or day, and no table of rows as here."""

SCALES: Mapping[str, tuple[int, int]] = {
    "nps": (0, 10),
    "csat": (1, 5),
    "ces": (1, 7),
    "csi": (1, 5),
    "cli": (1, 6),
    "miss_us": (1, 10),
}
"""Lowest and highest answer of the questions that need no column scale, by name."""


@dataclass(frozen=True)
class Column:
    """One column of a contract, as it comes in; `money` says that its numbers are amounts of money."""

    name: str
    kind: Kind
    required: bool = False
    money: bool = False


@dataclass(frozen=True)
class Contract:
    """What one table must hold, and what its clean Parquet holds.

    Parameters
    ----------
    table
        Name of the table.
    columns
        The columns that are read.
    clean
        Name and SQL type of each column of the clean Parquet, in order.
    keeps_attributes
        Whether every other column of the source is kept as well.
    """

    table: str
    columns: tuple[Column, ...]
    clean: Mapping[str, str]
    keeps_attributes: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return tuple(column.name for column in self.columns if column.required)


CONTRACTS: Mapping[str, Contract] = {
    "transactions": Contract(
        "transactions",
        (
            Column("customer_id", "id", required=True),
            Column("ts", "time", required=True),
            Column("amount", "number", required=True, money=True),
            Column("available_at", "time"),
            Column("order_id", "id"),
            Column("line_id", "id"),
            Column("category", "text"),
            Column("channel", "text"),
            Column("store", "text"),
            Column("quantity", "number"),
            Column("discount", "number", money=True),
            Column("cost", "number", money=True),
            Column("currency", "text"),
        ),
        {
            "customer_id": "VARCHAR",
            "ts": "TIMESTAMP",
            "available_at": "TIMESTAMP",
            "amount": NUMBER,
            "order_id": "VARCHAR",
            "line_id": "VARCHAR",
            "category": "VARCHAR",
            "channel": "VARCHAR",
            "store": "VARCHAR",
            "quantity": NUMBER,
            "discount": NUMBER,
            "cost": NUMBER,
        },
    ),
    "customers": Contract(
        "customers",
        (
            Column("customer_id", "id", required=True),
            Column("valid_from", "time"),
            Column("cost_to_serve", "number", money=True),
        ),
        {"customer_id": "VARCHAR", "valid_from": "TIMESTAMP", "cost_to_serve": NUMBER},
        keeps_attributes=True,
    ),
    "answers": Contract(
        "answers",
        (
            Column("customer_id", "id", required=True),
            Column("answered_at", "time", required=True),
            Column("score", "score", required=True),
            Column("question", "text"),
            Column("invited_at", "time"),
            Column("scale", "scale"),
            Column("comment", "text"),
            Column("touchpoint", "text"),
            Column("attribute", "text"),
            Column("importance", "number"),
        ),
        {
            "customer_id": "VARCHAR",
            "question": "VARCHAR",
            "score": "INTEGER",
            "scale_low": "INTEGER",
            "scale_high": "INTEGER",
            "invited_at": "TIMESTAMP",
            "answered_at": "TIMESTAMP",
            "comment": "VARCHAR",
            "touchpoint": "VARCHAR",
            "attribute": "VARCHAR",
            "importance": NUMBER,
        },
    ),
    "events": Contract(
        "events",
        (
            Column("customer_id", "id", required=True),
            Column("ts", "time", required=True),
            Column("kind", "id", required=True),
            Column("available_at", "time"),
            Column("value", "number"),
            Column("due_at", "time"),
            Column("duration_s", "number"),
        ),
        {
            "customer_id": "VARCHAR",
            "ts": "TIMESTAMP",
            "available_at": "TIMESTAMP",
            "kind": "VARCHAR",
            "value": NUMBER,
            "due_at": "TIMESTAMP",
            "duration_s": NUMBER,
        },
    ),
}
"""The four tables, in the order of the intake: answers and events must be of customers in the first two."""
