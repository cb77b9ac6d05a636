"""95 % intervals of the figures of a survey: shares, net scores, means and ratios of sums, many at once.

All take counts or sums, which an engine gives by window and group, and take the rows to be independent of each other.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]
Interval = tuple[Array, Array, Array]

NORMAL_95 = 1.959963984540054
# Below this share of the sum of squares, what is left of it is rounding.
ROUNDING = 1e-12


def nps_interval(detractors: ArrayLike, passives: ArrayLike, promoters: ArrayLike) -> Interval:
    """Give net promoter scores with their adjusted-Wald intervals.

    Three answers are added, 3/4 detractor, 3/2 passive and 3/4 promoter, and Wald's interval of the difference of two
    shares is taken of the sum: of the methods compared it keeps nearest to 95 % in small samples and near the ends
    of the scale. The score itself is that of the answers as they are. It serves every net score: net satisfaction
    has the dissatisfied, those in between and the satisfied.

    Parameters
    ----------
    detractors, passives, promoters
        Counts of answers, at least 0, of one shape.

    Returns
    -------
    tuple
        (score, low, high), in points from -100 to 100, low <= score <= high; NaN where nobody answered.

    References
    ----------
    Rocks, B. (2016). Interval Estimation for the "Net Promoter Score". The American Statistician 70(4), 365-372: the
    method (3, T), in which pseudo-observations are split 1/4, 1/2, 1/4.
    """
    bad, middle, good = (np.asarray(count, dtype=float) for count in (detractors, passives, promoters))
    answers = bad + middle + good
    score = _ratio(good - bad, answers)
    more = answers + 3
    centre = (good - bad) / more
    variance = (good + bad + 1.5) / more - centre**2
    reach = NORMAL_95 * np.sqrt(variance / more)
    low, high = np.maximum(centre - reach, -1.0), np.minimum(centre + reach, 1.0)
    return _holding(100 * score, 100 * low, 100 * high)


def wilson_interval(successes: ArrayLike, n: ArrayLike) -> Interval:
    """Give shares with their Wilson intervals, which keep within [0, 1] and have a width at 0 and 1.

    Parameters
    ----------
    successes
        Counts from 0 to `n`.
    n
        Of how many each, at least 0, of the same shape.

    Returns
    -------
    tuple
        (share, low, high), from 0 to 1; NaN where n is 0.

    References
    ----------
    Wilson, E. B. (1927). Probable Inference, the Law of Succession, and Statistical Inference. JASA 22(158), 209-212.
    """
    count, z2 = np.asarray(n, dtype=float), NORMAL_95**2
    share = _ratio(successes, count)
    reach = NORMAL_95 * np.sqrt(np.maximum(share * (1 - share) * count, 0.0) + z2 / 4)
    low, high = ((share * count + z2 / 2 + sign * reach) / (count + z2) for sign in (-1, 1))
    return _holding(share, np.maximum(low, 0.0), np.minimum(high, 1.0))


def mean_interval(
    n: ArrayLike, total: ArrayLike, squares: ArrayLike, lowest: ArrayLike = -np.inf, highest: ArrayLike = np.inf
) -> Interval:
    """Give means with Student's intervals.

    Parameters
    ----------
    n
        How many values each, at least 0.
    total
        Sum of the values, of the same shape.
    squares
        Sum of their squares, of the same shape.
    lowest, highest
        Between which every value must lie, such as the ends of a scale: the interval is cut there.

    Returns
    -------
    tuple
        (mean, low, high) in the unit of the values; NaN where n is 0. Low and high are NaN where fewer than two
        values, or only equal ones, say nothing of how far values lie apart.

    References
    ----------
    Student (1908). The Probable Error of a Mean. Biometrika 6(1), 1-25.
    """
    mean, low, high = ratio_interval(n, total, n, squares, total, n)
    return mean, np.maximum(low, lowest), np.minimum(high, highest)


def ratio_interval(
    n: ArrayLike, above: ArrayLike, below: ArrayLike, above2: ArrayLike, cross: ArrayLike, below2: ArrayLike
) -> Interval:
    """Give ratios of two sums, R = sum(a) / sum(b), with linearised intervals by Student's distribution.

    The variance is n / (n - 1) * sum((a - R b)^2) / sum(b)^2; with b = 1 it is that of a mean.

    Parameters
    ----------
    n
        How many pairs (a, b) each, at least 0.
    above, below
        Sum of a and of b, of the same shape.
    above2, cross, below2
        Sum of a^2, of a b and of b^2.

    Returns
    -------
    tuple
        (ratio, low, high); NaN where sum(b) is 0. Low and high are NaN where fewer than two pairs, or only pairs of
        one ratio, say nothing of how far ratios lie apart.

    References
    ----------
    Cochran, W. G. (1977). Sampling Techniques, 3rd ed., chapter 6 (the ratio estimate), without the correction for a
    finite population.
    """
    count = np.asarray(n, dtype=float)
    bottom, aa, ab, bb = (np.asarray(x, dtype=float) for x in (below, above2, cross, below2))
    ratio = _ratio(above, bottom)
    apart = aa - 2 * ratio * ab + ratio**2 * bb
    apart = np.where((count > 1) & (apart > ROUNDING * aa), apart, np.nan)
    freedom = np.maximum(count - 1, 1)
    reach = stdtrit(freedom, 0.975) * np.sqrt(apart * count / freedom) / np.where(bottom > 0, bottom, np.nan)
    return ratio, ratio - reach, ratio + reach


def change_interval(now: Interval, before: Interval) -> Interval:
    """Give the change from one figure to another, of other answers, with its interval made of theirs.

    The method of variance estimates recovery: the distance to each end is the root of the sum of squares of the
    distances of both figures to the ends that make the change as large. For shares it is Newcombe's.

    Parameters
    ----------
    now, before
        (value, low, high) each, of one shape.

    Returns
    -------
    tuple
        (change, low, high); low and high are NaN where one of the figures has no interval.

    References
    ----------
    Zou, G. Y. & Donner, A. (2008). Construction of Confidence Limits about Effect Measures: A General Approach.
    Statistics in Medicine 27(10), 1693-1702. Newcombe, R. G. (1998). Statistics in Medicine 17(8), 873-890, method 10.
    """
    (value, low, high), (value_0, low_0, high_0) = now, before
    change = value - value_0
    down, up = np.hypot(value - low, high_0 - value_0), np.hypot(high - value, value_0 - low_0)
    return change, change - down, change + up


def _ratio(above: ArrayLike, below: ArrayLike) -> Array:
    top, bottom = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    return np.asarray(top / np.where(bottom > 0, bottom, np.nan))


def _holding(value: Array, low: Array, high: Array) -> Interval:
    """Let an interval reach to its value (a single answer may lie outside), and be NaN where that is."""
    return value, np.minimum(low, value), np.maximum(high, value)
