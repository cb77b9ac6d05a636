"""The registered scorer and the formulas it serves, in one self-contained file.

MLflow logs this file as the model's code, and a consumer runs it with mlflow, lightgbm, scipy, numpy and
pandas alone, beside any other version and any package of its own called ``models``. It therefore imports
nothing of this project; the project imports the formulas from here, so that what is tested is what is served.

Sections: purchases (BG/NBD and MBG/NBD), spend (Gamma-Gamma), intervals, NPS category, the scorer.

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
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.special import expit, log_softmax, softmax

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
    horizon, x, T = (np.asarray(column, dtype=np.float64) for column in (horizon, x, T))
    rate = (parameters.r + x) * np.log1p(horizon / (parameters.alpha + T))
    return p_alive(x, t_x, T, parameters) * -np.expm1(-rate)


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


def _purchases_of_the_living(horizon: ArrayLike, x: ArrayLike, T: ArrayLike, parameters: PurchaseParameters) -> Floats:
    """Return the expected purchases given alive at T, once for each distinct (x, horizon / (alpha + T))."""
    horizon, x, T = np.broadcast_arrays(*(np.asarray(c, dtype=np.float64) for c in (horizon, x, T)))
    reach = horizon / (parameters.alpha + T)
    some_x, some_reach, place = _distinct(x.ravel(), reach.ravel())
    one = np.ones((some_x.size, 1))
    values = _mean_over_dropout(some_x, some_reach[:, None], one, parameters)
    return values[place].reshape(x.shape)


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
    first_code, first_values = pd.factorize(first)
    second_code, second_values = pd.factorize(second)
    width = max(len(second_values), 1)
    place, keys = pd.factorize(first_code.astype(np.int64) * width + second_code)
    return first_values[keys // width], second_values[keys % width], place.astype(np.int64)


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
    """Latent traits of simulated living customers: gamma_rate / (alpha + T) is their purchase rate."""

    gamma_rate: Floats
    dropout: Floats
    gamma_spend: Floats


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

    Returns
    -------
    low, high : ndarray of float, shape (n,)
        In units of ``spend_m``.
    """
    x, T, spend_x, spend_m = _columns(x, T, spend_x, spend_m)
    scale = _purchases_of_the_living(horizon, x, T, purchase) * expected_spend(spend_x, spend_m, spend)

    def simulate(rng: np.random.Generator, traits: _Traits, age: float) -> Floats:
        rate = traits.gamma_rate / age
        leaving = rate * traits.dropout
        wait = rng.standard_exponential(draws)
        leaves = wait < leaving * horizon
        last = np.full(draws, float(horizon))
        np.divide(wait, leaving, out=last, where=leaves)
        before = rate * (1.0 - traits.dropout) * last
        count = rng.poisson(np.minimum(before, _MOST_PURCHASES)) + leaves
        return np.asarray(rng.standard_gamma(spend.p * count) / traits.gamma_spend)

    def expect(frequency: float, ages: Floats) -> Floats:
        return _purchases_of_the_living(horizon, frequency, ages - purchase.alpha, purchase)

    grid = _Grid(purchase, spend, simulate, expect, draws, seed)
    low, high = grid.quantiles(level, p_alive(x, t_x, T, purchase), x, T, spend_x)
    return low * scale, high * scale


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
) -> tuple[Floats, Floats, Floats]:
    """Return customer lifetime value with the interval of that expectation over the customer's latent traits.

    A living customer of rate lambda, dropout chance p and mean spend mu is worth
    margin mu lambda (1 - e^(-(d + lambda p) h)) / (d + lambda p), with d = ln(1 + annual_rate) / 365.25; one who has
    left is worth 0. The interval holds the quantiles of that worth given the customer's history, which says
    less than the realised revenue will vary: see `revenue_interval`. It is widened where needed to hold the
    mean, which lies above the upper quantile when P(alive) is below the tail.

    Parameters
    ----------
    horizon : float
        Days from T on, >= 0.
    annual_rate : float
        Discount rate a year, >= 0.
    x, t_x, T, spend_x, spend_m, purchase, spend, level, draws, seed
        As in `revenue_interval`, times in days.
    margin : float
        Share of revenue that is kept, >= 0.

    Returns
    -------
    low, clv, high : ndarray of float, shape (n,)
        low <= clv <= high, in units of ``spend_m``.
    """
    x, T, spend_x, spend_m = _columns(x, T, spend_x, spend_m)
    discount = np.log1p(annual_rate) / DAYS_PER_YEAR
    scale = margin * expected_spend(spend_x, spend_m, spend)
    scale *= _discounted_purchases_of_the_living(horizon, annual_rate, x, T, purchase)

    def simulate(_: np.random.Generator, traits: _Traits, age: float) -> Floats:
        rate = traits.gamma_rate / age
        decay = (discount + rate * traits.dropout) * horizon
        mean_stay = np.ones(draws)
        np.divide(-np.expm1(-decay), decay, out=mean_stay, where=decay > 0)
        return np.asarray(spend.p * rate * horizon * mean_stay / traits.gamma_spend)

    def expect(frequency: float, ages: Floats) -> Floats:
        return _discounted_purchases_of_the_living(horizon, annual_rate, frequency, ages - purchase.alpha, purchase)

    alive = p_alive(x, t_x, T, purchase)
    clv = alive * scale
    grid = _Grid(purchase, spend, simulate, expect, draws, seed)
    low, high = grid.quantiles(level, alive, x, T, spend_x)
    return np.minimum(low * scale, clv), clv, np.maximum(high * scale, clv)


