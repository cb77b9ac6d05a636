"""What groups of customers will do: how many of each buy in each period ahead, and the value they bring by its end.

The interval holds what customers happen to do (their outcomes are independent given the parameters), the errors of the
fitted parameters (by the delta method, along the axes of their covariance) and the error of the season's clock; the
total of a group follows a gamma distribution of that mean and variance. Buyers are whole customers, so the ends of
their intervals are, too; and where it may well be that nobody of a group buys, the interval of its value begins at
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import gammaincinv

from models.population.months_ahead import AheadKept
from models.population.sums_ahead import Means, Totals, cells_of, sums_ahead
from models.release.release import Release
from models.scoring.clock.future import Future
from models.stats.typing import Floats

QUANTILES = (0.05, 0.95)


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


def forecast_groups(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    release: Release,
    future: Future,
    days: Floats,
    groupings: Sequence[np.ndarray],
    has_bought: np.ndarray | None = None,
    kept: AheadKept | None = None,
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
    kept : AheadKept or None
        What was computed of the same customers at the same date for other groupings.

    Returns
    -------
    list of GroupForecast
        One for each grouping.
    """
    # What is ahead is computed once for all groupings, of the customers who are together in each of them.
    cell = np.zeros(len(scores), dtype=np.int64)
    for grouping in groupings:
        # Numbered anew each time, or the product of many groupings would be larger than a number may be.
        cell = pd.factorize(cell * (int(grouping.max()) + 1) + grouping)[0]
    first = np.unique(cell, return_index=True)[1]
    sums = sums_ahead(scores, history, release, future, days, cell, has_bought, kept)
    return [forecast_of(*sums, grouping[first], int(grouping.max()) + 1) for grouping in groupings]


def forecast_of(totals: Totals, moved: Sequence[Means], group: np.ndarray, groups: int) -> GroupForecast:
    """Forecast groups of cells.

    Parameters
    ----------
    totals, moved : Totals and sequence of Means
        By cell, as `models.population.sums_ahead.sums_ahead` gives them.
    group : ndarray of int
        The number of each cell's group.
    groups : int
        How many there are.
    """
    cells = cells_of(group, groups)
    own, others = totals.of(cells), [each.of(cells) for each in moved]
    buyers_variance = own.buyers_variance + sum((each.buyers - own.buyers) ** 2 for each in others)
    value_variance = own.value_variance + sum((each.value - own.value) ** 2 for each in others)
    low, high = _interval(own.value, value_variance)
    low = np.where(np.exp(-own.ever) < QUANTILES[0], low, 0.0)
    return GroupForecast(own.buyers, *_whole(own.buyers, buyers_variance), own.value, low, high)


def _interval(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Give the quantiles of gamma distributions with these means and variances, (groups, periods) each."""
    safe, spread = np.maximum(mean, 1e-12), np.maximum(variance, 1e-12)
    low, high = (gammaincinv(safe**2 / spread, level) * (spread / safe) for level in QUANTILES)
    return np.nan_to_num(low), np.nan_to_num(high)


def _whole(mean: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Give the same quantiles of whole numbers: the gamma distribution is cut between them, half-way."""
    low, high = (np.maximum(np.ceil(end - 0.5), 0.0) for end in _interval(mean, variance))
    return np.minimum(low, np.floor(mean)), np.maximum(high, np.ceil(mean))
