"""95 % intervals of the figures of a survey: shares, net scores, means and ratios of sums, many at once.

All take counts or sums, which an engine gives by window and group. Customers are independent of each other, and the
answers of one customer are not: the ratio of sums is taken over customers, and counts of answers come with the number
of independent answers that they weigh as much as (`effective_number`).
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Array = NDArray[np.float64]
Interval = tuple[Array, Array, Array]

NORMAL_95 = 1.959963984540054
# Below this share of the sum of squares, what is left of it is rounding.
ROUNDING = 1e-12


def effective_number(
    n: ArrayLike, customers: ArrayLike, total: ArrayLike, squares: ArrayLike, clustered: ArrayLike
) -> Array:
    """Give the number of independent answers that are as precise as n answers of fewer customers.

    It is n over the design effect: the variance of the mean with customers drawn, over that with answers drawn,
    m / (m - 1) * sum of (s_c - mean n_c)^2 / (n / (n - 1) * sum of (y - mean)^2), with the sum s_c and the number n_c
    of the answers of customer c, and m customers. It is made smaller by (t(n - 1) / t(m - 1))^2, with 97.5 % quantiles
    of Student's distribution, as the variance has m - 1 degrees of freedom only. It is n where each customer has one
    answer, at most n, and at least 1; where all answers are equal, it is the number of customers.

    Parameters
    ----------
    n, customers
        Counts of answers and of customers who gave them, of one shape.
    total, squares
        Sum of the values of the answers, and of their squares.
    clustered
        Sum over customers of (s_c - mean n_c)^2; customers with many answers may have been given more weight.

    References
    ----------
    Korn, E. L. and Graubard, B. I. (1998). Confidence Intervals for Proportions with Small Expected Number of Positive
    Counts Estimated from Survey Data. Survey Methodology 24(2), 193-201.
    """
    answers, m, within = (np.asarray(x, dtype=float) for x in (n, customers, clustered))
    mean = _ratio(total, answers)
    simple = np.asarray(squares, dtype=float) - mean**2 * answers
    varies = simple > ROUNDING * answers
    ratio = np.maximum(answers - 1, 1) / np.maximum(m - 1, 1) * m / np.where(answers > 0, answers, 1) * within
    effect = np.maximum(np.where(varies, ratio, 0.0) / np.where(varies, simple, 1.0), 1.0)
    freedom = stdtrit(np.maximum(answers - 1, 1), 0.975) / stdtrit(np.maximum(m - 1, 1), 0.975)
    effective = np.where(varies, answers / effect * freedom**2, m)
    return np.where(m == answers, answers, np.where(m > 1, np.maximum(effective, 1.0), np.minimum(m, 1.0)))


def effective_number_of(customer: ArrayLike, values: ArrayLike) -> float:
    """Give `effective_number` of the answers at hand.

    Parameters
    ----------
    customer
        (n,) who gave each.
    values
        (n,) the answers.
    """
    y = np.asarray(values, dtype=float)
    of = np.unique(np.asarray(customer), return_inverse=True)[1]
    size, total = np.bincount(of), np.bincount(of, y)
    if len(size) == len(y):
        return float(len(y))
    share = size / len(y)
    own = (1 - 2 * share + share @ share) * len(size) / max(len(size) - 1, 1)
    deviation = (total - y.mean() * size) ** 2
    within = np.sum(deviation / np.where(own > 0, own, 1.0))
    return float(effective_number(len(y), len(size), y.sum(), y @ y, within))


def nps_interval(
    detractors: ArrayLike, passives: ArrayLike, promoters: ArrayLike, effective: ArrayLike | None = None
) -> Interval:
    """Give net promoter scores with their adjusted-Wald intervals.

    Three answers are added, 3/4 detractor, 3/2 passive and 3/4 promoter, and Wald's interval of the difference of two
    shares is taken of the sum: of the methods compared it keeps nearest to 95 % in small samples and near the ends
    of the scale. The score itself is that of the answers as they are. It serves every net score: net satisfaction
    has the dissatisfied, those in between and the satisfied.

    Parameters
    ----------
    detractors, passives, promoters
        Counts of answers, at least 0, of one shape.
    effective
        How many independent answers they weigh as much as, see `effective_number`; as many as they are where None.

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
    each = 1.0 if effective is None else np.asarray(effective, dtype=float) / np.where(answers > 0, answers, 1.0)
    more = answers * each + 3
    centre = (good - bad) * each / more
    variance = ((good + bad) * each + 1.5) / more - centre**2
    reach = NORMAL_95 * np.sqrt(variance / more)
    low, high = np.maximum(centre - reach, -1.0), np.minimum(centre + reach, 1.0)
    return _holding(100 * score, 100 * low, 100 * high)


def wilson_interval(successes: ArrayLike, n: ArrayLike, effective: ArrayLike | None = None) -> Interval:
    """Give shares with their Wilson intervals, which keep within [0, 1] and have a width at 0 and 1.

    Parameters
    ----------
    successes
        Counts from 0 to `n`.
    n
        Of how many each, at least 0, of the same shape.
    effective
        As in `nps_interval`.

    Returns
    -------
    tuple
        (share, low, high), from 0 to 1; NaN where n is 0.

    References
    ----------
    Wilson, E. B. (1927). Probable Inference, the Law of Succession, and Statistical Inference. JASA 22(158), 209-212.
    """
    share, z2 = _ratio(successes, n), NORMAL_95**2
    count = np.asarray(n if effective is None else effective, dtype=float)
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


def customer_interval(sums: pd.DataFrame, lowest: ArrayLike = -np.inf, highest: ArrayLike = np.inf) -> Interval:
    """Give the ratio of sums over customers and its interval, cut where no value can be.

    Parameters
    ----------
    sums
        As `features.measures.answer_sums.moments_of_customers` gives them.
    lowest, highest
        Between which every ratio lies, such as the ends of a scale.
    """
    names = ("customers", "above", "below", "above2", "cross", "below2")
    ratio, low, high = ratio_interval(*(sums[name] for name in names))
    return ratio, np.maximum(low, lowest), np.minimum(high, highest)


def effective_answers(counts: pd.DataFrame, net: bool) -> Array:
    """Give the effective number of answers for the share of top answers, or for the net of top and bottom ones.

    Parameters
    ----------
    counts
        As `features.measures.answer_sums.counts_by_scale` gives them.
    net
        Whether a bottom answer counts -1; else it counts 0, as one in the middle does.
    """
    top, bottom, n = counts["top"], counts["bottom"], counts["n"]
    total, squares, own2, own_n = top, top, counts["top_top"], counts["n_top"]
    if net:
        total, squares = top - bottom, top + bottom
        own2 = own2 + counts["bottom_bottom"] - 2 * counts["bottom_top"]
        own_n = own_n - counts["n_bottom"]
    mean = total / n
    clustered = own2 - 2 * mean * own_n + mean**2 * counts["n_n"]
    return effective_number(n, counts["customers"], total, squares, clustered)


def _ratio(above: ArrayLike, below: ArrayLike) -> Array:
    top, bottom = np.asarray(above, dtype=float), np.asarray(below, dtype=float)
    return np.asarray(top / np.where(bottom > 0, bottom, np.nan))


def _holding(value: Array, low: Array, high: Array) -> Interval:
    """Let an interval reach to its value (a single answer may lie outside), and be NaN where that is."""
    return value, np.minimum(low, value), np.maximum(high, value)
