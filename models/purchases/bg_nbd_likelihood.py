"""The likelihood of BG/NBD and MBG/NBD on sufficient statistics, with its derivatives."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

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
        """Whether the histories are distinct and sorted."""
        x, t_x, T = (np.diff(column) for column in (self.x, self.t_x, self.T))
        return bool(((x > 0) | ((x == 0) & ((t_x > 0) | ((t_x == 0) & (T > 0))))).all())

    def in_units_of(self, time: float) -> "SufficientStatistics":
        """Return the same histories with times divided by ``time``."""
        return SufficientStatistics(self.x, self.t_x / time, self.T / time, self.weights)

    def thinned(self, size: int) -> "SufficientStatistics":
        """Return the histories of ``size`` customers at even distances, standing for all."""
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
    sizes = tuple(max(len(distinct), 1) for distinct in values)
    key = np.ravel_multi_index(codes, sizes)
    if weights is None:
        keys, counts = np.unique(key, return_counts=True)
    else:
        order = np.lexsort((np.asarray(weights, dtype=np.float64), key))
        keys, starts = np.unique(key[order], return_index=True)
        counts = np.add.reduceat(np.asarray(weights, dtype=np.float64)[order], starts) if keys.size else starts
    distinct = [levels[code] for levels, code in zip(values, np.unravel_index(keys, sizes), strict=True)]
    return SufficientStatistics(distinct[0], distinct[1], distinct[2], counts.astype(np.float64))


def log_likelihood_and_derivatives(parameters: PurchaseParameters, statistics: SufficientStatistics) -> Derivatives:
    """Return the summed log-likelihood, its gradient and its Hessian by ln r, ln alpha, ln a, ln b.

    With k = r + x, n = x + m and d = b + max(n - 1, 0), one customer's term is (Fader, Hardie & Lee 2005, eq. 6;
    Batislam, Denizel & Filiztekin 2007, eq. 4)

        ln [Gamma(k) / Gamma(r)] + ln [Gamma(b + n) / Gamma(b)] - ln [Gamma(a + b + n) / Gamma(a + b)]
        - x ln alpha - k ln(1 + T / alpha) + ln(1 + e^o),    o = ln a - ln d + k ln[(alpha + T) / (alpha + t_x)],

    o being the log odds of having left, -inf where nobody could leave yet (n = 0).
    """
    r, alpha, a, b, m = (parameters.r, parameters.alpha, parameters.a, parameters.b, parameters.m)
    value, gradient, hessian = _of_frequencies(parameters, *statistics.frequencies)
    for part in blocks(statistics.x.size):
        x, t_x, T, w = statistics.x[part], statistics.t_x[part], statistics.T[part], statistics.weights[part]
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
