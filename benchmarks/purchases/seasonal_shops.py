"""Simulated shops with a season, with a trend, with both and with neither: customers follow MBG/NBD by a true clock."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from data.simulation.seasonal import purchases_by_clock
from models.purchases.bg_nbd_likelihood import SufficientStatistics, count_sufficient_statistics
from models.stats.typing import Floats

START = date(2021, 1, 1)
# Name of the world: shape of its season, and growth of every customer's rate in a year on the logarithm.
WORLDS = {
    "season": ("wave", 0.0),
    "trend only": (None, 0.4),
    "falling trend only": (None, -0.4),
    "both": ("christmas", 0.3),
    "neither": (None, 0.0),
}


@dataclass(frozen=True)
class Shop:
    """Purchases by customer and day, in the order of both; days count from `START`."""

    customers: NDArray[np.int64]
    days: NDArray[np.int64]

    def before(self, day: int) -> "Seen":
        """Return what is seen before a day."""
        seen = self.days < day
        who, days = self.customers[seen], self.days[seen]
        ids, first, place = np.unique(who, return_index=True, return_inverse=True)
        start, last = days[first], np.maximum.reduceat(days, first)
        is_repeat = np.ones(who.size, dtype=bool)
        is_repeat[first] = False
        repeats = np.bincount(days[is_repeat] - start.min(), minlength=day - start.min()).astype(float)
        x = np.bincount(place) - 1.0
        return Seen(ids, x, (last - start).astype(float), (day - 1.0 - start), repeats, START + timedelta(days=day))

    def purchases(self, ids: NDArray[np.int64], start: int, days: int) -> Floats:
        """Purchases of each of some customers in the days from a day on."""
        inside = (self.days >= start) & (self.days < start + days)
        return np.bincount(self.customers[inside], minlength=int(ids.max()) + 1)[ids].astype(float)


@dataclass(frozen=True)
class Seen:
    """Customers as of a date: histories in days, and all repeat purchases by day."""

    ids: NDArray[np.int64]
    x: Floats
    t_x: Floats
    T: Floats
    repeats: Floats
    as_of: date

    @property
    def statistics(self) -> SufficientStatistics:
        """The histories, counted."""
        return count_sufficient_statistics(self.x, self.t_x, self.T)


def daily_rates(days: NDArray[np.int64], season: str | None, trend: float) -> Floats:
    """Return the true clock's rate of each day."""
    share = ((np.datetime64(START, "D") + days).astype("datetime64[D]") - np.datetime64(START, "D")).astype(float)
    share = share / 365.25 % 1.0
    if season == "wave":
        index = 1.0 + 0.4 * np.cos(2.0 * np.pi * (share - 0.9))
    elif season == "christmas":
        distance = (share - 0.92 + 0.5) % 1.0 - 0.5
        index = 0.86 + 1.1 * np.exp(-0.5 * (distance / 0.05) ** 2)
    else:
        index = np.ones(days.size)
    return np.asarray(index * np.exp(trend * days / 365.25))


def simulate(seed: int, length: int, season: str | None, trend: float, size: int = 2000) -> Shop:
    """Simulate customers who come evenly over ``length`` days, and 90 days more of their purchases."""
    rng = np.random.default_rng(seed)
    clock = np.concatenate([[0.0], np.cumsum(daily_rates(np.arange(length + 90), season, trend))])
    first = rng.integers(0, length, size)
    rate, dropout = rng.gamma(0.8, 1 / 70.0, size), rng.beta(0.3, 4.0, size)
    return Shop(*purchases_by_clock(rng, clock, first, rate, dropout))
