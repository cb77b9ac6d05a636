"""A clock as the scorer reads it: calendar days into the shop's time, in which a year of average season is a year."""

from __future__ import annotations

from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Floats
from .parameters import ClockParameters

_DAYS_PER_YEAR = 365.25
# Days that the sums reach further than was asked for.
_SPARE = 400
# Days are numbered from 1970-01-01, as numpy does.
_EPOCH = date(1970, 1, 1).toordinal()


def day_number(day: str | date) -> int:
    """Return the number of a date, counted from 1970-01-01 on."""
    return (date.fromisoformat(day) if isinstance(day, str) else day).toordinal() - _EPOCH


def parts_of_year(days: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Say in which of the equal parts of its calendar year each numbered day lies."""
    return (share_of_year(days) * parts).astype(np.int64)


def share_of_year(days: NDArray[np.int64]) -> Floats:
    """Return how much of its calendar year has passed at noon of each numbered day."""
    dates = days.astype("datetime64[D]")
    year = dates.astype("datetime64[Y]")
    start, end = year.astype("datetime64[D]"), (year + 1).astype("datetime64[D]")
    return np.asarray(((dates - start).astype(np.float64) + 0.5) / (end - start).astype(np.float64))


class Clock:
    """Differences of the shop's time between days.

    Parameters
    ----------
    parameters : ClockParameters
        What was estimated.
    """

    def __init__(self, parameters: ClockParameters) -> None:
        self.parameters = parameters
        self._origin = day_number(parameters.fitted_at)
        # Sums away from the day of the fit, so that a difference does not depend on how far the table reaches.
        self._ahead, self._back = np.zeros(1), np.zeros(1)

    def rates(self, days: NDArray[np.int64]) -> Floats:
        """Return s of each numbered day."""
        of = self.parameters
        # After the fit the level is 1; before its oldest step it is that of the oldest.
        steps = np.clip((self._origin - 1 - days) // of.level_step, -1, len(of.level) - 1)
        rates: Floats = np.asarray(of.index)[parts_of_year(days, len(of.index))] * np.array([1.0, *of.level])[steps + 1]
        for feast in of.feasts:
            start = day_number(feast.start)
            rates = np.where((days >= start) & (days < start + feast.days), rates * feast.factor, rates)
        for closure in of.closures:
            start = day_number(closure.start)
            rates = np.where((days >= start) & (days < start + closure.days), 0.0, rates)
        return rates

    def at(self, days: ArrayLike) -> Floats:
        """Return u at the end of each numbered day, from that of the last day before the fit on; linear in between."""
        days = np.asarray(days, dtype=np.float64) - (self._origin - 1)
        if not days.size:
            return days
        self._reach(int(np.floor(days.min())), int(np.ceil(days.max())))
        low = np.floor(days)
        below, above = self._sums(low.astype(np.int64)), self._sums(np.ceil(days).astype(np.int64))
        return np.asarray(below + (days - low) * (above - below))

    def times(self, as_of: ArrayLike, recency: ArrayLike, T: ArrayLike) -> tuple[Floats, Floats]:
        """Return recency and T by the clock.

        Parameters
        ----------
        as_of : array_like
            Numbered days, exclusive: the last day seen is the one before.
        recency, T : array_like
            Age at the last purchase and age, in days; shapes broadcast.
        """
        end, recency, T = (np.asarray(each, dtype=np.float64) for each in (as_of, recency, T))
        end = end - 1.0
        first = self.at(end - T)
        return np.asarray(self.at(end - T + recency) - first), np.asarray(self.at(end) - first)

    def ahead(self, as_of: ArrayLike, horizon: ArrayLike) -> Floats:
        """Return how far the clock runs in the ``horizon`` days from each numbered day on."""
        start = np.asarray(as_of, dtype=np.float64) - 1.0
        return np.asarray(self.at(start + np.asarray(horizon, dtype=np.float64)) - self.at(start))

    def ahead_error(self, as_of: int, horizon: int) -> float:
        """Return the standard error of ln `ahead`: of the index, of the level and of its drift, and of single days."""
        of = self.parameters
        days = np.arange(as_of, as_of + max(horizon, 1), dtype=np.int64)
        weights = np.bincount(parts_of_year(days, len(of.index)), self.rates(days), minlength=len(of.index))
        errors = np.asarray(of.index_errors).reshape(-1, len(of.index)) @ (weights / weights.sum())
        years = days.size / _DAYS_PER_YEAR
        since = max(as_of - self._origin, 0) / _DAYS_PER_YEAR
        # A random walk that starts at the end of the fit, averaged over the horizon.
        level = of.level_error**2 + of.level_drift**2 * (since + years / 3.0)
        return float(np.sqrt(errors @ errors + level + of.noise**2 / days.size))

    def _reach(self, low: int, high: int) -> None:
        """Extend the sums to the days from ``low`` to ``high``, counted from the last day before the fit."""
        if high >= self._ahead.size:
            days = self._origin + np.arange(high + _SPARE, dtype=np.int64)
            self._ahead = np.concatenate([[0.0], np.cumsum(self.rates(days))])
        if -low >= self._back.size:
            days = self._origin - 1 - np.arange(_SPARE - low, dtype=np.int64)
            self._back = np.concatenate([[0.0], -np.cumsum(self.rates(days))])

    def _sums(self, days: NDArray[np.int64]) -> Floats:
        ahead = self._ahead[np.clip(days, 0, self._ahead.size - 1)]
        return np.where(days >= 0, ahead, self._back[np.clip(-days, 0, self._back.size - 1)])
