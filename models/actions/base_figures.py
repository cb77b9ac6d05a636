"""Figures of the whole base that the action lists measure each customer by."""

import math
from dataclasses import dataclass

import pandas as pd

from models.release.release import Release

# One customer in so many counts as valuable: the top quintile, as in RFM.
VALUABLE_ONE_IN = 5


@dataclass(frozen=True)
class BaseFigures:
    """What the lists measure each customer by: figures of the whole base.

    Attributes
    ----------
    p_detractor, p_promoter, score : float
        Means of the probabilities, and of the NPS score m.
    lowest_worth, lowest_bought : float
        The lowest among the top fifth, of the clv (without a forecast of total_value) and of total_value.
    p_purchase_once : float
        Mean probability to buy again of those who bought on one day only; NaN where nobody did.
    """

    p_detractor: float
    p_promoter: float
    score: float
    lowest_worth: float
    lowest_bought: float
    p_purchase_once: float

    @classmethod
    def of(cls, scores: pd.DataFrame, described: pd.DataFrame, release: Release) -> "BaseFigures":
        """Take them from everyone; the parameters are those of `action_lists`."""
        shares = scores[["p_detractor", "p_promoter"]].astype(float)
        worth = scores["clv"] if release.scorer.has_forecast else described["total_value"]
        return cls(
            shares["p_detractor"].mean(),
            shares["p_promoter"].mean(),
            nps_score(shares).mean(),
            _lowest_valuable(worth),
            _lowest_valuable(described["total_value"]),
            scores["p_purchase"][scores["frequency"] == 0].astype(float).mean(),
        )


def nps_score(shares: pd.DataFrame) -> pd.Series:
    """Give the NPS score m of each customer, points."""
    return 100.0 * (shares["p_promoter"] - shares["p_detractor"])


def top_fifth(customers: int) -> int:
    """Count the customers of the top fifth, rounded up to whole ones."""
    return math.ceil(customers / VALUABLE_ONE_IN)


def _lowest_valuable(value: pd.Series) -> float:
    """Return the lowest value among the top fifth, rounded up to whole customers."""
    return float(value.nlargest(top_fifth(len(value))).min())
