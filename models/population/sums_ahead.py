"""What customers do ahead, added up by group: means and variances of buyers and of the value that they bring.

A customer's forecast is the published one: alive with p_purchase over the probability that a living customer buys in
the horizon (a weight above 1 where later stages expect more than of a living customer), and spending so much a purchase
that the expected revenue of the horizon comes out. So groups agree with the scores, whatever stages these were made by.
All is a sum over customers, so parts of a base may be added up apart, and their sums added.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from models.population.months_ahead import AheadKept
from models.release.release import Release
from models.scoring.arrays import distinct_pairs
from models.scoring.bg_nbd import p_alive, p_purchase_of_the_living, purchases_of_the_living
from models.scoring.clock.future import Future
from models.scoring.gamma_gamma import expected_spend
from models.scoring.parameters import PurchaseParameters, SpendParameters
from models.stats.typing import Floats

# With a tail as heavy as this or heavier the variance of spend does not exist; it is taken as that of this shape.
_LIGHTEST_TAIL = 2.2
HISTORY = ["frequency", "recency", "T", "spend_frequency", "spend_value"]


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
class Totals:
    """Totals by group and period, (groups, periods) each: mean and variance of the buyers and of the value to come.

    `ever` counts the customers who buy at all from now to the end of the period.
    """

    buyers: Floats
    buyers_variance: Floats
    value: Floats
    value_variance: Floats
    ever: Floats

    def of(self, group: np.ndarray, groups: int) -> "Totals":
        """Add the cells of each group up; variances are those of independent outcomes."""

        def added(cells: Floats) -> Floats:
            return _by_place(group, cells, groups)

        return Totals(*map(added, (self.buyers, self.buyers_variance, self.value, self.value_variance, self.ever)))


def sums_ahead(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    release: Release,
    future: Future,
    days: Floats,
    cell: np.ndarray,
    has_bought: np.ndarray | None = None,
    kept: AheadKept | None = None,
) -> list[Totals]:
    """Add up what customers do ahead.

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
    cell : ndarray of int
        The number of each customer's cell, from 0 on; each cell has customers.
    has_bought : ndarray of bool or None
        Who has bought in the first period already, and is not counted among those who will.
    kept : AheadKept or None
        What the living do ahead, where other groupings of the same customers are forecast, too.

    Returns
    -------
    list of Totals
        By cell: with the parameters as they are, and then with each of what is not known of them moved by one standard
        error, in the same order for any customers.
    """
    purchases = release.scorer.purchases
    assert purchases is not None, "there is a forecast"
    ends = np.array([future.length(day) for day in days])
    customers, kept = _customers(scores, history, release, future, cell, has_bought), kept or AheadKept()
    totals = _totals(customers, ends, purchases, release.scorer.spend, kept)
    return [totals, *_moved(customers, ends, release, future, days, kept)]


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


def _totals(
    customers: _Customers, ends: Floats, parameters: PurchaseParameters, spend: SpendParameters, kept: AheadKept
) -> Totals:
    """Add up what customers do by group."""
    kinds = customers.kinds
    ahead = kept.of(ends, kinds.x, kinds.T, parameters)
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
    return Totals(buys, buys - buys_twice, value, variance, summed(alive, ahead.buys_by_end))


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


def _moved(
    customers: _Customers, ends: Floats, release: Release, future: Future, days: Floats, kept: AheadKept
) -> Iterator[Totals]:
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
            yield _totals(replace(customers, alive=alive), ends, moved, spend, kept)
    if uncertainty is not None and uncertainty.spend is not None:
        before = expected_spend(customers.spend_x, customers.spend_m, spend)
        for step in _axes(np.asarray(uncertainty.spend)):
            factors = dict(zip(("p", "q", "v"), np.exp(step), strict=True))
            other = replace(spend, **{name: getattr(spend, name) * factors[name] for name in factors})
            ratio = expected_spend(customers.spend_x, customers.spend_m, other) / before
            yield _totals(replace(customers, spend=customers.spend * ratio), ends, purchases, spend, kept)
    error = future.error(int(days[-1]))
    if error > 0:
        yield _totals(customers, ends * np.exp(error), purchases, spend, kept)


def _axes(covariance: Floats) -> Iterator[Floats]:
    """Yield steps of one standard error along the axes of a covariance; those without any are left out."""
    values, vectors = np.linalg.eigh(covariance)
    for value, vector in zip(values, vectors.T, strict=True):
        if value > 1e-12:
            yield np.sqrt(value) * vector
