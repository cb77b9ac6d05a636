"""What customers do ahead, added up by group: means and variances of buyers and of the value that they bring.

A customer's forecast is the published one: alive with p_purchase over the probability that a living customer buys in
the horizon (a weight above 1 where later stages expect more than of a living customer), and spending so much a purchase
that the expected revenue of the horizon comes out. So groups agree with the scores, whatever stages these were made by.
All is a sum over customers, so parts of a base may be added up apart, and their sums added.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from models.population.months_ahead import Ahead, AheadKept, MeansAhead
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
    """The customers of a base, (n,) each: history in the time of the model, and what was published of them.

    What is ahead of the living depends on (x, T) alone: `pairs` are the distinct ones, and `pair` says which of them
    each customer has.
    """

    x: Floats
    t_x: Floats
    T: Floats
    spend_x: Floats
    spend_m: Floats
    alive: Floats
    spend: Floats
    pairs: tuple[Floats, Floats]
    pair: np.ndarray


@dataclass(frozen=True)
class _Kinds:
    """Customers of one cell with the same (x, T), who are added up together.

    Attributes
    ----------
    kind : ndarray, shape (n,)
        Of each customer.
    pair : ndarray, shape (k,)
        Of each kind, those of a cell together and in the order of the pairs.
    start : ndarray, shape (cells + 1,)
        Where the kinds of each cell begin.
    has_bought : ndarray of bool, shape (n,), or None
        Who has bought in the first period already.
    """

    kind: np.ndarray
    pair: np.ndarray
    start: np.ndarray
    has_bought: np.ndarray | None

    @classmethod
    def of(cls, customers: _Customers, cell: np.ndarray, has_bought: np.ndarray | None) -> "_Kinds":
        """Put the customers of each cell together."""
        pairs, cells = customers.pairs[0].size, int(cell.max()) + 1
        keys, kind = np.unique(cell * np.int64(pairs) + customers.pair, return_inverse=True)
        return cls(kind, keys % pairs, np.searchsorted(keys, np.arange(cells + 1) * pairs), has_bought)

    def summed(self, weights: Floats, of_pair: Floats) -> Floats:
        """Add up by cell and period what each customer weighs times what the customer's pair has, (pairs, periods)."""
        by_kind = np.bincount(self.kind, weights=weights, minlength=self.pair.size)
        cells = csr_array((by_kind, self.pair, self.start), shape=(self.start.size - 1, len(of_pair)))
        return np.asarray(cells @ of_pair)

    def later(self, alive: Floats) -> Floats:
        """Leave out who has bought in the first period already: they are counted, and not counted again."""
        return alive if self.has_bought is None else np.where(self.has_bought, 0.0, alive)

    def means(self, alive: Floats, spend: Floats, ahead: MeansAhead) -> "Means":
        """Add up buyers and value."""
        first = self.summed(self.later(alive), ahead.buys[:, :1])
        buyers = np.hstack([first, self.summed(alive, ahead.buys[:, 1:])])
        return Means(buyers, self.summed(alive * spend, ahead.purchases))


@dataclass(frozen=True)
class Means:
    """Totals by group and period, (groups, periods) each: means of the buyers and of the value to come."""

    buyers: Floats
    value: Floats

    def of(self, groups: csr_array) -> "Means":
        """Add the cells of each group up, as `cells_of` gives them."""
        return Means(groups @ self.buyers, groups @ self.value)


@dataclass(frozen=True)
class Totals(Means):
    """The same with their variances.

    `ever` counts the customers who buy at all from now to the end of the period.
    """

    buyers_variance: Floats
    value_variance: Floats
    ever: Floats

    def of(self, groups: csr_array) -> "Totals":
        """Add the cells of each group up; variances are those of independent outcomes."""
        return Totals(*(groups @ getattr(self, each.name) for each in fields(self)))


def cells_of(group: np.ndarray, groups: int) -> csr_array:
    """Say which cells each group has, (groups, cells), from the number of each cell's group."""
    ends = np.bincount(group, minlength=groups).cumsum()
    cells = np.argsort(group, kind="stable")
    return csr_array((np.ones(cells.size), cells, np.concatenate([[0], ends])), shape=(groups, cells.size))


