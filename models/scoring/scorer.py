"""The registered scorer and the formulas it serves, in one self-contained file.

MLflow logs this file as the model's code, and a consumer runs it with mlflow, lightgbm, scipy, numpy and
pandas alone, beside any other version and any package of its own called ``models``. It therefore imports
nothing of this project; the project imports the formulas from here, so that what is tested is what is served.

Sections: purchases (BG/NBD and MBG/NBD), spend (Gamma-Gamma), intervals, second stage, NPS category, the scorer.

Words: x is the number of repeat purchases (frequency), t_x the age at the last one (recency), T the age at
``as_of``, all times in the unit of the parameters (days in this project). A horizon is a length of time from T on.

References
----------
[1] Fader, Hardie & Lee (2005), "Counting Your Customers" the Easy Way, Marketing Science 24(2), 275-284.
[2] Batislam, Denizel & Filiztekin (2007), Empirical validation and comparison of models for customer base
    analysis, International Journal of Research in Marketing 24(3), 201-209.
[3] Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, http://brucehardie.com/notes/025/.
[4] Golub & Welsch (1969), Calculation of Gauss Quadrature Rules, Mathematics of Computation 23, 221-230.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.special import expit, log_softmax, logit, ndtri, softmax

Floats = NDArray[np.float64]

# --- Purchases: BG/NBD and MBG/NBD ---

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True)
class PurchaseParameters:
    """Parameters of BG/NBD (``m = 0``) or MBG/NBD (``m = 1``).

    While alive a customer buys at a Poisson rate ~ Gamma(r, rate alpha), and leaves after each purchase with
    a chance ~ Beta(a, b); under MBG/NBD also right after the first one.

    Parameters
    ----------
    r, alpha : float
        Shape and rate of the Gamma distribution of purchase rates, positive; alpha in units of time.
    a, b : float
        Parameters of the Beta distribution of the dropout chance, positive.
    m : int
        0 for BG/NBD [1], 1 for MBG/NBD [2].
    """

    r: float
    alpha: float
    a: float
    b: float
    m: int = 0


def log_odds_of_having_left(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Log odds that a customer has left by T; -inf where the model lets nobody leave (x + m = 0).

    ln a - ln(b + x + m - 1) + (r + x) (ln(alpha + T) - ln(alpha + t_x)), the ratio of the two terms of the
    likelihood of [1], eq. 6. Shapes broadcast.
    """
    x, t_x, T = (np.asarray(column, dtype=np.float64) for column in (x, t_x, T))
    dropouts = x + parameters.m
    # Where nobody could leave yet the denominator is irrelevant, but must not be b - 1 <= 0.
    denominator = parameters.b + np.maximum(dropouts - 1.0, 0.0)
    # log1p of the ratio keeps its digits when the last purchase was just now.
    silence = np.log1p((T - t_x) / (parameters.alpha + t_x))
    odds = np.log(parameters.a) - np.log(denominator) + (parameters.r + x) * silence
    return np.where(dropouts > 0, odds, -np.inf)


