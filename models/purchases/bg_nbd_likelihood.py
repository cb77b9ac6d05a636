"""The likelihood of BG/NBD and MBG/NBD on counted purchase patterns, purchases of a new customer, simulated ones."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import betainc, betaincc

from models.scoring.parameters import PurchaseParameters
from models.stats.gamma_differences import rising
from models.stats.newton import Derivatives, blocks, evenly
from models.stats.typing import Floats


@dataclass(frozen=True)
class SufficientStatistics:
    """Distinct purchase histories and how many customers share each: all that the likelihood depends on.

    Parameters
    ----------
    x, t_x, T, weights : ndarray of float, shape (k,)
        Repeat purchases, age at the last one, age, number of customers; sorted by the first three.
    """

    x: Floats
    t_x: Floats
    T: Floats
    weights: Floats

    @cached_property
    def frequencies(self) -> tuple[Floats, Floats]:
        """Distinct x and the number of customers with each."""
        starts = np.flatnonzero(np.diff(self.x, prepend=np.nan) != 0)
        return self.x[starts], np.asarray(np.add.reduceat(self.weights, starts))

    @cached_property
    def customers(self) -> float:
        """Number of customers."""
        return float(self.weights.sum())

    @property
    def in_order(self) -> bool:
        """Whether the patterns are distinct and sorted."""
        x, t_x, T = (np.diff(column) for column in (self.x, self.t_x, self.T))
        return bool(((x > 0) | ((x == 0) & ((t_x > 0) | ((t_x == 0) & (T > 0))))).all())

    def in_units_of(self, time: float) -> "SufficientStatistics":
        """Return the same patterns with times divided by ``time``."""
        return SufficientStatistics(self.x, self.t_x / time, self.T / time, self.weights)

    def thinned(self, size: int) -> "SufficientStatistics":
        """Return the patterns of ``size`` customers at even distances, standing for all."""
        places, weights = evenly(self.weights, size)
        return SufficientStatistics(self.x[places], self.t_x[places], self.T[places], weights)


def count_sufficient_statistics(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None
) -> SufficientStatistics:
    """Count equal purchase histories; the result does not depend on the order of the customers.

    Parameters
    ----------
    x, t_x, T : array_like, shape (n,)
        Repeat purchases, age at the last one and age.
    weights : array_like, shape (n,), optional
        Customers that each row stands for; 1 by default.
    """
    columns = [np.asarray(column, dtype=np.float64) for column in (x, t_x, T)]
    # Few values repeat many times, so each row becomes one whole number, which sorts fast.
    codes, values = zip(*(pd.factorize(column, sort=True) for column in columns), strict=True)
    sizes = tuple(max(len(some), 1) for some in values)
    key = np.ravel_multi_index(codes, sizes)
    if weights is None:
        keys, counts = np.unique(key, return_counts=True)
    else:
        order = np.lexsort((np.asarray(weights, dtype=np.float64), key))
        keys, starts = np.unique(key[order], return_index=True)
        counts = np.add.reduceat(np.asarray(weights, dtype=np.float64)[order], starts) if keys.size else starts
    distinct = [some[code] for some, code in zip(values, np.unravel_index(keys, sizes), strict=True)]
    return SufficientStatistics(distinct[0], distinct[1], distinct[2], counts.astype(np.float64))


def log_likelihood(
    parameters: PurchaseParameters,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    weights: ArrayLike | None = None,
) -> float:
    """Return the log-likelihood of purchase histories, summed over customers (Fader, Hardie & Lee 2005, eq. 6).

    Parameters
    ----------
    parameters : PurchaseParameters
        ``m = 0`` for BG/NBD, 1 for MBG/NBD.
    x, t_x, T : array_like, shape (n,)
        Repeat purchases, age at the last one and age, times in the unit of ``parameters.alpha``.
    weights : array_like, shape (n,), optional
        Customers that each row stands for; 1 by default.

    Returns
    -------
    float
    """
    return log_likelihood_and_derivatives(parameters, count_sufficient_statistics(x, t_x, T, weights))[0]


def log_likelihood_and_gradient(parameters: PurchaseParameters, patterns: SufficientStatistics) -> tuple[float, Floats]:
    """Return the summed log-likelihood and its gradient by r, alpha, a, b."""
    value, gradient, _ = log_likelihood_and_derivatives(parameters, patterns)
    return value, gradient / [parameters.r, parameters.alpha, parameters.a, parameters.b]


def log_likelihood_and_derivatives(parameters: PurchaseParameters, patterns: SufficientStatistics) -> Derivatives:
    """Return the summed log-likelihood, its gradient and its Hessian by ln r, ln alpha, ln a, ln b.

    With k = r + x, n = x + m and d = b + max(n - 1, 0), one customer's term is (Fader, Hardie & Lee 2005, eq. 6;
    Batislam, Denizel & Filiztekin 2007, eq. 4)

        ln [Gamma(k) / Gamma(r)] + ln [Gamma(b + n) / Gamma(b)] - ln [Gamma(a + b + n) / Gamma(a + b)]
        - x ln alpha - k ln(1 + T / alpha) + ln(1 + e^o),    o = ln a - ln d + k ln[(alpha + T) / (alpha + t_x)],

    o being the log odds of having left, -inf where nobody could leave yet (n = 0).
    """
    r, alpha, a, b, m = (parameters.r, parameters.alpha, parameters.a, parameters.b, parameters.m)
    value, gradient, hessian = _of_frequencies(parameters, *patterns.frequencies)
    for part in blocks(patterns.x.size):
        x, t_x, T, w = patterns.x[part], patterns.t_x[part], patterns.T[part], patterns.weights[part]
        k = r + x
        by_age, by_last = 1.0 / (alpha + T), 1.0 / (alpha + t_x)
        past, still = T * by_age, alpha * by_age
        log_past, k_past = np.log1p(T / alpha), k * past

        d = b + np.maximum(x + (m - 1.0), 0.0)
        gap = (T - t_x) * by_last
        silence = np.log1p(gap)
        odds = k * silence
        odds += np.log(a)
        odds -= np.log(d)
        if not m:
            odds[x == 0] = -np.inf
        small = np.exp(-np.abs(odds))
        inverse = 1.0 / (1.0 + small)
        left = w * np.where(odds > 0, inverse, small * inverse)
        spread = w * small * inverse**2
        # Slopes of the log odds by the four log parameters.
        slopes = np.ones((4, x.size))
        np.multiply(r, silence, out=slopes[0])
        np.multiply(gap, -still, out=slopes[3])
        np.multiply(slopes[3], k, out=slopes[1])
        by_r_and_alpha = r * (left @ slopes[3])
        np.divide(-b, d, out=slopes[3])

        value += float(w @ (np.maximum(odds, 0.0) + np.log1p(small) - k * log_past))
        by_left = np.vecdot(slopes, left)
        gradient += by_left
        gradient[0] -= r * (w @ log_past)
        gradient[1] += w @ k_past
        hessian += (slopes * spread) @ slopes.T
        hessian[0, 0] += by_left[0] - r * (w @ log_past)
        hessian[0, 1] += by_r_and_alpha + r * (w @ past)
        hessian[1, 1] += (left * slopes[1]) @ (1.0 - still - alpha * by_last) - (w * k_past) @ still
        hessian[3, 3] += by_left[3] + (left * slopes[3]) @ slopes[3]
    hessian[1, 0] = hessian[0, 1]
    return value, gradient, hessian


def _of_frequencies(parameters: PurchaseParameters, x: Floats, customers: Floats) -> Derivatives:
    """Sum the terms that see x alone, once for each distinct x."""
    r, a, b = parameters.r, parameters.a, parameters.b
    purchases = float(customers @ x)
    r_value, r_slope, r_bend = (customers @ term for term in rising(r, x))
    b_value, b_slope, b_bend = (customers @ term for term in rising(b, x + parameters.m))
    s_value, s_slope, s_bend = (customers @ term for term in rising(a + b, x + parameters.m))
    value = r_value + b_value - s_value - purchases * np.log(parameters.alpha)
    gradient = np.array([r * r_slope, -purchases, -a * s_slope, b * (b_slope - s_slope)])
    hessian = np.zeros((4, 4))
    hessian[0, 0] = r * r_slope + r**2 * r_bend
    hessian[2, 2] = -a * s_slope - a**2 * s_bend
    hessian[2, 3] = hessian[3, 2] = -a * b * s_bend
    hessian[3, 3] = b * (b_slope - s_slope) + b**2 * (b_bend - s_bend)
    return float(value), gradient, hessian


def new_customer_p_purchases(n: ArrayLike, horizon: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Probability that a customer who has just bought for the first time buys again exactly n times in the horizon.

    Still alive after n purchases, or gone right after the last of them, which came in time with the probability of a
    negative binomial count of at least n, an incomplete Beta function (Fader, Hardie & Lee 2005, eq. 8; under MBG/NBD
    there is a chance of leaving more, right after the first purchase). In logarithms, so that it holds for any n.

    Parameters
    ----------
    n : array_like
        Whole numbers, 0 or more.
    horizon : array_like
        In the unit of ``parameters.alpha``, 0 or more. Shapes broadcast.
    parameters : PurchaseParameters

    Returns
    -------
    ndarray of float
        In [0, 1].
    """
    n, horizon = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(horizon, dtype=np.float64))
    r, alpha, a, b = parameters.r, parameters.alpha, parameters.a, parameters.b
    chances = n + parameters.m
    stayed = rising(b, chances)[0] - rising(a + b, chances)[0]
    some = np.maximum(n, 1.0)
    with np.errstate(divide="ignore"):
        log_share = np.where(n > 0, -some * np.log1p(alpha / horizon), 0.0)
    count = rising(r, n)[0] - rising(1.0, n)[0] - r * np.log1p(horizon / alpha) + log_share
    # One of the chances to leave was taken, after all the others were not.
    before = np.maximum(chances - 1.0, 0.0)
    leaving = rising(b, before)[0] - rising(a + b, before)[0] + np.log(a) - np.log(a + b + before)
    # From the side on which the argument keeps its digits.
    early, late = betainc(some, r, horizon / (alpha + horizon)), betaincc(r, some, alpha / (alpha + horizon))
    in_time = np.where(n > 0, np.where(horizon < alpha, early, late), 1.0)
    left = np.where(chances > 0, np.exp(leaving) * in_time, 0.0)
    return np.asarray(np.minimum(np.exp(stayed + count) + left, 1.0))


