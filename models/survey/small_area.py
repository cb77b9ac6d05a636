"""NPS of every segment of a base: from its own answers and, the fewer they are, from all answers (small areas)."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.nps.out_of_fold import POINTS
from models.stats.fay_herriot import shrink
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats
from models.survey.aipw import training_variance
from models.survey.frame import Survey
from models.survey.sensitivity import shift_of_points
from models.survey.unmeasured import wide_margin

# A segment with fewer answers cannot be distinguished from the base: it is listed, but no NPS is shown.
FEWEST_ANSWERS = 30
FEWEST_EFFECTIVE_ANSWERS = 20.0
# Least standard deviation of the segments' true residuals, in points: behaviour never explains everything.
LEAST_DIFFERENCE = 1.0
# Median of the prior of that standard deviation, in points.
TYPICAL_DIFFERENCE = 20.0
UNNAMED = "not known"
COLUMNS = (
    "segment",
    "customers",
    "answers",
    "n_eff",
    "nps",
    "low",
    "high",
    "wide_low",
    "wide_high",
    "standard_error",
    "direct",
    "synthetic",
    "shrinkage",
    "survey",
    "hidden_because",
)


def segment_nps(survey: Survey, segment: npt.ArrayLike, gamma: float = 0.0) -> pd.DataFrame:
    """Estimate the NPS of every segment of the base.

    With m = 100 (p_promoter - p_detractor) of the base, t = 100 (1[promoter] - 1[detractor]) of an answer and the
    answers' weights w: direct_g = mean_g(m) + r_g with r_g the weighted mean of t - m over the answers of g, and
    synthetic_g = mean_g(m) + r with r the weighted mean over all answers. The NPS of g is a weighted mean of the two;
    direct_g has less weight the larger its sampling variance (Fay & Herriot 1979, JASA 74;
    `models.stats.fay_herriot.shrink`).

    The sampling variance of r_g is smoothed, because few answers do not estimate their own variance: it is the variance
    that the predicted probabilities imply, 100^2 (p_promoter + p_detractor) - m^2 of each answer, times the ratio of
    observed to implied variance over all answers (a generalised variance function: Wolter 2007, Introduction to
    Variance Estimation, ch. 7). The variance between the true r_g is at least what the training of m alone makes: a
    delete-one-fold jackknife of mean_g(m) less the weighted m of all answers. The customers of a segment count as a
    sample, as in the NPS of the base: the variance of their m over their number is added.

    Parameters
    ----------
    survey : Survey
        Frame, answers, base and predictions.
    segment : array of shape (M,)
        Segment of each customer of the base, in its order. Answers count for the customer's segment of today. Customers
        without a segment form a segment of their own, "not known".
    gamma
        Of the trait that the wide intervals allow for, see `models.survey.unmeasured`: in each segment it moves the NPS
        by what this change of the log odds of answering per category does to the segment's predictions.

    Returns
    -------
    pandas.DataFrame
        A row per segment, in the order of their names: segment, customers, answers (number), n_eff (Kish 1965), nps,
        low, high (95 % interval of the sample), wide_low, wide_high (that with an unmeasured trait), standard_error,
        direct (NaN without answers), synthetic, shrinkage (weight of the synthetic figure in the NPS, 0 to 1), survey
        (mean of the answers alone), hidden_because (null, or why the segment has no figures: too few answers; nps to
        survey are then NaN). All figures but shrinkage in points from -100 to 100.

    Raises
    ------
    ValueError
        If `segment` is not one label for each customer of the base, or nobody who answered is in the base.
    """
    group, names = _groups(survey, segment)
    G = len(names)
    m = survey.base_probabilities @ POINTS
    customers = np.bincount(group, minlength=G)
    mean_m = np.bincount(group, m, G) / customers
    variance_m = np.bincount(group, (m - mean_m[group]) ** 2, G) / customers**2

    of_answer = _groups_of_answers(survey, group)
    here = of_answer >= 0
    if not here.any():
        raise ValueError("nobody who answered is in the base, so the NPS of its segments cannot be estimated")
    at, w = of_answer[here], survey.weights[here]
    answers, total = np.bincount(at, minlength=G), np.bincount(at, w, G)
    squared = np.bincount(at, w**2, G)
    has = answers > 0
    own_residual = np.divide(np.bincount(at, w * survey.residuals[here], G), total, out=np.full(G, np.nan), where=has)
    sampling = np.full(G, np.inf)
    sampling[has] = np.bincount(at, w**2 * _smoothed_variance(survey)[here], G)[has] / total[has] ** 2
    floor = LEAST_DIFFERENCE**2 + _training_variance(survey, group, G)
    shrunk = shrink(own_residual, sampling, total / total.sum(), floor, TYPICAL_DIFFERENCE)

    error = np.sqrt(shrunk.variances + variance_m)
    moved = np.bincount(group, shift_of_points(survey.base_probabilities, gamma), G) / customers
    wide = np.array([wide_margin(e, np.inf, bias) for e, bias in zip(error, moved, strict=True)])
    nps = mean_m + shrunk.estimates
    n_eff = np.divide(total**2, squared, out=np.zeros(G), where=has)
    table = pd.DataFrame(
        {
            "segment": names,
            "customers": customers,
            "answers": answers,
            "n_eff": n_eff,
            "nps": nps,
            "low": nps - NORMAL_95 * error,
            "high": nps + NORMAL_95 * error,
            "wide_low": nps - wide,
            "wide_high": nps + wide,
            "standard_error": error,
            "direct": mean_m + own_residual,
            "synthetic": mean_m + shrunk.centre,
            "shrinkage": 1.0 - shrunk.own,
            "survey": np.divide(np.bincount(at, survey.answers[here], G), answers, out=np.full(G, np.nan), where=has),
        }
    )
    points = ["nps", "low", "high", "wide_low", "wide_high", "direct", "synthetic"]
    table[points] = table[points].clip(-100.0, 100.0)
    table["hidden_because"] = [_why_hidden(count, n) for count, n in zip(answers, n_eff, strict=True)]
    table.loc[table["hidden_because"].notna(), list(COLUMNS[4:-1])] = np.nan
    return table


def _groups(survey: Survey, segment: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Give the number of each base customer's segment, and the segments' names in order."""
    labels = pd.Series(segment).reset_index(drop=True)
    if len(labels) != len(survey.base_customer):
        raise ValueError(
            f"segment must hold one label for each of the {len(survey.base_customer)} customers of the base, "
            f"got {len(labels)}"
        )
    codes, values = pd.factorize(labels, sort=True)
    names = [str(value) for value in values]
    if (codes < 0).any():
        codes = np.where(codes < 0, len(names), codes)
        names.append(UNNAMED)
    return codes.astype(np.int64), names


