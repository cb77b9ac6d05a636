"""Transitions on a cluster since earlier scores: each batch counts those of its customers, and the counts are added."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import pandas as pd
import pyarrow as pa

from features.engine.stored import BATCH_ROWS, gathered, to_frame
from models.monitoring.stability import MOVED_BY, Transitions, transitions_since
from models.population.earlier_scores import scores_of_earlier
from models.registry.cluster.scorer import BEFORE, loaded

COUNTED = ("kind", "row", "row_name", "column", "column_name")
"""A table of `Transitions`, and the place and the name of a row and a column of it."""
CHANGES_SCHEMA = "kind string, row bigint, row_name string, column bigint, column_name string, value double"
# Tables of `Transitions` with the names of their rows and of their columns.
_NAMES = {
    "segments": ("before", "now"),
    "categories": ("before", "now"),
    "expected_categories": ("category", None),
    "by_time": ("segment", None),
}
_WHOLE = ("then", "left", "left_by_time")


@dataclass(frozen=True)
class Changes:
    """Counts transitions: a function for `mapInArrow`, with `CHANGES_SCHEMA`.

    Attributes
    ----------
    files : bytes
        The version of the scorer, as `models.registry.cluster.scorer.pack_scorer` gives it.
    since, as_of : datetime.date
        The earlier date, and today's.
    """

    files: bytes
    since: date
    as_of: date

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take customers of either date: `MOVED_BY` of today's scores, and the features of then under `BEFORE`.

        Where one was not there at a date, the segment, or the age of then, is null.
        """
        _, release = loaded(self.files)
        for chunks in gathered(batches, BATCH_ROWS):
            rows = pa.Table.from_batches(chunks)
            names = {name: name.removeprefix(BEFORE) for name in rows.column_names if name.startswith(BEFORE)}
            then = rows.select(["customer_id", *names]).rename_columns(["customer_id", *names.values()])
            now = to_frame(rows.select(MOVED_BY).filter(rows["segment"].is_valid()))
            base = to_frame(then.filter(then["T"].is_valid()))
            before = scores_of_earlier(base, release, (self.as_of - self.since).days)
            found = transitions_since(self.since, before, now, release, self.as_of)
            yield from pa.Table.from_pandas(_rows(found), preserve_index=False).to_batches()


def _rows(transitions: Transitions) -> pd.DataFrame:
    """Give each cell of each table as a row."""
    cells = []
    for kind in _NAMES:
        table = getattr(transitions, kind)
        if table is not None:
            values = table.to_numpy(dtype=float)
            cells += [
                (kind, i, str(row), j, str(column), float(values[i, j]))
                for i, row in enumerate(table.index)
                for j, column in enumerate(table.columns)
            ]
    return pd.DataFrame(cells, columns=[*COUNTED, "value"])


def transitions_of(since: date, sums: pd.DataFrame) -> Transitions:
    """Put transitions together from the sums of `CHANGES_SCHEMA` by `COUNTED`."""
    tables: dict[str, pd.DataFrame] = {}
    for kind, cells in sums.sort_values(["row", "column"]).groupby("kind"):
        rows, columns = (list(dict.fromkeys(cells[name])) for name in ("row_name", "column_name"))
        values = cells["value"].to_numpy().reshape(len(rows), len(columns))
        names = _NAMES[str(kind)]
        table = pd.DataFrame(values, pd.Index(rows, name=names[0]), pd.Index(columns, name=names[1]))
        whole = columns if names[1] else [name for name in _WHOLE if name in columns]
        tables[str(kind)] = table.astype(dict.fromkeys(whole, "int64"))
    return Transitions(since, **tables)
