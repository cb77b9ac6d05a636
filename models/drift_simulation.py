"""Histories simulated from the model and seen at two dates, and the log-likelihood of each customer's history."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln

from models.customer_scorer import PurchaseParameters, log_odds_of_having_left

Floats = NDArray[np.float64]
_STEP = 1e-4


@dataclass(frozen=True)
class Histories:
    """Purchase histories of n customers as seen at one date.

    Parameters
    ----------
    x, t_x, T : ndarray, shape (n,)
        Repeat purchases, age at the last one, age.
    """

    x: Floats
    t_x: Floats
    T: Floats

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Histories":
        """Return the histories of some rows."""
        return Histories(self.x[rows], self.t_x[rows], self.T[rows])


def log_likelihoods(histories: Histories, parameters: PurchaseParameters) -> Floats:
    """Return the log-likelihood of each history (Fader, Hardie & Lee 2005, eq. 6), as `log_likelihood` sums it.

    Parameters
    ----------
    histories : Histories
        Of n customers, times in the unit of ``parameters.alpha``.
    parameters : PurchaseParameters

    Returns
    -------
    ndarray, shape (n,)
    """
    r, alpha, a, b, m = (parameters.r, parameters.alpha, parameters.a, parameters.b, parameters.m)
    # The Gamma and Beta functions see the whole number x alone.
    x = np.arange(histories.x.max(initial=0.0) + 1)
    by_frequency = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + betaln(a, b + x + m) - betaln(a, b)
    log_odds = log_odds_of_having_left(histories.x, histories.t_x, histories.T, parameters)
    rate = (r + histories.x) * np.log(alpha + histories.T)
    return np.asarray(by_frequency[histories.x.astype(np.intp)] - rate + np.logaddexp(0.0, log_odds))


def log_scores(histories: Histories, parameters: PurchaseParameters) -> Floats:
    """Return the slope of each history's log-likelihood by ln r, ln alpha, ln a, ln b, by central differences.

    Returns
    -------
    ndarray, shape (n, 4)
        With mean 0 over histories of the model itself.
    """
    sides = [
        [log_likelihoods(histories, moved(parameters, sign * step)) for sign in (1.0, -1.0)]
        for step in _STEP * np.eye(4)
    ]
    return np.stack([(up - down) / (2 * _STEP) for up, down in sides], axis=1)


def moved(parameters: PurchaseParameters, step: ArrayLike) -> PurchaseParameters:
    """Add a step, shape (4,), to ln r, ln alpha, ln a, ln b."""
    r, alpha, a, b = np.exp(np.asarray(step)) * (parameters.r, parameters.alpha, parameters.a, parameters.b)
    return PurchaseParameters(float(r), float(alpha), float(a), float(b), parameters.m)


@dataclass(frozen=True)
class Simulated:
    """Histories of the model's own story, seen at two dates.

    Parameters
    ----------
    then, now : Histories
        Of n customers at the first and at the second date.
    surprise : ndarray, shape (n,)
        Purchases between the dates less the rate of purchase times the time alive between them, which has mean 0:
        the slope of the log-likelihood by the logarithm of a factor on all purchase rates between the dates.
    """

    then: Histories
    now: Histories
    surprise: Floats


def simulate_two_dates(
    then: ArrayLike, now: ArrayLike, parameters: PurchaseParameters, rng: np.random.Generator
) -> Simulated:
    """Simulate the model's own story, each customer seen at two ages.

    Times are continuous, not whole days: parameters fitted on days describe purchases on different days.

    Parameters
    ----------
    then, now : array_like, shape (n,)
        Ages at the two dates, then <= now, in the unit of ``parameters.alpha``; 0 for who had not come yet.
    parameters : PurchaseParameters
    rng : numpy.random.Generator
    """
    then, now = np.asarray(then, dtype=np.float64), np.asarray(now, dtype=np.float64)
    rate = rng.gamma(parameters.r, 1 / parameters.alpha, now.size)
    dropout = rng.beta(parameters.a, parameters.b, now.size)
    x, t_x, x_then, t_x_then, surprise = np.zeros((5, now.size))
    buying = np.flatnonzero(rng.random(now.size) >= dropout) if parameters.m else np.arange(now.size)
    while buying.size:
        with np.errstate(divide="ignore"):
            time = t_x[buying] + rng.standard_exponential(buying.size) / rate[buying]
        watched = np.minimum(time, now[buying]) - np.maximum(t_x[buying], then[buying])
        surprise[buying] -= rate[buying] * np.maximum(watched, 0.0)
        bought = time < now[buying]
        buying, time = buying[bought], time[bought]
        x[buying] += 1
        t_x[buying] = time
        early = time < then[buying]
        x_then[buying[early]] += 1
        t_x_then[buying[early]] = time[early]
        surprise[buying[~early]] += 1
        buying = buying[rng.random(buying.size) >= dropout[buying]]
    return Simulated(Histories(x_then, t_x_then, then), Histories(x, t_x, now), surprise)
