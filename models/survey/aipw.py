"""NPS of the base: what everyone would answer, from those who did, with an interval that is right.

Who answers is not who buys, so neither the survey's mean nor the mean of predictions is "the NPS". The estimator
joins both: predictions for everyone, corrected by the weighted residuals of those who answered (AIPW with Hajek
weights: Robins, Rotnitzky & Zhao 1994, JASA 89; Hajek 1971).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import t as student

from models.stats.balance import covariate_balance
from models.stats.typing import Floats
from models.survey.frame import POINTS, Survey

GAMMAS = (-0.2, -0.1, 0.1, 0.2)
LARGEST_GAMMA = 3.0


@dataclass(frozen=True)
class BaseNps:
    """NPS of a base of customers, in points from -100 to 100; JSON-able by `to_dict`.

    Attributes
    ----------
    nps, low, high, standard_error
        The estimate, its 95 % interval and its standard error.
    degrees_of_freedom
        Of Student's t in the interval.
    n_base, n_frame, n_answers
        Customers in the base and in the frame, and answers that count: one of each customer who answered, and one for
        each list on which the customer was drawn.
    n_eff
        Effective number of answers (Kish 1965).
    survey_mean, mean_of_predictions
        The two figures that are not the NPS, to be shown beside it.
    largest_weight
        Largest share of one answer in the weighted mean.
    balance
        `largest_before`, `largest_after`, `mean_before`, `mean_after`: absolute standardised differences between those
        who answered and the base, see `models.stats.balance.covariate_balance`; empty where no feature varies.
    sensitivity
        The NPS if answering depended on satisfaction itself: gamma is the change of the log odds of answering for
        each step detractor -> passive -> promoter at equal behaviour.
    sign_gamma
        The gamma nearest to 0 at which the NPS would be 0; None if there is none from -3 to 3.
    frame
        "invited" (customers who were asked) or "customers" (all: hardly any unanswered invitations are in the data).
    unlike_share
        Share of the base that is less like those who answered than all but 1 % of them are; None where not measured.
    designed_share, designed_weight
        Share of the answers whose customers were drawn with a recorded probability, which takes the place of a guess;
        and their share of the weight of all answers.
    """

    nps: float
    low: float
    high: float
    standard_error: float
    degrees_of_freedom: float
    n_base: int
    n_frame: int
    n_answers: int
    n_eff: float
    survey_mean: float
    mean_of_predictions: float
    largest_weight: float
    balance: dict[str, float]
    sensitivity: dict[str, float]
    sign_gamma: float | None
    frame: str = "customers"
    unlike_share: float | None = None
    designed_share: float = 0.0
    designed_weight: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Estimate:
    """An estimated NPS and what its error is made of, so that differences of estimates have one too.

    Attributes
    ----------
    figures
        The estimate as it is published.
    influence
        psi by customer_id, points: what the customer adds to the estimate's error. The sampling variance is the sum of
        psi^2 (customers of two estimates are joined by id, and the squares taken of the differences).
    jackknife
        (K,) the part of the estimate that depends on how m was trained, by the model without fold k, see
        `training_variance`; empty where m has no folds.
    balance
        `models.stats.balance.covariate_balance` of those who answered against the base.
    """

    figures: BaseNps
    influence: pd.Series
    jackknife: Floats
    balance: pd.DataFrame


def estimate_nps(survey: Survey) -> Estimate:
    """Estimate the NPS of a base of customers from a survey.

    With t = 100 (1[promoter] - 1[detractor]) of an answer, m = 100 (p_promoter - p_detractor) and w the customers of
    the base that the answer stands for: theta = mean(m) + sum_R w (t - m) / sum_R w, m averaged over the base.
    The influence of a customer is psi = (m - mean m)/M + h (t - m - rbar) / sqrt(1 - 2h + sum h^2), with h = w / sum w
    and rbar the weighted mean residual; the root makes up for residuals being taken from their own mean, the more so
    for who weighs much (HC2, MacKinnon & White 1985, J. Econometrics 29).

    Parameters
    ----------
    survey
        See `models.survey.frame.Survey`.

    Raises
    ------
    ValueError
        If fewer than two customers answered.
    """
    w, t, residual = survey.weights, survey.answers, survey.residuals
    if len(t) < 2:
        raise ValueError(f"An NPS needs at least two customers who answered, got {len(t)}")
    m = survey.base_probabilities @ POINTS
    h = w / w.sum()
    theta = float(m.mean() + h @ residual)
    of_answers = _leverage_corrected(h, residual - h @ residual)
    of_base = (m - m.mean()) / len(m)
    influence = pd.concat(
        [
            pd.Series(of_base, index=survey.base_customer),
            pd.Series(of_answers, index=survey.customer[survey.answered]),
        ]
    )
    influence = influence.groupby(level=0).sum().rename_axis("customer_id")
    jackknife = survey.fold_base_points.mean(axis=1) - survey.fold_points @ h
    sampling, training = float(influence @ influence), training_variance(jackknife)
    error = float(np.sqrt(sampling + training))
    freedom = _degrees_of_freedom(h, sampling, training, len(jackknife))
    reach = float(student.ppf(0.975, freedom)) * error
    balance = covariate_balance(survey.features[survey.answered], w, survey.base_features)
    figures = BaseNps(
        nps=_bounded(theta),
        low=_bounded(theta - reach),
        high=_bounded(theta + reach),
        standard_error=error,
        degrees_of_freedom=freedom,
        n_base=len(m),
        n_frame=pd.Series(survey.customer).nunique(),
        n_answers=len(t),
        n_eff=float(1.0 / (h @ h)),
        survey_mean=float(t.mean()),
        mean_of_predictions=float(m.mean()),
        largest_weight=float(h.max()),
        balance=_summary(balance),
        sensitivity={f"{gamma:+.1f}": _bounded(tilted_nps(survey, gamma)) for gamma in GAMMAS},
        sign_gamma=sign_gamma(survey),
        frame=survey.frame,
        unlike_share=survey.unlike_share,
        designed_share=survey.designed_share,
        designed_weight=survey.designed_weight,
    )
    return Estimate(figures, influence, jackknife, balance)


def training_variance(jackknife: Floats) -> float:
    """Variance of an estimate from the training of m, by the delete-one-fold jackknife.

    (K - 1)/K sum_k (c_k - mean c)^2 with c_k = mean(m_k) - sum_R w m_k / sum_R w (Shao & Wu 1989, Annals of Statistics
    17); 0 where there are no folds.
    """
    folds = len(jackknife)
    return float((folds - 1) / folds * np.sum((jackknife - jackknife.mean()) ** 2)) if folds else 0.0


def tilted_nps(survey: Survey, gamma: float) -> float:
    """NPS if, at equal behaviour, the log odds of answering rose by `gamma` with each category; not cut at +-100.

    Robins, Rotnitzky & Scharfstein (2000, in Statistical Models in Epidemiology). Those who did not answer then have
    class probabilities proportional to p_c exp(-gamma c), and an answer of category c stands for
    1 + (1 - pi)/pi exp(-gamma c) / sum_c p_c exp(-gamma c) customers.
    """
    tilt = np.exp(-gamma * np.arange(3))
    R, pi, y = survey.answered, survey.propensity[survey.answered], survey.category[survey.answered]
    silent_m, norm = _tilted_points(survey.probabilities[R], tilt)
    w = survey.weights_if(1.0 + (1.0 - pi) / pi * tilt[y] / norm)
    return float(_tilted_points(survey.base_probabilities, tilt)[0].mean() + w @ (POINTS[y] - silent_m) / w.sum())


def sign_gamma(survey: Survey) -> float | None:
    """Gamma nearest to 0 at which `tilted_nps` is 0; None if there is none from -3 to 3."""
    here = tilted_nps(survey, 0.0)
    ends = [end for end in (-LARGEST_GAMMA, LARGEST_GAMMA) if here * tilted_nps(survey, end) <= 0.0]
    found = [float(brentq(lambda gamma: tilted_nps(survey, gamma), 0.0, end)) for end in ends]
    return min(found, key=abs, default=None)


def newest_per_customer(customer: npt.ArrayLike, as_of: npt.ArrayLike, answered: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Positions of one row per customer: the newest answer, or the newest invitation of those who never answered.

    Parameters
    ----------
    customer, as_of, answered
        (n,) ids, dates and flags. Of equal dates the first row counts.

    Returns
    -------
    numpy.ndarray
        Positions in ascending order of customer.
    """
    who = np.unique(np.asarray(customer).astype(str), return_inverse=True)[1]
    day = np.asarray(as_of).astype("datetime64[us]").astype(np.int64)
    replied = np.asarray(answered).astype(bool)
    order = np.lexsort((np.arange(len(who)), -day, ~replied, who))
    return order[np.unique(who[order], return_index=True)[1]]


