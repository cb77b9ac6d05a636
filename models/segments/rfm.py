"""Recency, frequency and monetary quintiles and the names of their segments (Hughes 1994).

Cut points are computed once, when a scorer is trained, and stored with it: a customer's segment then changes only
because the customer's behaviour changed, not because others' did.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data.errors import InputError
from features.engine.compiled import compiled
from models.segments.segment_names import SEGMENTS, Segments, segment_names
from models.stats.typing import Integers, Texts

FIFTHS = (1, 2, 3, 4)
MEASURES = ("T", "recency", "frequency", "total_value")
"""What a segment is told from: columns of `features.purchases.summarise_purchases`."""


@dataclass(frozen=True)
class RfmCuts:
    """The four cut points of each measure, ascending."""

    recency: tuple[float, ...]
    frequency: tuple[float, ...]
    monetary: tuple[float, ...]


@dataclass(frozen=True)
class Rfm:
    """A segmentation: its cut points and the names of its segments."""

    cuts: RfmCuts
    segments: Segments

    def scores(self, base: pd.DataFrame) -> pd.DataFrame:
        """Score a base: ``rfm`` and ``segment``, row for row.

        Parameters
        ----------
        base : pandas.DataFrame
            The columns `MEASURES`, and others.
        """
        return rfm_scores(*_measured(base), self.cuts, self.segments)

    def segments_of(self, base: pd.DataFrame) -> pd.Series:
        """Name the segment of each row of a base, as `scores` does."""
        return pd.Series(_named(*_scored(*_measured(base), self.cuts), self.segments), index=base.index)


def rfm_cuts(summary: ir.Table) -> RfmCuts:
    """Compute the quintiles of a base in the database that holds it.

    Parameters
    ----------
    summary : ibis.expr.types.Table
        Table of ``features.purchases.summarise_purchases``: recency and T (days), frequency, total_value. It is read
        once per measure, so a long expression should be cached first.

    Returns
    -------
    RfmCuts
        Quintiles of the days since the last purchase (T - recency), of the purchase days (frequency + 1) and of the
        net revenue (total_value) so far: the smallest observed value that at least 20, 40, 60 and 80 % of the
        customers do not exceed (the inverse of the empirical distribution, type 1 of Hyndman & Fan 1996), so that ties
        are on one side of a cut point.

    Raises
    ------
    InputError
        Where the summary holds no customer.
    """
    return RfmCuts(
        recency=_quintiles(summary, "recency"),
        frequency=_quintiles(summary, "frequency"),
        monetary=_quintiles(summary, "monetary"),
    )


def rfm_scores(
    days_since: pd.Series, purchases: pd.Series, value: pd.Series, cuts: RfmCuts, segments: Segments = SEGMENTS
) -> pd.DataFrame:
    """Score customers 1 to 5 on each measure (5 is best) by stored cut points.

    A value equal to a cut point counts as below it.

    Returns
    -------
    pandas.DataFrame
        ``rfm`` such as ``"545"`` and ``segment``, its name.
    """
    recency, frequency, monetary = _scored(days_since, purchases, value, cuts)
    digits = recency * 100 + frequency * 10 + monetary
    segment = _named(recency, frequency, monetary, segments)
    # Texts are chosen from those there are: to write each customer's takes ten times as long.
    written = pd.array([str(number) for number in range(556)], dtype="str")
    return pd.DataFrame({"rfm": written.take(digits), "segment": segment}, index=days_since.index)


def _measured(base: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    return base["T"] - base["recency"], base["frequency"] + 1, base["total_value"]


def _scored(
    days_since: pd.Series, purchases: pd.Series, value: pd.Series, cuts: RfmCuts
) -> tuple[Integers, Integers, Integers]:
    """Give the score of each measure."""
    recency = 5 - np.searchsorted(cuts.recency, days_since, side="left")
    frequency = 1 + np.searchsorted(cuts.frequency, purchases, side="left")
    return recency, frequency, 1 + np.searchsorted(cuts.monetary, value, side="left")


def _named(recency: Integers, frequency: Integers, monetary: Integers, segments: Segments) -> Texts:
    # Half a point rounds up, to the better of the two names.
    named: Texts = segment_names(segments)[recency - 1, (frequency + monetary + 1) // 2 - 1]
    return named


def _quintiles(summary: ir.Table, measure: str) -> tuple[float, ...]:
    """Return the four quintiles of a measure."""
    [row] = compiled(_quintiles_of, {"summary": summary}, (), [measure]).to_pyarrow().to_pylist()
    if row["cut_1"] is None:
        raise InputError("RFM cut points need at least one customer with a purchase; the summary holds none.")
    return tuple(row[f"cut_{fifth}"] for fifth in FIFTHS)


def _quintiles_of(tables: Mapping[str, ir.Table], measure: str) -> ir.Table:
    summary = tables["summary"]
    values = {
        "recency": summary["T"] - summary.recency,
        "frequency": summary.frequency + 1.0,
        "monetary": summary.total_value,
    }
    return quintile_query(summary.select(value=values[measure]))


def quintile_query(values: ir.Table) -> ir.Table:
    """Return the query for the quintiles of ``value``: one row with cut_1 to cut_4.

    Equal values are counted first, so that few rows are sorted where values repeat. Shares of customers are compared in
    whole numbers, which is exact.
    """
    counts = values.group_by("value").agg(customers=values.count())
    ranked = counts.mutate(
        up_to=counts.customers.sum().over(ibis.cumulative_window(order_by="value")),
        total=counts.customers.sum().over(),
    )
    return ranked.agg(
        **{f"cut_{fifth}": ranked.value.min(where=5 * ranked.up_to >= fifth * ranked.total) for fifth in FIFTHS}
    )
