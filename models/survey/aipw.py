"""NPS of the base: what everyone would answer, estimated from those who did, with a 95 % interval.

Customers who answer differ from customers who buy, so neither the mean of the survey nor the mean of the predictions is
"the NPS". The estimator combines both: predictions for everyone, corrected by the weighted residuals of those who
answered (augmented inverse probability weighting, AIPW, with Hajek weights: Robins, Rotnitzky & Zhao 1994, JASA 89;
Hajek 1971).
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from models.nps.out_of_fold import POINTS
from models.stats.added import added_by_customer
from models.stats.balance import covariate_balance
from models.stats.typing import Floats
from models.survey.frame import BALANCED, Survey
from models.survey.sensitivity import GAMMAS, sign_gamma, tilted_nps
from models.survey.unmeasured import unmeasured_trait, wide_margin

# With fewer effective answers the estimated level is no better than that of the predictions.
FEWEST_FOR_LEVEL = 100.0
# Singular values of columns that say the same, beside the largest.
_SAME = 1e-10


@dataclass(frozen=True)
class BaseNps:
    """NPS of a base of customers, in points from -100 to 100; JSON-able by `to_dict`.

    Attributes
    ----------
    nps, low, high, standard_error
        The estimate, the 95 % interval of the sample and its standard error.
    wide_low, wide_high
        The 95 % interval that also allows for a trait that no feature shows and that moves both answering and answers
        as strongly, given the rest, as the strongest measured group of features does. Headlines show this one.
    unmeasured, unmeasured_gamma, strongest_group
        By how much such a trait would move the NPS, points; the gamma (see `sensitivity`) that moves it as far; and
        that group, None without features.
    degrees_of_freedom
        Degrees of freedom of Student's t in the interval.
    n_base, n_frame, n_answers
        Customers in the base and in the frame, and answers that count: one of each customer who answered, and one more
        for each probability sample that the customer answered in.
    n_eff
        Effective number of answers (Kish 1965).
    survey_mean, mean_of_predictions
        Mean of the answers alone and of the base's predictions alone, points: neither is the NPS.
    largest_weight
        Largest share of one answer in the total weight, 0 to 1.
    balance
        `largest_before`, `largest_after`, `mean_before`, `mean_after`: largest and mean absolute standardised mean
        difference between those who answered and the base, before and after weighting, see
        `models.stats.balance.covariate_balance`; empty if no feature varies.
    sensitivity
        NPS by gamma, points, if answering depended on satisfaction itself: gamma is the change of the log odds of
        answering for each step detractor -> passive -> promoter at equal behaviour.
    sign_gamma
        The gamma nearest to 0 at which the NPS would be 0; None if there is none from -3 to 3.
    balance_of_scores
        `predicted_answer_before`, `predicted_answer_after`, `log_odds_before`, `log_odds_after`: standardised mean
        differences of the predicted points m (to the base) and of the log odds of answering (to the frame) before and
        after weighting. These two decide: balance of features alone does not show that the weights correct too little.
        Those that do not vary are left out.
    frame
        "invited" (customers who were asked) or "customers" (all: hardly any unanswered invitations are in the data).
    unlike_share
        Share of the base that is less like those who answered than 99 % of them are, 0 to 1; None where not measured.
    sampled_answer_share, sampled_weight_share
        Share of the answers that come from probability samples, and their share of the total weight, 0 to 1.
    """

    nps: float
    low: float
    high: float
    wide_low: float
    wide_high: float
    unmeasured: float
    unmeasured_gamma: float
    strongest_group: str | None
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
    balance_of_scores: dict[str, float] = field(default_factory=dict)
    frame: str = "customers"
    unlike_share: float | None = None
    sampled_answer_share: float = 0.0
    sampled_weight_share: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Estimate:
    """An estimated NPS and the parts of its error, so that differences of estimates have a standard error too.

    Attributes
    ----------
    figures
        The estimate as it is published.
    influence
        Influence psi by customer_id, points: the customer's contribution to the estimation error. The sampling variance
        is the sum of psi^2. For a difference of two estimates the psi are subtracted by customer, then squared.
    jackknife
        (K,) the part of the estimate that depends on the training of m, in points, by the model without fold k, see
        `training_variance`; (0,) if m has no folds.
    balance
        First what the weights balance, by the names of `models.survey.frame.BALANCED`; then one row per feature:
        `models.stats.balance.covariate_balance` of those who answered against the base.
    """

    figures: BaseNps
    influence: pd.Series
    jackknife: Floats
    balance: pd.DataFrame


def estimate_nps(survey: Survey) -> Estimate:
    """Estimate the NPS of a base of customers from a survey.

    With t = 100 (1[promoter] - 1[detractor]) of an answer, its prediction m = 100 (p_promoter - p_detractor) and its
    weight w: theta = mean(m) + sum_R w (t - m) / sum_R w, with m averaged over the base and sums over the answers R.
    The weights are calibrated: with them the means of m and of the log odds of answering are those of the base and of
    the frame, so whatever in t - m is linear in these two is removed whether or not the propensity is right.

    The influence of a customer is that of a calibrated mean (Deville & Sarndal 1992, JASA 87, section 3):
    psi = (1 + b_m)(m - mean m)/M + b_z (z - mean z) q / sum q + h e / sqrt(1 - 2h + sum h^2), with z the log odds, q
    the weight of a row of the frame, h = w / sum w, b the weighted regression of t - m on m and z and e what it leaves.
    The root corrects for residuals being taken from their own mean, which shrinks the residuals of large weights most
    (HC2, MacKinnon & White 1985, J. Econometrics 29).

    Two intervals are given: of the sample, which takes it that the features show all that answering and answers have in
    common, and a wide one that allows for a trait beside them, see `models.survey.unmeasured`.

    Parameters
    ----------
    survey
        Frame, answers, base and predictions, with at least two answers.

    Raises
    ------
    ValueError
        If fewer than two customers answered.
    """
    t, residual = survey.answers, survey.residuals
    if len(t) < 2:
        raise ValueError(f"An NPS needs at least two customers who answered, got {len(t)}")
    w, m = survey.weights, survey.base_probabilities @ POINTS
    h = w / w.sum()
    theta = float(m.mean() + h @ residual)
    influence = _influence(survey, h, residual, m)
    jackknife = survey.fold_base_points.mean(axis=1) - survey.fold_points @ h
    sampling, training = float(np.sum(influence.to_numpy(float) ** 2)), training_variance(jackknife)
    error = float(np.sqrt(sampling + training))
    freedom = _degrees_of_freedom(h, sampling, training, len(jackknife))
    margin = float(stdtrit(freedom, 0.975)) * error
    balance = covariate_balance(survey.features[survey.answered], w, survey.base_features)
    scores = _balance_of_scores(survey, w)
    trait = unmeasured_trait(survey)
    wide = wide_margin(error, freedom, trait.bias)
    figures = BaseNps(
        nps=_bounded(theta),
        low=_bounded(theta - margin),
        high=_bounded(theta + margin),
        wide_low=_bounded(theta - wide),
        wide_high=_bounded(theta + wide),
        unmeasured=trait.bias,
        unmeasured_gamma=trait.gamma,
        strongest_group=trait.group,
        standard_error=error,
        degrees_of_freedom=freedom,
        n_base=len(m),
        n_frame=survey.frame_customers,
        n_answers=len(t),
        n_eff=float(1.0 / (h @ h)),
        survey_mean=float(t.mean()),
        mean_of_predictions=float(m.mean()),
        largest_weight=float(h.max()),
        balance=_summary(balance),
        sensitivity={f"{gamma:+.1f}": _bounded(tilted_nps(survey, gamma)) for gamma in GAMMAS},
        sign_gamma=sign_gamma(survey),
        balance_of_scores={
            f"{name}_{when}": float(difference)
            for when, of_scores in scores.items()
            for name, difference in zip(scores.index, of_scores.to_numpy(float), strict=True)
        },
        frame=survey.frame,
        unlike_share=survey.unlike_share,
        sampled_answer_share=survey.sampled_answer_share,
        sampled_weight_share=survey.sampled_weight_share,
    )
    return Estimate(figures, influence, jackknife, pd.concat([scores, balance]))


def level_shares(survey: Survey) -> Floats | None:
    """Estimate the shares of detractors, passives and promoters in the base, (3,), as `estimate_nps` does the NPS.

    With the same weights the shares of promoters less detractors, times 100, are that NPS. None where the answers speak
    for those who were asked only, or are too few to set a level.
    """
    h = survey.weights / survey.weights.sum()
    if survey.speaks_for_asked_only or h @ h > 1.0 / FEWEST_FOR_LEVEL:
        return None
    category = survey.category[survey.answered][:, None] == np.arange(3)
    residual = category - survey.probabilities[survey.answered]
    shares = np.clip(survey.base_probabilities.mean(axis=0) + h @ residual, 0.0, 1.0)
    return np.asarray(shares / shares.sum())


def training_variance(jackknife: Floats) -> float:
    """Variance of an estimate from the training of m, by the delete-one-fold jackknife.

    (K - 1)/K sum_k (c_k - mean c)^2 with c_k = mean(m_k) - sum_R w m_k / sum_R w (Shao & Wu 1989, Annals of Statistics
    17); 0 where there are no folds.
    """
    folds = len(jackknife)
    return float((folds - 1) / folds * np.sum((jackknife - jackknife.mean()) ** 2)) if folds else 0.0


def _influence(survey: Survey, h: Floats, residual: Floats, m: Floats) -> pd.Series:
    """Influence by customer_id, see `estimate_nps`."""
    slopes = dict.fromkeys(BALANCED, 0.0)
    left = residual - h @ residual
    z = survey.balanced_columns - h @ survey.balanced_columns
    if z.shape[1]:
        root = np.sqrt(h)
        b = np.linalg.lstsq(root[:, None] * z, root * left, rcond=_SAME)[0]
        slopes |= dict(zip(survey.balanced, b, strict=True))
        left = left - z @ b
    of_base = (1.0 + slopes[BALANCED[0]]) * (m - m.mean()) / len(m)
    q = survey.frame_weight / survey.frame_weight.sum()
    of_frame = slopes[BALANCED[1]] * (survey.log_odds - q @ survey.log_odds) * q
    of_frame[survey.answered] += _leverage_corrected(h, left)
    return added_by_customer(survey.base_customer, of_base, survey.customer, of_frame)


def _balance_of_scores(survey: Survey, w: Floats) -> pd.DataFrame:
    """Standardised mean differences of what the weights balance: as `covariate_balance`, but to each one's target."""
    columns, target = survey.balanced_columns, survey.balance_target
    spread = columns.std(axis=0)
    means = {"before": columns.mean(axis=0), "after": np.average(columns, axis=0, weights=w)}
    table = pd.DataFrame(
        {when: (mean - target) / np.where(spread > 0.0, spread, 1.0) for when, mean in means.items()},
        index=pd.Index(survey.balanced, name="feature"),
    )
    return pd.DataFrame(table.loc[spread > 0.0])


