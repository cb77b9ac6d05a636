"""Estimating a clock: purchase model and season by turns, each given the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from threadpoolctl import threadpool_limits

from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.purchases.season.closures import is_open
from models.purchases.season.feasts import MovableFeast, as_stored, movable_feasts
from models.purchases.season.living import expected_by_day
from models.purchases.season.structure import PARTS, Series, Structure, decompose
from models.scoring.arrays import as_tuples
from models.scoring.clock.clock import Clock, day_number, share_of_year
from models.scoring.clock.parameters import ClockParameters, Closure
from models.scoring.parameters import PurchaseParameters
from models.stats.typing import Flags, Floats

# Season and trend cannot be told apart within a year.
FEWEST_DAYS = 365
# Log ratio of marginal likelihoods from which on a season is one: chance passes it in about one shop of fifty.
LEAST_EVIDENCE = 2.0
# A step of time holds as many purchases on average, so that its count is nearly normal; and there are not more steps.
_FEWEST_PURCHASES, _MOST_STEPS = 5.0, 200
_STEPS = (7, 14, 28)
_MOST_TURNS, _SAME = 6, 0.01
_SCALES_FROM_TURN = 1
# Customers that a season is learned from: more hardly change it.
_MOST_HISTORIES = 50_000
_SMALLEST_SHARE = 1e-3

Fit = Callable[[SufficientStatistics], PurchaseParameters]


@dataclass(frozen=True)
class SeasonEstimate:
    """A clock, and what it was read from.

    Attributes
    ----------
    clock : ClockParameters
        The estimate.
    structure : Structure
        What the purchases show beside those expected.
    step : int
        Days of each step of the series.
    """

    clock: ClockParameters
    structure: Structure
    step: int

    @property
    def is_season(self) -> bool:
        """Whether the purchases show a season."""
        return self.clock.evidence >= LEAST_EVIDENCE

    @property
    def is_uneven(self) -> bool:
        """Whether the clock is another than the calendar: there is a season, or the shop was closed for once."""
        return self.is_season or bool(self.clock.closures)


def by_clock(statistics: SufficientStatistics, clock: Clock, as_of: date) -> SufficientStatistics:
    """Return histories as of a date with their times by the clock, in the same order."""
    t_x, T = clock.times(day_number(as_of), statistics.t_x, statistics.T)
    return SufficientStatistics(statistics.x, t_x, T, statistics.weights)


def estimate_clock(
    statistics: SufficientStatistics,
    repeats: Floats,
    as_of: date,
    fit: Fit,
    country: str | None = None,
    closures: tuple[Closure, ...] = (),
) -> SeasonEstimate | None:
    """Estimate the clock of a shop from its purchases before a date.

    Parameters
    ----------
    statistics : SufficientStatistics
        Histories as of the date, times in days.
    repeats : ndarray, shape (n,)
        Repeat purchases of all customers on each day seen, the last one being the day before ``as_of``.
    as_of : datetime.date
        Exclusive.
    fit : callable
        Fits the purchase model to histories whose times are by the clock.
    country : str, optional
        Whose movable feasts the clock knows; none unless given.
    closures : tuple of Closure
        Days on which the shop was closed: the clock stands still then, and they say nothing of the season.

    Returns
    -------
    SeasonEstimate or None
        None where there is less than a year of history, or no repeat purchase.
    """
    length = repeats.size
    if length < FEWEST_DAYS or not repeats.any():
        return None
    some = statistics.thinned(_MOST_HISTORIES) if statistics.x.size > _MOST_HISTORIES else statistics
    step = _step_of(repeats)
    steps = length // step
    oldest = day_number(as_of) - steps * step
    middle = oldest + step * np.arange(steps) + step // 2
    years, season = middle / 365.25, share_of_year(middle)
    counts = _summed(repeats, step)
    feasts = movable_feasts(country, as_of - timedelta(days=length), as_of)
    shares = np.array([feast.share(oldest, steps, step) for feast in feasts]).reshape(len(feasts), steps).T
    parameters = ClockParameters(as_of.isoformat(), (1.0,) * PARTS, level_step=step, closures=closures)
    open_days = is_open(closures, as_of, length)
    log_rate, scales, evidence = np.zeros(steps), None, 0.0
    with threadpool_limits(limits=1):
        for turn in range(_MOST_TURNS):
            clock = Clock(parameters)
            inside = by_clock(some, clock, as_of)
            expected = _summed(open_days * expected_by_day(some, inside, fit(inside), length), step)
            kept = expected > _SMALLEST_SHARE * expected.max()
            series = Series(counts[kept], expected[kept], years[kept], season[kept], shares[kept])
            structure = decompose(series, log_rate[kept], scales)
            if turn == _SCALES_FROM_TURN:
                scales, evidence = structure.scales, structure.evidence
            log_rate[kept] = structure.log_rate
            change = np.abs(structure.log_index - np.log(parameters.index)).max()
            parameters = replace(_parameters(as_of, structure, kept, step, evidence, feasts), closures=closures)
            if scales is not None and change < _SAME:
                break
    return SeasonEstimate(parameters, structure, step)


def _step_of(repeats: Floats) -> int:
    """Choose the days of a step."""
    mean = float(repeats.mean())
    for step in _STEPS:
        if mean * step >= _FEWEST_PURCHASES and repeats.size / step <= _MOST_STEPS:
            return step
    return _STEPS[-1]


def _summed(by_day: Floats, step: int) -> Floats:
    """Add up days to steps; days older than the first whole step are left out."""
    steps = by_day.size // step
    return np.asarray(by_day[by_day.size - steps * step :].reshape(steps, step).sum(axis=1))


def _parameters(
    as_of: date,
    structure: Structure,
    kept: Flags,
    step: int,
    evidence: float,
    feasts: Sequence[MovableFeast],
) -> ClockParameters:
    index = np.exp(structure.log_index)
    index /= index.mean()
    # Steps without purchases to speak of have the level of the next newer one.
    level = np.interp(np.arange(kept.size), np.flatnonzero(kept), structure.log_level)
    values, vectors = np.linalg.eigh(structure.index_covariance)
    large = values > 1e-4 * max(float(values.max()), 1e-12)
    errors = (vectors[:, large] * np.sqrt(values[large])).T
    *_, walk, noise = structure.scales
    drift = np.hypot(walk, structure.slope)
    return ClockParameters(
        fitted_at=as_of.isoformat(),
        index=as_tuples(index.tolist()),
        level=as_tuples(np.exp(level[::-1]).tolist()),
        level_step=step,
        feasts=as_stored(feasts, structure.feast_effects),
        index_errors=as_tuples(errors.tolist()),
        level_error=structure.level_error,
        level_drift=float(drift),
        noise=float(noise * np.sqrt(step)),
        evidence=evidence,
    )