def _columns(*columns: ArrayLike) -> tuple[Floats, ...]:
    """Return the columns as one-dimensional arrays of floats, one length."""
    return tuple(np.broadcast_arrays(*(np.atleast_1d(np.asarray(c, dtype=np.float64)) for c in columns)))


@dataclass(frozen=True)
class _Grid:
    """Quantiles of a simulated figure over its mean given alive, at points of frequency and age.

    Over its mean the figure's distribution changes so slowly from point to point that straight lines between the
    points are below the noise of the draws.
    """

    purchase: PurchaseParameters
    spend: SpendParameters
    simulate: Callable[[np.random.Generator, _Traits, float], Floats]
    expect: Callable[[float, Floats], Floats]
    draws: int
    seed: int

    def quantiles(self, level: float, alive: Floats, x: Floats, T: Floats, spend_x: Floats) -> tuple[Floats, Floats]:
        """Return both ends of the interval for each row, in units of the row's mean given alive."""
        # Most rows have a price for every purchase; the others differ in what is known of their spend.
        priced = np.where((spend_x < x) & (spend_x <= _FEW_PRICED), np.floor(spend_x), -1.0)
        knots = _frequency_knots(float(x.max(initial=0.0)))
        below = np.searchsorted(knots, x, side="right") - 1
        share = (x - knots[below]) / (knots[below + 1] - knots[below])
        place = np.log1p(T / self.purchase.alpha) / _AGE_STEP
        tails = (0.5 * (1.0 - level), 0.5 * (1.0 + level))
        ends = np.zeros((2, x.size))
        for rows in _groups(priced, below, np.arange(x.size)):
            knot, few = knots[below[rows[0]]], priced[rows[0]]
            first, last = int(place[rows].min()), int(place[rows].max()) + 1
            table = self._table(knot, few, first, last)
            # A table of the knot above is made only where a frequency lies between the two.
            between = rows[share[rows] > 0]
            if between.size:
                above = self._table(knots[below[rows[0]] + 1], few, first, last)
            for end, tail in zip(ends, tails, strict=True):
                end[rows] = _read(table, place[rows] - first, tail, alive[rows])
                if between.size:
                    higher = _read(above, place[between] - first, tail, alive[between])
                    end[between] += share[between] * (higher - end[between])
        return ends[0], ends[1]

    def _table(self, frequency: float, few: float, first: int, last: int) -> Floats:
        """Return sorted draws of the figure over its mean given alive: one row an age, one column a draw."""
        spend_x = frequency if few < 0 else few
        stream = [self.seed, int(frequency), int(few) + 1]
        rng = np.random.default_rng(stream)
        purchase = self.purchase
        traits = _Traits(
            rng.standard_gamma(purchase.r + frequency, self.draws),
            rng.beta(purchase.a, purchase.b + frequency + purchase.m, self.draws),
            rng.standard_gamma(self.spend.q + self.spend.p * spend_x, self.draws),
        )
        places = np.arange(first, last + 1)
        ages = purchase.alpha * np.exp(places * _AGE_STEP)
        mean_spend = self.spend.p / (self.spend.p * spend_x + (self.spend.q - 1.0))
        means = self.expect(frequency, ages) * mean_spend
        table = np.zeros((places.size, self.draws))
        for row, place, age, mean in zip(table, places, ages, means, strict=True):
            if mean > 0:
                row[:] = self.simulate(np.random.default_rng([*stream, int(place)]), traits, age) / mean
        table.sort(axis=1)
        return table


def _frequency_knots(largest: float) -> Floats:
    """Return the tabulated frequencies from 0 to the first above the largest one."""
    knots = list(range(_DENSE_FREQUENCIES + 1))
    while knots[-1] <= largest:
        knots.append(int(knots[-1] * _FREQUENCY_RATIO))
    return np.array(knots, dtype=np.float64)


