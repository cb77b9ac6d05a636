"""What customers on a cluster do ahead: each batch adds its own up by group and month of first purchase."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from features.engine.stored import BATCH_ROWS, gathered, to_frame
from models.population.cohorts import MONTHS, month_ends, month_of, months_of
from models.population.months_ahead import AheadKept
from models.population.sums_ahead import HISTORY, Means, Totals, sums_ahead
from models.registry.cluster.scorer import loaded
from models.release.release import Release
from models.scoring.clock.clock import day_number
from models.scoring.clock.future import Future
from models.stats.typing import Floats

KEYS = ("label", "cohort", "part")
"""A group of a grouping, a month of first purchase, and the place of one of `sums_ahead`."""
COUNTS = ("customers", "has_bought", "p_purchase", "expected_revenue")
# The months ahead, and the horizon of the scores.
_PERIODS, _FIELDS = MONTHS + 1, tuple(field.name for field in fields(Totals))
SUMS = (*COUNTS, *(f"{name}_{period}" for period in range(_PERIODS) for name in _FIELDS))
"""What is added up, of each period the sums of `Totals`."""
AHEAD_SCHEMA = ", ".join([*(f"{name} bigint" for name in KEYS), *(f"{name} double" for name in SUMS)])
# More than the number of any month.
_MONTHS = 1_000_000


@dataclass(frozen=True)
class SumsAhead:
    """Adds up what customers do ahead: a function for `mapInArrow`, with `AHEAD_SCHEMA`.

    Attributes
    ----------
    files : bytes
        The version of the scorer, as `models.registry.cluster.scorer.pack_scorer` gives it.
    as_of : datetime.date
        The date customers are described at.
    labels : tuple of str
        Columns with the number of each customer's group, no two groupings having one in common.
    """

    files: bytes
    as_of: date
    labels: tuple[str, ...]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take the labels, cohort, last_purchase, p_purchase, expected_revenue and `HISTORY` of customers."""
        _, release = loaded(self.files)
        for chunks in gathered(batches, BATCH_ROWS):
            frame = to_frame(pa.Table.from_batches(chunks))
            if len(frame):
                yield from pa.Table.from_pandas(self._added(frame, release), preserve_index=False).to_batches()

    def _added(self, frame: pd.DataFrame, release: Release) -> pd.DataFrame:
        cell = np.zeros(len(frame), dtype=np.int64)
        for name in (*self.labels, "cohort"):
            # Numbered anew each time, or the product of many groupings would be larger than a number may be.
            cell = pd.factorize(cell * _MONTHS + frame[name].to_numpy())[0]
        future, horizon = Future(release.scorer.clock, day_number(self.as_of)), float(release.parameters.horizon)
        has_bought = months_of(frame["last_purchase"]) == month_of(self.as_of)
        shop, ends = (frame, frame[HISTORY], release, future), month_ends(self.as_of, MONTHS)
        kept = AheadKept()
        months, moved = sums_ahead(*shop, ends, cell, has_bought, kept)
        total, others = sums_ahead(*shop, np.array([horizon]), cell, kept=kept)
        both = zip([months, *moved], [total, *others], strict=True)
        parts = [np.concatenate([_stacked(each) for each in pair], axis=1) for pair in both]
        counted = frame.assign(customers=1.0, has_bought=has_bought.astype(float)).groupby(cell)[list(COUNTS)].sum()
        first = frame.iloc[np.unique(cell, return_index=True)[1]]
        rows = []
        for name in self.labels:
            key, place = np.unique(first[name].to_numpy() * _MONTHS + first["cohort"].to_numpy(), return_inverse=True)
            keys = {"label": key // _MONTHS, "cohort": key % _MONTHS}
            for number, sums in enumerate(parts):
                added = np.zeros((key.size, len(SUMS)))
                np.add.at(added, place, np.hstack([counted.to_numpy(), sums.reshape(len(sums), -1)]))
                rows.append(pd.DataFrame({**keys, "part": number, **dict(zip(SUMS, added.T, strict=True))}))
        return pd.concat(rows, ignore_index=True)


def _stacked(means: Means) -> Floats:
    """Give totals as (cells, periods, fields); those that means do not have are 0."""
    nothing = np.zeros_like(means.buyers)
    return np.stack([getattr(means, name, nothing) for name in _FIELDS], axis=2)


def totals_of(rows: pd.DataFrame) -> tuple[tuple[Totals, list[Means]], tuple[Totals, list[Means]]]:
    """Give the sums of rows of `AHEAD_SCHEMA` as `sums_ahead` gives them: of the months, and of the horizon.

    Parameters
    ----------
    rows : pandas.DataFrame
        Each label and cohort once a part, in one order in each part.
    """
    months, horizon = [], []
    for _, part in rows.groupby("part"):
        sums = part[list(SUMS[len(COUNTS) :])].to_numpy().reshape(len(part), _PERIODS, len(_FIELDS))
        months.append(Totals(*(sums[:, :MONTHS, k] for k in range(len(_FIELDS)))))
        horizon.append(Totals(*(sums[:, MONTHS:, k] for k in range(len(_FIELDS)))))
    return (months[0], list(months[1:])), (horizon[0], list(horizon[1:]))
