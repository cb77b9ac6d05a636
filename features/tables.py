"""The clean tables that everything is computed from, opened where they lie."""

from dataclasses import dataclass, field
from pathlib import Path

import ibis
import ibis.expr.types as ir

from data.errors import InputError
from features.workspace import Workspace


@dataclass(frozen=True)
class Tables:
    """The clean tables of one shop; a table that was not given is None.

    Times are naive timestamps in the shop's zone, money is DECIMAL(18,4). `available_at` is never null and never
    before `ts`.

    Attributes
    ----------
    workspace : Workspace
        What was computed of these tables; tables made of others by `dataclasses.replace` begin with an empty one.
    """

    transactions: ir.Table
    answers: ir.Table | None = None
    events: ir.Table | None = None
    customers: ir.Table | None = None
    workspace: Workspace = field(default_factory=Workspace, init=False, repr=False, compare=False)


def open_tables(folder: Path) -> Tables:
    """Open the clean Parquet files of a folder in an embedded engine of their own.

    Parameters
    ----------
    folder
        Holds `transactions.parquet` and, where they were given, `answers.parquet`, `events.parquet` and
        `customers.parquet`.

    Raises
    ------
    InputError
        If the folder holds no `transactions.parquet`.
    """
    if not (folder / "transactions.parquet").exists():
        raise InputError(
            f"{folder} holds no transactions.parquet. Expected the folder that the intake writes; take the "
            "transactions in first, or name the folder they were taken into."
        )
    # What does not fit in memory spills beside the tables, not into the working folder.
    connection = ibis.duckdb.connect(temp_directory=str(folder / "spilled"))

    def opened(name: str) -> ir.Table | None:
        file = folder / f"{name}.parquet"
        return connection.read_parquet(file, table_name=name) if file.exists() else None

    return Tables(
        transactions=opened("transactions"),
        answers=opened("answers"),
        events=opened("events"),
        customers=opened("customers"),
    )
