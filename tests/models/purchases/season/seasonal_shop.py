"""A shop whose living customers buy faster in season: the truth that a clock must recover."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from data.simulation.seasonal import purchases_by_clock
from models.purchases.bg_nbd_likelihood import SufficientStatistics, count_sufficient_statistics
from models.stats.typing import Floats

START = date(2021, 1, 1)


@dataclass(frozen=True)
class SeasonalShop:
    """Purchases by customer and day, days counted from `START`."""

    customers: NDArray[np.int64]
    days: NDArray[np.int64]

    def before(self, day: int) -> tuple[SufficientStatistics, Floats, date, NDArray[np.int64]]:
        """Histories as of a day, repeat purchases by day, the date, and who had bought."""
        seen = self.days < day
        who, days = self.customers[seen], self.days[seen]
        ids, first = np.unique(who, return_index=True)
        place = np.searchsorted(ids, who)
        counts = np.bincount(place)
        start, last = days[first], np.maximum.reduceat(days, first)
        is_repeat = np.ones(who.size, dtype=bool)
        is_repeat[first] = False
        repeats = np.bincount(days[is_repeat] - start.min(), minlength=day - start.min()).astype(float)
        T, t_x = (day - 1 - start).astype(float), (last - start).astype(float)
        return count_sufficient_statistics(counts - 1.0, t_x, T), repeats, START + timedelta(days=int(day)), ids

    def purchases_of(self, ids: NDArray[np.int64], start: int, end: int) -> int:
        """Purchases of some customers from a day on until another."""
        return int((np.isin(self.customers, ids) & (self.days >= start) & (self.days < end)).sum())


def wave(days: NDArray[np.int64], amplitude: float) -> Floats:
    """A rate that is highest in late November."""
    dates = np.datetime64(START, "D") + days
    share = (dates - dates.astype("datetime64[Y]").astype("datetime64[D]")).astype(float) / 365.25
    return np.asarray(1.0 + amplitude * np.cos(2.0 * np.pi * (share - 0.9)))


def seasonal_shop(seed: int, length: int, amplitude: float, trend: float = 0.0, size: int = 1500) -> SeasonalShop:
    """Simulate MBG/NBD with r .8, alpha 50 days, a .3, b 4 in the time of a clock; customers come evenly."""
    rng = np.random.default_rng(seed)
    days = np.arange(length)
    clock = np.concatenate([[0.0], np.cumsum(wave(days, amplitude) * np.exp(trend * days / 365.25))])
    first = rng.integers(0, length - 90, size)
    rate, dropout = rng.gamma(0.8, 1 / 50.0, size), rng.beta(0.3, 4.0, size)
    return SeasonalShop(*purchases_by_clock(rng, clock, first, rate, dropout))
