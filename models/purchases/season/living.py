"""How many repeat purchases of living customers a purchase model expects on each day that was seen."""

import numpy as np

from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.scoring.bg_nbd import p_alive
from models.scoring.parameters import PurchaseParameters
from models.stats.typing import Floats


def expected_by_day(
    days: SufficientStatistics, by_clock: SufficientStatistics, parameters: PurchaseParameters, length: int
) -> Floats:
    """Return the purchases expected on each of the last ``length`` days seen, per unit of the clock, oldest first.

    The expectation step of an EM algorithm: given all of a customer's history, the rate has the mean
    (r + x) / (alpha + T) where the customer is alive, and (r + x) / (alpha + t_x) where not. Customers leave only at
    purchases, so the living ones were there from their first purchase to the end, and the others to their last one. The
    slope of the log-likelihood by the rate of the clock on a day is its purchases less these times that rate.

    Parameters
    ----------
    days, by_clock : SufficientStatistics
        The same histories, times in days and by the clock.
    parameters : PurchaseParameters
        Fitted by the clock.
    length : int
        Days, at least the largest T.
    """
    alive = p_alive(by_clock.x, by_clock.t_x, by_clock.T, parameters)
    staying = days.weights * alive * _mean_rate(by_clock.x, by_clock.T, parameters)
    left = days.weights * (1.0 - alive) * _mean_rate(by_clock.x, by_clock.t_x, parameters)
    # The first day that counts is the one after the first purchase; day ``length - 1`` is the last one seen.
    first = (length - days.T).astype(np.int64)
    last = first + days.t_x.astype(np.int64)
    change = np.bincount(first, staying + left, minlength=length + 1) - np.bincount(last, left, minlength=length + 1)
    return np.asarray(np.maximum(np.cumsum(change)[:length], 0.0))


def _mean_rate(x: Floats, exposed: Floats, parameters: PurchaseParameters) -> Floats:
    """Mean rate of customers who made x repeat purchases in that time of their lives."""
    if parameters.equal_rates:
        return np.full(x.shape, parameters.r / parameters.alpha)
    return (parameters.r + x) / (parameters.alpha + exposed)
