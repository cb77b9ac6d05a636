"""Where the likelihood of BG/NBD or MBG/NBD rises towards an edge of the model: which edge, and the fit there."""

from dataclasses import dataclass, replace
from itertools import product
from typing import get_args

import numpy as np
import scipy
from scipy.special import logit

from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.purchases.limits_likelihood import Dropout, Family, log_likelihood_and_derivatives
from models.stats.newton import MANY_ROWS, SOME_ROWS, Derivatives, Objective, Optimum, find_optimum, mean_negative
from models.stats.typing import Floats

# Points to begin from: ln r and ln alpha, times in units of the largest age; ln a and ln b; log odds of leaving.
_GAMMA = np.log([[0.25, 0.1], [3.0, 0.2], [1.0, 1.0]])
_BETA = np.log([[0.8, 2.5], [0.3, 3.0], [5.0, 20.0]])
_DROPOUT = np.array([[-1.5], [-4.0], [1.0]])
# Log-likelihoods so near to the highest one are those of the same supremum, reached with fewer parameters.
_SAME_LOG_LIKELIHOOD = 0.01
# Above these log odds everyone who could leave did.
_EVERYONE = 8.0
# One-sided 95 % of a parameter on its edge: half of chi-squared with one degree of freedom at .90.
_HALF_CHI_SQUARED = 1.3528


@dataclass(frozen=True)
class LimitFit:
    """A fit on an edge.

    Attributes
    ----------
    family : Family
        The edge.
    point : ndarray, shape (k,)
        Its parameters as `Family.natural` takes them, times in units of the largest age.
    covariance : ndarray, shape (k, k)
        Of the point; 0 for what is held.
    log_likelihood : float
        Summed over customers, in that unit of time.
    is_held : bool
        Whether the chance of leaving is held below 1, where everyone left who could.
    """

    family: Family
    point: Floats
    covariance: Floats
    log_likelihood: float
    is_held: bool = False


def fit_limit(scaled: SufficientStatistics, m: int) -> LimitFit:
    """Fit every edge, and return the one of the highest likelihood among those whose parameters the data determine.

    The last edge, one rate for everyone and nobody leaving, is determined by any repeat purchase. Where the likelihood
    rises towards a chance of leaving of 1, it is held at Jeffreys' estimate of a share that is 1 in these n leavers,
    (n + 1/2) / (n + 1): nothing that was seen n times is certain.

    Parameters
    ----------
    scaled : SufficientStatistics
        Times in units of the largest age; with a repeat purchase.
    m : int
        0 for BG/NBD, 1 for MBG/NBD.
    """
    families = [
        Family(equal_rates, dropout, m)
        for equal_rates, dropout in product((False, True), get_args(Dropout))
        if equal_rates or dropout != "beta"
    ]
    fits: list[LimitFit] = []
    for family in families:
        statistics = _ages_alone(scaled) if family.dropout == "nobody_leaves" else scaled
        optimum = find_on_edge(family, statistics)
        if optimum.determined:
            fits.append(LimitFit(family, optimum.point, optimum.log_covariance, -optimum.value * statistics.customers))
        elif "dropout" in family.names and optimum.point[-1] > _EVERYONE:
            fits += _held(family, scaled)
    highest = max(fit.log_likelihood for fit in fits)
    near = [fit for fit in fits if fit.log_likelihood > highest - _SAME_LOG_LIKELIHOOD]
    return min(near, key=lambda fit: len(fit.point))


def largest_dropout(fit: LimitFit, scaled: SufficientStatistics) -> float:
    """Return the upper end of the one-sided 95 % interval of the chance of leaving, where nobody seems to leave.

    It is the equal chance whose profile likelihood is lower by 1.353 (Self & Liang 1987, JASA 82: on the edge of the
    parameter space twice the difference is half chi-squared).
    """
    statistics = scaled.thinned(SOME_ROWS) if scaled.x.size > MANY_ROWS else scaled
    family = replace(fit.family, dropout="equal_dropout")
    start = fit.point

    def below(log_odds: float) -> float:
        nonlocal start
        optimum = find_optimum(_objective_held(family, statistics, log_odds), [start], statistics.customers)
        start = optimum.point
        return highest + optimum.value * statistics.customers - _HALF_CHI_SQUARED

    highest = log_likelihood_and_derivatives(fit.family, fit.point, statistics)[0]
    low, high = -14.0, -3.0
    while below(high) < 0 and high < 14.0:
        high += 2.0
    if below(low) > 0 or high >= 14.0:
        return 1.0 / (1.0 + np.exp(-low)) if high < 14.0 else 1.0
    return float(1.0 / (1.0 + np.exp(-scipy.optimize.brentq(below, low, high, xtol=0.01))))


def _ages_alone(statistics: SufficientStatistics) -> SufficientStatistics:
    """Count customers of equal frequency and age: without dropout the likelihood sees no more."""
    order = np.lexsort((statistics.T, statistics.x))
    x, T, weights = statistics.x[order], statistics.T[order], statistics.weights[order]
    starts = np.flatnonzero((np.diff(x, prepend=np.nan) != 0) | (np.diff(T, prepend=np.nan) != 0))
    return SufficientStatistics(x[starts], np.zeros(starts.size), T[starts], np.add.reduceat(weights, starts))


def find_on_edge(family: Family, statistics: SufficientStatistics) -> Optimum:
    """Find the optimum of the likelihood of one family."""
    thinned = statistics.thinned(SOME_ROWS) if statistics.x.size > MANY_ROWS else None
    rough = None if thinned is None else _objective(family, thinned)
    return find_optimum(_objective(family, statistics), _starts(family, statistics), statistics.customers, rough)


def _starts(family: Family, statistics: SufficientStatistics) -> list[Floats]:
    purchases, exposure = (float(statistics.weights @ column) for column in (statistics.x, statistics.T))
    rates = np.log([[purchases / exposure]] * 3) if family.equal_rates else _GAMMA
    dropout = {"beta": _BETA, "nobody_leaves": np.empty((3, 0))}.get(family.dropout, _DROPOUT)
    return list(np.hstack([rates, dropout]))


def _objective(family: Family, statistics: SufficientStatistics) -> Objective:
    def objective(point: Floats) -> Derivatives:
        return mean_negative(log_likelihood_and_derivatives(family, point, statistics), statistics.customers)

    return objective


def _objective_held(family: Family, statistics: SufficientStatistics, log_odds: float) -> Objective:
    """Map the parameters of the rates alone, at a chance of leaving that is held."""
    whole = _objective(family, statistics)

    def objective(point: Floats) -> Derivatives:
        value, gradient, hessian = whole(np.append(point, log_odds))
        return value, gradient[:-1], hessian[:-1, :-1]

    return objective


def _held(family: Family, statistics: SufficientStatistics) -> list[LimitFit]:
    """Fit the rates at the chance of leaving that n leavers, all of them, allow; none where they leave rates open."""
    leavers = float(statistics.weights @ (statistics.x + family.m > 0))
    log_odds = float(logit((leavers + 0.5) / (leavers + 1.0)))
    starts = [start[:-1] for start in _starts(family, statistics)]
    optimum = find_optimum(_objective_held(family, statistics, log_odds), starts, statistics.customers)
    if not optimum.determined:
        return []
    k = optimum.point.size
    covariance = np.zeros((k + 1, k + 1))
    covariance[:k, :k] = optimum.log_covariance
    point, log_likelihood = np.append(optimum.point, log_odds), -optimum.value * statistics.customers
    return [LimitFit(family, point, covariance, log_likelihood, is_held=True)]
