"""What groups of customers will do: how many of each buy in each period ahead, and the value they bring by its end.

A customer's forecast is the published one: alive with p_purchase over the probability that a living customer buys in
the horizon (a weight above 1 where later stages expect more than of a living customer), and spending so much a purchase
that the expected revenue of the horizon comes out. So groups agree with the scores, whatever stages these were made by.
The interval holds what customers happen to do (their outcomes are independent given the parameters), the errors of the
fitted parameters (by the delta method, along the axes of their covariance) and the error of the season's clock; the
total of a group follows a gamma distribution of that mean and variance. Buyers are whole customers, so the ends of
their intervals are, too; and where it may well be that nobody of a group buys, the interval of its value begins at
nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from models.population.months_ahead import ahead_of_the_living
from models.release.release import Release
from models.scoring.arrays import distinct_pairs
from models.scoring.bg_nbd import p_alive, p_purchase_of_the_living, purchases_of_the_living
from models.scoring.clock.future import Future
from models.scoring.gamma_gamma import expected_spend
from models.scoring.parameters import PurchaseParameters, SpendParameters
from models.stats.typing import Floats

QUANTILES = (0.05, 0.95)
# With a tail as heavy as this or heavier the variance of spend does not exist; it is taken as that of this shape.
_LIGHTEST_TAIL = 2.2
HISTORY = ["frequency", "recency", "T", "spend_frequency", "spend_value"]


@dataclass(frozen=True)
class GroupForecast:
    """Totals of each group and period, (groups, periods) each, with the ends of 90 % intervals.

    Attributes
    ----------
    buyers, low, high : ndarray
        Customers who buy within the period.
    value, value_low, value_high : ndarray
        What the group brings from now to the end of the period.
    """

    buyers: Floats
    low: Floats
    high: Floats
    value: Floats
    value_low: Floats
    value_high: Floats


@dataclass(frozen=True)
class _Customers:
    """The customers of a base, (n,) each: history in the time of the model, and what was published of them."""

    x: Floats
    t_x: Floats
    T: Floats
    spend_x: Floats
    spend_m: Floats
    alive: Floats
    spend: Floats
    has_bought: np.ndarray
    kinds: "_Kinds"


@dataclass(frozen=True)
class _Kinds:
    """Customers of one group with the same (x, T), of which all that is ahead of the living depends.

    Attributes
    ----------
    x, T : ndarray, shape (p,)
        The distinct pairs.
    kind : ndarray, shape (n,)
        Of each customer.
    pair, cell : ndarray, shape (k,)
        Of each kind.
    cells : int
        How many groups there are.
    """

    x: Floats
    T: Floats
    kind: np.ndarray
    pair: np.ndarray
    cell: np.ndarray
    cells: int


@dataclass(frozen=True)
class _Totals:
    """Totals by group and period, (groups, periods) each: mean and variance of the buyers and of the value to come.

    `ever` counts the customers who buy at all from now to the end of the period.
    """

    buyers: Floats
    buyers_variance: Floats
    value: Floats
    value_variance: Floats
    ever: Floats

    def of(self, group: np.ndarray, groups: int) -> "_Totals":
        """Add the cells of each group up; variances are those of independent outcomes."""

        def added(cells: Floats) -> Floats:
            return _by_place(group, cells, groups)

        return _Totals(*map(added, (self.buyers, self.buyers_variance, self.value, self.value_variance, self.ever)))


def forecast_groups(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    release: Release,
    future: Future,
    days: Floats,
    groupings: Sequence[np.ndarray],
    has_bought: np.ndarray | None = None,
) -> list[GroupForecast]:
    """Forecast the groups of each of several groupings.

    Parameters
    ----------
    scores : pandas.DataFrame
        p_purchase and expected_revenue of everyone.
    history : pandas.DataFrame
        The columns `HISTORY` of the same customers, row for row.
    release : Release
        With a purchase model.
    future : Future
        Of the date that the customers are described at.
    days : ndarray, shape (k,)
        Ends of the periods, in days from now on, rising.
    groupings : sequence of ndarray
        Of each grouping the number of each customer's group, from 0 on; each group has customers.
    has_bought : ndarray of bool or None
        Who has bought in the first period already, and is not counted among those who will.

    Returns
    -------
    list of GroupForecast
        One for each grouping.
    """
    purchases = release.scorer.purchases
    assert purchases is not None, "there is a forecast"
    ends = np.array([future.length(day) for day in days])
    # What is ahead is computed once for all groupings, of the customers who are together in each of them.
    cell = np.zeros(len(scores), dtype=np.int64)
    for grouping in groupings:
        # Numbered anew each time, or the product of many groupings would be larger than a number may be.
        cell = pd.factorize(cell * (int(grouping.max()) + 1) + grouping)[0]
    first = np.unique(cell, return_index=True)[1]
    customers = _customers(scores, history, release, future, cell, has_bought)
    totals = _totals(customers, ends, purchases, release.scorer.spend)
    moved = list(_moved(customers, ends, release, future, days))
    forecasts = []
    for grouping in groupings:
        group, groups = grouping[first], int(grouping.max()) + 1
        own = totals.of(group, groups)
        others = [each.of(group, groups) for each in moved]
        buyers_variance = own.buyers_variance + sum((each.buyers - own.buyers) ** 2 for each in others)
        value_variance = own.value_variance + sum((each.value - own.value) ** 2 for each in others)
        low, high = _interval(own.value, value_variance)
        low = np.where(np.exp(-own.ever) < QUANTILES[0], low, 0.0)
        forecasts.append(GroupForecast(own.buyers, *_whole(own.buyers, buyers_variance), own.value, low, high))
    return forecasts


def _customers(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    release: Release,
    future: Future,
    cell: np.ndarray,
    has_bought: np.ndarray | None,
) -> _Customers:
    parameters = release.scorer.purchases
    assert parameters is not None
    x, t_x, T, spend_x, spend_m = (history[name].to_numpy(float) for name in HISTORY)
    if future.clock is not None:
        t_x, T = future.clock.times(future.as_of, t_x, T)
    if not release.scorer.spend.individual:
        spend_x = spend_m = np.zeros(x.size)
    length = future.length(release.parameters.horizon)
    buys, revenue = (scores[name].to_numpy(float) for name in ("p_purchase", "expected_revenue"))
    # Above 1 where later stages expect more than of a living customer: then so much more, or groups would fall short.
    alive = buys / p_purchase_of_the_living(length, x, T, parameters)
    expected = alive * purchases_of_the_living(length, x, T, parameters)
    spend = np.divide(revenue, expected, out=np.zeros_like(revenue), where=expected > 0)
    nobody = np.zeros(x.size, dtype=bool)
    bought = nobody if has_bought is None else has_bought
    return _Customers(x, t_x, T, spend_x, spend_m, alive, spend, bought, _kinds(x, T, cell))


def _kinds(x: Floats, T: Floats, cell: np.ndarray) -> _Kinds:
    of_x, of_T, pair = distinct_pairs(x, T)
    cells = int(cell.max()) + 1
    keys, kind = np.unique(pair * cells + cell, return_inverse=True)
    return _Kinds(of_x, of_T, kind, keys // cells, keys % cells, cells)


def _totals(customers: _Customers, ends: Floats, parameters: PurchaseParameters, spend: SpendParameters) -> _Totals:
    """Add up what customers do by group."""
    kinds = customers.kinds
    ahead = ahead_of_the_living(ends, kinds.x, kinds.T, parameters)
    own, shared = _spread(customers.spend_x, spend)
    alive, mean = customers.alive, customers.spend

    def summed(weights: Floats, of_pair: Floats) -> Floats:
        by_kind = np.bincount(kinds.kind, weights=weights, minlength=kinds.pair.size)[:, None] * of_pair[kinds.pair]
        return _by_place(kinds.cell, by_kind, kinds.cells)

    # Who has bought in this period already is counted, and is not counted again.
    later = np.where(customers.has_bought, 0.0, alive)
    buys = np.hstack([summed(later, ahead.buys[:, :1]), summed(alive, ahead.buys[:, 1:])])
    buys_twice = np.hstack([summed(later**2, ahead.buys[:, :1] ** 2), summed(alive**2, ahead.buys[:, 1:] ** 2)])
    value = summed(alive * mean, ahead.purchases)
    squares = summed(alive * mean**2 * own, ahead.purchases) + summed(alive * mean**2 * shared, ahead.pairs)
    variance = squares - summed((alive * mean) ** 2, ahead.purchases**2)
    return _Totals(buys, buys - buys_twice, value, variance, summed(alive, ahead.buys_by_end))


def _by_place(place: np.ndarray, rows: Floats, places: int) -> Floats:
    """Add up the rows of each place, column by column: several times as fast as `numpy.add.at`, in the same order."""
    totals = np.empty((places, rows.shape[1]))
    for k, column in enumerate(rows.T):
        totals[:, k] = np.bincount(place, weights=column, minlength=places)
    return totals


def _spread(x: Floats, spend: SpendParameters) -> tuple[Floats, Floats]:
    """E[S^2] / E[S]^2 of one purchase, and E[S S'] / E[S]^2 of two of one customer, by Gamma-Gamma."""
    within = 1.0 if spend.equal_purchases else (spend.p + 1.0) / spend.p
    if spend.equal_means:
        return np.full(x.size, within), np.ones(x.size)
    shape = np.where(x > 0, np.inf, spend.q) if spend.equal_purchases else spend.q + spend.p * x
    shape = np.maximum(shape, _LIGHTEST_TAIL)
    shared = 1.0 + 1.0 / (shape - 2.0)
    return within * shared, shared


def _moved(customers: _Customers, ends: Floats, release: Release, future: Future, days: Floats) -> Iterator[_Totals]:
    """Yield the totals with the parameters moved by one standard error along each axis of what is not known of them."""
    purchases, spend, uncertainty = release.scorer.purchases, release.scorer.spend, release.parameters.uncertainty
    assert purchases is not None
    if uncertainty is not None and uncertainty.purchases is not None:
        before = p_alive(customers.x, customers.t_x, customers.T, purchases)
        for step in _axes(np.asarray(uncertainty.purchases)):
            factors = dict(zip(("r", "alpha", "a", "b"), np.exp(step), strict=True))
            moved = replace(purchases, **{name: getattr(purchases, name) * factors[name] for name in factors})
            ratio = p_alive(customers.x, customers.t_x, customers.T, moved) / np.maximum(before, 1e-300)
            alive = np.clip(customers.alive * ratio, 0.0, np.maximum(customers.alive, 1.0))
            yield _totals(replace(customers, alive=alive), ends, moved, spend)
    if uncertainty is not None and uncertainty.spend is not None:
        before = expected_spend(customers.spend_x, customers.spend_m, spend)
        for step in _axes(np.asarray(uncertainty.spend)):
            factors = dict(zip(("p", "q", "v"), np.exp(step), strict=True))
            other = replace(spend, **{name: getattr(spend, name) * factors[name] for name in factors})
            ratio = expected_spend(customers.spend_x, customers.spend_m, other) / before
            yield _totals(replace(customers, spend=customers.spend * ratio), ends, purchases, spend)
    error = future.error(int(days[-1]))
    if error > 0:
        yield _totals(customers, ends * np.exp(error), purchases, spend)


def _axes(covariance: Floats) -> Iterator[Floats]:
    """Yield steps of one standard error along the axes of a covariance; those without any are left out."""
    values, vectors = np.linalg.eigh(covariance)
    for value, vector in zip(values, vectors.T, strict=True):
        if value > 1e-12:
            yield np.sqrt(value) * vector


def _interval(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Give the quantiles of gamma distributions with these means and variances, (groups, periods) each."""
    safe, spread = np.maximum(mean, 1e-12), np.maximum(variance, 1e-12)
    low, high = (gammaincinv(safe**2 / spread, level) * (spread / safe) for level in QUANTILES)
    return np.nan_to_num(low), np.nan_to_num(high)


def _whole(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Give the same quantiles of whole numbers: the gamma distribution is cut between them, half-way."""
    low, high = (np.maximum(np.ceil(end - 0.5), 0.0) for end in _interval(mean, variance))
    return np.minimum(low, np.floor(mean)), np.maximum(high, np.ceil(mean))
