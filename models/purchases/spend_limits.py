"""The limits of Gamma-Gamma: each customer spends the same every time (p -> infinity), or all alike (q -> infinity)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import digamma, expit, gammaln, polygamma

from models.purchases.gamma_gamma_likelihood import SpendHistories
from models.scoring.parameters import SpendLimit, SpendParameters
from models.stats.newton import Derivatives, find_optimum, mean_negative
from models.stats.typing import Floats

LogLikelihood = Callable[[Floats, SpendHistories], Derivatives]
_STARTS = np.array([[1.0, 0.0], [3.0, 2.0], [-0.5, 0.5]])


@dataclass(frozen=True)
class SpendLimitFit:
    """A fit in a limit.

    Attributes
    ----------
    parameters : SpendParameters
        Values in units of their mean.
    names : tuple of str
        Which of p, q, v are estimated.
    log_covariance : ndarray, shape (3, 3)
        Of ln p, ln q, ln v; 0 for what is not estimated.
    log_likelihood : float
        Summed over customers, values in that unit.
    holds_mean : bool
        Whether the mean of the base is held at that of the observed values.
    """

    parameters: SpendParameters
    names: tuple[str, ...]
    log_covariance: Floats
    log_likelihood: float
    holds_mean: bool = False


def fit_spend_limit(scaled: SpendHistories, largest_mean: float) -> SpendLimitFit | None:
    """Return the limit of the higher likelihood; None where the data determine neither, as with one price for all.

    Parameters
    ----------
    scaled : SpendHistories
        Values in units of their mean.
    largest_mean : float
        A mean of the base above it is not credible, and is held at 1.
    """
    fits = [fit for fit in (_equal_purchases(scaled, largest_mean), _equal_means(scaled)) if fit is not None]
    return max(fits, key=lambda fit: fit.log_likelihood, default=None)


def _equal_purchases(scaled: SpendHistories, largest_mean: float) -> SpendLimitFit | None:
    limits: tuple[SpendLimit, ...] = ("equal_purchases",)
    optimum = find_optimum(_mean_of(equal_purchases, scaled), _STARTS, scaled.customers)
    q, v = map(float, np.exp(optimum.point))
    if q > 1.0 and v / (q - 1.0) <= largest_mean:
        if not optimum.determined:
            return None
        covariance = np.zeros((3, 3))
        covariance[1:, 1:] = optimum.log_covariance
        log_likelihood = -optimum.value * scaled.customers
        return SpendLimitFit(SpendParameters(1.0, q, v, limits=limits), ("q", "v"), covariance, log_likelihood)

    def with_mean_held(point: Floats) -> Derivatives:
        # v = q - 1, by ln(q - 1).
        share = float(expit(point[0]))
        logs, slopes = np.array([np.logaddexp(0.0, point[0]), point[0]]), np.array([share, 1.0])
        value, gradient, hessian = mean_negative(equal_purchases(logs, scaled), scaled.customers)
        bend = slopes @ hessian @ slopes + gradient[0] * share * (1.0 - share)
        return value, np.array([gradient @ slopes]), np.array([[bend]])

    held = find_optimum(with_mean_held, _STARTS[:, :1], scaled.customers)
    if not held.determined:
        return None
    excess = float(np.exp(held.point[0]))
    slopes = np.array([0.0, excess / (1.0 + excess), 1.0])
    covariance = np.outer(slopes, slopes) * held.log_covariance[0, 0]
    parameters = SpendParameters(1.0, 1.0 + excess, excess, limits=limits)
    return SpendLimitFit(parameters, ("q", "v"), covariance, -held.value * scaled.customers, holds_mean=True)


def _equal_means(scaled: SpendHistories) -> SpendLimitFit | None:
    optimum = find_optimum(_mean_of(equal_means, scaled), _STARTS, scaled.customers)
    if not optimum.determined:
        return None
    p, v = map(float, np.exp(optimum.point))
    covariance = np.zeros((3, 3))
    covariance[np.ix_([0, 2], [0, 2])] = optimum.log_covariance
    parameters = SpendParameters(p, 1.0, v, limits=("equal_means",))
    return SpendLimitFit(parameters, ("p", "v"), covariance, -optimum.value * scaled.customers)


def _mean_of(of_data: LogLikelihood, scaled: SpendHistories) -> Callable[[Floats], Derivatives]:
    return lambda point: mean_negative(of_data(point, scaled), scaled.customers)


def equal_purchases(point: Floats, histories: SpendHistories) -> Derivatives:
    """Return the summed log-likelihood and its derivatives by ln q, ln v: v / m ~ Gamma(q).

    A customer's purchases have one value, so their mean m is it and their number tells nothing more:
    q ln v - ln Gamma(q) - (q + 1) ln m - v / m.
    """
    q, v = np.exp(point)
    n, (log_m, _) = histories.customers, histories.log_sums
    inverse = float((histories.weights / histories.m).sum())
    of_q = q * (n * point[1] - n * digamma(q) - log_m)
    value = n * (q * point[1] - gammaln(q)) - (q + 1.0) * log_m - v * inverse
    across = n * q
    hessian = np.array([[of_q - n * q**2 * polygamma(1, q), across], [across, -v * inverse]])
    return float(value), np.array([of_q, n * q - v * inverse]), hessian


def equal_means(point: Floats, histories: SpendHistories) -> Derivatives:
    """Return the summed log-likelihood and its derivatives by ln p, ln v: x m / v ~ Gamma(p x).

    p x ln(x / v) - ln Gamma(p x) + (p x - 1) ln m - x m / v.
    """
    p, v = np.exp(point)
    x, customers = histories.frequencies
    log_m, _ = histories.log_sums
    x_log_m = float((histories.weights * histories.x * np.log(histories.m)).sum())
    purchases, total = float(customers @ x), float((histories.weights * histories.x * histories.m).sum())
    x_log_x = float(customers @ (x * np.log(x)))
    of_p = p * (x_log_x - purchases * point[1] - float(customers @ (x * digamma(p * x))) + x_log_m)
    value = p * (x_log_x - purchases * point[1] + x_log_m) - float(customers @ gammaln(p * x)) - log_m - total / v
    bend = of_p - p**2 * float(customers @ (x**2 * polygamma(1, p * x)))
    across = -p * purchases
    return float(value), np.array([of_p, across + total / v]), np.array([[bend, across], [across, -total / v]])
