"""Spells in which the shop was closed for once, which are no season: the same days of another year have purchases."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise

import numpy as np

from models.scoring.clock.parameters import Closure
from models.stats.typing import Flags, Floats

# A shorter silence hardly moves a fit, and holidays of a few days come every year.
SHORTEST = 14
# Purchases that so many days would have had at the pace before and after: chance makes none of them in e^-30.
_FEWEST_EXPECTED = 30.0
# Days before and after a spell whose pace is compared, and the share of it that an open shop keeps.
_AROUND, _OPEN_SHARE = 90, 0.25
_DAYS_PER_YEAR = 365.25


def closed_spells(purchases: Floats, as_of: date) -> tuple[Closure, ...]:
    """Find the spells in which the shop was closed, and is not every year.

    A spell is two weeks or more without any purchase, of which the pace before and after would have brought 30, and
    after which purchases came again. It is no season where the whole of the same days lies within the history in
    another year, and had purchases in each such year; before that nobody can tell, and the season takes it.

    Parameters
    ----------
    purchases : ndarray, shape (n,)
        Purchases of all customers on each day seen, the last one being the day before ``as_of``.
    as_of : datetime.date
        Exclusive.

    Returns
    -------
    tuple of Closure
        In the order of time.
    """
    oldest = as_of - timedelta(days=purchases.size)
    return tuple(
        Closure((oldest + timedelta(days=start)).isoformat(), end - start)
        for start, end in _silences(purchases)
        if _pace_around(purchases, start, end) * (end - start) >= _FEWEST_EXPECTED
        and _was_open_in_other_years(purchases, start, end)
    )


def is_open(closures: tuple[Closure, ...], as_of: date, days: int) -> Flags:
    """Say of each of the last ``days`` days before a date whether the shop was open."""
    opened = np.ones(days, dtype=bool)
    oldest = as_of - timedelta(days=days)
    for closure in closures:
        start = (date.fromisoformat(closure.start) - oldest).days
        opened[max(start, 0) : max(start + closure.days, 0)] = False
    return opened


def is_open_throughout(closures: tuple[Closure, ...], start: date, days: int) -> bool:
    """Say whether the shop was open on all of the days from a date on: else they tell nothing of a forecast."""
    return bool(is_open(closures, start + timedelta(days=days), days).all())


def _silences(purchases: Floats) -> Iterator[tuple[int, int]]:
    """Give first day and end of each spell without a purchase that others follow."""
    for before, after in pairwise(np.flatnonzero(purchases)):
        if after - before - 1 >= SHORTEST:
            yield int(before) + 1, int(after)


def _pace_around(purchases: Floats, start: int, end: int) -> float:
    around = np.concatenate([purchases[max(start - _AROUND, 0) : start], purchases[end : end + _AROUND]])
    return float(around.mean())


def _was_open_in_other_years(purchases: Floats, start: int, end: int) -> bool:
    years = int(purchases.size / _DAYS_PER_YEAR)
    others = [round(_DAYS_PER_YEAR * year) for year in range(-years, years + 1) if year]
    spells = [(start + days, end + days) for days in others if start + days >= 0 and end + days <= purchases.size]
    return bool(spells) and all(
        purchases[one:other].mean() >= _OPEN_SHARE * _pace_around(purchases, one, other) for one, other in spells
    )