def _leverage_corrected(h: Floats, centred: Floats) -> Floats:
    """Influence h e / sqrt(1 - 2h + sum h^2) of centred residuals e with weights h that sum to 1, (n,)."""
    return h * centred / np.sqrt(1.0 - 2.0 * h + h @ h)


def _degrees_of_freedom(h: Floats, sampling: float, training: float, folds: int) -> float:
    """Degrees of freedom of the variance, by Satterthwaite (1946, Biometrics Bulletin 2).

    The sampling variance has 2 E^2 / Var degrees of freedom, with E and Var the mean and variance of sum a_i e_i^2,
    a_i = h_i^2 / G_ii, for normal residuals of equal variance: E = sum h^2, Var = 2 sum_ij a_i a_j G_ij^2 and
    G = (I - 1h')(I - h1') the covariance of centred residuals (Bell & McCaffrey 2002, Survey Methodology 28). The
    training variance has one less than the number of folds.
    """
    square = h @ h
    own = 1.0 - 2.0 * h + square
    a = h**2 / own
    total, first, second = a.sum(), a @ h, a @ h**2
    # sum_ij a_i a_j (S - h_i - h_j)^2, whose diagonal is then replaced by a_i^2 G_ii^2.
    pairs = square**2 * total**2 + 2 * second * total + 2 * first**2 - 4 * square * first * total
    diagonal = np.sum(a**2 * ((square - 2 * h) ** 2 - own**2))
    freedom = square**2 / (pairs - diagonal)
    if training == 0.0:
        return float(freedom)
    return float((sampling + training) ** 2 / (sampling**2 / freedom + training**2 / (folds - 1)))


def _summary(balance: pd.DataFrame) -> dict[str, float]:
    """Largest and mean absolute difference, before and after."""
    if balance.empty:
        return {}
    size = balance.abs()
    summaries = {"largest": size.max(), "mean": size.mean()}
    return {f"{name}_{when}": float(values[when]) for name, values in summaries.items() for when in ("before", "after")}


def _bounded(nps: float) -> float:
    return float(np.clip(nps, -100.0, 100.0))
