"""The likelihood of Gamma-Gamma, and the test of its assumption that frequency and value are independent."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln
from scipy.stats import t as student

from models.customer_scorer import SpendParameters

Floats = NDArray[np.float64]
# A p or q on its way to infinity is held here: a spread of 3 % between a customer's purchases, or between customers.
HELD_AT = 1000.0
# Between Cohen's small and medium effect; CDNOW, on which the model was shown to work, has .11.
_NOTABLE_CORRELATION = 0.2


@dataclass(frozen=True)
class SpendHistories:
    """Repeat purchases of positive value: how many, their mean value, and how many customers share the row.

    Parameters
    ----------
    x, m, weights : ndarray, shape (n,)
        All positive.
    """

    x: Floats
    m: Floats
    weights: Floats

    @cached_property
    def customers(self) -> float:
        """Number of customers."""
        return float(self.weights.sum())

    @cached_property
    def mean(self) -> float:
        """Mean over customers of their mean value."""
        return float(self.weights @ self.m / self.customers)

    @cached_property
    def frequencies(self) -> tuple[Floats, Floats]:
        """Distinct x and the number of customers with each."""
        x, place = np.unique(self.x, return_inverse=True)
        return x, np.asarray(np.bincount(place, weights=self.weights), dtype=np.float64)

    def in_units_of(self, money: float) -> "SpendHistories":
        """Return the same histories with values divided by ``money``."""
        return SpendHistories(self.x, self.m / money, self.weights)


def log_likelihood_and_gradient(parameters: SpendParameters, histories: SpendHistories) -> tuple[float, Floats]:
    """Return the summed log-likelihood and its gradient by p, q, v (Fader & Hardie 2013, eq. 1a).

    One customer's term is ln Gamma(p x + q) - ln Gamma(p x) - ln Gamma(q) + q ln(v / s) + p x ln(x m / s) - ln m,
    with s = x m + v.
    """
    p, q, v = parameters.p, parameters.q, parameters.v
    # The Gamma functions see x alone: once for each frequency.
    x, n = histories.frequencies
    by_frequency = gammaln(p * x + q) - gammaln(p * x) - gammaln(q)
    value = n @ by_frequency
    gradient = np.array([n @ (x * (digamma(p * x + q) - digamma(p * x))), n @ (digamma(p * x + q) - digamma(q)), 0.0])
    x, m, w = histories.x, histories.m, histories.weights
    total = x * m
    log_observed, log_prior = -np.log1p(v / total), -np.log1p(total / v)
    value += w @ (q * log_prior + p * x * log_observed - np.log(m))
    gradient += [
        w @ (x * log_observed),
        w @ log_prior,
        w @ (q / v - (p * x + q) / (total + v)),
    ]
    return float(value), gradient


def natural_parameters(point: Floats, held: Sequence[str]) -> tuple[Floats, Floats]:
    """Return p, q, v (values in units of their mean) at the free log parameters, and their derivatives by those.

    Free are ln p and ln q unless held, and ln v; with the mean held at 1, ln(q - 1) in place of ln q and no v.
    """
    free = iter(range(point.size))
    natural, slopes = np.empty(3), np.zeros((3, point.size))
    for row, name in enumerate(("p", "q")):
        natural[row] = HELD_AT
        if name not in held:
            column = next(free)
            slopes[row, column] = np.exp(point[column])
            natural[row] = slopes[row, column] + (1.0 if name == "q" and "mean" in held else 0.0)
    p, q = natural[:2]
    if "mean" in held:
        natural[2] = (q - 1.0) / p
        slopes[2] = slopes[1] / p - natural[2] * slopes[0] / p
    else:
        slopes[2, next(free)] = natural[2] = np.exp(point[-1])
    return natural, slopes


def free_parameters(start: Floats, held: Sequence[str]) -> Floats:
    """Return those of ln p, ln q and ln v that are not held."""
    kept = [name not in held for name in ("p", "q")] + ["mean" not in held]
    return np.asarray(start[np.array(kept)])


@dataclass(frozen=True)
class Independence:
    """Whether frequency and value go together, which Gamma-Gamma assumes they do not.

    Parameters
    ----------
    correlation : float
        Pearson's, over customers with a repeat purchase of positive value; NaN where one of the two is constant.
    p_value : float
        Two-sided, of no correlation; NaN with it, and below three customers.
    customers : float
        How many they are.
    """

    correlation: float
    p_value: float
    customers: float

    @property
    def warning(self) -> str | None:
        """What to do where the assumption fails, in plain words; None where it holds well enough."""
        if not (abs(self.correlation) >= _NOTABLE_CORRELATION and self.p_value < 0.05):
            return None
        who, bias = ("more", "low") if self.correlation > 0 else ("less", "high")
        return (
            f"Frequent buyers spend {who} per purchase (correlation {self.correlation:.2f}, p {self.p_value:.2g}, "
            f"{self.customers:.0f} customers), while Gamma-Gamma takes frequency and value to be independent: "
            f"the revenue expected of frequent buyers may be too {bias}. Score kinds of customers that differ in both "
            "(trade and private, say) apart, or compare expected with realised revenue by frequency before use."
        )


def independence(histories: SpendHistories) -> Independence:
    """Test whether frequency and value are correlated between customers (t test of Pearson's r)."""
    x, m, w, customers = histories.x, histories.m, histories.weights, histories.customers
    away_x, away_m = x - w @ x / customers, m - w @ m / customers
    spread = np.sqrt((w @ away_x**2) * (w @ away_m**2))
    if spread <= 0 or customers < 3:
        return Independence(float("nan"), float("nan"), customers)
    correlation = float(np.clip(w @ (away_x * away_m) / spread, -1.0, 1.0))
    freedom = customers - 2
    with np.errstate(divide="ignore"):
        t = abs(correlation) * np.sqrt(freedom / np.float64(1.0 - correlation**2))
    return Independence(correlation, float(2 * student.sf(t, freedom)), customers)
