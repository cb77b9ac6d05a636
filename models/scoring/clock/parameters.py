"""What a clock is stored as."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..arrays import as_tuples


@dataclass(frozen=True)
class Feast:
    """Days around a movable feast on which customers buy more or less often than the season says."""

    start: str
    days: int
    factor: float


@dataclass(frozen=True)
class Closure:
    """Days on which the shop was closed, for once: the first of them, ISO, and how many."""

    start: str
    days: int


@dataclass(frozen=True)
class ClockParameters:
    """How fast the shop's clock runs on each day, and how well that is known.

    A living customer buys at the rate lambda s(t), with s = index x level x feasts, and 0 while
    the shop is closed. In the time u, the sum of s over
    days, BG/NBD and MBG/NBD hold as they are.

    Parameters
    ----------
    fitted_at : str
        ISO date it was estimated at, exclusive.
    index : tuple of float
        Of equal parts of the calendar year, mean 1.
    level : tuple of float
        Of steps back from ``fitted_at``, the newest first, in units of the level at the end, which is taken to last.
    level_step : int
        Days of a step.
    feasts : tuple of Feast
        Past ones and those to come.
    closures : tuple of Closure
        Past days on which the clock stood still.
    index_errors : tuple of tuples of float
        Rows whose products add up to the covariance of the logarithm of the index.
    level_error, level_drift, noise : float
        Standard errors of the logarithm: of the level at the end, of its change in a year, and of what one day adds to
        both, as shops have good and bad weeks.
    evidence : float
        Log ratio of the marginal likelihoods with and without a season.
    """

    fitted_at: str
    index: tuple[float, ...]
    level: tuple[float, ...] = (1.0,)
    level_step: int = 7
    feasts: tuple[Feast, ...] = ()
    index_errors: tuple[tuple[float, ...], ...] = ()
    level_error: float = 0.0
    level_drift: float = 0.0
    noise: float = 0.0
    evidence: float = 0.0
    closures: tuple[Closure, ...] = ()

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> ClockParameters:
        """Read it from its JSON."""
        section = as_tuples(values)
        feasts = tuple(Feast(**feast) for feast in section.get("feasts", ()))
        closures = tuple(Closure(**closure) for closure in section.get("closures", ()))
        return ClockParameters(**{**section, "feasts": feasts, "closures": closures})
