"""Purchases: BG/NBD and MBG/NBD.

References
----------
[1] Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), 275-284.
[2] Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base
    analysis, International Journal of Research in Marketing 24(3), 201-209.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from .arrays import Floats, distinct_pairs
from .parameters import PurchaseParameters
from .quadrature import mean_over_dropout, node_counts_in_time

DAYS_PER_YEAR = 365.25


def log_odds_of_leaving_at(chance: ArrayLike, a: ArrayLike, b: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Log odds that a customer left at the n-th chance of leaving against having stayed: ln a - ln(b + n - 1).

    -inf where n = 0, and where a limit of the model lets nobody leave. ``a`` and ``b`` may differ from those of
    ``parameters``, whose limits are read. Shapes broadcast.
    """
    n, a, b = np.broadcast_arrays(*(np.asarray(each, dtype=np.float64) for each in (chance, a, b)))
    if parameters.nobody_leaves:
        return np.full(n.shape, -np.inf)
    may_leave = n > 0
    if "equal_dropout" in parameters.limits:
        denominator = b
    elif "at_once_or_never" in parameters.limits:
        denominator, may_leave = b, n == 1
    else:
        # Where nobody could leave yet the denominator is irrelevant, but must not be b - 1 <= 0.
        denominator = b + np.maximum(n - 1.0, 0.0)
    return np.where(may_leave, np.log(a) - np.log(denominator), -np.inf)


def log_odds_of_silence(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, r: ArrayLike, alpha: ArrayLike, parameters: PurchaseParameters
) -> Floats:
    """How much longer odds of having left the time without a purchase makes: (r + x) ln[(alpha + T) / (alpha + t_x)].

    With equal rates it is r / alpha (T - t_x). ``r`` and ``alpha`` may differ from those of ``parameters``, whose
    limits are read. Shapes broadcast.
    """
    x, t_x, T, r, alpha = (np.asarray(each, dtype=np.float64) for each in (x, t_x, T, r, alpha))
    if parameters.equal_rates:
        return np.asarray(r / alpha * (T - t_x))
    # log1p of the ratio keeps its digits when the last purchase was just now.
    return np.asarray((r + x) * np.log1p((T - t_x) / (alpha + t_x)))


