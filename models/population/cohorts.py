"""What is to come of each cohort: the share that buys in each month ahead, and the net value per customer by then.

A customer's forecast is the published one: alive with p_purchase over the probability that a living customer buys in
the horizon, spending so much a purchase that the expected revenue of the horizon comes out. So cohorts agree with the
scores, whatever stages these were made by. The interval holds what customers happen to do (their outcomes are
independent given the parameters), the errors of the fitted parameters (by the delta method, along the axes of their
covariance) and the error of the season's clock; the total of a cohort follows a gamma distribution of that mean and
variance.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from features.describe import materialise
from features.outcomes import monthly_cohorts
from features.tables import StoredTable, Tables
from models.population.months_ahead import ahead_of_the_living
from models.release.release import Release
from models.scoring.arrays import distinct_pairs
from models.scoring.bg_nbd import p_alive, p_purchase_of_the_living, purchases_of_the_living
from models.scoring.clock.clock import day_number
from models.scoring.clock.future import Future
from models.scoring.gamma_gamma import expected_spend
from models.scoring.parameters import PurchaseParameters, SpendParameters
from models.stats.typing import Floats

MONTHS = 6
QUANTILES = (0.05, 0.95)
# With a tail as heavy as this or heavier the variance of spend does not exist; it is taken as that of this shape.
_LIGHTEST_TAIL = 2.2
_NAMES = ["cohort", "month", "share", "low", "high", "value", "value_low", "value_high"]
HISTORY = ["frequency", "recency", "T", "spend_frequency", "spend_value"]


@dataclass(frozen=True)
class Cohorts:
    """What became of the customers of each month of first purchase, and what is to come of them.

    Attributes
    ----------
    past : pandas.DataFrame
        As `features.outcomes.monthly_cohorts` gives it.
    ahead : pandas.DataFrame
        As `cohorts_ahead` gives it.
    sizes : pandas.Series
        Customers by cohort.
    """

    past: pd.DataFrame
    ahead: pd.DataFrame
    sizes: pd.Series


def follow_cohorts(
    tables: Tables, as_of: date, release: Release, described: StoredTable, scores: pd.DataFrame
) -> Cohorts:
    """Follow the cohorts of a base through the months until as_of, and forecast the `MONTHS` from there on.

    Parameters
    ----------
    tables, as_of
        The shop's checked tables; the date is exclusive.
    release : Release
        The scorer's, with a purchase model.
    described : StoredTable
        The features of everyone.
    scores : pandas.DataFrame
        The scores of everyone, in the same order.
    """
    ahead = cohorts_ahead(scores, described.frame(HISTORY), release, as_of, MONTHS)
    sizes = pd.Series(months_of(scores["first_purchase"])).value_counts().sort_index()
    return Cohorts(materialise(monthly_cohorts(tables, as_of)), ahead, sizes)


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
    cohort: np.ndarray


@dataclass(frozen=True)
class _Totals:
    """Totals by cohort and month, (c, k) each: mean and variance of the buyers and of the value to come."""

    buyers: Floats
    buyers_variance: Floats
    value: Floats
    value_variance: Floats


def month_of(day: date) -> int:
    """Give the number of a month: 12 times the year, plus the month from 0."""
    return 12 * day.year + day.month - 1


def cohorts_ahead(
    scores: pd.DataFrame, history: pd.DataFrame, release: Release, as_of: date, months: int
) -> pd.DataFrame:
    """Forecast each cohort month by month, from the month that holds as_of.

    Parameters
    ----------
    scores : pandas.DataFrame
        first_purchase, last_purchase, p_purchase and expected_revenue of everyone.
    history : pandas.DataFrame
        The columns `HISTORY` of the same customers, row for row.
    release : Release
        With a purchase model.
    as_of : datetime.date
        Exclusive: what was bought before it in its own month is known.
    months : int
        How many.

    Returns
    -------
    pandas.DataFrame
        One row per cohort and month (numbered by `month_of`): share, low, high of its customers who buy in that month,
        and value, value_low, value_high that a customer brings from as_of to the end of it; 90 % intervals.
    """
    assert release.scorer.purchases is not None
    future = Future(release.scorer.clock, day_number(as_of))
    here = month_of(as_of)
    lasts = [date((here + k) // 12, (here + k) % 12 + 1, 1) for k in range(1, months + 1)]
    days = np.array([(last - as_of).days for last in lasts], dtype=float)
    ends = np.array([future.length(day) for day in days])
    customers = _customers(scores, history, release, future, here)
    cohorts, place = np.unique(customers.cohort, return_inverse=True)
    size = np.bincount(place).astype(float)
    parameters = release.scorer.purchases
    totals = _totals(customers, place, ends, parameters, release.scorer.spend)
    buyers_variance, value_variance = totals.buyers_variance, totals.value_variance
    for moved in _moved(customers, place, ends, release, future, days):
        buyers_variance = buyers_variance + (moved.buyers - totals.buyers) ** 2
        value_variance = value_variance + (moved.value - totals.value) ** 2
    known = np.zeros((size.size, months))
    np.add.at(known[:, 0], place, customers.has_bought.astype(float))
    low, high = (np.minimum(known + ends_, size[:, None]) for ends_ in _interval(totals.buyers, buyers_variance))
    value_low, value_high = _interval(totals.value, value_variance)
    columns = [known + totals.buyers, low, high, totals.value, value_low, value_high]
    rows = np.stack([column / size[:, None] for column in columns], axis=2).reshape(-1, 6)
    keys = [np.repeat(cohorts, months), np.tile(here + np.arange(months), cohorts.size)]
    return pd.DataFrame(dict(zip(_NAMES, [*keys, *rows.T], strict=True)))


def _customers(scores: pd.DataFrame, history: pd.DataFrame, release: Release, future: Future, here: int) -> _Customers:
    parameters = release.scorer.purchases
    assert parameters is not None
    x, t_x, T, spend_x, spend_m = (history[name].to_numpy(float) for name in HISTORY)
    if future.clock is not None:
        t_x, T = future.clock.times(future.as_of, t_x, T)
    if not release.scorer.spend.individual:
        spend_x = spend_m = np.zeros(x.size)
    length = future.length(release.parameters.horizon)
    buys, revenue = (scores[name].to_numpy(float) for name in ("p_purchase", "expected_revenue"))
    alive = np.clip(buys / p_purchase_of_the_living(length, x, T, parameters), 0.0, 1.0)
    expected = alive * purchases_of_the_living(length, x, T, parameters)
    spend = np.divide(revenue, expected, out=np.zeros_like(revenue), where=expected > 0)
    first, last = (months_of(scores[name]) for name in ("first_purchase", "last_purchase"))
    return _Customers(x, t_x, T, spend_x, spend_m, alive, spend, last == here, first)


def months_of(days: pd.Series) -> np.ndarray:
    """Give the numbers of the months of days, (n,), as `month_of` does."""
    return days.to_numpy("datetime64[M]").astype(np.int64) + 12 * 1970


def _totals(
    customers: _Customers, place: np.ndarray, ends: Floats, parameters: PurchaseParameters, spend: SpendParameters
) -> _Totals:
    """Add up what customers do by cohort; of the living it depends on (x, T) only, so their pairs are counted first."""
    x, T, pair = distinct_pairs(customers.x, customers.T)
    ahead = ahead_of_the_living(ends, x, T, parameters)
    # T tells the day of the first purchase, so that all customers of a pair are of one cohort.
    cohort = np.zeros(x.size, dtype=np.int64)
    cohort[pair] = place
    own, shared = _spread(customers.spend_x, spend)
    alive, mean = customers.alive, customers.spend

    def summed(weights: Floats, of_pair: Floats) -> Floats:
        by_pair = np.bincount(pair, weights=weights, minlength=x.size)[:, None] * of_pair
        totals = np.zeros((place.max() + 1, of_pair.shape[1]))
        np.add.at(totals, cohort, by_pair)
        return totals

    # Who has bought in this month already is counted, and is not counted again.
    later = np.where(customers.has_bought, 0.0, alive)
    buys = np.hstack([summed(later, ahead.buys[:, :1]), summed(alive, ahead.buys[:, 1:])])
    buys_twice = np.hstack([summed(later**2, ahead.buys[:, :1] ** 2), summed(alive**2, ahead.buys[:, 1:] ** 2)])
    value = summed(alive * mean, ahead.purchases)
    squares = summed(alive * mean**2 * own, ahead.purchases) + summed(alive * mean**2 * shared, ahead.pairs)
    return _Totals(buys, buys - buys_twice, value, squares - summed((alive * mean) ** 2, ahead.purchases**2))


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
    customers: _Customers, place: np.ndarray, ends: Floats, release: Release, future: Future, days: Floats
) -> Iterator[_Totals]:
    """Yield the totals with the parameters moved by one standard error along each axis of what is not known of them."""
    purchases, spend, uncertainty = release.scorer.purchases, release.scorer.spend, release.parameters.uncertainty
    assert purchases is not None
    if uncertainty is not None and uncertainty.purchases is not None:
        before = p_alive(customers.x, customers.t_x, customers.T, purchases)
        for step in _axes(np.asarray(uncertainty.purchases)):
            factors = dict(zip(("r", "alpha", "a", "b"), np.exp(step), strict=True))
            moved = replace(purchases, **{name: getattr(purchases, name) * factors[name] for name in factors})
            ratio = p_alive(customers.x, customers.t_x, customers.T, moved) / np.maximum(before, 1e-300)
            alive = np.clip(customers.alive * ratio, 0.0, 1.0)
            yield _totals(replace(customers, alive=alive), place, ends, moved, spend)
    if uncertainty is not None and uncertainty.spend is not None:
        before = expected_spend(customers.spend_x, customers.spend_m, spend)
        for step in _axes(np.asarray(uncertainty.spend)):
            factors = dict(zip(("p", "q", "v"), np.exp(step), strict=True))
            other = replace(spend, **{name: getattr(spend, name) * factors[name] for name in factors})
            ratio = expected_spend(customers.spend_x, customers.spend_m, other) / before
            yield _totals(replace(customers, spend=customers.spend * ratio), place, ends, purchases, spend)
    error = future.error(int(days[-1]))
    if error > 0:
        yield _totals(customers, place, ends * np.exp(error), purchases, spend)


def _axes(covariance: Floats) -> Iterator[Floats]:
    """Yield steps of one standard error along the axes of a covariance; those without any are left out."""
    values, vectors = np.linalg.eigh(covariance)
    for value, vector in zip(values, vectors.T, strict=True):
        if value > 1e-12:
            yield np.sqrt(value) * vector


def _interval(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Give the quantiles of gamma distributions with these means and variances, (c, k) each."""
    safe, spread = np.maximum(mean, 1e-12), np.maximum(variance, 1e-12)
    low, high = (gammaincinv(safe**2 / spread, level) * (spread / safe) for level in QUANTILES)
    return np.nan_to_num(low), np.nan_to_num(high)
