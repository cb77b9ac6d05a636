"""Season, level and noise of a series of counts beside their expectations.

ln(rate) = constant + level + season + noise, a Gaussian process (Rasmussen & Williams 2006, chapters 2 and 5): the
level a straight line and a random walk, the season periodic and smooth, the noise that of single weeks. Counts are
Poisson; one step of penalised quasi-likelihood (Breslow & Clayton 1993, JASA 88) a call makes them normal.
"""

from dataclasses import dataclass

import numpy as np
import scipy
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.special import ive

from models.stats.typing import Floats

PARTS = 52
# Standard deviations of the half-normal priors: of the season, of the level's random walk in a year, of noise.
SEASON_PRIOR, WALK_PRIOR, NOISE_PRIOR = 0.5, 0.1, 0.3
# Of the straight line's slope in a year: a shop's purchase rate that grows or falls by half is rare.
SLOPE_PRIOR = 0.3
# Of the effect of a movable feast on the logarithm of the rate in the days before it.
FEAST_PRIOR = 0.2
_CONSTANT = 5.0
# Of exp((cos(2 pi d) - 1) / l^2) for days d apart, in years: a wave over the year, and peaks of six weeks.
_LENGTHS = (1.0, 0.3)
_SMALLEST, _LARGEST = -6.0, 1.0
_NONE = _SMALLEST


@dataclass(frozen=True)
class Series:
    """Counts of purchases in steps of time.

    Attributes
    ----------
    counts, expected : ndarray, shape (n,)
        Purchases, and those expected at the clock's rate 1.
    years : ndarray, shape (n,)
        Middle of the step in years; the last is the newest.
    season : ndarray, shape (n,)
        The same as a share of the calendar year.
    feasts : ndarray, shape (n, k)
        Share of the days of a step that lie shortly before each of k movable feasts.
    """

    counts: Floats
    expected: Floats
    years: Floats
    season: Floats
    feasts: Floats


@dataclass(frozen=True)
class Structure:
    """What a series shows.

    Attributes
    ----------
    log_index : ndarray, shape (52,)
        Of the season, mean 0.
    index_covariance : ndarray, shape (52, 52)
        Of it.
    log_level : ndarray, shape (n,)
        Level of each step relative to the last one.
    level_error : float
        Standard error of the level's mean relative to its end, weighted by what is expected.
    log_rate : ndarray, shape (n,)
        Sum of all parts: the point that the next step starts from.
    slope : float
        Of the straight line, per year.
    feast_effects : ndarray, shape (k,)
        On the logarithm of the rate in the days before each feast.
    scales : ndarray, shape (4,)
        Standard deviations of the season's long and short waves, of the walk in a year and of noise.
    evidence : float
        Log ratio of marginal likelihoods with and without a season, each at its best scales.
    """

    log_index: Floats
    index_covariance: Floats
    log_level: Floats
    level_error: float
    log_rate: Floats
    slope: float
    feast_effects: Floats
    scales: Floats
    evidence: float


def likeness(one: Floats, other: Floats, length: float) -> Floats:
    """Return how alike a season is at shares of the year, shape (n, m): 1 at no distance, without its mean."""
    near = np.cos(2.0 * np.pi * (one[:, None] - other[None, :]))
    mean = float(ive(0, length**-2))
    return np.asarray((np.exp((near - 1.0) / length**2) - mean) / (1.0 - mean))


def _diagonal(square: Floats) -> Floats:
    """Give the diagonal of a matrix as a part of it that can be written to."""
    return square.reshape(-1)[:: len(square) + 1]


class _Model:
    """The covariances of a series at a point of the expansion."""

    def __init__(self, series: Series, log_rate: Floats) -> None:
        rate = np.maximum(series.expected * np.exp(log_rate), 1e-9)
        self.response = log_rate + (series.counts - rate) / rate
        self.variance = 1.0 / rate
        back = series.years[-1] - series.years
        self.season = [likeness(series.season, series.season, length) for length in _LENGTHS]
        self.walk = np.minimum(back[:, None], back[None, :])
        self.line = SLOPE_PRIOR**2 * np.outer(back, back)
        self.feasts = FEAST_PRIOR**2 * series.feasts @ series.feasts.T
        self._fixed = _CONSTANT**2 + self.line

    def covariance(self, scales: Floats) -> Floats:
        long, short, walk, noise = scales**2
        season = long * self.season[0] + short * self.season[1]
        # Searches for the best scales ask for hundreds: each sum goes into the same matrix, in the same order.
        total: Floats = walk * self.walk
        total += self._fixed
        total += season
        total += self.feasts
        _diagonal(total)[:] += noise
        return total

    def loss(self, log_scales: Floats) -> float:
        """Negative log of marginal likelihood times priors."""
        scales = np.exp(log_scales)
        covariance = self.covariance(scales)
        _diagonal(covariance)[:] += self.variance
        root = np.linalg.cholesky(covariance)
        white = solve_triangular(root, self.response, lower=True)
        prior = scales / [SEASON_PRIOR, SEASON_PRIOR, WALK_PRIOR, NOISE_PRIOR]
        return float(0.5 * white @ white + np.log(np.diag(root)).sum() + 0.5 * prior @ prior)

    def best(self) -> tuple[Floats, float]:
        """Return the best scales, and how much better they are than the best ones without a season."""
        bounds = [(_SMALLEST, _LARGEST)] * 4
        starts = ([-1.5, -1.5, -3.0, -2.0], [-4.0, -4.0, -3.0, -2.0])
        found = [scipy.optimize.minimize(self.loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]

        def without_season(two: Floats) -> float:
            return self.loss(np.array([_NONE, _NONE, *two]))

        without = scipy.optimize.minimize(without_season, [-3.0, -2.0], method="L-BFGS-B", bounds=bounds[2:])
        best = min(found, key=lambda each: float(each.fun))
        return np.exp(best.x), float(without.fun - best.fun)


def decompose(series: Series, log_rate: Floats, scales: Floats | None = None) -> Structure:
    """Tell season, level and noise apart.

    Parameters
    ----------
    series : Series
        At least a year.
    log_rate : ndarray, shape (n,)
        Point of the expansion: zeros, or what the step before found.
    scales : ndarray, optional
        Standard deviations to be taken instead of the best ones; the evidence then is 0.
    """
    model = _Model(series, log_rate)
    scales, evidence = model.best() if scales is None else (scales, 0.0)
    long, short, walk, _ = scales**2
    covariance = model.covariance(scales)
    factor = cho_factor(covariance + np.diag(model.variance))
    solved = cho_solve(factor, model.response)
    grid = (np.arange(PARTS) + 0.5) / PARTS

    def season(one: Floats, other: Floats) -> Floats:
        return np.asarray(long * likeness(one, other, _LENGTHS[0]) + short * likeness(one, other, _LENGTHS[1]))

    across = season(grid, series.season)
    centre = np.eye(PARTS) - 1.0 / PARTS
    spread = season(grid, grid) - across @ cho_solve(factor, across.T)
    level = walk * model.walk + model.line
    of_level = level - level @ cho_solve(factor, level)
    weights = series.expected / series.expected.sum()
    back = series.years[-1] - series.years
    return Structure(
        log_index=centre @ (across @ solved),
        index_covariance=centre @ spread @ centre,
        log_level=level @ solved,
        level_error=float(np.sqrt(max(weights @ of_level @ weights, 0.0))),
        log_rate=covariance @ solved,
        slope=float(-(SLOPE_PRIOR**2) * back @ solved),
        feast_effects=FEAST_PRIOR**2 * series.feasts.T @ solved,
        scales=scales,
        evidence=evidence,
    )
