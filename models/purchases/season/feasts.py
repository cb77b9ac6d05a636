"""Movable feasts of a country: those that change their place in the year, which a yearly index cannot know."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from data.errors import InputError
from data.secrecy.showing import describe
from models.scoring.clock.clock import day_number
from models.scoring.clock.parameters import Feast
from models.stats.typing import Floats, Integers

# Days up to a feast, and with it, on which people buy for it.
DAYS_BEFORE = 14
# Feasts that move by less stay in their part of the year.
_SMALLEST_MOVE = 6
# Feasts that always lie so close together are one.
_SAME = 4
# How far a clock may look ahead: the longest horizon, and a year until the next retraining.
_YEARS_AHEAD = 11


@dataclass(frozen=True)
class MovableFeast:
    """A feast by its name, and its dates in order."""

    name: str
    dates: tuple[date, ...]

    @property
    def starts(self) -> Integers:
        """Numbered first days of the days before each."""
        return np.array([day_number(each) - DAYS_BEFORE for each in self.dates], dtype=np.int64)

    def share(self, oldest: int, steps: int, step: int) -> Floats:
        """Return the share of each step's days that lie before the feast, steps beginning with a numbered day."""
        days = np.zeros(steps * step)
        for start in self.starts:
            place = start - oldest
            days[max(place, 0) : max(place + DAYS_BEFORE + 1, 0)] = 1.0
        return np.asarray(days.reshape(steps, step).mean(axis=1))


def movable_feasts(country: str | None, first: date, as_of: date) -> Sequence[MovableFeast]:
    """Return the movable feasts of a country from a first date on to a decade ahead; none without a country.

    Raises
    ------
    InputError
        If the country is not known.
    """
    if country is None:
        return ()
    # Imported here: it takes a moment, and few shops name a country.
    import holidays

    years = range(first.year, as_of.year + _YEARS_AHEAD + 1)
    try:
        days = holidays.country_holidays(country, years=years, observed=False)
    except NotImplementedError:
        raise InputError(
            f"the setting country must be a code of ISO 3166 whose feasts are known, such as DE or US, got "
            f"{describe(country)}"
        ) from None
    by_name: dict[str, list[date]] = {}
    for day, names in sorted(days.items()):
        for name in str(names).split("; "):
            by_name.setdefault(name, []).append(day)
    feasts: list[MovableFeast] = []
    for name, dates in by_name.items():
        feast = MovableFeast(name, tuple(dates))
        if len(dates) >= len(years) // 2 and _moves(dates) and not any(_is_same(feast, other) for other in feasts):
            feasts.append(feast)
    return feasts


def as_stored(feasts: Sequence[MovableFeast], effects: Floats) -> tuple[Feast, ...]:
    """Give the days before each feast with the factor that their log effect is."""
    return tuple(
        Feast((each - timedelta(days=DAYS_BEFORE)).isoformat(), DAYS_BEFORE + 1, float(np.exp(effect)))
        for feast, effect in zip(feasts, effects, strict=True)
        for each in feast.dates
    )


def _moves(dates: Sequence[date]) -> bool:
    place = [(each - date(each.year, 1, 1)).days for each in dates]
    return max(place) - min(place) >= _SMALLEST_MOVE


def _is_same(feast: MovableFeast, other: MovableFeast) -> bool:
    near = [min(abs((each - one).days) for one in other.dates) for each in feast.dates]
    return max(near) <= _SAME
