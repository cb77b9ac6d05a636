"""The level of the second stage: how far the bias of one horizon is carried to the next.

Trees learn from one horizon, and its level may be that horizon's alone: a season, a campaign, a fading cohort. They
tell customers apart; the level stays that of the first stage, which knows the whole history, but for the part of its
bias that was there in the horizon before as well.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from models.scoring.second_stage import Offsets
from models.stats.typing import Floats

# Farther than the log odds of any two probabilities that `Offsets` tells apart.
_FARTHEST = 100.0


def log_bias(predicted: pd.DataFrame, realised: pd.DataFrame) -> Floats:
    """Return ln(realised / expected) of the totals of customers who buy, purchases and revenue, shape (3,).

    Parameters
    ----------
    predicted : pandas.DataFrame
        p_purchase, expected_purchases and expected_revenue.
    realised : pandas.DataFrame
        purchases and revenue, row for row. A total of 0 or less has no level to speak of: 0.
    """
    purchases = realised["purchases"].to_numpy(float)
    happened = np.array([(purchases > 0).sum(), purchases.sum(), realised["revenue"].sum()])
    ratio = happened / _totals(predicted)
    return np.log(np.where(ratio > 0, ratio, 1.0))


def lasting_share(bias: Floats, earlier: Floats | None) -> float:
    """Return the share of a horizon's bias that lasts, judged by the purchases: 2 b e / (b^2 + e^2) within [0, 1].

    1 where the horizon before had the same bias, 0 where it had none or the opposite one, or is not known.

    Parameters
    ----------
    bias, earlier : numpy.ndarray
        As `log_bias` gives them, of the newest horizon and of the one before; None where there was none.
    """
    if earlier is None:
        return 0.0
    b, e = float(bias[1]), float(earlier[1])
    return max(2.0 * b * e / (b**2 + e**2), 0.0) if b or e else 0.0


def levels(
    first: pd.DataFrame, second: pd.DataFrame, realised: pd.DataFrame, parts: Collection[str], share: float
) -> dict[str, float]:
    """Return the constants beside the trees that give the totals their level over the customers trained on.

    The totals of the second stage become those of the first times (realised / expected)^share.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Both stages' predictions, the second's without levels.
    realised : pandas.DataFrame
        purchases and revenue, row for row.
    parts : collection of str
        Those of "buys", "purchases" and "revenue" that have trees; the others get no constant.
    share : float
        As `lasting_share` gives it.
    """
    wanted = _totals(first) * np.exp(share * log_bias(first, realised))
    buys, spend = (second[name].to_numpy(float) for name in ("p_purchase", "expected_spend"))
    found: dict[str, float] = {}
    offsets = Offsets.of(second)
    further = np.exp(offsets.purchases)
    if "buys" in parts:
        odds = offsets.buys
        found["buys"] = float(brentq(lambda level: expit(odds + level).sum() - wanted[0], -_FARTHEST, _FARTHEST))
        buys = expit(odds + found["buys"])
    if "purchases" in parts:
        found["purchases"] = float(np.log(max(wanted[1] - buys.sum(), 0.01 * wanted[1]) / (buys * further).sum()))
    purchases = buys * (1.0 + further * np.exp(found.get("purchases", 0.0)))
    if "revenue" in parts:
        found["revenue"] = float(np.log(wanted[2] / (purchases * spend).sum()))
    return found


def _totals(predicted: pd.DataFrame) -> Floats:
    columns = ["p_purchase", "expected_purchases", "expected_revenue"]
    return np.asarray(predicted[columns].sum().to_numpy(float))
