"""Recency, frequency and monetary quintiles and the names of their segments (Hughes 1994).

Cut points are found once, when a scorer is trained, and stored with it: a customer's segment then moves because
the customer moved, not because others did.
"""

from typing import TypedDict

import numpy as np
import pandas as pd

QUINTILES = (0.2, 0.4, 0.6, 0.8)

# The name of each pair of recency score and mean of frequency and monetary score, from Champions (5, 5) down.
SEGMENTS: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {
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


class RfmCuts(TypedDict):
    """The four cut points of each measure, ascending."""

    recency: list[float]
    frequency: list[float]
    monetary: list[float]


def rfm_cuts(days_since: pd.Series, purchases: pd.Series, value: pd.Series) -> RfmCuts:
    """Find the quintiles of a base.

    Parameters
    ----------
    days_since : pandas.Series
        Days since the last purchase.
    purchases : pandas.Series
        Purchase days so far.
    value : pandas.Series
        Net revenue so far.

    Returns
    -------
    RfmCuts
        The observed values at the quintiles, so that ties fall on one side of a cut.
    """
    return RfmCuts(recency=_quintiles(days_since), frequency=_quintiles(purchases), monetary=_quintiles(value))


def rfm_scores(days_since: pd.Series, purchases: pd.Series, value: pd.Series, cuts: RfmCuts) -> pd.DataFrame:
    """Score customers 1 to 5 on each measure (5 is best) by cut points found before.

    A value equal to a cut point belongs below it, so equal customers always get equal scores.

    Returns
    -------
    pandas.DataFrame
        ``rfm`` such as ``"545"`` and ``segment``, its name.
    """
    recency = 5 - np.searchsorted(cuts["recency"], days_since, side="left")
    frequency = 1 + np.searchsorted(cuts["frequency"], purchases, side="left")
    monetary = 1 + np.searchsorted(cuts["monetary"], value, side="left")
    digits = recency * 100 + frequency * 10 + monetary
    names = segment_names()
    # Half a point rounds up: of two equally near names, the better one.
    worth = (frequency + monetary + 1) // 2
    segment = names[recency - 1, worth - 1]
    return pd.DataFrame({"rfm": digits.astype(str), "segment": segment}, index=days_since.index)


def segment_names() -> np.ndarray:
    """Return the 5 x 5 names by (recency score - 1, mean of frequency and monetary score - 1)."""
    names = np.full((5, 5), "", dtype=object)
    for name, ((r_low, r_high), (w_low, w_high)) in SEGMENTS.items():
        names[r_low - 1 : r_high, w_low - 1 : w_high] = name
    return names


def _quintiles(values: pd.Series) -> list[float]:
    return [float(q) for q in np.quantile(values, QUINTILES, method="inverted_cdf")]
