"""Recalibration of the second stage: how much of the bias of one horizon is carried over to the next.

Trees learn from one horizon, and its totals may be special to it: a season, a campaign, a fading cohort. So the trees
only tell customers apart. The totals stay those of the first stage, which is fitted on the whole history, corrected by
the part of its bias that was present in the horizon before as well. A recalibration offset, a constant beside the
trees of each part, moves the totals there.
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
        purchases and revenue, row for row. The bias of a total of 0 or less counts as 0.
    """
    purchases = realised["purchases"].to_numpy(float)
    happened = np.array([(purchases > 0).sum(), purchases.sum(), realised["revenue"].sum()])
    ratio = happened / _totals(predicted)
    return np.log(np.where(ratio > 0, ratio, 1.0))


def lasting_share(bias: Floats, earlier: Floats | None) -> float:
    """Return the share of a horizon's bias that lasts, judged by the purchases: 2 b e / (b^2 + e^2) within [0, 1].

    It is 1 where the horizon before had the same bias, and 0 where it had none or the opposite one, or is not known.

    Parameters
    ----------
    bias, earlier : numpy.ndarray
        As `log_bias` gives them, of the newest horizon and of the one before; None where there was none.
    """
    if earlier is None:
        return 0.0
    b, e = float(bias[1]), float(earlier[1])
    return max(2.0 * b * e / (b**2 + e**2), 0.0) if b or e else 0.0


def recalibration_offsets(
    first: pd.DataFrame, second: pd.DataFrame, realised: pd.DataFrame, parts: Collection[str], share: float
) -> dict[str, float]:
    """Return the constant beside the trees of each part that moves the second stage's totals to their targets.

    The target of a total, over the customers trained on, is that of the first stage times (realised / expected)^share.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Both stages' predictions, the second's without offsets.
    realised : pandas.DataFrame
        purchases and revenue, row for row.
    parts : collection of str
        Those of "buys", "purchases" and "revenue" that have trees; the others get no constant.
    share : float
        As `lasting_share` gives it.
    """
    target = _totals(first) * np.exp(share * log_bias(first, realised))
    buys, spend = (second[name].to_numpy(float) for name in ("p_purchase", "expected_spend"))
    constants: dict[str, float] = {}
    links = Offsets.of(second)
    further = np.exp(links.purchases)
    if "buys" in parts:
        odds = links.buys
        constants["buys"] = float(
            brentq(lambda constant: expit(odds + constant).sum() - target[0], -_FARTHEST, _FARTHEST)
        )
        buys = expit(odds + constants["buys"])
    if "purchases" in parts:
        constants["purchases"] = float(np.log(max(target[1] - buys.sum(), 0.01 * target[1]) / (buys * further).sum()))
    purchases = buys * (1.0 + further * np.exp(constants.get("purchases", 0.0)))
    if "revenue" in parts:
        constants["revenue"] = float(np.log(target[2] / (purchases * spend).sum()))
    return constants


def _totals(predicted: pd.DataFrame) -> Floats:
    columns = ["p_purchase", "expected_purchases", "expected_revenue"]
    return np.asarray(predicted[columns].sum().to_numpy(float))
