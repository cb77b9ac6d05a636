"""The clean tables that everything is computed from, and the results that a run keeps of them."""

import tempfile
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from data.errors import InputError
from features.engine.compiled import Rows
from features.engine.described_before import Described, DescribedBefore
from features.engine.parts import Parts
from features.engine.stored import StoredTable
from features.returns.matching import NO_RETURNS

T = TypeVar("T")

# What the engine may hold before it spills to disk. To describe a million customers at once takes 4.4 GB and 41 seconds
# of processor time where it may, within 2 GB 48, within 1 GB 71; in parts (`features.engine.parts`) 34 and 1.1 GB.
ENGINE_MEMORY = "2GB"
# Bytes of clean files below which the engine works with one thread, and keeps its memory. Of 20,000 customers (8 MB)
# another thread takes a tenth more processor seconds of its queries (6.3 instead of 5.5 of a retraining) and shortens
# none of them by half; memory that is given back and taken again costs .6 s of a retraining, and is 60 to 170 MB.
SMALL = 16 * 2**20
_small_engines: WeakSet[Any] = WeakSet()


def give_memory_back(table: Rows | Parts | Described) -> None:
    """Let the engine that holds a table, and Arrow, give the memory back that they no longer use.

    They keep it for their next query, and the process seems to need it: after 200,000 customers were described and read
    1.1 of 1.6 GB. Those of a small shop hold little and may keep it.
    """
    engine = table.get_backend()
    if engine in _small_engines:
        return
    if engine.name == "duckdb":
        # Setting a limit, be it the same, empties the engine's allocator.
        engine.raw_sql(f"SET memory_limit = '{ENGINE_MEMORY}'")
    pa.default_memory_pool().release_unused()


class Workspace:
    """Keeps what was computed of one set of tables, so that nobody computes it again.

    Parameters
    ----------
    folder : Path, optional
        Where tables are kept; a temporary folder of its own unless given.

    Attributes
    ----------
    before : DescribedBefore or None
        Where everyone at the date of the run is kept for the next one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.before: DescribedBefore | None = None
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
                # Without its frames, which hold tables and their engine as long as the error is kept.
                self._results[key] = error.with_traceback(None)
        result = self._results[key]
        if isinstance(result, InputError):
            raise type(result)(*result.args)
        return result  # type: ignore[no-any-return]

    def table(self, key: Hashable, expression: Callable[[], Rows | Parts | Described]) -> StoredTable:
        """Return the rows of an expression, which is run at the first call only, straight into a file of the folder."""

        def write() -> StoredTable:
            # The expression may write files of its own: the name comes after theirs.
            rows = expression()  # It may write files of its own, which are named before.
            file = self.folder / f"{len(self._results):04d}.parquet"
            rows.to_parquet(file)
            give_memory_back(rows)
            return StoredTable(file, self._temporary)

        return self.once(key, write)

    @property
    def folder(self) -> Path:
        """Where tables are kept, made when it is first needed."""
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="revealed-work-")
            self._folder = Path(self._temporary.name)
        self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder


@dataclass(frozen=True)
class Sample:
    """What tables hold of a larger base: all rows of customers whom `features.spine.is_drawn` draws by one seed.

    Attributes
    ----------
    customers : float
        Share of the customers that is there, 0 to 1.
    respondents : float
        Share of those who answered that is in `surveyed`, at least that of the customers.
    surveyed : Tables
        The same customers, and so many of those who answered.
    """

    customers: float
    respondents: float
    surveyed: "Tables"


@dataclass(frozen=True)
class Tables:
    """The clean tables of one shop; a table that was not given is None.

    Times are naive timestamps in the shop's zone, money is DECIMAL(18,4). `available_at` is never null and never
    before `ts`. Transactions without any return have a column that says so, `features.returns.matching.NO_RETURNS`.

    Attributes
    ----------
    sample : Sample or None
        What they hold of a larger base; None where they hold everyone. Their answers are those of `Sample.surveyed`.
    workspace : Workspace
        What was computed of these tables; tables made of others by `dataclasses.replace` begin with an empty one.
    """

    transactions: ir.Table
    answers: ir.Table | None = None
    events: ir.Table | None = None
    customers: ir.Table | None = None
    sample: Sample | None = field(default=None, repr=False, compare=False)
    workspace: Workspace = field(default_factory=Workspace, init=False, repr=False, compare=False)

    @property
    def surveyed(self) -> "Tables":
        """The tables in which those who answered are all there, or as many as are learned from."""
        return self if self.sample is None else self.sample.surveyed


def open_tables(folder: Path, before: DescribedBefore | None = None) -> Tables:
    """Open the clean Parquet files of a folder in an embedded engine of their own.

    Parameters
    ----------
    folder
        Holds `transactions.parquet` and, where they were given, `answers.parquet`, `events.parquet` and
        `customers.parquet`.
    before
        Where everyone at the date of the run is kept for the next one; None: nowhere.

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
    connection = ibis.duckdb.connect(temp_directory=str(folder / "spilled"), memory_limit=ENGINE_MEMORY)
    if sum(file.stat().st_size for file in folder.glob("*.parquet")) <= SMALL:
        connection.raw_sql("SET threads = 1")
        _small_engines.add(connection)

    def opened(name: str) -> ir.Table | None:
        file = folder / f"{name}.parquet"
        return connection.read_parquet(file, table_name=name) if file.exists() else None

    transactions = connection.read_parquet(folder / "transactions.parquet", table_name="transactions")
    tables = tables_of(transactions, opened("answers"), opened("events"), opened("customers"))
    tables.workspace.before = before
    return tables


def tables_of(
    transactions: ir.Table,
    answers: ir.Table | None = None,
    events: ir.Table | None = None,
    customers: ir.Table | None = None,
) -> Tables:
    """Put clean tables of an engine together, and see whether anything was returned."""
    least = transactions.amount.min().to_pyarrow().as_py()
    if least is None or least >= 0:
        transactions = transactions.mutate(**{NO_RETURNS: True})
    return Tables(transactions, answers, events, customers)
