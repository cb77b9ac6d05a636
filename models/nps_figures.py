"""How well an NPS model does, beside the shares of the classes: figures by name."""

import numpy as np
import numpy.typing as npt

from models import metrics
from models.customer_scorer import median_category
from models.nps_blend import Blend

Array = npt.NDArray[np.float64]
Categories = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

SEGMENTS = 10


def out_of_fold_figures(blend: Blend, customer: Names) -> dict[str, float]:
    """Figures of the blend, the prior and each candidate, none of which saw the row's customer.

    Parameters
    ----------
    blend
        What was learned.
    customer
        (n,) ids, in the order of its answers: the clusters of the standard error.
    """
    y, prior = blend.answers.category, blend.of("prior").out_of_fold
    figures = compared(y, blend.out_of_fold, prior)
    for candidate, weight in zip(blend.candidates, blend.weights, strict=True):
        figures[f"weight_{candidate.name}"] = float(weight)
        if candidate.name != "prior":
            figures[f"rps_{candidate.name}"] = metrics.ranked_probability_score(y, candidate.out_of_fold)
            figures[f"log_loss_{candidate.name}"] = metrics.log_loss(y, candidate.out_of_fold)
    figures["rps_gain"], figures["rps_gain_standard_error"] = rps_gain(blend, customer)
    return figures


def rps_gain(blend: Blend, customer: Names) -> tuple[float, float]:
    """Return by how much the out-of-fold RPS is below the prior's, and its standard error, clustered by customer."""
    y, prior = blend.answers.category, blend.of("prior").out_of_fold
    gains = metrics.ranked_probability_scores(y, prior) - metrics.ranked_probability_scores(y, blend.out_of_fold)
    return float(gains.mean()), metrics.clustered_standard_error(gains, customer)


def compared(category: Categories, model: Array, prior: Array) -> dict[str, float]:
    """Figures of (n, 3) probabilities by name and `_model`, beside those of the prior by name and `_prior`."""
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


def segment_nps_error(category: Categories, probabilities: Array, segment: npt.NDArray[np.integer]) -> float:
    """Mean distance of predicted from answered NPS over segments, weighted by their answers, in points.

    Parameters
    ----------
    category, probabilities
        (n,) and (n, 3).
    segment
        (n,) numbers 0.. of the segments, none empty.
    """
    count = np.bincount(segment)
    happened = (np.asarray(category) == 2) * 1.0 - (np.asarray(category) == 0)
    error = np.bincount(segment, weights=probabilities[:, 2] - probabilities[:, 0] - happened)
    return float(100.0 * np.sum(np.abs(error)) / count.sum())
