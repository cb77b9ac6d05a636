"""Intervals of a customer's revenue within a horizon and of the customer's lifetime value."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from ..arrays import Floats, as_columns
from ..bg_nbd import (
    DAYS_PER_YEAR,
    discounted_purchases_of_the_living,
    log_odds_of_having_left,
    purchases_of_the_living,
    summed_purchases_of_the_living,
)
from ..clock.future import Discounting
from ..gamma_gamma import expected_spend
from ..parameters import PurchaseParameters, SpendParameters, Uncertainty
from .grid import IntervalGrid
from .traits import ParameterSets, Traits

_MOST_PURCHASES = 1e15
# Scorings of one release at one date differ in nothing that tables of quantiles depend on; the next one has others.
_MOST_KEPT = 4
_SAME_MULTIPLE = 0.05


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
    uncertainty: Uncertainty | None = None,
    log_odds_left: ArrayLike | None = None,
    horizon_error: float = 0.0,
    living: Floats | None = None,
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
    uncertainty : Uncertainty, optional
        How uncertain the parameters themselves are; None takes them as known. See `IntervalGrid` for how it enters.
    log_odds_left : array_like, shape (n,), optional
        Log odds of having left where more is known than the purchases tell; those of the model by default.
    horizon_error : float
        Standard error of the logarithm of the horizon's length, where that is by a clock; its draws have the mean 1.
    living : ndarray, shape (n,), optional
        What `purchases_of_the_living` gives, where it is known already.

    Returns
    -------
    low, high : ndarray of float, shape (n,)
        0 <= low <= high, in units of ``spend_m``.
    """
    x, T, spend_x, spend_m = as_columns(x, T, spend_x, spend_m)
    living = purchases_of_the_living(horizon, x, T, purchase) if living is None else living
    scale = living * expected_spend(spend_x, spend_m, spend)

    def simulate(rng: np.random.Generator, traits: Traits, age: Floats) -> Floats:
        rate = traits.rate(age)
        leaving = rate * traits.dropout
        wait = rng.standard_exponential(draws)
        length = _lengths(horizon, horizon_error, rng, draws)
        leaves = wait < leaving * length
        last = length.copy()
        np.divide(wait, leaving, out=last, where=leaves)
        before = rate * (1.0 - traits.dropout) * last
        count = np.asarray(rng.poisson(np.minimum(before, _MOST_PURCHASES)) + leaves, dtype=np.float64)
        return traits.value(count, rng)

    def expect(frequency: float, ages: Floats) -> Floats:
        return purchases_of_the_living(horizon, frequency, ages - purchase.alpha, purchase)

    sets = ParameterSets.of(purchase, spend, uncertainty)
    lengths = (float(horizon), float(horizon_error))
    made = _made("revenue", level, draws, purchase, spend, _hashable(uncertainty), lengths)
    grid = IntervalGrid(purchase, spend, sets, simulate, expect, draws, seed, made)
    odds = _log_odds_left(log_odds_left, x, t_x, T, purchase)
    low, high = grid.quantiles(level, odds, x, T, spend_x, spend_m)
    low, high = low * scale, np.maximum(low, high) * scale
    if spend.equal_purchases:
        # Where the value of a purchase is known, only its multiples can be realised: the tables read between them.
        value = expected_spend(spend_x, spend_m, spend)
        is_known = (spend_x > 0) | spend.equal_means
        low = np.where(is_known, np.floor(low / value + _SAME_MULTIPLE) * value, low)
        high = np.where(is_known, np.ceil(high / value - _SAME_MULTIPLE) * value, high)
    return low, high


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
    uncertainty: Uncertainty | None = None,
    log_odds_left: ArrayLike | None = None,
    horizon_error: float = 0.0,
    discounting: Discounting | None = None,
) -> tuple[Floats, Floats, Floats]:
    """Return customer lifetime value with the interval of that expectation over the customer's latent traits.

    A living customer of rate lambda, dropout chance p and mean spend mu has the value
    margin mu lambda (1 - e^(-(d + lambda p) h)) / (d + lambda p), with d = ln(1 + annual_rate) / 365.25; one who has
    left has the value 0. The interval holds the quantiles of that value given the customer's history, over the latent
    traits and, with ``uncertainty``, over the parameters; it says less than the realised revenue will vary: see
    `revenue_interval`. It is widened where needed to hold the mean, which lies above the upper quantile when
    P(alive) is below the tail.

    Parameters
    ----------
    horizon : float
        Days from T on, >= 0.
    annual_rate : float
        Discount rate a year, >= 0.
    x, t_x, T, spend_x, spend_m, purchase, spend, level, draws, seed, uncertainty, log_odds_left, horizon_error
        As in `revenue_interval`, times in days.
    margin : float
        Share of revenue that is kept, >= 0.
    discounting : Discounting, optional
        Of a clock, by which all other times then are. The interval's ends over its mean are those at an even pace.

    Returns
    -------
    low, clv, high : ndarray of float, shape (n,)
        0 <= low <= clv <= high, in units of ``spend_m``.
    """
    x, T, spend_x, spend_m = as_columns(x, T, spend_x, spend_m)
    discount = np.log1p(annual_rate) / DAYS_PER_YEAR
    scale = _value_of_the_living(
        horizon, annual_rate, x, T, spend_x, spend_m, purchase, spend, margin=margin, discounting=discounting
    )

    def simulate(rng: np.random.Generator, traits: Traits, age: Floats) -> Floats:
        rate = traits.rate(age)
        length = _lengths(horizon, horizon_error, rng, draws)
        decay = (discount + rate * traits.dropout) * length
        mean_stay = np.ones(draws)
        np.divide(-np.expm1(-decay), decay, out=mean_stay, where=decay > 0)
        return np.asarray(traits.mean_value * rate * length * mean_stay)

    def expect(frequency: float, ages: Floats) -> Floats:
        return discounted_purchases_of_the_living(horizon, annual_rate, frequency, ages - purchase.alpha, purchase)

    odds = _log_odds_left(log_odds_left, x, t_x, T, purchase)
    clv = expit(-odds) * scale
    sets = ParameterSets.of(purchase, spend, uncertainty)
    lengths = (float(horizon), float(horizon_error), float(annual_rate))
    made = _made("clv", level, draws, purchase, spend, _hashable(uncertainty), lengths)
    grid = IntervalGrid(purchase, spend, sets, simulate, expect, draws, seed, made)
    low, high = grid.quantiles(level, odds, x, T, spend_x, spend_m)
    return np.minimum(low * scale, clv), clv, np.maximum(high * scale, clv)