def p_alive(x: ArrayLike, t_x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Probability that a customer has not left by T.

    Under BG/NBD it is 1 for every one-time buyer, so it ranks nobody: see `p_purchase`.

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
    return p_alive(x, t_x, T, parameters) * _p_purchase_of_the_living(horizon, x, T, parameters)


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
    return alive * _purchases_of_the_living(horizon, x, T, parameters)


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
    return alive * _discounted_purchases_of_the_living(horizon, annual_rate, x, T, parameters)


def new_customer_p_none(horizon: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Probability that a customer who has just bought for the first time buys nothing more within the horizon.

    (alpha / (alpha + horizon))^r under BG/NBD; 1 - b / (a + b) (1 - that) under MBG/NBD.
    """
    none_if_alive = np.exp(-parameters.r * np.log1p(np.asarray(horizon, dtype=np.float64) / parameters.alpha))
    left_at_once = parameters.a / (parameters.a + parameters.b) if parameters.m else 0.0
    return np.asarray(left_at_once + (1.0 - left_at_once) * none_if_alive)


def new_customer_expected_purchases(horizon: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Return the purchases expected of a customer who has just bought for the first time ([1], eq. 9)."""
    return expected_purchases(horizon, 0.0, 0.0, 0.0, parameters)


def _p_purchase_of_the_living(horizon: ArrayLike, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Return the probability of at least one purchase given alive at T."""
    horizon, x, T = (np.asarray(column, dtype=np.float64) for column in (horizon, x, T))
    return -np.expm1(-(parameters.r + x) * np.log1p(horizon / (parameters.alpha + T)))


def _purchases_of_the_living(horizon: ArrayLike, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Return the expected purchases given alive at T, once for each distinct (x, T) or (x, horizon / (alpha + T))."""
    horizon, x, T = (np.asarray(column, dtype=np.float64) for column in (horizon, x, T))
    shape = np.broadcast_shapes(horizon.shape, x.shape, T.shape)
    if horizon.size == 1:
        x, T = np.broadcast_to(x, shape), np.broadcast_to(T, shape)
        some_x, some_T, place = _distinct(x.ravel(), T.ravel())
        some_reach = horizon.ravel() / (parameters.alpha + some_T)
    else:
        x, reach = np.broadcast_to(x, shape), np.broadcast_to(horizon / (parameters.alpha + T), shape)
        some_x, some_reach, place = _distinct(x.ravel(), reach.ravel())
    one = np.ones((some_x.size, 1))
    values = _mean_over_dropout(some_x, some_reach[:, None], one, parameters)
    return values[place].reshape(shape)


def _discounted_purchases_of_the_living(
    horizon: float, annual_rate: float, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters
) -> Floats:
    """Return the discounted purchases given alive at T, once for each distinct (x, T)."""
    rate = np.log1p(annual_rate) / DAYS_PER_YEAR
    if rate == 0.0:
        return _purchases_of_the_living(horizon, x, T, parameters)
    x, T = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(T, dtype=np.float64))
    some_x, some_T, place = _distinct(x.ravel(), T.ravel())
    # What comes after 60 mean discount times weighs less than e^-60.
    end = min(float(horizon), 60.0 / rate)
    age = parameters.alpha + some_T
    values = np.empty(some_x.size)
    counts = _node_counts_in_time(some_x, end / age, rate * end, parameters)
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        # s = (alpha + T)(e^y - 1): in y the expectation bends equally at every horizon.
        nodes, weights = np.polynomial.legendre.leggauss(int(count))
        length = np.log1p(end / age[rows])[:, None]
        y = 0.5 * (nodes + 1.0) * length
        times = np.expm1(y)
        shares = 0.5 * weights * length * rate * age[rows, None] * np.exp(y - rate * age[rows, None] * times)
        times = np.hstack([times, (end / age[rows])[:, None]])
        shares = np.hstack([shares, np.full((rows.size, 1), np.exp(-rate * end))])
        values[rows] = _mean_over_dropout(some_x[rows], times, shares, parameters)
    return values[place].reshape(x.shape)


def _distinct(first: Floats, second: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return the distinct pairs of two columns and, for each row, the place of its pair among them."""
    dense = _dense_keys(first, second)
    if dense is not None:
        keys, width = dense
        seen = np.zeros(int(keys.max()) + 1, dtype=bool)
        seen[keys] = True
        some = np.flatnonzero(seen)
        return (some // width).astype(np.float64), (some % width).astype(np.float64), (np.cumsum(seen) - 1)[keys]
    first_code, first_values = pd.factorize(first)
    second_code, second_values = pd.factorize(second)
    width = max(len(second_values), 1)
    place, keys = pd.factorize(first_code.astype(np.int64) * width + second_code)
    return first_values[keys // width], second_values[keys % width], place.astype(np.int64)


def _dense_keys(first: Floats, second: Floats) -> tuple[NDArray[np.int64], int] | None:
    """Return first * width + second, and the width, where both are whole numbers so small that they need no hashing."""
    if not first.size:
        return None
    with np.errstate(invalid="ignore"):
        whole, other = first.astype(np.int64), second.astype(np.int64)
    if (whole != first).any() or (other != second).any() or whole.min() < 0 or other.min() < 0:
        return None
    width = int(other.max()) + 1
    if (int(whole.max()) + 1) * width > 4 * first.size:
        return None
    return whole * width + other, width


# Nodes come in a few sizes, so that customers of one frequency share them.
_NODE_COUNTS = np.array([16, 24, 32, 48, 64, 96, 128, 192])
_TERMS_AT_ONCE = 1 << 20


def _node_counts_in_time(x: Floats, reach: Floats, decay: float, parameters: PurchaseParameters) -> NDArray[np.int64]:
    """Gauss-Legendre nodes in time: more where purchases or their present value run out within the horizon."""
    dropout = parameters.a / (parameters.a + parameters.b + x + parameters.m)
    bend = (parameters.r + x) * dropout * np.log1p(reach)
    needed = 16 + np.log1p(reach) + 3.0 * np.sqrt(np.maximum(bend - 1.0, 0.0)) + 0.5 * max(decay - 4.0, 0.0)
    return _NODE_COUNTS[np.minimum(np.searchsorted(_NODE_COUNTS, np.floor(needed)), _NODE_COUNTS.size - 1)]


def _mean_over_dropout(x: Floats, reach: Floats, shares: Floats, parameters: PurchaseParameters) -> Floats:
    """Sum over j of shares[i, j] E_p[(1 - (1 + p reach[i, j])^-(r + x[i])) / p], p ~ Beta(a, b + x[i] + m).

    Parameters
    ----------
    x : ndarray, shape (n,)
    reach : ndarray, shape (n, k)
        Horizons over alpha + T.
    shares : ndarray, shape (n, k)
    parameters : PurchaseParameters

    Returns
    -------
    ndarray, shape (n,)
    """
    values = np.empty(x.size)
    z = reach.max(axis=1, initial=0.0)
    shape = parameters.r + x
    needed = (6 + 2 * np.sqrt(shape)) * np.sqrt(z)
    # The bound that does not grow with the shape fails beyond, where there is no customer's B to match it.
    if parameters.r <= 30:
        needed = np.minimum(needed, 6 * z)
    needed += 16
    size = np.searchsorted(_NODE_COUNTS, np.ceil(needed))
    few = size < _NODE_COUNTS.size
    for rows in _groups(x, size, np.flatnonzero(few)):
        B = parameters.b + x[rows[0]] + parameters.m
        p, weights = _beta_nodes(int(_NODE_COUNTS[size[rows[0]]]), parameters.a, B)
        for part in _parts(rows, reach.shape[1] * p.size):
            values[part] = _weighted_terms(shape[part], reach[part], shares[part], p, weights)
    for part in _parts(np.flatnonzero(~few), reach.shape[1] * _STEPS):
        p, weights = _beta_steps(x[part], z[part], parameters)
        values[part] = _weighted_terms(shape[part], reach[part], shares[part], p[:, None, :], weights[:, None, :])
    return values


def _groups(x: Floats, size: NDArray[np.int64], rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Yield the rows that share both x and the number of nodes, in ascending order of both."""
    order = rows[np.lexsort((size[rows], x[rows]))]
    ends = np.flatnonzero((np.diff(x[order]) != 0) | (np.diff(size[order]) != 0)) + 1
    return (group for group in np.split(order, ends) if group.size)


def _parts(rows: NDArray[np.int64], terms_per_row: int) -> Iterator[NDArray[np.int64]]:
    """Cut rows into parts whose terms fit in a few megabytes."""
    step = max(_TERMS_AT_ONCE // terms_per_row, 1)
    return (rows[start : start + step] for start in range(0, rows.size, step))


def _weighted_terms(shape: Floats, reach: Floats, shares: Floats, p: Floats, weights: Floats) -> Floats:
    """Sum shares * weights * (1 - (1 + p reach)^-shape) / p over times and nodes, for each row."""
    terms = np.log1p(p * reach[:, :, None])
    terms *= -shape[:, None, None]
    np.expm1(terms, out=terms)
    terms *= -(weights / p)
    # Not a matrix product: its rounding may depend on the number of rows beside this one.
    return np.asarray((terms.sum(axis=2) * shares).sum(axis=1))


def _beta_nodes(count: int, a: float, B: float) -> tuple[Floats, Floats]:
    """Gauss-Jacobi nodes and weights (summing to 1) of Beta(a, B) on (0, 1), by Golub & Welsch [4].

    The recurrence is that of the Jacobi polynomials shifted to (0, 1), with its factors arranged so that none
    vanishes at a + B = 1 or 2.
    """
    n = np.arange(1.0, count)
    s = a + B - 2.0
    diagonal = np.empty(count)
    diagonal[0] = a / (a + B)
    diagonal[1:] = (2 * n * (n + s + 1) + a * s) / ((2 * n + s) * (2 * n + s + 2))
    squares = np.empty(count - 1)
    squares[0] = a * B / ((a + B) ** 2 * (a + B + 1))
    k = n[1:]
    squares[1:] = (
        (k / (2 * k + s + 1)) * ((k + a - 1) / (2 * k + s)) * ((k + B - 1) / (2 * k + s)) * ((k + s) / (2 * k + s - 1))
    )
    p, vectors = eigh_tridiagonal(diagonal, np.sqrt(squares))
    weights = vectors[0] ** 2
    # A node may round to 0 or just below; (1 - (1 + p z)^-k) / p has a limit there.
    return np.clip(p, 1e-290, 1.0), weights / weights.sum()


# Steps of the trapezoid rule that replaces Gauss-Jacobi where that would need hundreds of nodes.
_STEPS = 416


def _beta_steps(x: Floats, z: Floats, parameters: PurchaseParameters) -> tuple[Floats, Floats]:
    """Nodes and weights of Beta(a, b + x + m), good for (1 - (1 + p s)^-(r + x)) / p at any s <= z.

    The trapezoid rule in logit p, where the integrand is analytic in a strip whose width does not depend on z
    or x, so that the error falls as exp(-pi^2 / step). Both tails beyond the last step, where the integrand
    is a constant times p^a or (1 - p)^B, are geometric series and summed as such.

    Returns
    -------
    (ndarray, ndarray), shape (n, 416)
    """
    a, B = parameters.a, parameters.b + x + parameters.m
    shape = parameters.r + x
    peak = np.log(a) - np.log(B)
    spread = np.sqrt(1.0 / a + 1.0 / B)
    rise = np.log(np.maximum(shape * z, a + B))
    depth = 60.0 + rise
    left = np.maximum(-39.0 - rise, peak - 2 * np.sqrt(depth) * spread - 2 * depth / a)
    right = np.minimum(39.0 + np.log(np.maximum(shape, a + B)), peak + 2 * np.sqrt(depth) * spread + 2 * depth / B)
    right = np.maximum(right, left + 1.0)
    step = (right - left) / (_STEPS - 1)
    y = left[:, None] + np.arange(_STEPS) * step[:, None]
    log_density = -a * np.logaddexp(0.0, -y) - B[:, None] * np.logaddexp(0.0, y)
    log_density[:, 0] -= np.log(-np.expm1(-a * step))
    log_density[:, -1] -= np.log(-np.expm1(-B * step))
    weights = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    return np.maximum(expit(y), 1e-290), weights / weights.sum(axis=1, keepdims=True)


# --- Spend: Gamma-Gamma ---


@dataclass(frozen=True)
class SpendParameters:
    """Parameters of the Gamma-Gamma model [3].

    The value of a customer's purchase is Gamma(p, rate nu), and nu varies between customers as Gamma(q, rate v).

    Parameters
    ----------
    p, q : float
        Shapes, positive; q > 1, or the mean of the base does not exist.
    v : float
        Positive, in units of money.
    """

    p: float
    q: float
    v: float


def expected_spend(x: ArrayLike, m: ArrayLike, parameters: SpendParameters) -> Floats:
    """Return the expected value of a customer's next purchases, p (v + x m) / (p x + q - 1) ([3], eq. 5).

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
    x = np.asarray(x, dtype=np.float64)
    total = np.where(x > 0, x * np.asarray(m, dtype=np.float64), 0.0)
    return np.asarray(parameters.p * (parameters.v + total) / (parameters.p * x + (parameters.q - 1.0)))


# --- Intervals of a customer's figures ---

# Simulated figures given alive are tabulated at every frequency up to 32, then at steps of a tenth, and at ages
# a quarter apart in ln(alpha + T). The points are the same whatever table is scored, and each has a random stream
# of its own, so a customer's interval does not depend on who is scored beside them.
_AGE_STEP = 0.25
_DENSE_FREQUENCIES = 32
_FREQUENCY_RATIO = 1.1
# From so many priced purchases on, those few without a price no longer change what is known of the spend.
_FEW_PRICED = 20
_MOST_PURCHASES = 1e15


@dataclass(frozen=True)
class _Traits:
    """Latent traits of simulated living customers: gamma_rate / (alpha + T) is their purchase rate.

    p is the shape of the values of their purchases: the fitted one, or that of each draw's own parameters.
    """

    gamma_rate: Floats
    dropout: Floats
    gamma_spend: Floats
    p: Floats


def revenue_interval(
    horizon: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    spend_x: ArrayLike,
    spend_m: ArrayLike,
    purchase: PurchaseParameters,
    spend: SpendParameters,
    *,
    level: float = 0.9,
    draws: int = 4000,
    seed: int = 0,
    uncertainty: Mapping[str, Any] | None = None,
    log_odds_left: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Predictive interval of the revenue realised within the horizon, by simulation.

    Given alive: a rate ~ Gamma(r + x, alpha + T), a dropout chance p ~ Beta(a, b + x + m), the time of the last
    purchase ~ Exp(rate p), Poisson purchases before it, and values from the customer's Gamma-Gamma posterior. The
    quantile at level l is 0 up to l = 1 - P(alive), else that of (l - 1 + P(alive)) / P(alive) given alive.

    Most customers may buy nothing, so ``low`` is mostly 0 and the pair covers more than ``level``: judge it by
    the randomised probability integral transform.

    Parameters
    ----------
    horizon : float
        Length of time from T on, >= 0.
    x, t_x, T : array_like, shape (n,)
        As in `p_alive`.
    spend_x, spend_m : array_like, shape (n,)
        Repeat purchase days with positive value and their mean value, as in `expected_spend`.
    purchase, spend : PurchaseParameters, SpendParameters
    level : float
        Probability inside, with equal tails.
    draws : int
        Simulated customers at each point of the grid.
    seed : int
    uncertainty : Mapping, optional
        What the parameters themselves are uncertain by: "purchases", the (4, 4) covariance of ln r, ln alpha, ln a,
        ln b, and "spend", the (3, 3) covariance of ln p, ln q, ln v; None where they are taken as known. See
        `_Grid` for how they enter.
    log_odds_left : array_like, shape (n,), optional
        Log odds of having left where more is known than the purchases tell; those of the model by default.

    Returns
    -------
    low, high : ndarray of float, shape (n,)
        0 <= low <= high, in units of ``spend_m``.
    """
    x, T, spend_x, spend_m = _columns(x, T, spend_x, spend_m)
    scale = _purchases_of_the_living(horizon, x, T, purchase) * expected_spend(spend_x, spend_m, spend)

    def simulate(rng: np.random.Generator, traits: _Traits, age: Floats) -> Floats:
        rate = traits.gamma_rate / age
        leaving = rate * traits.dropout
        wait = rng.standard_exponential(draws)
        leaves = wait < leaving * horizon
        last = np.full(draws, float(horizon))
        np.divide(wait, leaving, out=last, where=leaves)
        before = rate * (1.0 - traits.dropout) * last
        count = rng.poisson(np.minimum(before, _MOST_PURCHASES)) + leaves
        return np.asarray(rng.standard_gamma(traits.p * count) / traits.gamma_spend)

    def expect(frequency: float, ages: Floats) -> Floats:
        return _purchases_of_the_living(horizon, frequency, ages - purchase.alpha, purchase)

    sets = _ParameterSets.of(purchase, spend, uncertainty)
    grid = _Grid(purchase, spend, sets, simulate, expect, draws, seed)
    odds = _log_odds_left(log_odds_left, x, t_x, T, purchase)
    low, high = grid.quantiles(level, odds, x, T, spend_x, spend_m)
    return low * scale, np.maximum(low, high) * scale


def clv_interval(
    horizon: float,
    annual_rate: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    spend_x: ArrayLike,
    spend_m: ArrayLike,
    purchase: PurchaseParameters,
    spend: SpendParameters,
    *,
    margin: float = 1.0,
    level: float = 0.9,
    draws: int = 4000,
    seed: int = 0,
    uncertainty: Mapping[str, Any] | None = None,
    log_odds_left: ArrayLike | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Return customer lifetime value with the interval of that expectation over the customer's latent traits.

    A living customer of rate lambda, dropout chance p and mean spend mu is worth
    margin mu lambda (1 - e^(-(d + lambda p) h)) / (d + lambda p), with d = ln(1 + annual_rate) / 365.25; one who has
    left is worth 0. The interval holds the quantiles of that worth given the customer's history, over the latent
    traits and, with ``uncertainty``, over the parameters; it says less than the realised revenue will vary: see
    `revenue_interval`. It is widened where needed to hold the mean, which lies above the upper quantile when
    P(alive) is below the tail.

    Parameters
    ----------
    horizon : float
        Days from T on, >= 0.
    annual_rate : float
        Discount rate a year, >= 0.
    x, t_x, T, spend_x, spend_m, purchase, spend, level, draws, seed, uncertainty, log_odds_left
        As in `revenue_interval`, times in days.
    margin : float
        Share of revenue that is kept, >= 0.

    Returns
    -------
    low, clv, high : ndarray of float, shape (n,)
        0 <= low <= clv <= high, in units of ``spend_m``.
    """
    x, T, spend_x, spend_m = _columns(x, T, spend_x, spend_m)
    discount = np.log1p(annual_rate) / DAYS_PER_YEAR
    scale = margin * expected_spend(spend_x, spend_m, spend)
    scale *= _discounted_purchases_of_the_living(horizon, annual_rate, x, T, purchase)

    def simulate(_: np.random.Generator, traits: _Traits, age: Floats) -> Floats:
        rate = traits.gamma_rate / age
        decay = (discount + rate * traits.dropout) * horizon
        mean_stay = np.ones(draws)
        np.divide(-np.expm1(-decay), decay, out=mean_stay, where=decay > 0)
        return np.asarray(traits.p * rate * horizon * mean_stay / traits.gamma_spend)

    def expect(frequency: float, ages: Floats) -> Floats:
        return _discounted_purchases_of_the_living(horizon, annual_rate, frequency, ages - purchase.alpha, purchase)

    odds = _log_odds_left(log_odds_left, x, t_x, T, purchase)
    clv = expit(-odds) * scale
    sets = _ParameterSets.of(purchase, spend, uncertainty)
    grid = _Grid(purchase, spend, sets, simulate, expect, draws, seed)
    low, high = grid.quantiles(level, odds, x, T, spend_x, spend_m)
    return np.minimum(low * scale, clv), clv, np.maximum(high * scale, clv)


def _log_odds_left(
    known: ArrayLike | None, x: Floats, t_x: ArrayLike, T: Floats, purchase: PurchaseParameters
) -> Floats:
    if known is None:
        return log_odds_of_having_left(x, t_x, T, purchase)
    return np.broadcast_to(np.asarray(known, dtype=np.float64), x.shape)


def _columns(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Return the columns as one-dimensional arrays of floats, one length."""
    return tuple(np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, dtype=np.float64)) for c in columns)))


@dataclass(frozen=True)
class _ParameterSets:
    """Sets of parameters, shape (k,) each: the fitted ones alone (k = 1), or draws of what they may be."""

    r: Floats
    alpha: Floats
    a: Floats
    b: Floats
    p: Floats
    q: Floats
    v: Floats

    @property
    def size(self) -> int:
        """Number of sets."""
        return self.r.size

    @classmethod
    def of(
        cls, purchase: PurchaseParameters, spend: SpendParameters, uncertainty: Mapping[str, Any] | None
    ) -> _ParameterSets:
        """Return the fitted set, or draws of ln theta ~ N(fitted, covariance), evenly spread."""
        names = (purchase.r, purchase.alpha, purchase.a, purchase.b, spend.p, spend.q, spend.v)
        if uncertainty is None:
            return cls(*(np.array([value], dtype=np.float64) for value in names))
        normal = _even_normal_draws(len(names))
        deviations = np.concatenate(
            [
                _correlated(normal[:, :4], uncertainty.get("purchases")),
                _correlated(normal[:, 4:], uncertainty.get("spend")),
            ]
        )
        # What is not known at all still has to be a number.
        r, alpha, a, b, p, q, v = np.exp(np.clip(np.log(names)[:, None] + deviations, -100.0, 100.0))
        # Without q > 1 the mean of the base does not exist.
        return cls(r, alpha, a, b, p, np.maximum(q, 1.0 + 1e-9), v)

    def repeated(self, draws: int) -> _ParameterSets:
        """Return the sets in turn, as many times as it takes to give each of ``draws`` one."""
        columns = (self.r, self.alpha, self.a, self.b, self.p, self.q, self.v)
        turn = np.arange(draws) % self.size
        return _ParameterSets(*(column[turn] for column in columns))


_PARAMETER_SETS = 256


def _even_normal_draws(dimensions: int) -> Floats:
    """Return 256 points, z beside -z, whose mean is 0 and whose covariance is that of independent standard normals.

    The points are Roberts' additive recurrence, which fills the cube more evenly than chance does, then scaled.
    """
    base = 2.0
    for _ in range(64):
        base = (1.0 + base) ** (1.0 / (dimensions + 1))
    steps = base ** -np.arange(1.0, dimensions + 1)
    half = ndtri((0.5 + np.arange(1, _PARAMETER_SETS // 2 + 1)[:, None] * steps) % 1.0)
    half = np.linalg.solve(np.linalg.cholesky(half.T @ half / len(half)), half.T).T
    return np.stack([half, -half], axis=1).reshape(-1, dimensions)


def _correlated(normal: Floats, covariance: ArrayLike | None) -> Floats:
    """Return deviations of that covariance, shape (parameters, draws); none where it is not given."""
    if covariance is None:
        return np.zeros(normal.T.shape)
    # The symmetric root by eigenvalues: a parameter that is held has no variance, and rounding may make it negative.
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T @ normal.T)


# Log odds of being alive at which quantiles are tabulated: densest where the quantile leaves the atom at zero.
_ALIVE_STEP, _ALIVE_SCALE, _ALIVE_POINTS = 0.2, 0.05, 75
_RANK_BINS = 32


@dataclass(frozen=True)
class _Rows:
    """What the tables are read by: ln(1 + T / alpha) in steps, log odds of being alive, v over v + spent."""

    place: Floats
    log_odds: Floats
    prior_share: Floats

    def at(self, rows: NDArray[np.int64]) -> _Rows:
        """Return some of the rows."""
        return _Rows(self.place[rows], self.log_odds[rows], self.prior_share[rows])


@dataclass(frozen=True)
class _Grid:
    """Quantiles of a simulated figure over its mean given alive, at points of frequency and age.

    Over its mean the figure's distribution changes so slowly from point to point that straight lines between the
    points are below the noise of the draws.

    Where the parameters theta are uncertain, ln theta ~ N(fitted, covariance), a customer's figure W is a mixture:
    P(W > w) = E_theta[A(theta) P(W > w | alive, theta)], A being P(alive) of the customer's history. So each draw
    has parameters of its own and counts with the A of those. Of the customer, beside frequency and age, that takes

    - t_x, which A depends on. Of customers of one frequency and age the fitted P(alive) gives t_x away, so the
      quantile is a function of P(alive), tabulated over its log odds, each point with its own weights A.
    - S, the sum spent. W is in proportion to v + S, so with s = v / (v + S) at the fitted v a draw's W is
      (1 + s (v_draw / v - 1)) times what it is at s = 0: linear in s, as to first order its quantiles are. At given
      x the model spreads s as Beta(q, p x); they are tabulated one standard deviation to either side of its mean.
    """

    purchase: PurchaseParameters
    spend: SpendParameters
    sets: _ParameterSets
    simulate: Callable[[np.random.Generator, _Traits, Floats], Floats]
    expect: Callable[[float, Floats], Floats]
    draws: int
    seed: int

    def quantiles(
        self, level: float, log_odds: Floats, x: Floats, T: Floats, spend_x: Floats, spend_m: Floats
    ) -> tuple[Floats, Floats]:
        """Return both ends of the interval for each row, in units of the row's mean given alive."""
        # Most rows have a price for every purchase; the others differ in what is known of their spend.
        priced = np.where((spend_x < x) & (spend_x <= _FEW_PRICED), np.floor(spend_x), -1.0)
        knots = _frequency_knots(float(x.max(initial=0.0)))
        below = np.searchsorted(knots, x, side="right") - 1
        share = (x - knots[below]) / (knots[below + 1] - knots[below])
        spent = np.where(spend_x > 0, spend_x * spend_m, 0.0)
        columns = _Rows(np.log1p(T / self.purchase.alpha) / _AGE_STEP, -log_odds, self.spend.v / (self.spend.v + spent))
        tails = (0.5 * (1.0 - level), 0.5 * (1.0 + level))
        ends = np.zeros((2, x.size))
        for rows in _groups(priced, below, np.arange(x.size)):
            knot, few, some = below[rows[0]], priced[rows[0]], columns.at(rows)
            span = np.arange(int(some.place.min()), int(some.place.max()) + 2)
            values = self._ends(knots[knot], few, span, tails, some)
            # The tables of the knot above are made only where a frequency lies between the two.
            between = np.flatnonzero(share[rows] > 0)
            if between.size:
                higher = self._ends(knots[knot + 1], few, span, tails, some.at(between))
                values[:, between] += share[rows[between]] * (higher - values[:, between])
            ends[:, rows] = values
        return ends[0], ends[1]

    def _ends(
        self, frequency: float, few: float, places: NDArray[np.int64], tails: tuple[float, float], rows: _Rows
    ) -> Floats:
        """Return the quantiles at both tails of rows as if all were of this frequency, shape (2, n)."""
        spend_x = frequency if few < 0 else few
        figures = self._figures(frequency, spend_x, [self.seed, int(frequency), int(few) + 1], places)
        place = rows.place - places[0]
        if self.sets.size == 1:
            figures.sort(axis=1)
            alive = np.asarray(expit(rows.log_odds))
            return np.stack([_read(figures, place, tail, alive) for tail in tails])
        # s is v / (v + sum spent), which the model spreads as Beta(q, p x).
        known = self.spend.q + self.spend.p * spend_x
        mean = self.spend.q / known
        deviation = np.sqrt(mean * (1.0 - mean) / (known + 1.0))
        nodes = np.array([mean - deviation, min(mean + deviation, 1.0)] if spend_x else [1.0])
        tables = self._tables(figures, frequency, places, nodes, tails)
        ends = np.empty((2, place.size))
        for end, tail, by_node in zip(ends, tails, tables, strict=True):
            column = _alive_column(rows.log_odds, tail)
            end[:] = _between(by_node[0], place, column)
            if spend_x:
                along = (rows.prior_share - nodes[0]) / (nodes[1] - nodes[0])
                end += along * (_between(by_node[1], place, column) - end)
        return np.maximum(ends, 0.0)

    def _figures(self, frequency: float, spend_x: float, stream: list[int], places: NDArray[np.int64]) -> Floats:
        """Return draws of the figure over its mean given alive: one row an age, one column a draw.

        Where parameters are uncertain, of a customer whose spend is known so well that v no longer matters.
        """
        purchase, sets = self.purchase, self.sets.repeated(self.draws)
        rng = np.random.default_rng(stream)
        traits = _Traits(
            rng.standard_gamma(sets.r + frequency),
            rng.beta(sets.a, sets.b + frequency + purchase.m),
            rng.standard_gamma(sets.q + sets.p * spend_x),
            sets.p,
        )
        ages = purchase.alpha * np.exp(places * _AGE_STEP)
        mean_spend = self.spend.p / (self.spend.p * spend_x + (self.spend.q - 1.0))
        means = self.expect(frequency, ages) * mean_spend
        figures = np.zeros((places.size, self.draws))
        for row, place, age, mean in zip(figures, places, ages, means, strict=True):
            if mean > 0:
                age_of_set = age + (sets.alpha - purchase.alpha)
                row[:] = self.simulate(np.random.default_rng([*stream, int(place)]), traits, age_of_set) / mean
        return figures

    def _tables(
        self,
        figures: Floats,
        frequency: float,
        places: NDArray[np.int64],
        nodes: Floats,
        tails: tuple[float, float],
    ) -> Floats:
        """Return quantiles by tail, node of s, age and log odds of being alive: shape (2, nodes, ages, points)."""
        log_odds = np.concatenate([_alive_points(tail) for tail in tails])
        above = 1.0 - np.repeat(tails, _ALIVE_POINTS)
        change = self.sets.repeated(self.draws).v / self.spend.v - 1.0
        tables = np.empty((nodes.size, places.size, log_odds.size))
        for i, place in enumerate(places):
            weights = self._weights(frequency, self.purchase.alpha * np.expm1(place * _AGE_STEP), log_odds)
            for node, table in zip(nodes, tables, strict=True):
                table[i] = _weighted_quantiles(figures[i] * (1.0 + node * change), weights, above)
        return tables.reshape(nodes.size, places.size, 2, -1).transpose(2, 0, 1, 3)

    def _weights(self, frequency: float, T: float, log_odds: Floats) -> Floats:
        """P(alive) under each set of parameters where the fitted ones give these log odds: shape (points, sets)."""
        fitted, sets = self.purchase, self.sets
        dropouts = frequency + fitted.m
        if dropouts == 0:
            # The model lets nobody leave yet: whatever else says so does not depend on its parameters.
            return np.repeat(expit(log_odds)[:, None], sets.size, axis=1)
        ratio = np.log(fitted.a) - np.log(fitted.b + dropouts - 1.0)
        shape = fitted.r + frequency
        # The silence ln(alpha + T) - ln(alpha + t_x) that makes the odds, as far as there is a t_x for it.
        silence = np.clip((-log_odds - ratio) / shape, 0.0, np.log1p(T / fitted.alpha))
        t_x = np.clip((fitted.alpha + T) * np.exp(-silence) - fitted.alpha, 0.0, T)[:, None]
        of_set = np.log(sets.a) - np.log(sets.b + dropouts - 1.0)
        of_set = of_set + (sets.r + frequency) * np.log1p((T - t_x) / (sets.alpha + t_x))
        return np.asarray(expit(log_odds[:, None] - (of_set - (ratio + shape * silence)[:, None])))


def _frequency_knots(largest: float) -> Floats:
    """Return the tabulated frequencies from 0 to the first above the largest one."""
    knots = list(range(_DENSE_FREQUENCIES + 1))
    while knots[-1] <= largest:
        knots.append(int(knots[-1] * _FREQUENCY_RATIO))
    return np.array(knots, dtype=np.float64)


def _read(table: Floats, place: Floats, tail: float, alive: Floats) -> Floats:
    """Quantile at ``tail`` of a figure that is 0 unless alive, from sorted draws: between the rows and columns."""
    draws = table.shape[1]
    # The share of the living that lies below; 0 where the quantile is the atom at zero.
    given_alive = 1.0 - (1.0 - tail) / np.maximum(alive, 1.0 - tail)
    column = np.clip(given_alive * draws - 0.5, 0.0, draws - 1.0)
    return np.where(given_alive > 0, _between(table, place, column), 0.0)


def _between(table: Floats, place: Floats, column: Floats) -> Floats:
    """Read a table between its rows and columns."""
    row, left = place.astype(np.int64), column.astype(np.int64)
    right = np.minimum(left + 1, table.shape[1] - 1)
    down, along = place - row, column - left
    upper = table[row, left] * (1.0 - along) + table[row, right] * along
    lower = table[row + 1, left] * (1.0 - along) + table[row + 1, right] * along
    return np.asarray(upper * (1.0 - down) + lower * down)


def _alive_points(tail: float) -> Floats:
    """Log odds of being alive that are tabulated: symmetric about where the quantile at ``tail`` leaves zero."""
    steps = np.arange(_ALIVE_POINTS) - _ALIVE_POINTS // 2
    return np.asarray(np.log(1.0 / tail - 1.0) + _ALIVE_SCALE * np.sinh(_ALIVE_STEP * steps))


def _alive_column(log_odds: Floats, tail: float) -> Floats:
    """Return the place of log odds among `_alive_points`."""
    steps = np.arcsinh((log_odds - np.log(1.0 / tail - 1.0)) / _ALIVE_SCALE) / _ALIVE_STEP
    return np.asarray(np.clip(steps + _ALIVE_POINTS // 2, 0.0, _ALIVE_POINTS - 1.0))


def _weighted_quantiles(values: Floats, weights: Floats, above: Floats) -> Floats:
    """Quantiles of a figure that is a value of its set with the set's weight, else 0.

    Parameters
    ----------
    values : ndarray, shape (draws,)
        Of the sets in turn.
    weights : ndarray, shape (n, sets)
    above : ndarray, shape (n,)
        The probability that is to lie above each quantile.

    Returns
    -------
    ndarray, shape (n,)
    """
    draws, sets = values.size, weights.shape[1]
    order = np.argsort(values)
    edges = np.linspace(0, draws, _RANK_BINS + 1).astype(np.int64)
    bins = np.repeat(np.arange(_RANK_BINS), np.diff(edges))
    counts = np.bincount(bins * sets + order % sets, minlength=_RANK_BINS * sets).reshape(_RANK_BINS, sets)
    # What of each set lies above each edge, weighted: how likely the figure is to be more than the value there.
    beyond = np.zeros((_RANK_BINS + 1, sets))
    beyond[:-1] = counts[::-1].cumsum(axis=0)[::-1]
    # In blocks so small that BLAS starts no threads for them, which cost more than they bring.
    by_set = np.ascontiguousarray(beyond.T) / draws
    survival = (weights.reshape(5, -1, sets) @ by_set).reshape(-1, _RANK_BINS + 1)
    found = np.clip((survival > above[:, None]).sum(axis=1), 1, _RANK_BINS)
    rows = np.arange(above.size)
    upper, lower = survival[rows, found - 1], survival[rows, found]
    along = np.divide(upper - above, upper - lower, out=np.ones(above.size), where=upper > lower)
    position = edges[found - 1] + along * (edges[found] - edges[found - 1]) - 0.5
    quantiles = np.interp(position, np.arange(draws), values[order])
    return np.where(survival[:, 0] > above, quantiles, 0.0)


# --- Second stage: trees on what the purchase and spend models say ---

# What the trees see of the first stage, before the behavioural features.
FIRST_STAGE = ("p_alive", "p_purchase", "expected_purchases", "expected_spend", "expected_revenue")
SECOND_STAGE_BOOSTERS = ("buys", "purchases", "revenue")
_NEVER, _NO_MORE, _LEAST_ALIVE = 1e-12, 1e-6, 1e-200
_ROWS_AT_ONCE = 100_000


def first_stage(
    horizon: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    spend_x: ArrayLike,
    spend_m: ArrayLike,
    purchase: PurchaseParameters,
    spend: SpendParameters,
) -> pd.DataFrame:
    """Return what the purchase and spend models say of each customer: the columns of `FIRST_STAGE`.

    Parameters are those of `revenue_interval`; expected_revenue is undiscounted, purchases times spend.
    """
    purchases = expected_purchases(horizon, x, t_x, T, purchase)
    value = expected_spend(spend_x, spend_m, spend)
    chances = p_alive(x, t_x, T, purchase), p_purchase(horizon, x, t_x, T, purchase)
    return pd.DataFrame(dict(zip(FIRST_STAGE, (*chances, purchases, value, purchases * value), strict=True)))


@dataclass(frozen=True)
class Offsets:
    """The first stage as the trees correct it, shape (n,) each.

    Attributes
    ----------
    buys : ndarray
        Log odds of p_purchase.
    purchases : ndarray
        Logarithm of the purchases beyond the first that are expected of one who buys.
    revenue : ndarray
        Logarithm of the expected value of a purchase.
    """

    buys: Floats
    purchases: Floats
    revenue: Floats

    @classmethod
    def of(cls, first: pd.DataFrame) -> Offsets:
        """Take them from the columns `FIRST_STAGE`."""
        buys, purchases, spend = (first[name].to_numpy(float) for name in FIRST_STAGE[1:4])
        buys = np.clip(buys, _NEVER, 1.0 - _NEVER)
        return cls(logit(buys), np.log(np.maximum(purchases / buys - 1.0, _NO_MORE)), np.log(spend))


def second_stage_matrix(first: pd.DataFrame, features: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Return what the trees see, shape (n, 5 + k): the first stage, then the named features, NaN where not there."""
    seen = features.reindex(columns=list(names)).to_numpy(float)
    return np.column_stack([first[list(FIRST_STAGE)].to_numpy(float), seen])


def second_stage(
    boosters: Mapping[str, lightgbm.Booster],
    first: pd.DataFrame,
    features: pd.DataFrame,
    names: Sequence[str],
    levels: Mapping[str, float] | None = None,
    needed: Sequence[str] = (),
    threads: int = 1,
) -> pd.DataFrame:
    """Correct what the purchase and spend models expect of the horizon by what else customers do.

    A hurdle model (Mullahy 1986, Journal of Econometrics 33), each part of which starts from the first stage:
    p' = expit(logit p + f), E' = p' (1 + (E / p - 1) e^g), spend' = spend e^h, revenue' = E' spend', with f, g and h
    the trees "buys", "purchases" and "revenue" and their levels. Without them a part is that of the first stage, and
    E' >= p' always.

    Parameters
    ----------
    boosters : Mapping of str to lightgbm.Booster
        Any of `SECOND_STAGE_BOOSTERS`.
    first : pandas.DataFrame
        Columns `FIRST_STAGE`, n rows.
    features : pandas.DataFrame
        The features table, row for row. A row of which no named feature is known but those of `PURCHASE_COLUMNS`
        keeps the first stage: its purchases tell nothing that the first stage does not know. So does a row that lacks
        a needed feature.
    names : sequence of str
        The features in the order the trees were trained with.
    levels : Mapping of str to float, optional
        By name of the booster, a constant beside its trees.
    needed : sequence of str
        Those of the names that tell, row by row, that behaviour is given. Trees that never saw a feature missing read
        it as 0, so events that are not given would say that nothing had happened.
    threads : int
        Threads LightGBM may use.

    Returns
    -------
    pandas.DataFrame
        p_purchase, expected_purchases, expected_spend and expected_revenue; index of ``first``.
    """
    is_known = _is_behaviour_known(features, names, needed)
    rows = np.flatnonzero(is_known)
    log_ratio = {name: np.full(len(first), (levels or {}).get(name, 0.0)) for name in SECOND_STAGE_BOOSTERS}
    for start in range(0, rows.size, _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        matrix = second_stage_matrix(first.iloc[part], features.iloc[part], names)
        for name, booster in boosters.items():
            raw = booster.predict(matrix, raw_score=True, num_threads=threads)
            log_ratio[name][part] += np.asarray(raw, dtype=float)
    offsets = Offsets.of(first)
    buys = expit(offsets.buys + log_ratio["buys"])
    purchases = buys * (1.0 + np.exp(offsets.purchases + log_ratio["purchases"]))
    spend = np.exp(offsets.revenue + log_ratio["revenue"])
    corrected = first[list(FIRST_STAGE[1:])].copy()
    corrected.loc[is_known] = np.column_stack([buys, purchases, spend, purchases * spend])[is_known]
    return corrected


def _is_behaviour_known(features: pd.DataFrame, names: Sequence[str], needed: Sequence[str]) -> NDArray[np.bool_]:
    """Say of which rows every needed feature is known and any at all besides purchases; one column at a time."""
    known, complete = np.zeros(len(features), dtype=bool), np.ones(len(features), dtype=bool)
    for name in names:
        there = features[name].notna().to_numpy() if name in features else np.zeros(len(features), dtype=bool)
        if name not in PURCHASE_COLUMNS:
            known |= there
        if name in needed:
            complete &= there
    return np.asarray(known & complete)


@dataclass(frozen=True)
class Evidence:
    """What the second stage says of a customer's future, in the terms of the purchase models, shape (n,) each.

    A customer who buys in the horizon with p' instead of p is taken to be alive with p' / q, q being the probability
    that a living customer buys: what trees saw is foremost who has left. As nobody is alive with more than 1, what is
    beyond that, and whatever else changes the expected revenue, changes the rate at which a living customer spends,
    by one factor for the horizon and after it.

    Attributes
    ----------
    alive : ndarray
        min(p' / q, 1); p_alive stays that of the purchase model.
    scale : ndarray
        Factor of the revenue of the living, so that its mean is the second stage's.
    beyond : ndarray
        (1 - p') / (1 - q) where p' > q, else 1: a factor of the probability that a living customer does not buy.
    p_living : ndarray
        q.
    """

    alive: Floats
    scale: Floats
    beyond: Floats
    p_living: Floats

    @classmethod
    def of(cls, corrected: pd.DataFrame, p_living: Floats, revenue_living: Floats) -> Evidence:
        """Take it from the second stage beside the probability and the revenue expected of the living."""
        buys, revenue = (corrected[name].to_numpy(float) for name in ("p_purchase", "expected_revenue"))
        # Whose first stage underflows has no revenue either: any positive number gives them the factor 0.
        alive = np.clip(buys / p_living, _LEAST_ALIVE, 1.0)
        beyond = np.minimum((1.0 - buys) / np.maximum(1.0 - p_living, _NEVER), 1.0)
        return cls(alive, revenue / (alive * revenue_living), beyond, p_living)

    def p_none(self, p_living: Floats) -> Floats:
        """Probability of no purchase in a horizon in which a living customer buys with ``p_living``.

        1 - alive (1 - (1 - p_living) beyond^s) with s = min(ln(1 - p_living) / ln(1 - q), 1), the share of the second
        stage's own horizon in purchases: 1 where the horizon has no length, 1 - p' at the stage's own, and falling.
        """
        log_none, own = (np.log1p(-np.minimum(p, 1.0 - _NEVER)) for p in (p_living, self.p_living))
        share = np.minimum(log_none / own, 1.0)
        return np.asarray(1.0 - self.alive * (1.0 - (1.0 - p_living) * self.beyond**share))


# --- NPS category ---

# A category that trees never saw gets a log probability near -35, which would carry a calibration map away.
LOWEST_LOG_PROBABILITY = -10.0


def bounded_log_probabilities(raw: Floats) -> Floats:
    """Return ln softmax(raw) of each row of (n, 3), not below `LOWEST_LOG_PROBABILITY`."""
    return np.asarray(np.maximum(log_softmax(np.asarray(raw, dtype=float), axis=1), LOWEST_LOG_PROBABILITY))


def calibrated_probabilities(raw: Floats, weights: Floats, bias: Floats) -> Floats:
    """Return softmax(W ln p + c) with p = softmax(raw): a Dirichlet calibration map (Kull et al. 2019, NeurIPS 32).

    Parameters
    ----------
    raw
        (n, 3) raw scores of the trees, or log probabilities: only differences within a row count.
    weights, bias
        (3, 3) and (3,); identity and zeros leave the probabilities as they are.

    Returns
    -------
    numpy.ndarray
        (n, 3) of detractor, passive and promoter; rows sum to 1.
    """
    log_p = bounded_log_probabilities(raw)
    # Not a matrix product: its rounding may depend on the number of rows beside this one.
    logits = (log_p[:, None, :] * np.asarray(weights, dtype=float)).sum(axis=2) + np.asarray(bias, dtype=float)
    return np.asarray(softmax(logits, axis=1))


def proportional_odds_terms(member: Mapping[str, Any], features: Floats) -> Floats:
    """Return what each feature adds to the latent score of a member of kind "proportional_odds".

    Parameters
    ----------
    member
        Per feature j: `knots[j]` and `values[j]`, a line through points that stays level beyond its ends (so nothing
        is extrapolated), and `missing[j]`, what a missing value adds. Each term has mean 0 over the training rows.
    features
        (n, k) doubles, NaN where a feature is not defined.

    Returns
    -------
    numpy.ndarray
        (n, k) in log odds; positive leans to promoter. Rows add up to `latent_scores`.
    """
    terms = np.empty(features.shape)
    for j, (knots, values, missing) in enumerate(
        zip(member["knots"], member["values"], member["missing"], strict=True)
    ):
        column = features[:, j]
        terms[:, j] = np.where(np.isnan(column), missing, np.interp(column, knots, values))
    return terms


def latent_scores(member: Mapping[str, Any], boosters: Mapping[str, lightgbm.Booster], features: Floats) -> Floats:
    """Return what a member of the blend reads from the features, before links and calibration.

    Parameters
    ----------
    member
        One entry of the NPS parameters' `members`.
    boosters
        Trees by the name the member gives them.
    features
        (n, k) doubles in the order of the parameters' `features`; NaN where a feature is not defined.

    Returns
    -------
    numpy.ndarray
        (n,) "proportional_odds": the sum of its terms; "ridit_trees": the predicted ridit; "prior": zeros.
        (n, 2) "cumulative_trees": log odds of being above detractor and above passive.
    """
    kind = member["kind"]
    if kind == "proportional_odds":
        score = np.zeros(len(features))
        # Column by column: the rounding of a matrix product may depend on the rows beside this one.
        for j in range(features.shape[1]):
            one = {name: member[name][j : j + 1] for name in ("knots", "values", "missing")}
            score += proportional_odds_terms(one, features[:, j : j + 1])[:, 0]
        return score
    if kind == "prior" or len(features) == 0:
        return np.zeros((len(features), 2) if kind == "cumulative_trees" else len(features))
    if kind == "ridit_trees":
        return np.asarray(boosters[member["booster"]].predict(features, raw_score=True, num_threads=1), dtype=float)
    each = [boosters[name].predict(features, raw_score=True, num_threads=1) for name in member["boosters"]]
    return np.column_stack([np.asarray(raw, dtype=float) for raw in each])


def latent_probabilities(member: Mapping[str, Any], scores: Floats) -> Floats:
    """Return the probabilities (n, 3) of detractor, passive and promoter that a member gives to its latent scores.

    Ordinal link (McCullagh 1980, J. R. Statist. Soc. B 42, proportional odds): P(category <= j) = expit(c_j - b s),
    with b = 1 for "proportional_odds". "cumulative_trees" (Frank & Hall 2001, ECML): P(above passive) is not more than
    P(above detractor), then a Dirichlet calibration map. "prior": its shares for everyone.
    """
    if member["kind"] == "prior":
        return np.tile(np.asarray(member["shares"], dtype=float), (len(scores), 1))
    if member["kind"] == "cumulative_trees":
        calibration = member["calibration"]
        return calibrated_probabilities(
            cumulative_log_probabilities(scores), calibration["weights"], calibration["bias"]
        )
    latent = member.get("slope", 1.0) * scores
    lowest, highest = (np.asarray(cut - latent) for cut in member["cuts"])
    # A difference of two expits would round small probabilities away: F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)).
    passive = expit(highest) * expit(-lowest) * -np.expm1(lowest - highest)
    return np.column_stack([expit(lowest), passive, expit(-highest)])


def cumulative_log_probabilities(raw: Floats) -> Floats:
    """Return bounded log probabilities (n, 3) from (n, 2) log odds of being above detractor and above passive."""
    above_detractor, above_passive = expit(raw[:, 0]), expit(np.minimum(raw[:, 0], raw[:, 1]))
    shares = np.column_stack([1.0 - above_detractor, above_detractor - above_passive, above_passive])
    return bounded_log_probabilities(np.log(np.maximum(shares, np.finfo(float).tiny)))


def category_probabilities(
    parameters: Mapping[str, Any], boosters: Mapping[str, lightgbm.Booster], features: pd.DataFrame
) -> Floats:
    """Return the probabilities of detractor, passive and promoter of each row under an NPS model.

    Parameters
    ----------
    parameters
        `NpsModel.to_dict()`: `source`, `why`, `features`, `prior`, `members`.
    boosters
        Its trees: "ridit", "above_detractor", "above_passive"; those that no member uses are absent.
    features
        The features table; a feature it lacks counts as missing.

    Returns
    -------
    numpy.ndarray
        (n, 3): the members' probabilities, weighed. Rows sum to 1.

    Raises
    ------
    ValueError
        Where the model has no source.
    """
    if parameters["source"] is None:
        raise ValueError(f"the scorer holds no NPS model: {parameters['why']}")
    if parameters["source"] == "prior":
        return np.tile(np.asarray(parameters["prior"], dtype=float), (len(features), 1))
    X = features.reindex(columns=parameters["features"]).to_numpy(dtype=float, na_value=np.nan)
    return blended_probabilities(parameters["members"], boosters, X)


def blended_probabilities(
    members: Sequence[Mapping[str, Any]], boosters: Mapping[str, lightgbm.Booster], features: Floats
) -> Floats:
    """Return the weighted mean (n, 3) of what the members say of features (n, k): a linear pool (Stone 1961)."""
    blended = np.zeros((len(features), 3))
    for member in members:
        blended += member["weight"] * latent_probabilities(member, latent_scores(member, boosters, features))
    return blended


def median_category(probabilities: Floats) -> NDArray[np.int64]:
    """Return the median class of each row of (n, 3) probabilities: the first category that reaches half of the mass.

    Unlike the most probable class, it respects the order of the categories: its expected absolute distance is least.
    """
    below = np.cumsum(np.asarray(probabilities, dtype=float), axis=1)[:, :2] < 0.5
    return np.asarray(below.sum(axis=1), dtype=np.int64)


# --- The scorer ---

PURCHASE_COLUMNS = ("frequency", "recency", "T", "spend_frequency", "spend_value")
CATEGORIES = ("detractor", "passive", "promoter")
SCORE_COLUMNS = (
    "p_alive",
    "p_purchase",
    "expected_purchases",
    "p_churn",
    "expected_spend",
    "expected_revenue",
    "revenue_low",
    "revenue_high",
    "clv",
    "clv_low",
    "clv_high",
    "next_purchase_index",
    "p_detractor",
    "p_passive",
    "p_promoter",
    "nps_category",
    "nps_source",
    "p_satisfied",
)


class Scorer:
    """Scores customers from their features with the parameters of one release.

    Parameters
    ----------
    parameters : Mapping
        What a release was fitted to: purchases, spend, NPS category, horizons in days, annual rate, margin.
    boosters : Mapping of str to str, optional
        Trees as LightGBM text by name: "nps_" and "satisfaction_" followed by "ridit", "above_detractor" and
        "above_passive", where those models use them, and "buys", "purchases" and "revenue" of the second stage.
    """

    def __init__(self, parameters: Mapping[str, Any], boosters: Mapping[str, str] | None = None) -> None:
        self.parameters = parameters
        self.purchases = PurchaseParameters(**parameters["purchases"])
        self.spend = SpendParameters(**{name: parameters["spend"][name] for name in ("p", "q", "v")})
        self.boosters = {name: lightgbm.Booster(model_str=text) for name, text in (boosters or {}).items()}

    @classmethod
    def from_files(cls, parameters: str | Path, boosters: Mapping[str, str | Path] | None = None) -> Scorer:
        """Read a scorer from its JSON parameters and, where it has trees, their LightGBM texts by name."""
        texts = {name: Path(file).read_text(encoding="utf-8") for name, file in (boosters or {}).items()}
        return cls(json.loads(Path(parameters).read_text(encoding="utf-8")), texts)

    def score(self, features: pd.DataFrame) -> pd.DataFrame:
        """Score each row of the features table.

        Parameters
        ----------
        features : pandas.DataFrame
            Columns by name: `PURCHASE_COLUMNS` (times in days) and the features of the second stage and of the NPS
            category; of the latter two any may be missing or NaN. Other columns are ignored.

        Returns
        -------
        pandas.DataFrame
            `SCORE_COLUMNS`, same index as ``features``.

        Raises
        ------
        ValueError
            Where a purchase column is missing or holds what cannot be: the message names column and rows.
        """
        check_purchase_columns(features)
        scores = pd.concat([self._score_purchases(features), self._score_category(features)], axis=1)
        return scores[list(SCORE_COLUMNS)]

    @property
    def has_second_stage(self) -> bool:
        """Whether trees that read behavioural features correct the purchase and spend models."""
        return bool((self.parameters.get("second_stage") or {}).get("used"))

    def predict_horizon(self, features: pd.DataFrame) -> pd.DataFrame:
        """Predict purchases and spend of each row within the horizon, by the second stage where there is one.

        Parameters
        ----------
        features : pandas.DataFrame
            As in `score`.

        Returns
        -------
        pandas.DataFrame
            p_purchase, expected_purchases, expected_spend and expected_revenue, same index as ``features``.
        """
        first = first_stage(self.parameters["horizon"], *self._history(features), self.purchases, self.spend)
        first.index = features.index
        if not self.has_second_stage:
            return first.drop(columns="p_alive")
        stage = self.parameters["second_stage"]
        trees = {name: self.boosters[name] for name in SECOND_STAGE_BOOSTERS if name in self.boosters}
        return second_stage(trees, first, features, stage["features"], stage.get("levels"), stage.get("needed", ()))

    def _history(self, features: pd.DataFrame) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        x, t_x, T, x_spend, m_spend = (features[name].to_numpy(float) for name in PURCHASE_COLUMNS)
        if not self.parameters["spend"]["individual"]:
            x_spend = m_spend = np.zeros(len(features))
        return x, t_x, T, x_spend, m_spend

    def _score_purchases(self, features: pd.DataFrame) -> pd.DataFrame:
        x, t_x, T, x_spend, m_spend = self._history(features)
        horizon, churn_horizon, clv_horizon, rate, margin, seed = (
            self.parameters[name]
            for name in ("horizon", "churn_horizon", "clv_horizon", "annual_rate", "margin", "seed")
        )
        expected = self.predict_horizon(features)
        if self.has_second_stage:
            spend = expected_spend(x_spend, m_spend, self.spend)
            revenue_living = _purchases_of_the_living(horizon, x, T, self.purchases) * spend
            p_living = _p_purchase_of_the_living(horizon, x, T, self.purchases)
            evidence = Evidence.of(expected, p_living, revenue_living)
            log_odds_left, scale = -logit(evidence.alive), evidence.scale
            p_churn = evidence.p_none(_p_purchase_of_the_living(churn_horizon, x, T, self.purchases))
        else:
            log_odds_left, scale = None, np.ones(len(features))
            p_churn = 1.0 - p_purchase(churn_horizon, x, t_x, T, self.purchases)
        latent = (x, t_x, T, x_spend, m_spend, self.purchases, self.spend)
        beside = {"seed": seed, "uncertainty": self.parameters.get("uncertainty"), "log_odds_left": log_odds_left}
        revenue_low, revenue_high = revenue_interval(horizon, *latent, **beside)
        clv_low, clv, clv_high = clv_interval(clv_horizon, rate, *latent, margin=margin, **beside)
        return pd.DataFrame(
            {
                "p_alive": p_alive(x, t_x, T, self.purchases),
                "p_purchase": expected["p_purchase"],
                "expected_purchases": expected["expected_purchases"],
                "p_churn": p_churn,
                "expected_spend": expected["expected_spend"],
                "expected_revenue": expected["expected_revenue"],
                "revenue_low": revenue_low * scale,
                "revenue_high": revenue_high * scale,
                "clv": clv * scale,
                "clv_low": clv_low * scale,
                "clv_high": clv_high * scale,
                "next_purchase_index": 100.0 * expected["p_purchase"],
            },
            index=features.index,
        )

    def _score_category(self, features: pd.DataFrame) -> pd.DataFrame:
        source, n = self.parameters["nps"]["source"], len(features)
        scores = pd.DataFrame(index=features.index)
        probabilities = self.category_probabilities(features) if source else np.full((n, 3), np.nan)
        for k, name in enumerate(CATEGORIES):
            scores[f"p_{name}"] = probabilities[:, k]
        category = np.array(CATEGORIES, dtype=object)[median_category(probabilities)] if source else None
        scores["nps_category"] = pd.Series(category, index=features.index, dtype=object)
        scores["nps_source"] = pd.Series(source, index=features.index, dtype=object)
        satisfaction = self.parameters.get("satisfaction") or {"source": None}
        satisfied = self._probabilities("satisfaction", features)[:, 2] if satisfaction["source"] else np.nan
        scores["p_satisfied"] = satisfied
        return scores

    def category_probabilities(self, features: pd.DataFrame) -> Floats:
        """Return the probabilities (n, 3) of detractor, passive and promoter of each row of the features table.

        Raises
        ------
        ValueError
            Where the scorer holds no NPS model.
        """
        return self._probabilities("nps", features)

    def _probabilities(self, question: str, features: pd.DataFrame) -> Floats:
        """Probabilities (n, 3) under the model "nps" or "satisfaction"."""
        prefix = f"{question}_"
        boosters = {
            name.removeprefix(prefix): trees for name, trees in self.boosters.items() if name.startswith(prefix)
        }
        return category_probabilities(self.parameters[question], boosters, features)


def check_purchase_columns(features: pd.DataFrame) -> None:
    """Refuse a purchase history that cannot be, before a formula makes a number of it.

    Raises
    ------
    ValueError
        Naming the column, what it must be, and the first rows that are not.
    """
    missing = [name for name in PURCHASE_COLUMNS if name not in features]
    if missing:
        raise ValueError(f"the features table lacks {', '.join(missing)}; it has {', '.join(map(str, features))}")
    x, t_x, T, x_spend, m_spend = (features[name].to_numpy(float) for name in PURCHASE_COLUMNS)
    rules = {
        "frequency": (np.isfinite(x) & (x >= 0), "a number of repeat purchases, 0 or more"),
        "T": (np.isfinite(T) & (T >= 0), "an age in days, 0 or more"),
        "recency": ((t_x >= 0) & (t_x <= T) & ((x == 0) == (t_x == 0)), "between 0 and T, and 0 only without repeats"),
        "spend_frequency": ((x_spend >= 0) & (x_spend <= x), "between 0 and frequency"),
        "spend_value": (np.isfinite(m_spend) & (m_spend >= 0), "a mean value, 0 or more"),
    }
    for name, (right, must) in rules.items():
        if not right.all():
            rows = ", ".join(str(row) for row in features.index[~right][:3])
            raise ValueError(f"{name} must be {must}; it is not in {(~right).sum():,} rows, first: {rows}")


# MLflow runs this file under a name of its own when it logs or loads the scorer; our code imports it as a module and
# then needs no MLflow.
if __name__ != "models.scoring.scorer":
    import mlflow

    # The artifact of trees is named after them: "booster_nps_ridit".
    _BOOSTER = "booster_"

    class CustomerScorer(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc]
        """The registered model ``customer_scorer``."""

        def load_context(self, context: Any) -> None:
            """Read parameters and trees from the version's artifacts."""
            files = context.artifacts
            boosters = {name.removeprefix(_BOOSTER): file for name, file in files.items() if name.startswith(_BOOSTER)}
            self.scorer = Scorer.from_files(files["parameters"], boosters)

        def predict(self, context: Any, model_input: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG002 - MLflow's form
            """Return the scores of each row of the features table; horizons and rates belong to the scorer."""
            return self.scorer.score(model_input)

    mlflow.models.set_model(CustomerScorer())
