"""The levels of the second stage: how many buy, how often and for how much, which is another question than who.

Trees learn from a few horizons, and their totals may be special to these: a season, a campaign, a fading cohort. So the
trees only tell customers apart. The totals stay those of the first stage, which is fitted on the whole history,
corrected by what lasted of its bias at past cuts. Each horizon has its own correction, learned only where a cut is at
least that horizon ago: a quiet quarter does not say that customers are lost over a year.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import scipy
from scipy.special import expit

from data.errors import InputError
from features.outcomes import summary_with_outcomes
from features.tables import Tables
from models.purchases.returns_to_come import kept_by_age
from models.purchases.season.closures import is_open_throughout
from models.purchases.season.fit import fit_first_stage_at
from models.recipe import Recipe
from models.scoring.clock.parameters import ClockParameters
from models.scoring.second_stage.evidence import at_level
from models.scoring.second_stage.first import Offsets
from models.stats.typing import Floats

# Farther than the log odds of any two probabilities that `Offsets` tells apart.
_FARTHEST = 100.0
# As if so many more cuts had shown no bias: that of one cut is taken at a third, that of two at a half.
_CUTS_WITHOUT_BIAS = 2
_MOST_CUTS = 2
# Horizons of history before a cut: a first stage that was fitted on less has a bias of its own.
LEAST_HISTORY = 2


@dataclass(frozen=True)
class Bias:
    """ln(realised / expected) of the totals of buyers, purchases and revenue, (3,), and its error by chance."""

    log_ratio: Floats
    error: Floats


def bias_of(predicted: pd.DataFrame, realised: pd.DataFrame) -> Bias:
    """Return the bias of totals at one cut.

    Parameters
    ----------
    predicted : pandas.DataFrame
        p_purchase, expected_purchases and expected_revenue.
    realised : pandas.DataFrame
        purchases and revenue, row for row. The bias of a total of 0 or less counts as 0.
    """
    purchases = realised["purchases"].to_numpy(float)
    happened = np.column_stack([purchases > 0, purchases, realised["revenue"].to_numpy(float)])
    expected = predicted[["p_purchase", "expected_purchases", "expected_revenue"]].to_numpy(float)
    totals = np.maximum(expected.sum(axis=0), np.finfo(float).tiny)
    ratio = happened.sum(axis=0) / totals
    error = np.sqrt(((happened - expected) ** 2).sum(axis=0)) / totals
    return Bias(np.log(np.where(ratio > 0, ratio, 1.0)), error)


def lasting_bias(biases: Sequence[Bias]) -> Floats:
    """Return what is expected to last of the biases of past cuts, (3,): their mean, shrunk to 0.

    By K / (K + 2) for K cuts, and by the share of the mean's square that its variance leaves (positive-part James and
    Stein 1961): nothing lasts where cuts contradict each other, or where chance explains the bias.
    """
    if not biases:
        return np.zeros(3)
    log_ratios = np.array([bias.log_ratio for bias in biases])
    count, mean = len(biases), log_ratios.mean(axis=0)
    by_chance = np.mean([bias.error**2 for bias in biases], axis=0)
    between = log_ratios.var(axis=0, ddof=1) if count > 1 else np.zeros(3)
    variance = np.maximum(by_chance, between) / count
    left = 1.0 - variance / np.maximum(mean**2, np.finfo(float).tiny)
    return np.asarray(mean * np.maximum(left, 0.0) * count / (count + _CUTS_WITHOUT_BIAS))


def biases_over(
    tables: Tables, as_of: date, recipe: Recipe, days: int, first_day: date, clock: ClockParameters | None
) -> list[Bias]:
    """Return the first stage's biases over so many days at up to two past cuts, so many days apart.

    Parameters
    ----------
    tables : Tables
        Those of the customers to learn from.
    as_of : datetime.date
        Outcomes available before it are used.
    recipe : Recipe
        Its first stage; a cut needs a history of two of its horizons.
    days : int
        The horizon whose level is asked for.
    first_day : datetime.date
        Of the history.
    clock : ClockParameters or None
        The season's clock by which the first stage of today goes: cuts at which it did not, or did while it does not
        today, have another bias and are left out, as are those after which the shop was closed for once.
    """
    biases = []
    for number in range(1, _MOST_CUTS + 1):
        cutoff = as_of - timedelta(days=days * number)
        if (cutoff - first_day).days < LEAST_HISTORY * recipe.horizon:
            break
        try:
            fit = fit_first_stage_at(tables, cutoff, recipe)
            frame = summary_with_outcomes(tables, cutoff, days, as_of, kept_by_age(tables, as_of))
            if (fit.clock is None) == (clock is None) and was_open(clock, cutoff, days):
                biases.append(bias_of(fit.predict(frame, days), frame))
        except InputError:
            continue
    return biases


def was_open(clock: ClockParameters | None, cutoff: date, days: int) -> bool:
    """Say whether a first stage can be judged by what was bought in the days after a cutoff."""
    return clock is None or is_open_throughout(clock.closures, cutoff, days)


def level_of_buyers(log_odds: Floats, total: float) -> float:
    """Return the constant beside log odds with which their probabilities sum to a total."""

    def missing(constant: float) -> float:
        return float(expit(log_odds + constant).sum() - total)

    return _root(missing)


def levels_of_horizon(
    first: pd.DataFrame, second: pd.DataFrame, lasting: Floats, parts: Collection[str]
) -> dict[str, float]:
    """Return the constants beside the parts that move the second stage's totals to their targets.

    The target of a total is that of the first stage times e^lasting.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Both stages' predictions, the second's without levels.
    lasting : numpy.ndarray
        As `lasting_bias` gives it.
    parts : collection of str
        Those of "buys", "purchases" and "revenue" that differ from the first stage; the others get a constant only
        where their bias lasts.
    """
    columns = ["p_purchase", "expected_purchases", "expected_revenue"]
    target = first[columns].sum().to_numpy(float) * np.exp(lasting)
    target[0] = min(target[0], len(first) - 0.5)
    levels: dict[str, float] = {}
    links, spend = Offsets.of(second), second["expected_spend"].to_numpy(float)
    buys, further = second["p_purchase"].to_numpy(float), np.exp(links.purchases)
    if "buys" in parts or lasting[0]:
        levels["buys"] = level_of_buyers(links.buys, target[0])
        buys = expit(links.buys + levels["buys"])
    if levels or "purchases" in parts or lasting[1]:
        more = max(target[1] - buys.sum(), 0.01 * target[1])
        levels["purchases"] = float(np.log(more / (buys * further).sum()))
    purchases = buys * (1.0 + further * np.exp(levels.get("purchases", 0.0)))
    if levels or "revenue" in parts or lasting[2]:
        levels["revenue"] = float(np.log(target[2] / (purchases * spend).sum()))
    return levels


def level_of_churn(p_none: Floats, buys: Floats, total: float, longer: bool) -> float:
    """Return the constant with which the customers who buy within the churn horizon sum to a total.

    Parameters
    ----------
    p_none, buys : numpy.ndarray
        Probabilities of no purchase within the churn horizon, at level 0, and of one within the stage's own.
    total : float
        Customers who are to buy within the churn horizon.
    longer : bool
        Whether the churn horizon is at least the stage's own.
    """

    def missing(constant: float) -> float:
        return float((1.0 - at_level(p_none, buys, np.asarray(constant), longer)).sum() - total)

    return _root(missing)


def _root(missing: Callable[[float], float]) -> float:
    """Return where a rising function is 0, or the end at which it is nearest to that."""
    if missing(-_FARTHEST) >= 0:
        return -_FARTHEST
    if missing(_FARTHEST) <= 0:
        return _FARTHEST
    return float(scipy.optimize.brentq(missing, -_FARTHEST, _FARTHEST))
