"""The purchases that a whole base is expected to make, with all that is not known of that total."""

from dataclasses import dataclass

import numpy as np

from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.scoring.bg_nbd import expected_purchases, p_alive
from models.scoring.parameters import Covariance, PurchaseParameters
from models.stats.normal import ONE_SIDED_95
from models.stats.typing import Floats

_STEP = 0.01
# Histories that the slopes by the parameters are taken on.
_MOST_HISTORIES = 20_000


@dataclass(frozen=True)
class Total:
    """Expected purchases of all customers together, and the 90 % interval of those that will be made."""

    expected: float
    low: float
    high: float


def total_purchases(
    histories: SufficientStatistics,
    length: float,
    parameters: PurchaseParameters,
    log_covariance: Covariance | None,
    clock_error: float = 0.0,
) -> Total:
    """Return the purchases expected of all customers, and the 90 % interval of the total.

    Three errors of the logarithm add up: of the clock, which all customers share; of the fitted parameters, by the
    slopes of the total; and of chance, as each customer's purchases vary. Given alive, those have the variance of a
    negative binomial of shape r + x, which they are where nobody leaves.

    Parameters
    ----------
    histories : SufficientStatistics
        In the time of the model.
    length : float
        Of the horizon in that time.
    parameters : PurchaseParameters
        Of the model.
    log_covariance : tuple of 4 tuples of 4 floats, or None
        Of ln r, ln alpha, ln a, ln b; None takes them as known.
    clock_error : float
        Standard error of the logarithm of ``length``.
    """
    x, t_x, T, weights = histories.x, histories.t_x, histories.T, histories.weights
    alive = np.maximum(p_alive(x, t_x, T, parameters), np.finfo(float).tiny)
    each = expected_purchases(length, x, t_x, T, parameters)
    total = float(weights @ each)
    if total <= 0:
        return Total(0.0, 0.0, 0.0)
    of_living = each / alive
    spread = 0.0 if parameters.equal_rates else 1.0
    variance = alive * (of_living + of_living**2 * (1.0 + spread / (parameters.r + x))) - each**2
    chance = float(weights @ variance) / total**2
    slopes = _slopes(histories, length, parameters)
    fitted = 0.0 if log_covariance is None else float(slopes @ np.asarray(log_covariance) @ slopes)
    half = ONE_SIDED_95 * np.sqrt(clock_error**2 + fitted + chance)
    return Total(total, float(total * np.exp(-half)), float(total * np.exp(half)))


def _slopes(histories: SufficientStatistics, length: float, parameters: PurchaseParameters) -> Floats:
    """Slopes of the logarithm of the total by ln r, ln alpha, ln a, ln b; 0 for a parameter that a limit holds at 0."""
    some = histories.thinned(_MOST_HISTORIES) if histories.x.size > _MOST_HISTORIES else histories
    values = np.array([parameters.r, parameters.alpha, parameters.a, parameters.b])

    def log_total(factors: Floats) -> float:
        r, alpha, a, b = (float(value) for value in values * factors)
        moved = PurchaseParameters(r, alpha, a, b, parameters.m, parameters.limits)
        return float(np.log(some.weights @ expected_purchases(length, some.x, some.t_x, some.T, moved)))

    steps = _STEP * np.eye(4)
    return np.array([(log_total(np.exp(step)) - log_total(np.exp(-step))) / (2 * _STEP) for step in steps])
