"""What one run computes of its tables: each result once, tables as Parquet in the run's folder."""

import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

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