def _groups_of_answers(survey: Survey, group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give the number of the segment in which each customer who answered is now; -1 where not in the base."""
    place = survey.place_in_base
    return np.where(place >= 0, group[place], -1)


def _smoothed_variance(survey: Survey) -> Floats:
    """Variance of each answer's residual, (n,): implied by its probabilities, scaled to what all answers show."""
    p = survey.probabilities[survey.answered]
    implied = p @ POINTS**2 - (p @ POINTS) ** 2
    squared = survey.weights**2
    r = survey.weights @ survey.residuals / survey.weights.sum()
    observed = squared @ (survey.residuals - r) ** 2
    return np.asarray(implied * observed / (squared @ implied))


def _training_variance(survey: Survey, group: npt.NDArray[np.int64], G: int) -> Floats:
    """Variance, from the training of m, of each segment's mean of m less the weighted m of the answers, (G,)."""
    if not len(survey.fold_points):
        return np.zeros(G)
    sampled = group[survey.base_sample]
    count = np.bincount(sampled, minlength=G)
    total = np.stack([np.bincount(sampled, points, G) for points in survey.fold_base_points])
    with np.errstate(invalid="ignore"):
        mean = total / count
    carried = mean - (survey.fold_points @ survey.weights / survey.weights.sum())[:, None]
    variance = np.array([training_variance(of_segment) for of_segment in carried.T])
    # A small segment may have no customer in the sample of a large base.
    return np.where(count > 0, variance, np.nanmax(variance))


def _why_hidden(answers: int, n_eff: float) -> str | None:
    if answers < FEWEST_ANSWERS:
        return f"{answers} answers: fewer than {FEWEST_ANSWERS} do not distinguish a segment from the base"
    if n_eff < FEWEST_EFFECTIVE_ANSWERS:
        return (
            f"the {answers} answers weigh as much as {n_eff:.0f} of equal weight: fewer than "
            f"{FEWEST_EFFECTIVE_ANSWERS:.0f} do not distinguish a segment from the base"
        )
    return None
