"""How far an unmeasured trait may carry the NPS of the base away: as far as the strongest measured group of features.

If something that no feature shows moves both answering and the answer, no weights on the features repair it, and more
customers only make a wrong interval narrow. How strong such a trait is cannot be known; what can be told is what one as
strong as those that are measured would do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.special import expit, stdtr, stdtrit
from threadpoolctl import threadpool_limits

from models.stats.typing import Flags, Floats
from models.survey.frame import Survey
from models.survey.response.candidates import RIDGE_C, Columns
from models.survey.response.propensity import case_control_sample
from models.survey.sensitivity import LARGEST_GAMMA, tilted_nps

# Penalty on the answer's regression: that of features which together explain so much of an answer's variance.
EXPLAINED_SHARE = 0.15
_STEPS = 12
# A step that moves nobody's log odds by more is the last: what another one would move is its square.
_LAST_STEP = 1e-7
_WITHIN_95 = 0.95


@dataclass(frozen=True)
class Unmeasured:
    """What an unmeasured trait as strong as the strongest measured group would do.

    Attributes
    ----------
    bias
        By how much it would move the NPS of the base, points, not negative.
    gamma
        Change of the log odds of answering per category that moves the NPS as far, see `models.survey.sensitivity`.
    group
        The strongest measured group; None where no group is measured.
    """

    bias: float
    gamma: float
    group: str | None


@dataclass(frozen=True)
class _Strength:
    """How much a group adds to what the rest of the features says: of who answers, and of the answer."""

    group: str
    answering: float
    answer: float


def unmeasured_trait(survey: Survey) -> Unmeasured:
    """Bound the bias of an unmeasured trait that is as strong, given the rest, as the strongest measured group.

    With the features X, a trait U beside them, and the weights and residuals of the answers, the bias is at most
    S C_Y C_D (Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis 2022, NBER 30302, theorem 2; for weights Soriano et al.
    2023, Political Analysis 31, and Huang 2024, JRSS A 187): S^2 = (weighted mean squared residual) x n / n_eff, C_Y^2
    the share of the answer's residual variance that U explains, C_D^2 the share by which U raises the variance of the
    weights. For U the largest C_Y C_D of any measured group given all other groups is taken (benchmarking: Cinelli &
    Hazlett 2020, JRSS B 82), each less what a group of noise would have by chance. The bound is reached by a trait that
    moves answering and answer in step.

    Parameters
    ----------
    survey
        Frame, answers and base, with at least two answers.
    """
    R = survey.answered
    if R.all() or not survey.features.shape[1]:
        return Unmeasured(0.0, 0.0, None)
    with threadpool_limits(limits=1):
        strengths = list(_strengths(survey))
    strongest = max(strengths, key=lambda each: (each.answering * each.answer, each.group), default=None)
    if strongest is None:
        return Unmeasured(0.0, 0.0, None)
    w = survey.weights
    h = w / w.sum()
    scale = np.sqrt(h @ survey.residuals**2 * len(h) * (h @ h))
    bias = float(scale * strongest.answering * strongest.answer)
    return Unmeasured(bias, gamma_of(survey, bias), strongest.group)


def gamma_of(survey: Survey, bias: float) -> float:
    """Give the gamma at which the NPS moves by so many points, the mean of both directions; at most 3."""

    def excess(gamma: float) -> float:
        return abs(tilted_nps(survey, -gamma) - tilted_nps(survey, gamma)) / 2.0 - bias

    if bias <= 0.0:
        return 0.0
    return LARGEST_GAMMA if excess(LARGEST_GAMMA) < 0.0 else float(scipy.optimize.brentq(excess, 0.0, LARGEST_GAMMA))


def wide_margin(error: float, freedom: float, bias: float) -> float:
    """Give half the width of the 95 % interval of a figure with this standard error and a bias of at most `bias`.

    The interval covers the truth in 95 % wherever in [-bias, bias] the bias is (Imbens & Manski 2004, Econometrica 72).
    """
    if error <= 0.0:
        return bias
    within = bias / error

    def excess(c: float) -> float:
        return float(stdtr(freedom, c + 2.0 * within) - stdtr(freedom, -c)) - _WITHIN_95

    return bias + error * float(scipy.optimize.brentq(excess, 0.0, stdtrit(freedom, 0.976)))


def _strengths(survey: Survey) -> Iterator[_Strength]:
    """Give the strength of each group given all others, by a ridge regression of answering and one of the answer."""
    X, R = survey.features.to_numpy(dtype=float, na_value=np.nan), survey.answered
    learned = case_control_sample(R, survey.customer, 0)[0]
    (columns, Z), answered = Columns.learned(X[learned]), R[learned]
    group = np.array(survey.group_of_features)[columns.source]
    answer = survey.answers
    by_answering = _Fit.of_answering(Z, answered)
    by_answer = _Fit.of_answer(Z[answered], answer)
    # Weights are 1 + odds against answering: where nearly all answer, a trait hardly changes them.
    could_be_moved = 1.0 - survey.mean_propensity
    for name in np.unique(group):
        of_group = group == name
        variance = by_answering.added_variance(of_group)
        explained = by_answer.added_variance(of_group)
        explained /= explained + by_answer.residual_variance
        yield _Strength(str(name), could_be_moved * float(np.sqrt(np.expm1(variance))), float(np.sqrt(explained)))


@dataclass(frozen=True)
class _Fit:
    """A ridge regression on k columns, near its optimum a quadratic function of its coefficients.

    Attributes
    ----------
    coefficients
        (k,).
    information, penalised
        (k, k) information of the data, and with the penalty.
    covariance_of_columns
        (k, k).
    residual_variance
        Of the answer; 1 for the logistic regression.
    """

    coefficients: Floats
    information: Floats
    penalised: Floats
    covariance_of_columns: Floats
    residual_variance: float

    @classmethod
    def of_answering(cls, Z: Floats, answered: Flags) -> "_Fit":
        """Fit log odds of answering, (n,), by Newton's method."""
        A, penalty = np.hstack([Z, np.ones((len(Z), 1))]), np.r_[np.full(Z.shape[1], 1.0 / RIDGE_C), 0.0]
        rate = (answered.sum() + 0.5) / (len(answered) + 1.0)
        b = np.r_[np.zeros(Z.shape[1]), np.log(rate / (1.0 - rate))]
        for _ in range(_STEPS):
            p = expit(A @ b)
            information = (A * (p * (1.0 - p))[:, None]).T @ A
            step = np.linalg.solve(information + np.diag(penalty), A.T @ (answered - p) - penalty * b)
            longest = float(np.abs(A @ step).max())
            b = b + step * min(1.0, 1.0 / max(longest, 1e-300))
            if longest < _LAST_STEP:
                break
        # The constant is profiled out.
        own = information[:-1, :-1] - np.outer(information[:-1, -1], information[-1, :-1]) / information[-1, -1]
        return cls(b[:-1], own, own + np.diag(penalty[:-1]), np.cov(Z, rowvar=False).reshape(len(own), -1), 1.0)

    @classmethod
    def of_answer(cls, Z: Floats, answer: Floats) -> "_Fit":
        """Fit the points of answers, (n,)."""
        centred, y = Z - Z.mean(axis=0), answer - answer.mean()
        information = centred.T @ centred
        penalty = Z.shape[1] * (1.0 - EXPLAINED_SHARE) / EXPLAINED_SHARE
        penalised = information + penalty * np.eye(Z.shape[1])
        coefficients = np.linalg.solve(penalised, centred.T @ y)
        residual = float((y - centred @ coefficients).var())
        covariance = np.cov(Z, rowvar=False).reshape(len(penalised), -1)
        return cls(coefficients, information, penalised, covariance, max(residual, 1e-12))

    def added_variance(self, of_group: Flags) -> float:
        """Variance that the columns of a group add to the fit of the others, less what noise would add by chance.

        Without the group the optimum of the others moves by one Newton step, which the quadratic function tells.
        """
        rest = ~of_group
        carried = np.linalg.solve(self.penalised[np.ix_(rest, rest)], self.penalised[np.ix_(rest, of_group)])
        lost = np.empty((len(rest), int(of_group.sum())))
        lost[of_group], lost[rest] = np.eye(lost.shape[1]), -carried
        shape = lost.T @ self.covariance_of_columns @ lost
        inverse = np.linalg.inv(self.penalised)
        noise = self.residual_variance * (inverse @ self.information @ inverse)[np.ix_(of_group, of_group)]
        own = self.coefficients[of_group]
        return max(float(own @ shape @ own - np.trace(shape @ noise)), 0.0)
