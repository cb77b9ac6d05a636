"""Ridge proportional odds on the answers as given: the best candidate with a few hundred answers.

P(level <= j) = expit(c_j - s), s = sum_j z_j beta_j (McCullagh 1980, J. R. Statist. Soc. B 42, the proportional odds
model), with a normal prior on beta whose precision maximises the marginal likelihood (MacKay 1992, Neural Computation
4; Laplace's approximation). Each feature enters by its normal score, a monotone transform that is constant beyond the
outermost training quantiles, so that neither skew nor an outlier nor a new extreme value dominates a prediction.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, eigh
from scipy.special import expit, log_expit, ndtri

from models.scoring.members import ProportionalOddsMember
from models.stats.typing import Floats, Integers

# Quantiles at the knots of a transform: dense enough for a bend, few enough to be stable.
KNOTS = np.array([0.005, *np.arange(0.025, 1.0, 0.05), 0.995])
# A missing-flag column needs this share of rows on either side.
FEWEST_MISSING = 0.01
# Grid of the search for the precision of the prior: logs relative to the number of columns, at which the latent score
# has a prior variance of about 1.
_LOG_PENALTIES = np.arange(-4.0, 9.0, 0.05)
_SAME_PENALTY = 0.075
_MOST_PENALTIES = 8
_MOST_STEPS = 50


@dataclass(frozen=True)
class Columns:
    """How features become columns: a centred monotone transform of each, and flags of missing values.

    Attributes
    ----------
    knots, scores
        Per feature (j,) values and their scores; a feature without two values has one knot with score 0.
    flagged
        Indices of features with a flag column; features that are missing together share the column of the first.
    flag_means
        Shares of missing rows of those features.
    """

    knots: tuple[Floats, ...]
    scores: tuple[Floats, ...]
    flagged: Integers
    flag_means: Floats

    def design(self, X: Floats) -> Floats:
        """Return columns (n, k + flags) of features (n, k): 0 where a feature is missing, flags after the features."""
        Z = np.empty((len(X), len(self.knots) + len(self.flagged)))
        for j, (knots, scores) in enumerate(zip(self.knots, self.scores, strict=True)):
            Z[:, j] = np.where(np.isnan(X[:, j]), 0.0, np.interp(X[:, j], knots, scores))
        Z[:, len(self.knots) :] = np.isnan(X[:, self.flagged]) - self.flag_means
        return Z

    def member(self, coefficients: Floats, cuts: Floats) -> ProportionalOddsMember:
        """Return a fit as a member of the NPS model: per feature a line through points and a value where missing."""
        k = len(self.knots)
        values = [scores * beta for scores, beta in zip(self.scores, coefficients[:k], strict=True)]
        missing = np.zeros(k)
        for j, share, beta in zip(self.flagged, self.flag_means, coefficients[k:], strict=True):
            values[j] = values[j] - share * beta
            missing[j] = (1.0 - share) * beta
        return ProportionalOddsMember(
            knots=tuple(tuple(knots.tolist()) for knots in self.knots),
            values=tuple(tuple(line.tolist()) for line in values),
            missing=tuple(missing.tolist()),
            cuts=(float(cuts[0]), float(cuts[1])),
        )


def learn_columns(X: Floats) -> Columns:
    """Learn transforms from features (n, k): the normal scores Phi^-1((below + equal / 2) / n) of mid-ranks."""
    knots, scores = [], []
    for column in X.T:
        present = np.sort(column[~np.isnan(column)])
        if len(present) == 0:
            knots.append(np.zeros(1))
            scores.append(np.zeros(1))
            continue
        at = np.unique(present[np.minimum((KNOTS * len(present)).astype(int), len(present) - 1)])
        middle = 0.5 * (np.searchsorted(present, at, "left") + np.searchsorted(present, at, "right"))
        score = ndtri(middle / len(present))
        knots.append(at)
        scores.append(score - np.interp(present, at, score).mean())
    missing = np.isnan(X)
    share = missing.mean(axis=0)
    often = np.flatnonzero((share >= FEWEST_MISSING) & (share <= 1.0 - FEWEST_MISSING))
    flagged = often[np.sort(np.unique(missing[:, often], axis=1, return_index=True)[1])] if len(often) else often
    return Columns(tuple(knots), tuple(scores), flagged.astype(np.int64), share[flagged])


@dataclass(frozen=True)
class Fit:
    """Cut points (levels - 1,), coefficients (p,) and the precision of their prior."""

    cuts: Floats
    coefficients: Floats
    penalty: float


def fit_proportional_odds(Z: Floats, level: Integers, category_of_level: Integers, penalty: float | None = None) -> Fit:
    """Fit cut points and coefficients, and the precision of the prior by marginal likelihood unless it is given.

    Parameters
    ----------
    Z
        (n, p) columns with mean about 0.
    level
        (n,) 0..levels-1.
    category_of_level
        (levels,) category 0, 1 or 2 of each level, not decreasing; each category has at least one level. One answer is
        added to each category, at z = 0 and shared by its levels (Laplace), so that none has probability 0.
    penalty
        Precision of the normal prior on the coefficients.
    """
    p, levels = Z.shape[1], len(category_of_level)
    Z = np.vstack([Z, np.zeros((levels, p))])
    level = np.concatenate([level, np.arange(levels)])
    weight = np.ones(len(level))
    weight[-levels:] = 1.0 / np.bincount(category_of_level, minlength=3)[category_of_level]
    count = np.bincount(level, weights=weight)
    below = np.cumsum(count)[:-1] / count.sum()
    theta = np.concatenate([np.zeros(p), np.log(below / (1.0 - below))])
    chosen = float(max(p, 1)) if penalty is None else penalty
    theta, hessian = _climb(theta, Z, level, weight, chosen)
    for _ in range(0 if penalty is not None or p == 0 else _MOST_PENALTIES):
        better = _best_penalty(theta[:p], hessian, chosen)
        if abs(np.log(better / chosen)) < _SAME_PENALTY:
            break
        chosen = better
        theta, hessian = _climb(theta, Z, level, weight, chosen)
    return Fit(cuts=theta[p:], coefficients=theta[:p], penalty=chosen)


def _climb(theta: Floats, Z: Floats, level: Integers, weight: Floats, penalty: float) -> tuple[Floats, Floats]:
    """Maximise the concave penalised log likelihood by Newton's method; also return the Hessian without the penalty.

    A step is halved until the cut points are in order and the likelihood does not fall.
    """
    p = Z.shape[1]
    ridge = np.concatenate([np.full(p, penalty), np.zeros(len(theta) - p)])
    value, gradient, hessian = _likelihood(theta, Z, level, weight)
    value -= 0.5 * np.sum(ridge * theta**2)
    for _ in range(_MOST_STEPS):
        slope = gradient - ridge * theta
        step = cho_solve(cho_factor(np.diag(ridge) - hessian), slope)
        gain = float(slope @ step)
        if gain < 1e-9:
            break
        size = 1.0
        while size > 1e-6:
            tried = theta + size * step
            if np.all(np.diff(tried[p:]) > 0):
                likelihood = _likelihood(tried, Z, level, weight)
                reached = likelihood[0] - 0.5 * np.sum(ridge * tried**2)
                if reached >= value + 1e-4 * size * gain or gain < 1e-6:
                    break
            size *= 0.5
        else:
            break
        theta, value, (_, gradient, hessian) = tried, reached, likelihood
    return theta, hessian


def _likelihood(theta: Floats, Z: Floats, level: Integers, weight: Floats) -> tuple[float, Floats, Floats]:
    """Return the log likelihood, its gradient and Hessian in (coefficients, cut points).

    With a = c_l - s, b = c_{l-1} - s, P = F(a) - F(b) = F(a) F(-b) (1 - e^{b - a}); so d ln P / ds = F(a) + F(b) - 1,
    d2 ln P / ds2 = -(f(a) + f(b)) with f = F (1 - F), and the last factor depends only on the cut points.
    """
    p, n = Z.shape[1], len(Z)
    cuts = np.concatenate([[-np.inf], theta[p:], [np.inf]])
    s = Z @ theta[:p]
    a, b = cuts[level + 1] - s, cuts[level] - s
    gap = np.diff(theta[p:])
    last = len(theta) - p
    count = np.bincount(level, weights=weight, minlength=last + 1)[1:last]
    value = float(weight @ (log_expit(a) + log_expit(-b)) + count @ np.log(-np.expm1(-gap)))
    F_a, F_b = expit(a), expit(b)
    f_a, f_b = weight * F_a * (1 - F_a), weight * F_b * (1 - F_b)
    # The gradient by cut point: it is the upper border of the level below it and the lower border of the level above
    # it.
    of_below = np.bincount(level, weights=weight * (1 - F_a), minlength=last + 1)[:last]
    of_above = np.bincount(level, weights=weight * F_b, minlength=last + 1)[1:]
    of_gap = count / np.expm1(gap)
    by_cut = np.asarray(of_below - of_above, dtype=float)
    by_cut += np.append(0.0, of_gap) - np.append(of_gap, 0.0)
    gradient = np.concatenate([Z.T @ (weight * (F_a + F_b - 1)), by_cut])

    hessian = np.zeros((len(theta), len(theta)))
    hessian[:p, :p] = -(Z.T * (f_a + f_b)) @ Z
    at_cut = np.zeros((n, last + 1))
    rows = np.arange(n)
    at_cut[rows, level] = f_a
    at_cut[rows[level > 0], level[level > 0] - 1] += f_b[level > 0]
    at_cut = at_cut[:, :last]
    hessian[:p, p:] = Z.T @ at_cut
    hessian[p:, :p] = hessian[:p, p:].T
    diagonal = -at_cut.sum(axis=0)
    bend = count * np.exp(gap) / np.expm1(gap) ** 2
    diagonal[1:] -= bend
    diagonal[:-1] -= bend
    hessian[p:, p:] = np.diag(diagonal) + np.diag(bend, 1) + np.diag(bend, -1)
    return value, gradient, hessian


def _best_penalty(beta: Floats, hessian: Floats, penalty: float) -> float:
    """Maximise Laplace's marginal likelihood of the precision, the log likelihood taken as quadratic around the mode.

    With S the curvature in beta (cut points profiled out) = U diag(e) U' and g = (e + penalty) U' beta, the log
    evidence of a precision l is 1/2 sum_i [g_i^2 / (e_i + l) + ln(l / (e_i + l))].
    """
    p = len(beta)
    across = hessian[:p, p:]
    curvature = -hessian[:p, :p] + across @ np.linalg.solve(hessian[p:, p:], across.T)
    e, U = eigh(curvature)
    e = np.maximum(e, 0.0)
    g = (e + penalty) * (U.T @ beta)
    precision = p * np.exp(_LOG_PENALTIES)
    total = e[:, None] + precision
    evidence = 0.5 * np.sum(g[:, None] ** 2 / total + np.log(precision / total), axis=0)
    return float(precision[np.argmax(evidence)])
