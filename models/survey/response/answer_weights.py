"""How many customers of a base each answer represents."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stats.typing import Floats
from models.survey.response.propensity import response_propensity

# No answer weighs more than so many times the median: a few extreme weights add more variance than they remove bias.
LARGEST_RATIO = 10.0


def answer_weights(
    features: pd.DataFrame, answered: npt.ArrayLike, customer: npt.ArrayLike, share: float = 1.0, seed: int = 0
) -> Floats:
    """Weigh those of a base who answered so that they represent it: 1 / the probability of answering, clipped.

    Parameters
    ----------
    features
        (M, k) of the base, or of all who answered and a sample of the others.
    answered
        (M,) whether the customer answered; at least one did.
    customer
        (M,) ids.
    share
        Share of those without an answer that is among the rows, as
        `models.survey.response.propensity.case_control_sample` gives it; where only a share of those who answered is
        among them, divided by that.
    seed
        Of folds and trees.

    Returns
    -------
    numpy.ndarray
        (n,) of those who answered, in the order of the rows, with mean 1.
    """
    R = np.asarray(answered).astype(bool)
    p = response_propensity(features, R, customer, seed)[R]
    # Of all the odds of answering are those among the rows times the share; 1 / probability is 1 + 1 / odds.
    weights = 1.0 + (1.0 - p) / (p * share)
    clipped = np.minimum(weights, LARGEST_RATIO * np.median(weights))
    return np.asarray(clipped / clipped.mean())
