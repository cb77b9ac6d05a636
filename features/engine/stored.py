"""Tables in files of a run: read whole, or by column, by row or in batches where they may not fit in memory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

# Rows that are read at once. At 100 columns of doubles they take 50 MB. Of a quarter of a million rows the system has
# to make so much new memory ready that scoring a million customers takes a sixth longer, of half as many rows as here
# what is done once a batch takes as much.
BATCH_ROWS = 65_536
# Rows that are read from a file at once. Of a table that holds no more all columns are read with the first one: 20,000
# customers' are read in 25 ms, one of a hundred by itself in 1.2.
_CHUNK_ROWS = 65_536


def to_frame(rows: pa.Table, *, by_column: bool = False) -> pd.DataFrame:
    """Give rows as a frame: doubles as float64 (NaN for null), dates and times as datetime64[us], text as str.

    By column each lies by itself: those without nulls as Arrow has them, without a copy. It suits what reads columns.
    """
    frame: pd.DataFrame = rows.to_pandas(date_as_object=False, split_blocks=by_column)
    for column in rows.schema:
        if pa.types.is_date(column.type) or pa.types.is_timestamp(column.type):
            frame[column.name] = frame[column.name].astype("datetime64[us]")
        elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            frame[column.name] = frame[column.name].astype("str")
    return frame


@dataclass(frozen=True)
class StoredTable:
    """A table in the folder of a run: read whole, or by column, by row or in batches where it may not fit in memory.

    A temporary folder lasts as long as one of its tables.
    """

    file: Path
    folder: object = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, frames: Iterable[pd.DataFrame], file: Path, folder: object, schema: pa.Schema | None = None) -> Self:
        """Write frames of the same columns, one at least, into a new file, so that one at a time is in memory."""
        parts = (pa.Table.from_pandas(frame, schema=schema, preserve_index=False) for frame in frames)
        first = next(parts)
        with pq.ParquetWriter(file, first.schema) as writer:
            for part in chain([first], parts):
                writer.write_table(part)
        return cls(file, folder)

    def __len__(self) -> int:
        return int(self._metadata.num_rows)

    @cached_property
    def _metadata(self) -> pq.FileMetaData:
        """Read once, as a file does not change: of a hundred columns it takes as long as a few thousand rows."""
        return pq.read_metadata(self.file)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns; the file is read once for them, as many ask for one name after the other."""
        return tuple(self._metadata.schema.to_arrow_schema().names)

    def __getitem__(self, name: str) -> pd.Series:
        """Read all rows of one column."""
        small = self._whole_if_small
        return self.frame([name])[name] if small is None else small[name]

    @cached_property
    def _whole_if_small(self) -> pd.DataFrame | None:
        return self.frame() if len(self) <= _CHUNK_ROWS else None

    def frame(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Read all rows of some columns (all unless told), as `to_frame` gives them."""
        with pq.ParquetFile(self.file, metadata=self._metadata) as stored:
            return to_frame(stored.read(columns=None if columns is None else list(columns)))

    def batches(self, columns: Sequence[str] | None = None, rows: int | None = None) -> Iterator[pd.DataFrame]:
        """Read some columns in batches of so many rows, at least one batch; the index counts the rows of the table."""
        first = 0
        for part in self.parts(rows or BATCH_ROWS, columns):
            frame = to_frame(part, by_column=True)
            frame.index = pd.RangeIndex(first, first + len(frame))
            first += len(frame)
            yield frame
        pa.default_memory_pool().release_unused()

    def parts(self, rows: int, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """Read some columns in parts of so many rows, as they are stored, at least one part."""
        names = None if columns is None else list(columns)
        with pq.ParquetFile(self.file, metadata=self._metadata) as stored:
            metadata = stored.schema_arrow.metadata
            if not stored.metadata.num_rows:
                yield stored.read(columns=names)
            for chunks in gathered(stored.iter_batches(min(rows, _CHUNK_ROWS), columns=names), rows):
                yield pa.Table.from_batches(chunks).replace_schema_metadata(metadata)

    def take(
        self, places: "Sequence[int] | npt.NDArray[Any] | pd.Index[Any]", columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Read some rows by their places, in the order of the places, which become the index."""
        wanted, names = np.asarray(places, dtype=np.int64), None if columns is None else list(columns)
        rows, first = np.unique(wanted), 0
        parts: list[pa.RecordBatch] = []
        with pq.ParquetFile(self.file, metadata=self._metadata) as stored:
            for chunk in stored.iter_batches(_CHUNK_ROWS, columns=names):
                # Only the rows that are wanted become a frame.
                start, end = np.searchsorted(rows, [first, first + len(chunk)])
                parts.append(chunk.take(pa.array(rows[start:end] - first)))
                first += len(chunk)
        frame = to_frame(pa.Table.from_batches(parts)) if parts else self.frame(columns)
        frame.index = pd.Index(rows)
        return frame.loc[wanted]


def gathered(chunks: Iterator[pa.RecordBatch], rows: int) -> Iterator[list[pa.RecordBatch]]:
    """Put chunks together to so many rows, and cut the last one of each where it exceeds them."""
    gathered: list[pa.RecordBatch] = []
    missing = rows
    for chunk in chunks:
        rest = chunk
        while len(rest) >= missing:
            yield [*gathered, rest.slice(0, missing)]
            rest, gathered, missing = rest.slice(missing), [], rows
        if len(rest):
            gathered.append(rest)
            missing -= len(rest)
    if gathered:
        yield gathered
