"""Spend: Gamma-Gamma, and what is kept of it where returns are still to come.

References
----------
[3] Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, http://brucehardie.com/notes/025/.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Floats
from .parameters import PurchaseParameters, ReturnsToCome, SpendParameters


def expected_share(x: float, parameters: SpendParameters) -> float:
    """Return the expected value of a purchase over v + x m, of one who made x priced purchases.

    In the limits over v, or over m where each customer spends the same every time and x > 0.
    """
    if parameters.equal_means:
        return parameters.p
    if parameters.equal_purchases:
        return 1.0 if x else 1.0 / (parameters.q - 1.0)
    return parameters.p / (parameters.p * x + (parameters.q - 1.0))


def expected_spend(x: ArrayLike, m: ArrayLike, parameters: SpendParameters) -> Floats:
    """Return the expected value of a customer's next purchases, p (v + x m) / (p x + q - 1) ([3], eq. 5).

    In the limits of `SpendParameters` it is the customer's own mean m, or one mean for all.

    Parameters
    ----------
    x : array_like
        Repeat purchase days with positive value.
    m : array_like
        Their mean value; not read where x = 0, where the result is the mean of the base.
    parameters : SpendParameters

    Returns
    -------
    ndarray of float
        Positive.
    """
    x, m = np.asarray(x, dtype=np.float64), np.asarray(m, dtype=np.float64)
    if parameters.equal_means:
        return np.full(np.broadcast_shapes(x.shape, m.shape), parameters.p * parameters.v)
    if parameters.equal_purchases:
        return np.asarray(np.where(x > 0, m, parameters.v / (parameters.q - 1.0)))
    total = np.where(x > 0, x * m, 0.0)
    return np.asarray(parameters.p * (parameters.v + total) / (parameters.p * x + (parameters.q - 1.0)))


def to_come(returns: ReturnsToCome, age: ArrayLike) -> Floats:
    """Return the share of a sale's present net value that is expected to come back still.

    Parameters
    ----------
    returns : ReturnsToCome
    age : array_like
        Days from the sale to as_of: 1 is the last day seen, of which lag 0 is seen.
    """
    seen = np.searchsorted(returns.lags, np.asarray(age, dtype=np.float64) - 1.0, side="right")
    kept = np.array([1.0, *returns.kept])
    # Where all has come back, nothing more can.
    return np.asarray(1.0 - kept[-1] / np.where(kept[seen] > 0, kept[seen], 1.0)) * (kept[seen] > 0)


def to_come_until(returns: ReturnsToCome, age: ArrayLike) -> Floats:
    """Return the sum of `to_come` over the ages 1, 2, ... up to an age in days."""
    sums = np.cumsum(to_come(returns, np.arange(returns.lags[-1] + 1)))
    sums -= sums[0]
    return np.asarray(sums[np.clip(np.asarray(age, dtype=np.float64), 0, returns.lags[-1]).astype(int)])


def kept_spend(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, purchase: PurchaseParameters, returns: ReturnsToCome | None
) -> Floats:
    """Return the factor of expected spend that takes off what recent purchases say too much.

    The models learn from purchases less what has come back of them so far, and some of the newest will come back still.
    A customer's purchases in future go with (r + x): x counts the customer's own repeat purchases, and r stands for
    those of the base. So the factor is 1 - (r s + d) / (r + x), with s the share that is still to come of the base's
    repeat purchases, and d what is of the customer's own: of the newest by its age, of the x - 1 others by the mean
    over the ages from then to the first purchase. Where everyone buys at the same rate it is 1 - s.

    Parameters
    ----------
    x, t_x, T : array_like, shape (n,)
        Repeat purchases, age at the last one and age, in days.
    purchase : PurchaseParameters
    returns : ReturnsToCome or None
        None where nothing comes back: the factor is 1.

    Returns
    -------
    ndarray of float, shape (n,)
        Between 0 and 1.
    """
    x, t_x, T = (np.asarray(column, dtype=np.float64) for column in (x, t_x, T))
    if returns is None:
        return np.ones_like(x)
    if purchase.equal_rates:
        return np.full_like(x, 1.0 - returns.share)
    newest = to_come(returns, T - t_x + 1.0)
    others = (to_come_until(returns, T) - to_come_until(returns, T - t_x + 1.0)) / np.maximum(t_x - 1.0, 1.0)
    own = newest + np.maximum(x - 1.0, 0.0) * np.clip(others, 0.0, 1.0)
    return np.asarray(1.0 - (purchase.r * returns.share + np.minimum(own, x)) / (purchase.r + x))