def log_odds_of_having_left(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Log odds that a customer has left by T; -inf where the model lets nobody leave (x + m = 0, and in limits).

    ln a - ln(b + x + m - 1) + (r + x) (ln(alpha + T) - ln(alpha + t_x)), the ratio of the two terms of the
    likelihood of [1], eq. 6. Shapes broadcast.
    """
    chances = np.asarray(x, dtype=np.float64) + parameters.m
    leaving = log_odds_of_leaving_at(chances, parameters.a, parameters.b, parameters)
    return np.asarray(leaving + log_odds_of_silence(x, t_x, T, parameters.r, parameters.alpha, parameters))


def p_alive(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Probability that a customer has not left by T.

    It is 1 by assumption for every one-time buyer under BG/NBD, and for everyone where nobody leaves: see
    `p_alive_if_judged` for what is published, and `p_purchase` to rank customers.

    Parameters
    ----------
    x, t_x, T : array_like
        Repeat purchases, age at the last one and age; 0 <= t_x <= T. Shapes broadcast.
    parameters : PurchaseParameters

    Returns
    -------
    ndarray of float
        In [0, 1].

    References
    ----------
    Fader, Hardie & Lee (2008), http://brucehardie.com/notes/021/palive_for_BGNBD.pdf.
    """
    return np.asarray(expit(-log_odds_of_having_left(x, t_x, T, parameters)))


def p_alive_if_judged(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Probability that a customer has not left by T, NaN where it is 1 by an assumption and not by the data.

    That is so of one-time buyers under BG/NBD, who can leave only at a repeat purchase, and of everyone where the model
    knows no leaving (NBD).

    Returns
    -------
    ndarray of float
        In [0, 1], or NaN.
    """
    log_odds = log_odds_of_having_left(x, t_x, T, parameters)
    return np.where(np.isneginf(log_odds), np.nan, expit(-log_odds))


def p_purchase(
    horizon: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters
) -> Floats:
    """Probability of at least one purchase within the horizon.

    P(alive) (1 - ((alpha + T) / (alpha + T + horizon))^(r + x)): the next purchase of a living customer comes
    at a Gamma(r + x, alpha + T) rate, whatever the dropout chance after it.

    Parameters
    ----------
    horizon : array_like
        Length of time from T on, >= 0.
    x, t_x, T : array_like
        As in `p_alive`. Shapes broadcast.
    parameters : PurchaseParameters

    Returns
    -------
    ndarray of float
        In [0, 1].
    """
    return p_alive(x, t_x, T, parameters) * p_purchase_of_the_living(horizon, x, T, parameters)


def expected_purchases(
    horizon: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters
) -> Floats:
    """Return the expected number of purchases within the horizon.

    P(alive) E_p[(1 - ((alpha + T) / (alpha + T + p horizon))^(r + x)) / p] with p ~ Beta(a, b + x + m), which
    equals eq. 10 of [1] without its pole at a = 1, its overflow at large x and its cancellation at small
    horizons.

    Parameters
    ----------
    horizon : array_like
        Length of time from T on, >= 0.
    x, t_x, T : array_like
        As in `p_alive`. Shapes broadcast.
    parameters : PurchaseParameters

    Returns
    -------
    ndarray of float
        >= 0, to a relative 1e-10.
    """
    alive = p_alive(x, t_x, T, parameters)
    return alive * purchases_of_the_living(horizon, x, T, parameters)


def discounted_purchases(
    horizon: float,
    annual_rate: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    parameters: PurchaseParameters,
) -> Floats:
    """Return the expected purchases within the horizon, each discounted continuously to T.

    e^(-d h) E(h) + d integral_0^h e^(-d s) E(s) ds, with d = ln(1 + annual_rate) / 365.25 and E as in
    `expected_purchases`. Times must be in days.

    Parameters
    ----------
    horizon : float
        Days from T on, >= 0.
    annual_rate : float
        Discount rate a year, >= 0: 0.1 for 10 %.
    x, t_x, T : array_like
        As in `p_alive`. Shapes broadcast.
    parameters : PurchaseParameters

    Returns
    -------
    ndarray of float
        >= 0, to a relative 1e-8.
    """
    alive = p_alive(x, t_x, T, parameters)
    return alive * discounted_purchases_of_the_living(horizon, annual_rate, x, T, parameters)


def new_customer_p_none(horizon: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Probability that a customer who has just bought for the first time buys nothing more within the horizon.

    (alpha / (alpha + horizon))^r under BG/NBD; 1 - b / (a + b) (1 - that) under MBG/NBD.
    """
    none_if_alive = np.exp(_log_none_of_the_living(horizon, 0.0, 0.0, parameters))
    left_at_once = parameters.a / (parameters.a + parameters.b) if parameters.m else 0.0
    return np.asarray(left_at_once + (1.0 - left_at_once) * none_if_alive)


def new_customer_expected_purchases(horizon: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Return the purchases expected of a customer who has just bought for the first time ([1], eq. 9)."""
    return expected_purchases(horizon, 0.0, 0.0, 0.0, parameters)


def p_purchase_of_the_living(horizon: ArrayLike, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Return the probability of at least one purchase given alive at T."""
    return np.asarray(-np.expm1(_log_none_of_the_living(horizon, x, T, parameters)))


def _log_none_of_the_living(horizon: ArrayLike, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Logarithm of the probability of no purchase given alive: -(r + x) ln(1 + horizon / (alpha + T))."""
    horizon, x, T = np.broadcast_arrays(*(np.asarray(column, dtype=np.float64) for column in (horizon, x, T)))
    ratio = horizon / time_scale(T, parameters)
    return np.asarray(-ratio if parameters.equal_rates else -(parameters.r + x) * np.log1p(ratio))


def time_scale(T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Return the unit in which a horizon is long or short: alpha + T, with equal rates the mean gap alpha / r."""
    T = np.asarray(T, dtype=np.float64)
    return np.full(T.shape, parameters.alpha / parameters.r) if parameters.equal_rates else parameters.alpha + T


def purchases_of_the_living(horizon: ArrayLike, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Return the expected purchases given alive at T, once for each distinct (x, T) or (x, horizon / (alpha + T))."""
    horizon, x, T = (np.asarray(column, dtype=np.float64) for column in (horizon, x, T))
    shape = np.broadcast_shapes(horizon.shape, x.shape, T.shape)
    if horizon.size == 1:
        x, T = np.broadcast_to(x, shape), np.broadcast_to(T, shape)
        distinct_x, distinct_T, place = distinct_pairs(x.ravel(), T.ravel())
        distinct_ratio = horizon.ravel() / time_scale(distinct_T, parameters)
    else:
        x, ratio = np.broadcast_to(x, shape), np.broadcast_to(horizon / time_scale(T, parameters), shape)
        distinct_x, distinct_ratio, place = distinct_pairs(x.ravel(), ratio.ravel())
    one = np.ones((distinct_x.size, 1))
    values = mean_over_dropout(distinct_x, distinct_ratio[:, None], one, parameters)
    return values[place].reshape(shape)


def summed_purchases_of_the_living(
    lengths: Floats, weights: Floats, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters
) -> Floats:
    """Return the weighted sum of the purchases given alive within several lengths of time, shape (k,) each."""
    x, T = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(T, dtype=np.float64))
    distinct_x, distinct_T, place = distinct_pairs(x.ravel(), T.ravel())
    times = lengths[None, :] / time_scale(distinct_T, parameters)[:, None]
    values = mean_over_dropout(distinct_x, times, np.broadcast_to(weights, times.shape), parameters)
    return values[place].reshape(x.shape)


def discounted_purchases_of_the_living(
    horizon: float, annual_rate: float, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters
) -> Floats:
    """Return the discounted purchases given alive at T, once for each distinct (x, T)."""
    rate = np.log1p(annual_rate) / DAYS_PER_YEAR
    if rate == 0.0:
        return purchases_of_the_living(horizon, x, T, parameters)
    x, T = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(T, dtype=np.float64))
    distinct_x, distinct_T, place = distinct_pairs(x.ravel(), T.ravel())
    # What comes after 60 mean discount times weighs less than e^-60.
    end = min(float(horizon), 60.0 / rate)
    age = time_scale(distinct_T, parameters)
    values = np.empty(distinct_x.size)
    counts = node_counts_in_time(distinct_x, end / age, rate * end, parameters)
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        # s = (alpha + T)(e^y - 1), or (alpha / r)(e^y - 1): in y the expectation bends equally at every horizon.
        nodes, weights = np.polynomial.legendre.leggauss(int(count))
        length = np.log1p(end / age[rows])[:, None]
        y = 0.5 * (nodes + 1.0) * length
        times = np.expm1(y)
        shares = 0.5 * weights * length * rate * age[rows, None] * np.exp(y - rate * age[rows, None] * times)
        times = np.hstack([times, (end / age[rows])[:, None]])
        shares = np.hstack([shares, np.full((rows.size, 1), np.exp(-rate * end))])
        values[rows] = mean_over_dropout(distinct_x[rows], times, shares, parameters)
    return values[place].reshape(x.shape)
