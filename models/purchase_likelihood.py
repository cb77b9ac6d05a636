"""The likelihood of BG/NBD and MBG/NBD on counted purchase patterns, and histories simulated from the models."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import digamma, expit, gammaln

from models.customer_scorer import PurchaseParameters, log_odds_of_having_left

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
    def frequencies(self) -> tuple[Floats, Floats]:
        """Distinct x and the number of customers with each."""
        x, place = np.unique(self.x, return_inverse=True)
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

    x, t_x, T, w = patterns.x, patterns.t_x, patterns.T, patterns.weights
    log_odds = log_odds_of_having_left(x, t_x, T, parameters)
    left = w * expit(log_odds)
    silence = np.log1p((T - t_x) / (alpha + t_x))
    log_age = np.log(alpha + T)
    value = n @ by_frequency + w @ (np.logaddexp(0.0, log_odds) - (r + x) * log_age)
    gradient[0] += left @ silence - w @ log_age
    gradient[1] += left @ ((r + x) * (1 / (alpha + T) - 1 / (alpha + t_x))) - w @ ((r + x) / (alpha + T))
    gradient[2] += left.sum() / a
    # Nobody has left where x + m = 0, whatever stands below the fraction.
    gradient[3] -= left @ (1 / (b + np.maximum(x + m - 1, 0.0)))
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