def _read(table: Floats, place: Floats, tail: float, alive: Floats) -> Floats:
    """Quantile at ``tail`` of a figure that is 0 unless alive, between the table's rows and columns."""
    draws = table.shape[1]
    # The share of the living that lies below; 0 where the quantile is the atom at zero.
    given_alive = 1.0 - (1.0 - tail) / np.maximum(alive, 1.0 - tail)
    column = np.clip(given_alive * draws - 0.5, 0.0, draws - 1.0)
    row, left = place.astype(np.int64), column.astype(np.int64)
    right = np.minimum(left + 1, draws - 1)
    down, along = place - row, column - left
    upper = table[row, left] * (1.0 - along) + table[row, right] * along
    lower = table[row + 1, left] * (1.0 - along) + table[row + 1, right] * along
    return np.where(given_alive > 0, upper * (1.0 - down) + lower * down, 0.0)


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


def nps_category_probabilities(
    booster: lightgbm.Booster, features: Floats, calibration: tuple[Floats, Floats], threads: int = 1
) -> Floats:
    """Return the calibrated probabilities of detractor, passive and promoter of each row.

    Parameters
    ----------
    booster
        Multiclass trees for the categories 0, 1, 2.
    features
        (n, k) doubles in the order the trees were trained with; NaN where a feature is not defined.
    calibration
        Weights and bias for `calibrated_probabilities`.
    threads
        Threads LightGBM may use.

    Returns
    -------
    numpy.ndarray
        (n, 3), rows sum to 1.
    """
    if len(features) == 0:
        return np.empty((0, 3))
    raw = np.asarray(booster.predict(features, raw_score=True, num_threads=threads), dtype=float)
    return calibrated_probabilities(raw, *calibration)


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
        Trees as LightGBM text by name: "nps_category", and "buys", "purchases" and "revenue" of the second stage.
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
            Columns by name: `PURCHASE_COLUMNS` (times in days) and the features of the NPS category; of the latter
            any may be missing or NaN. Other columns are ignored.

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

    def _score_purchases(self, features: pd.DataFrame) -> pd.DataFrame:
        x, t_x, T, x_spend, m_spend = (features[name].to_numpy(float) for name in PURCHASE_COLUMNS)
        if not self.parameters["spend"]["individual"]:
            x_spend = m_spend = np.zeros(len(features))
        horizon, churn_horizon, clv_horizon, rate, margin, seed = (
            self.parameters[name]
            for name in ("horizon", "churn_horizon", "clv_horizon", "annual_rate", "margin", "seed")
        )
        history = (x, t_x, T)
        latent = (*history, x_spend, m_spend, self.purchases, self.spend)
        buys = p_purchase(horizon, *history, self.purchases)
        purchases = expected_purchases(horizon, *history, self.purchases)
        spend = expected_spend(x_spend, m_spend, self.spend)
        revenue_low, revenue_high = revenue_interval(horizon, *latent, seed=seed)
        clv_low, clv, clv_high = clv_interval(clv_horizon, rate, *latent, margin=margin, seed=seed)
        return pd.DataFrame(
            {
                "p_alive": p_alive(*history, self.purchases),
                "p_purchase": buys,
                "expected_purchases": purchases,
                "p_churn": 1.0 - p_purchase(churn_horizon, *history, self.purchases),
                "expected_spend": spend,
                "expected_revenue": purchases * spend,
                "revenue_low": revenue_low,
                "revenue_high": revenue_high,
                "clv": clv,
                "clv_low": clv_low,
                "clv_high": clv_high,
                "next_purchase_index": 100.0 * buys,
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
        scores["p_satisfied"] = np.nan
        return scores

    def category_probabilities(self, features: pd.DataFrame) -> Floats:
        """Return the probabilities (n, 3) of detractor, passive and promoter of each row of the features table.

        Raises
        ------
        ValueError
            Where the scorer holds no NPS model.
        """
        nps = self.parameters["nps"]
        if nps["source"] is None:
            raise ValueError(f"the scorer holds no NPS model: {nps['why']}")
        if "nps_category" not in self.boosters:
            return np.tile(np.asarray(nps["prior"], dtype=float), (len(features), 1))
        matrix = features.reindex(columns=nps["features"]).to_numpy(float)
        calibration = np.asarray(nps["calibration"]["weights"]), np.asarray(nps["calibration"]["bias"])
        return nps_category_probabilities(self.boosters["nps_category"], matrix, calibration)


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
if __name__ != "models.customer_scorer":
    import mlflow

    # The artifact of trees is named after them: "booster_nps_category".
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