@lru_cache(maxsize=_MOST_KEPT)
def _made(*_: Hashable) -> dict[tuple[int, ...], Floats]:
    """Keep the tables of a figure, by all that they depend on: customers come in batches, and each would make them."""
    return {}


def _hashable(uncertainty: Uncertainty | None) -> Hashable:
    """Give the covariances as they were fitted or as they were read as what can be looked up."""
    known = Uncertainty() if uncertainty is None else uncertainty
    return tuple(None if each is None else np.asarray(each).tobytes() for each in (known.purchases, known.spend))


def lifetime_value(
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
    log_odds_left: ArrayLike | None = None,
    discounting: Discounting | None = None,
) -> Floats:
    """Return the customer lifetime value of `clv_interval` alone, (n,), without its interval; see there."""
    x, T, spend_x, spend_m = as_columns(x, T, spend_x, spend_m)
    value = _value_of_the_living(
        horizon, annual_rate, x, T, spend_x, spend_m, purchase, spend, margin=margin, discounting=discounting
    )
    return np.asarray(expit(-_log_odds_left(log_odds_left, x, t_x, T, purchase)) * value)


def _value_of_the_living(
    horizon: float,
    annual_rate: float,
    x: Floats,
    T: Floats,
    spend_x: Floats,
    spend_m: Floats,
    purchase: PurchaseParameters,
    spend: SpendParameters,
    *,
    margin: float,
    discounting: Discounting | None,
) -> Floats:
    value = margin * expected_spend(spend_x, spend_m, spend)
    if discounting is None:
        return np.asarray(value * discounted_purchases_of_the_living(horizon, annual_rate, x, T, purchase))
    return np.asarray(value * summed_purchases_of_the_living(discounting.lengths, discounting.weights, x, T, purchase))


def _log_odds_left(
    log_odds: ArrayLike | None, x: Floats, t_x: ArrayLike, T: Floats, purchase: PurchaseParameters
) -> Floats:
    if log_odds is None:
        return log_odds_of_having_left(x, t_x, T, purchase)
    return np.broadcast_to(np.asarray(log_odds, dtype=np.float64), x.shape)


def _lengths(horizon: float, error: float, rng: np.random.Generator, draws: int) -> Floats:
    """Draw the length of the horizon; without an error no random number is taken."""
    if not error:
        return np.full(draws, float(horizon))
    return np.asarray(horizon * np.exp(error * rng.standard_normal(draws) - 0.5 * error**2))
