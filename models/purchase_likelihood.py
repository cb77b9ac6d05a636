"""The likelihood of BG/NBD and MBG/NBD on counted purchase patterns, and histories simulated from the models."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, gammaln

from models.customer_scorer import PurchaseParameters

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Patterns:
    """Distinct purchase histories and how many customers share each: all that the likelihood depends on.

    Parameters
    ----------
    x, t_x, T, weights : ndarray, shape (k,)
        Repeat purchases, age at the last one, age, number of customers; sorted by the first three.
    """

    x: Floats
    t_x: Floats
    T: Floats
    weights: Floats

    @cached_property
    def distinct(self) -> dict[str, tuple[Floats, NDArray[np.intp]]]:
        """Distinct x, t_x and T, each with the place of every pattern's own among them."""
        columns = {"x": self.x, "t_x": self.t_x, "T": self.T}
        return {name: np.unique(column, return_inverse=True) for name, column in columns.items()}

    @cached_property
    def frequencies(self) -> tuple[Floats, Floats]:
        """Distinct x and the number of customers with each."""
        x, place = self.distinct["x"]
        return x, np.asarray(np.bincount(place, weights=self.weights), dtype=np.float64)

    @cached_property
    def customers(self) -> float:
        """Number of customers."""
        return float(self.weights.sum())

    def in_units_of(self, time: float) -> "Patterns":
        """Return the same patterns with times divided by ``time``."""
        return Patterns(self.x, self.t_x / time, self.T / time, self.weights)


def count_patterns(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Patterns:
    """Count equal purchase histories; the result does not depend on the order of the customers.

    Parameters
    ----------
    x, t_x, T : array_like, shape (n,)
        Repeat purchases, age at the last one and age.
    weights : array_like, shape (n,), optional
        Customers that each row stands for; 1 by default.
    """
    rows = pd.DataFrame({"x": np.asarray(x, float), "t_x": np.asarray(t_x, float), "T": np.asarray(T, float)})
    rows["weights"] = 1.0 if weights is None else np.asarray(weights, float)
    counted = rows.groupby(["x", "t_x", "T"], sort=True)["weights"].sum().reset_index()
    return Patterns(*(counted[column].to_numpy(np.float64) for column in ("x", "t_x", "T", "weights")))


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
    return log_likelihood_and_gradient(parameters, count_patterns(x, t_x, T, weights))[0]


def log_likelihood_and_gradient(parameters: PurchaseParameters, patterns: Patterns) -> tuple[float, Floats]:
    """Return the summed log-likelihood and its gradient by r, alpha, a, b.

    With B = b + x + m and the log odds o of having left, one customer's term is
    ln Gamma(r + x) - ln Gamma(r) + r ln alpha + ln Beta(a, B) - ln Beta(a, b) - (r + x) ln(alpha + T) + ln(1 + e^o).
    """
    r, alpha, a, b, m = (parameters.r, parameters.alpha, parameters.a, parameters.b, parameters.m)
    # The Gamma and Beta functions see x alone: once for each frequency.
    x, n = patterns.frequencies
    B = b + x + m
    by_frequency = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
    by_frequency += gammaln(a + b) - gammaln(b) + gammaln(B) - gammaln(a + B)
    from_a = digamma(a + b) - digamma(a + B)
    gradient = np.array(
        [
            n @ (digamma(r + x) - digamma(r) + np.log(alpha)),
            n.sum() * r / alpha,
            n @ from_a,
            n @ (from_a + digamma(B) - digamma(b)),
        ]
    )

    # Days repeat among patterns, so each logarithm is taken once for each distinct day.
    x_place = patterns.distinct["x"][1]
    last, last_place = patterns.distinct["t_x"]
    age, age_place = patterns.distinct["T"]
    w, shape = patterns.weights, (r + x)[x_place]
    log_age = np.log(alpha + age)[age_place]
    silence = log_age - np.log(alpha + last)[last_place]
    # Where nobody could leave yet (x + m = 0) the odds of having left are nil, whatever stands below the fraction.
    denominator = b + np.maximum(x + m - 1.0, 0.0)
    log_ratio = np.where(x + m > 0, np.log(a) - np.log(denominator), -np.inf)
    log_odds = log_ratio[x_place] + shape * silence
    small = np.exp(-np.abs(log_odds))
    log_total = np.maximum(log_odds, 0.0) + np.log1p(small)
    left = w * np.where(log_odds > 0, 1.0, small) / (1.0 + small)
    # Of a, b: sums over x; of alpha: over ages and last purchases.
    left_by_x = np.bincount(x_place, weights=left, minlength=x.size)
    stayed_by_age = np.bincount(age_place, weights=(left - w) * shape, minlength=age.size)
    left_by_last = np.bincount(last_place, weights=left * shape, minlength=last.size)
    value = n @ by_frequency + w @ (log_total - shape * log_age)
    gradient[0] += left @ silence - w @ log_age
    gradient[1] += stayed_by_age @ (1.0 / (alpha + age)) - left_by_last @ (1.0 / (alpha + last))
    gradient[2] += left.sum() / a
    gradient[3] -= left_by_x @ (1.0 / denominator)
    return float(value), gradient


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