def sums_ahead(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    release: Release,
    future: Future,
    days: Floats,
    cell: np.ndarray,
    has_bought: np.ndarray | None = None,
    kept: AheadKept | None = None,
) -> tuple[Totals, list[Means]]:
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
        What was computed of the same customers at the same date for other groupings.

    Returns
    -------
    tuple of Totals and list of Means
        By cell: with the parameters as they are, and with each of what is not known of them moved by one standard
        error, in the same order for any customers.
    """
    purchases, kept = release.scorer.purchases, kept or AheadKept()
    assert purchases is not None, "there is a forecast"
    ends = np.array([future.length(day) for day in days])
    customers = kept.once("customers", lambda: _customers(scores, history, release, future))
    kinds = _Kinds.of(customers, cell, has_bought)
    ahead = kept.of(ends, *customers.pairs, purchases)
    totals = _totals(customers, kinds, ahead, release.scorer.spend)
    return totals, list(_moved(customers, kinds, totals, ends, ahead, release, future, days, kept))


def _customers(scores: pd.DataFrame, history: pd.DataFrame, release: Release, future: Future) -> _Customers:
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
    of_x, of_T, pair = distinct_pairs(x, T)
    return _Customers(x, t_x, T, spend_x, spend_m, alive, spend, (of_x, of_T), pair)


def _totals(customers: _Customers, kinds: _Kinds, ahead: Ahead, spend: SpendParameters) -> Totals:
    """Add up what customers do by cell."""
    own, shared = _spread(customers.spend_x, spend)
    alive, mean, summed = customers.alive, customers.spend, kinds.summed
    means = kinds.means(alive, mean, ahead)
    first = summed(kinds.later(alive) ** 2, ahead.buys[:, :1] ** 2)
    buys_twice = np.hstack([first, summed(alive**2, ahead.buys[:, 1:] ** 2)])
    squares = summed(alive * mean**2 * own, ahead.purchases) + summed(alive * mean**2 * shared, ahead.pairs)
    variance = squares - summed((alive * mean) ** 2, ahead.purchases**2)
    ever = summed(alive, ahead.buys_by_end)
    return Totals(means.buyers, means.value, means.buyers - buys_twice, variance, ever)


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
    customers: _Customers,
    kinds: _Kinds,
    totals: Totals,
    ends: Floats,
    ahead: Ahead,
    release: Release,
    future: Future,
    days: Floats,
    kept: AheadKept,
) -> Iterator[Means]:
    """Yield the means with the parameters moved by one standard error along each axis of what is not known of them."""
    purchases, spend, uncertainty = release.scorer.purchases, release.scorer.spend, release.parameters.uncertainty
    assert purchases is not None
    if uncertainty is not None and uncertainty.purchases is not None:
        for step in _axes(np.asarray(uncertainty.purchases)):
            factors = dict(zip(("r", "alpha", "a", "b"), np.exp(step), strict=True))
            moved = replace(purchases, **{name: getattr(purchases, name) * factors[name] for name in factors})
            alive = kept.once(("alive", moved), partial(_alive_if, customers, purchases, moved, kept))
            yield kinds.means(alive, customers.spend, kept.means_of(ends, *customers.pairs, moved))
    if uncertainty is not None and uncertainty.spend is not None:
        before = expected_spend(customers.spend_x, customers.spend_m, spend)
        for step in _axes(np.asarray(uncertainty.spend)):
            factors = dict(zip(("p", "q", "v"), np.exp(step), strict=True))
            other = replace(spend, **{name: getattr(spend, name) * factors[name] for name in factors})
            ratio = expected_spend(customers.spend_x, customers.spend_m, other) / before
            value = kinds.summed(customers.alive * (customers.spend * ratio), ahead.purchases)
            # What a purchase is worth moves nobody to buy.
            yield Means(totals.buyers, value)
    error = future.error(int(days[-1]))
    if error > 0:
        yield kinds.means(
            customers.alive, customers.spend, kept.means_of(ends * np.exp(error), *customers.pairs, purchases)
        )


def _alive_if(
    customers: _Customers, purchases: PurchaseParameters, moved: PurchaseParameters, kept: AheadKept
) -> Floats:
    """Weigh each customer as alive where the parameters are moved."""
    before = kept.once("alive", lambda: p_alive(customers.x, customers.t_x, customers.T, purchases))
    ratio = p_alive(customers.x, customers.t_x, customers.T, moved) / np.maximum(before, 1e-300)
    return np.clip(customers.alive * ratio, 0.0, np.maximum(customers.alive, 1.0))


def _axes(covariance: Floats) -> Iterator[Floats]:
    """Yield steps of one standard error along the axes of a covariance; those without any are left out."""
    values, vectors = np.linalg.eigh(covariance)
    for value, vector in zip(values, vectors.T, strict=True):
        if value > 1e-12:
            yield np.sqrt(value) * vector
