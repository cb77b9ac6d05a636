"""What is to come of each cohort: the share that buys in each month ahead, and the net value per customer by then."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from models.population.group_forecasts import GroupForecast, forecast_groups
from models.population.months_ahead import AheadKept
from models.release.release import Release
from models.scoring.clock.clock import day_number
from models.scoring.clock.future import Future
from models.stats.typing import Floats

MONTHS = 6
FOLLOWED_BY = ("customer_id", "first_purchase", "last_purchase", "p_purchase", "expected_revenue")
"""What is read of the scores, of cohorts and of groups."""
_NAMES = ["place", "month", "share", "low", "high", "value", "value_low", "value_high"]


@dataclass(frozen=True)
class Cohorts:
    """What became of the customers of each month of first purchase, and what is to come of them.

    Attributes
    ----------
    past : pandas.DataFrame
        cohort (the month of first purchase) and month, numbered by `month_of`; buyers, customers with a purchase in
        that month; and value, the net value of their purchases. No row where nobody bought.
    ahead : pandas.DataFrame
        As `cohorts_ahead` gives it.
    sizes : pandas.Series
        Customers by cohort.
    """

    past: pd.DataFrame
    ahead: pd.DataFrame
    sizes: pd.Series


def month_of(day: date) -> int:
    """Give the number of a month: 12 times the year, plus the month from 0."""
    return 12 * day.year + day.month - 1


def cohorts_ahead(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    release: Release,
    as_of: date,
    months: int,
    kept: AheadKept | None = None,
) -> pd.DataFrame:
    """Forecast each cohort month by month, as `forecast_months` does, with its month as `cohort`."""
    cohorts, place = np.unique(months_of(scores["first_purchase"]), return_inverse=True)
    (ahead,) = forecast_months(scores, history, release, as_of, months, [place], kept)
    ahead.insert(0, "cohort", cohorts[ahead.pop("place")])
    return ahead


def forecast_months(
    scores: pd.DataFrame,
    history: pd.DataFrame,
    release: Release,
    as_of: date,
    months: int,
    groupings: Sequence[np.ndarray],
    kept: AheadKept | None = None,
) -> list[pd.DataFrame]:
    """Forecast groups of customers month by month, from the month that holds as_of.

    Parameters
    ----------
    scores : pandas.DataFrame
        last_purchase, p_purchase and expected_revenue of everyone.
    history : pandas.DataFrame
        The columns `HISTORY` of the same customers, row for row.
    release : Release
        With a purchase model.
    as_of : datetime.date
        Exclusive: what was bought before it in its own month is known.
    months : int
        How many.
    groupings : sequence of ndarray
        Of each grouping the number of each customer's group, from 0 on; each group has customers.
    kept : AheadKept or None
        As for `forecast_groups`.

    Returns
    -------
    list of pandas.DataFrame
        For each grouping one row per group (its number is `place`) and month (numbered by `month_of`): share, low, high
        of its customers who buy in that month, and value, value_low, value_high that a customer brings from as_of to
        the end of it; 90 % intervals.
    """
    here, has_bought = month_of(as_of), months_of(scores["last_purchase"]) == month_of(as_of)
    future = Future(release.scorer.clock, day_number(as_of))
    ends = month_ends(as_of, months)
    forecasts = forecast_groups(scores, history, release, future, ends, groupings, has_bought, kept)
    return [
        by_month(of, np.bincount(place), np.bincount(place, weights=has_bought.astype(float)), here)
        for place, of in zip(groupings, forecasts, strict=True)
    ]


def month_ends(as_of: date, months: int) -> Floats:
    """Give the ends of months in days from as_of on, (months,); the first is that of the month that holds it."""
    here = month_of(as_of)
    lasts = [date((here + k) // 12, (here + k) % 12 + 1, 1) for k in range(1, months + 1)]
    return np.array([(last - as_of).days for last in lasts], dtype=float)


def by_month(found: GroupForecast, customers: np.ndarray, has_bought: np.ndarray, here: int) -> pd.DataFrame:
    """Give what was forecast of each group a customer, with those who have bought in the first month already.

    Parameters
    ----------
    found : GroupForecast
        Of months that follow each other.
    customers, has_bought : ndarray
        (groups,) customers, and those of them who have bought in the first month before as_of.
    here : int
        The number of the first month.

    Returns
    -------
    pandas.DataFrame
        As `forecast_months` gives one.
    """
    size, months = customers.astype(float), found.buyers.shape[1]
    known = np.zeros((size.size, months))
    known[:, 0] = has_bought
    low, high = (np.minimum(known + end, size[:, None]) for end in (found.low, found.high))
    columns = [known + found.buyers, low, high, found.value, found.value_low, found.value_high]
    rows = np.stack([column / size[:, None] for column in columns], axis=2).reshape(-1, 6)
    keys = [np.repeat(np.arange(size.size), months), np.tile(here + np.arange(months), size.size)]
    return pd.DataFrame(dict(zip(_NAMES, [*keys, *rows.T], strict=True)))


def months_of(days: pd.Series) -> np.ndarray:
    """Give the numbers of the months of days, (n,), as `month_of` does."""
    return days.to_numpy("datetime64[M]").astype(np.int64) + 12 * 1970