def _leverage_corrected(h: Floats, centred: Floats) -> Floats:
    """Influence h e of residuals e that were taken from their weighted mean, each e brought back to its variance."""
    return h * centred / np.sqrt(1.0 - 2.0 * h + h @ h)


def _degrees_of_freedom(h: Floats, sampling: float, training: float, folds: int) -> float:
    """Degrees of freedom of the variance, by Satterthwaite (1946, Biometrics Bulletin 2).

    Those of the sampling variance are 2 E^2 / Var of sum a_i e_i^2, a_i = h_i^2 / G_ii, were the residuals normal with
    one variance: E = sum h^2, Var = 2 sum_ij a_i a_j G_ij^2 and G = (I - 1h')(I - h1'), the residuals' correlation
    (Bell & McCaffrey 2002, Survey Methodology 28). Those of the training variance are one less than the folds.
    """
    square = h @ h
    own = 1.0 - 2.0 * h + square
    a = h**2 / own
    total, first, second = a.sum(), a @ h, a @ h**2
    # sum_ij a_i a_j (S - h_i - h_j)^2, then the diagonal as it is.
    pairs = square**2 * total**2 + 2 * second * total + 2 * first**2 - 4 * square * first * total
    diagonal = np.sum(a**2 * ((square - 2 * h) ** 2 - own**2))
    freedom = square**2 / (pairs - diagonal)
    if training == 0.0:
        return float(freedom)
    return float((sampling + training) ** 2 / (sampling**2 / freedom + training**2 / (folds - 1)))


def _tilted_points(probabilities: Floats, tilt: Floats) -> tuple[Floats, Floats]:
    """Points m of those who did not answer, and sum_c p_c tilt_c."""
    norm = probabilities @ tilt
    return (probabilities * tilt) @ POINTS / norm, norm


def _summary(balance: pd.DataFrame) -> dict[str, float]:
    """Largest and mean absolute difference, before and after."""
    if balance.empty:
        return {}
    size = balance.abs()
    of = {"largest": size.max(), "mean": size.mean()}
    return {f"{name}_{when}": float(of[name][when]) for name in of for when in ("before", "after")}


def _bounded(nps: float) -> float:
    return float(np.clip(nps, -100.0, 100.0))
