"""Figures of an NPS model by name, beside those of the prior, the shares of the classes."""

import numpy as np
import numpy.typing as npt

from models.nps.answers import FEWEST_ANSWERS, Answers, ranked_levels, why_no_model, why_nothing
from models.nps.candidates import smoothed_shares
from models.nps.pool import Blend, Members, blend
from models.scoring.boosted.trees import Trees
from models.scoring.nps import blended_probabilities, median_category
from models.stats import metrics
from models.stats.folds import customer_folds
from models.stats.typing import Flags, Floats, Integers, Strings

SEGMENTS = 10
MOST_ROWS_FOR_NOISE = 2000
# Folds in which what judges the last wave chooses its weights and trees. With five its RPS was .19037 instead of .19048
# (1,517 answers of a wave, 7,510 before it), and on 315 answers by .09, .11 and -.12 of its standard error another one
# (three seeds), as with another seed.
WAVE_FOLDS = 3


def out_of_fold_figures(learned: Blend, customer: Strings) -> dict[str, float]:
    """Compute the out-of-fold figures of the blend, the prior and each candidate.

    Parameters
    ----------
    learned
        The blend.
    customer
        (n,) ids in the order of its answers; they are the clusters of the standard error.
    """
    y, prior = learned.answers.category, learned.of("prior").out_of_fold
    figures = compared(y, learned.out_of_fold, prior)
    for candidate, weight in zip(learned.candidates, learned.weights, strict=True):
        figures[f"weight_{candidate.name}"] = float(weight)
        if candidate.name != "prior":
            figures[f"rps_{candidate.name}"] = metrics.ranked_probability_score(y, candidate.out_of_fold)
            figures[f"log_loss_{candidate.name}"] = metrics.log_loss(y, candidate.out_of_fold)
    figures["rps_gain"], figures["rps_gain_standard_error"] = rps_gain(learned, customer)
    return figures


def rps_gain(learned: Blend, customer: Strings) -> tuple[float, float]:
    """Return by how much the out-of-fold RPS is below the prior's, and its standard error, clustered by customer."""
    y, prior = learned.answers.category, learned.of("prior").out_of_fold
    gains = metrics.ranked_probability_scores(y, prior) - metrics.ranked_probability_scores(y, learned.out_of_fold)
    return float(gains.mean()), metrics.clustered_standard_error(gains, customer)


def compared(category: Integers, model: Floats, prior: Floats) -> dict[str, float]:
    """Compute figures of (n, 3) probabilities, named with `_model`, and those of the prior, named with `_prior`."""
    figures: dict[str, float] = {}
    segment = metrics.calibration_bins(category, model[:, 2] - model[:, 0], SEGMENTS)[0]
    for name, p in (("model", model), ("prior", prior)):
        figures[f"rps_{name}"] = metrics.ranked_probability_score(category, p)
        figures[f"log_loss_{name}"] = metrics.log_loss(category, p)
        figures[f"auc_detractor_{name}"] = metrics.auc(category == 0, p[:, 0])
        figures[f"auc_promoter_{name}"] = metrics.auc(category == 2, p[:, 2])
        figures[f"quadratic_kappa_{name}"] = metrics.quadratic_kappa(category, median_category(p))
        figures[f"ece_{name}"] = metrics.expected_calibration_error(category, p)
        figures[f"segment_nps_error_{name}"] = segment_nps_error(category, p, segment)
    return figures


def segment_nps_error(category: Integers, probabilities: Floats, segment: npt.NDArray[np.integer]) -> float:
    """Return the mean absolute error of the predicted NPS of segments, weighted by their answers, in points.

    Parameters
    ----------
    category, probabilities
        (n,) and (n, 3).
    segment
        (n,) number of each row's segment, from 0; no segment is empty.
    """
    count = np.bincount(segment)
    answered = (np.asarray(category) == 2) * 1.0 - (np.asarray(category) == 0)
    error = np.bincount(segment, weights=probabilities[:, 2] - probabilities[:, 0] - answered)
    return float(100.0 * np.sum(np.abs(error)) / count.sum())


def last_wave_figures(answers: Answers, customer: Strings, is_last: Flags) -> dict[str, float]:
    """Judge a blend learned from earlier answers of other customers on the last wave; empty where answers are too few.

    Parameters
    ----------
    answers, customer
        All answers and their (n,) customers.
    is_last
        (n,) flags of the last wave.
    """
    earlier = ~is_last & ~np.isin(customer, customer[is_last])
    y = answers.category[is_last]
    X, category = answers.X[earlier], answers.category[earlier]
    if len(y) < FEWEST_ANSWERS or why_nothing(category) or why_no_model(X, category, customer[earlier]):
        return {}
    fold = customer_folds(customer[earlier], answers.seed, WAVE_FOLDS)
    level, of_level = ranked_levels(answers.level[earlier], category)
    before = blend(Answers(X, category, level, of_level, fold, answers.seed)).on_all()
    prior = np.tile(smoothed_shares(category), (len(y), 1))
    figures = compared(y, _predicted(before, answers.X[is_last]), prior)
    return {f"last_wave_{name}": value for name, value in figures.items()} | {"last_wave_answers": float(len(y))}


def training_noise(learned: Blend) -> float:
    """Return the delete-one-fold jackknife error of 100 (p_promoter - p_detractor), root mean square over answers.

    The variance of a mean of K parts from leaving one out at a time is (K - 1) / K sum (m_k - mean)^2 (Shao & Wu 1989,
    Annals of Statistics 17, for groups). About 2,000 evenly spaced answers are enough.
    """
    X, folds = learned.answers.X, learned.answers.folds
    sample = X[:: max(1, len(X) // MOST_ROWS_FOR_NOISE)]
    predictions = [_predicted(learned.without_fold(k), sample) for k in range(folds)]
    points = [100.0 * (p[:, 2] - p[:, 0]) for p in predictions]
    return float(np.sqrt((folds - 1) * np.mean(np.var(points, axis=0))))


def _predicted(fitted: Members, X: Floats) -> Floats:
    boosters = {name: Trees(text) for name, text in fitted.boosters.items()}
    return blended_probabilities(fitted.members, boosters, X)
