"""What the second stage says of a customer beyond its own horizon: of being alive, and of the rate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from ..arrays import Floats

_NEVER, _LEAST_ALIVE = 1e-12, 1e-200
# Measured: over a year a correction seen over 14 days does harm in full (log loss .407 -> .423) and hardly any by a
# tenth; one seen over 90 days is right in full (.407 -> .398), and by half of that at a half (the grocery log).
_REACH = 2.0


def reach(own: float, other: float) -> float:
    """Return the share of a correction of one horizon that holds for another, both in days: 1 up to twice as long.

    Who is not due in the next fortnight is not lost over a year: the longer the other horizon, the less is said of it.
    """
    return min(_REACH * own / max(other, 1.0), 1.0)


def by_share(first: pd.DataFrame, second: pd.DataFrame, share: float) -> pd.DataFrame:
    """Go a share of the way from the first stage to the second: on log odds of p_purchase, on logs of revenue."""
    moved = log_odds(first) + share * (log_odds(second) - log_odds(first))
    one, two = (stage["expected_revenue"].to_numpy(float) for stage in (first, second))
    ratio = np.divide(two, one, out=np.ones_like(one), where=one > 0)
    return pd.DataFrame({"p_purchase": expit(moved), "expected_revenue": one * ratio**share}, index=first.index)


def log_odds(stage: pd.DataFrame) -> Floats:
    """Return the log odds of p_purchase, those of a certainty being finite."""
    return np.asarray(logit(np.clip(stage["p_purchase"].to_numpy(float), _NEVER, 1.0 - _NEVER)))


def p_none_beyond(p_none: Floats, first: pd.DataFrame, second: pd.DataFrame, share: float) -> Floats:
    """Correct the first stage's probability of no purchase in another horizon by a share of the own one's correction.

    Parameters
    ----------
    p_none : ndarray, shape (n,)
        Of the first stage, in the other horizon.
    first, second : pandas.DataFrame
        p_purchase of either stage in the own horizon, row for row.
    share : float
        As `reach` gives it.
    """
    correction = share * (log_odds(second) - log_odds(first))
    corrected = expit(logit(np.clip(p_none, _NEVER, 1.0 - _NEVER)) - correction)
    return np.where(correction == 0.0, p_none, corrected)


def at_level(p_none: Floats, buys: Floats, level: Floats, longer: bool) -> Floats:
    """Move probabilities of no purchase within another horizon to a level of that horizon's own.

    Parameters
    ----------
    p_none, buys : ndarray, shape (n,)
        Of no purchase within the other horizon, and of one within the stage's own.
    level : ndarray, shape (n,) or ()
        Added to the log odds of buying within the other horizon.
    longer : bool
        Whether the other horizon is at least as long: whoever buys within the shorter one does so within the longer.
    """
    moved = expit(logit(np.clip(p_none, _NEVER, 1.0 - _NEVER)) - level)
    moved = np.where(np.equal(level, 0.0), p_none, moved)
    return np.minimum(moved, 1.0 - buys) if longer else np.maximum(moved, 1.0 - buys)


@dataclass(frozen=True)
class Evidence:
    """What the second stage says of a customer's future, in the terms of the purchase models, shape (n,) each.

    A customer who buys in the horizon with p' instead of p is taken to be alive with p' / q, q being the probability
    that a living customer buys: what trees saw is foremost who has left. As nobody is alive with more than 1, what is
    beyond that, and whatever else changes the expected revenue, changes the rate at which a living customer spends,
    by one factor for the horizon and after it.

    Attributes
    ----------
    alive : ndarray
        min(p' / q, 1); p_alive stays that of the purchase model.
    scale : ndarray
        Factor of the revenue of the living, so that its mean is the second stage's.
    """

    alive: Floats
    scale: Floats

    @classmethod
    def of(cls, corrected: pd.DataFrame, p_living: Floats, revenue_living: Floats) -> Evidence:
        """Take it from the second stage beside the probability and the revenue expected of the living."""
        buys, revenue = (corrected[name].to_numpy(float) for name in ("p_purchase", "expected_revenue"))
        # Whose first stage underflows has no revenue either: any positive number gives them the factor 0.
        alive = np.clip(buys / p_living, _LEAST_ALIVE, 1.0)
        return cls(alive, revenue / (alive * revenue_living))