def simulate_purchases(T: ArrayLike, parameters: PurchaseParameters, rng: np.random.Generator) -> pd.DataFrame:
    """Simulate the model's own story for customers of the given ages.

    Parameters
    ----------
    T : array_like, shape (n,)
        Ages, in the unit of ``parameters.alpha``.
    parameters : PurchaseParameters
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        One row a customer: frequency, recency, T, lambda, p and whether still alive at T; indexed by customer_id.
    """
    T = np.asarray(T, dtype=np.float64)
    rate = rng.gamma(parameters.r, 1 / parameters.alpha, T.size)
    dropout = rng.beta(parameters.a, parameters.b, T.size)
    alive = rng.random(T.size) >= dropout if parameters.m else np.ones(T.size, dtype=bool)
    frequency, recency = np.zeros(T.size), np.zeros(T.size)
    buying = np.flatnonzero(alive)
    while buying.size:
        with np.errstate(divide="ignore"):
            time = recency[buying] + rng.standard_exponential(buying.size) / rate[buying]
        bought = time < T[buying]
        buying, time = buying[bought], time[bought]
        frequency[buying] += 1
        recency[buying] = time
        alive[buying] = rng.random(buying.size) >= dropout[buying]
        buying = buying[alive[buying]]
    columns = {"frequency": frequency, "recency": recency, "T": T, "lambda": rate, "p": dropout, "alive": alive}
    return pd.DataFrame(columns, index=pd.RangeIndex(T.size, name="customer_id"))
