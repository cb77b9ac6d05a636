"""Proper scores, rankings and their standard errors, each in one function.

Categories are 0 detractor, 1 passive, 2 promoter; probabilities have one column per category. A figure that is not
defined for the input (the AUC of one class) is NaN. scikit-learn is imported where it is needed: a scoring needs none.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stats.typing import Floats

Categories = npt.NDArray[np.integer]
_SURE = 1e-15


def log_loss(outcome: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Mean negative log-likelihood of the outcomes, in nats.

    Parameters
    ----------
    outcome
        (n,) categories 0..k-1, or flags where `probability` has one dimension.
    probability
        (n, k) probabilities of the categories, or (n,) probabilities of the flag.
    """
    from sklearn.metrics import log_loss as mean_log_loss

    p = np.asarray(probability, dtype=float)
    labels = np.arange(p.shape[1] if p.ndim == 2 else 2)
    return float(mean_log_loss(np.asarray(outcome).astype(int), p, labels=labels))


def log_losses(happened: npt.ArrayLike, probability: npt.ArrayLike) -> Floats:
    """Return the log loss of each row, in nats; it stays finite where a certain prediction was wrong.

    Parameters
    ----------
    happened
        (n,) flags.
    probability
        (n,) their probabilities; those within 1e-15 of 0 or 1 count as that far away.
    """
    p = np.clip(np.asarray(probability, dtype=float), _SURE, 1.0 - _SURE)
    return np.asarray(-np.where(np.asarray(happened, dtype=bool), np.log(p), np.log1p(-p)))


def ranked_probability_scores(category: npt.ArrayLike, probabilities: npt.ArrayLike) -> Floats:
    """Ranked probability score of each row, in [0, 1].

    The mean squared distance of the cumulative probabilities from the cumulative outcome over the k-1 cuts
    (Epstein 1969, J. Applied Meteorology 8; normalised by k-1 as Murphy 1971).

    Parameters
    ----------
    category
        (n,) observed categories 0..k-1.
    probabilities
        (n, k) probabilities of the ordered categories.
    """
    p = np.asarray(probabilities, dtype=float)
    cuts = np.arange(p.shape[1] - 1)
    happened = np.asarray(category)[:, None] <= cuts
    distance = np.cumsum(p, axis=1)[:, :-1] - happened
    return np.asarray(np.mean(distance**2, axis=1))


def ranked_probability_score(category: npt.ArrayLike, probabilities: npt.ArrayLike) -> float:
    """Mean of `ranked_probability_scores` over the rows."""
    return float(np.mean(ranked_probability_scores(category, probabilities)))


def brier(outcome: npt.ArrayLike, probability: npt.ArrayLike) -> float:
    """Mean squared distance of (n,) probabilities from (n,) flags (Brier 1950, the form for one event)."""
    return float(np.mean((np.asarray(probability, dtype=float) - np.asarray(outcome, dtype=float)) ** 2))


def auc(outcome: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Probability that a row with the outcome has the higher score than one without, ties counted half.

    NaN where all outcomes are equal.
    """
    happened = np.asarray(outcome).astype(bool)
    if happened.all() or not happened.any():
        return float("nan")
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(happened, np.asarray(score, dtype=float)))


def expected_calibration_error(outcome: npt.ArrayLike, probability: npt.ArrayLike, bins: int = 10) -> float:
    """Mean distance of predicted from realised share over bins of equal count, weighted by their count.

    Equal probabilities stay in one bin. With (n, k) probabilities the outcomes are categories and the figure is the
    mean over the categories ("classwise", Kull et al. 2019, NeurIPS 32).
    """
    p = np.asarray(probability, dtype=float)
    y = np.asarray(outcome)
    if p.ndim == 2:
        each = [expected_calibration_error(y == k, p[:, k], bins) for k in range(p.shape[1])]
        return float(np.mean(each))
    _, count, mean_p, mean_y = calibration_bins(y, p, bins)
    return float(np.sum(count * np.abs(mean_p - mean_y)) / count.sum())


def calibration_bins(
    outcome: npt.ArrayLike, probability: npt.ArrayLike, bins: int = 10
) -> tuple[npt.NDArray[np.intp], Floats, Floats, Floats]:
    """Cut rows into at most `bins` bins of equal count by their probability.

    Returns
    -------
    tuple
        bin of each row, then per bin: rows, mean probability, mean outcome. No bin is empty.
    """
    p = np.asarray(probability, dtype=float)
    inner = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    of_row = np.unique(np.searchsorted(inner, p, side="left"), return_inverse=True)[1]
    count = np.bincount(of_row).astype(float)
    mean_p = np.bincount(of_row, weights=p) / count
    mean_y = np.bincount(of_row, weights=np.asarray(outcome, dtype=float)) / count
    return of_row, count, mean_p, mean_y


def quadratic_kappa(category: npt.ArrayLike, predicted: npt.ArrayLike, categories: int = 3) -> float:
    """Cohen's kappa with quadratic weights: 1 perfect, 0 no better than chance; NaN where all are one class."""
    y, guess = np.asarray(category), np.asarray(predicted)
    if np.unique(np.concatenate([y, guess])).size < 2:
        return float("nan")
    from sklearn.metrics import cohen_kappa_score

    return float(cohen_kappa_score(y, guess, labels=np.arange(categories), weights="quadratic"))


def normalised_gini(outcome: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Gini of the outcomes ordered by the score, over that of their own (perfect) order: 1 perfect, 0 random.

    Both are covariances with the rank (Lerman & Yitzhaki 1984); equal scores share their mean rank, which is the
    expectation over random orders of the ties. NaN where all outcomes are equal.
    """
    y = np.asarray(outcome, dtype=float)
    deviation = y - y.mean()
    perfect = float(deviation @ _mean_ranks(y))
    if perfect <= 0:
        return float("nan")
    return float(deviation @ _mean_ranks(np.asarray(score, dtype=float))) / perfect


def _mean_ranks(values: Floats) -> Floats:
    """Rank values from 1 on; equal ones share their mean rank."""
    return np.asarray(pd.Series(values).rank(), dtype=np.float64)


def clustered_standard_error(values: npt.ArrayLike, clusters: npt.ArrayLike) -> float:
    """Return the standard error of the mean of values that are dependent within clusters (Liang & Zeger 1986).

    With G clusters it is sqrt(G/(G-1) * sum over clusters of (sum of deviations)^2) / n, so with clusters of one row
    it is sd/sqrt(n). NaN for fewer than two clusters.
    """
    v = np.asarray(values, dtype=float)
    of_row = np.unique(np.asarray(clusters), return_inverse=True)[1]
    sums = np.bincount(of_row, weights=v - v.mean())
    if sums.size < 2:
        return float("nan")
    return float(np.sqrt(sums.size / (sums.size - 1) * np.sum(sums**2)) / v.size)


def nps_of(probabilities: npt.ArrayLike) -> float:
    """Net Promoter Score of rows of (detractor, passive, promoter) probabilities: they are summed, never labelled.

    100 * (share of promoters - share of detractors), in [-100, 100] (Reichheld 2003).
    """
    p = np.asarray(probabilities, dtype=float)
    return float(100.0 * np.mean(p[:, 2] - p[:, 0]))
