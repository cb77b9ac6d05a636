"""Recency, frequency and monetary quintiles and the names of their segments (Hughes 1994).

Cut points are computed once, when a scorer is trained, and stored with it: a customer's segment then changes only
because the customer's behaviour changed, not because others' did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data.errors import InputError

FIFTHS = (1, 2, 3, 4)

# Name -> lowest and highest recency score, and lowest and highest mean of frequency and monetary score.
Segments = Mapping[str, Sequence[Sequence[int]]]
# The names used where settings define none, from the best customers down.
SEGMENTS: Segments = {
    "champions": ((5, 5), (4, 5)),
    "loyal": ((3, 4), (4, 5)),
    "potential loyalists": ((4, 5), (3, 3)),
    "new": ((5, 5), (1, 2)),
    "promising": ((4, 4), (1, 2)),
    "need attention": ((3, 3), (3, 3)),
    "about to sleep": ((3, 3), (1, 2)),
    "cannot lose them": ((1, 2), (5, 5)),
    "at risk": ((1, 2), (3, 4)),
    "hibernating": ((2, 2), (1, 2)),
    "lost": ((1, 1), (1, 2)),
}

# Labels of the table of transitions (`models.monitoring.transitions`), which a segment must not have as a name.
RESERVED_NAMES = ("before", "(new)", "(gone)")


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
            Columns T, recency, frequency and total_value of `features.purchases.summarise_purchases`.
        """
        days_since, purchases = base["T"] - base["recency"], base["frequency"] + 1
        return rfm_scores(days_since, purchases, base["total_value"], self.cuts, self.segments)


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
        recency=_quintiles(summary.select(value=summary["T"] - summary.recency)),
        frequency=_quintiles(summary.select(value=summary.frequency + 1.0)),
        monetary=_quintiles(summary.select(value=summary.total_value)),
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
    recency = 5 - np.searchsorted(cuts.recency, days_since, side="left")
    frequency = 1 + np.searchsorted(cuts.frequency, purchases, side="left")
    monetary = 1 + np.searchsorted(cuts.monetary, value, side="left")
    digits = recency * 100 + frequency * 10 + monetary
    names = segment_names(segments)
    # Half a point rounds up, to the better of the two names.
    mean_score = (frequency + monetary + 1) // 2
    segment = names[recency - 1, mean_score - 1]
    return pd.DataFrame({"rfm": digits.astype(str), "segment": segment}, index=days_since.index)


def segment_names(segments: Segments = SEGMENTS) -> np.ndarray:
    """Return the 5 x 5 names by (recency score - 1, mean of frequency and monetary score - 1).

    Raises
    ------
    ValueError
        Where a pair of scores has no name or two names, a score is not from 1 to 5, or a name cannot be shown.
    """
    names = np.full((5, 5), "", dtype=object)
    for name, ((r_low, r_high), (w_low, w_high)) in segments.items():
        if name in RESERVED_NAMES or name != name.strip() or not name or not name.isprintable():
            raise ValueError(
                f"must have names of one line, without blanks around them and other than {', '.join(RESERVED_NAMES)}; "
                f"{name!r} is not allowed"
            )
        if not (1 <= r_low <= r_high <= 5 and 1 <= w_low <= w_high <= 5):
            raise ValueError(f"must have scores from 1 to 5, the lower one first; those of {name!r} are not")
        named = names[r_low - 1 : r_high, w_low - 1 : w_high]
        if (named != "").any():
            raise ValueError(
                f"must name each pair of scores once; {name!r} and {named[named != ''][0]!r} name the same"
            )
        named[...] = name
    if (names == "").any():
        recency, mean_score = np.argwhere(names == "")[0] + 1
        raise ValueError(
            f"must name all pairs of scores; recency {recency} with {mean_score}, the mean of frequency and monetary "
            "score, has no name"
        )
    return names


def _quintiles(values: ir.Table) -> tuple[float, ...]:
    """Return the four quintiles of the only column of a table."""
    [row] = quintile_query(values).to_pyarrow().to_pylist()
    if row["cut_1"] is None:
        raise InputError("RFM cut points need at least one customer with a purchase; the summary holds none.")
    return tuple(row[f"cut_{fifth}"] for fifth in FIFTHS)


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
