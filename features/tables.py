"""The clean tables that everything is computed from, and the results that a run keeps of them."""

import tempfile
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import InputError

T = TypeVar("T")


class Workspace:
    """Keeps what was computed of one set of tables, so that nobody computes it again.

    Parameters
    ----------
    folder : Path, optional
        Where tables are kept; a temporary folder of its own unless given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._results: dict[Hashable, Any] = {}

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return the result of a computation, which is made at the first call only.

        Parameters
        ----------
        key : Hashable
            Names the result: what it is, and everything it depends on beside the tables.
        compute : callable
            Computes it. An `InputError` is a result, too: it is raised again at each call.
        """
        if key not in self._results:
            try:
                self._results[key] = compute()
            except InputError as error:
                self._results[key] = error
        result = self._results[key]
        if isinstance(result, InputError):
            raise result
        return result  # type: ignore[no-any-return]

    def table(self, key: Hashable, compute: Callable[[], pa.Table]) -> pa.Table:
        """Return a table that is computed at the first call, written to the folder, and read from there since."""

        def write() -> Path:
            file = self.folder / f"{len(self._results):04d}.parquet"
            pq.write_table(compute(), file)
            return file

        return pq.read_table(self.once(key, write))

    @property
    def folder(self) -> Path:
        """Where tables are kept, made when it is first needed."""
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="revealed-work-")
            self._folder = Path(self._temporary.name)
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder


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
