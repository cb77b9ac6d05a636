"""How many customers of a base each answer represents."""

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from models.stats.typing import Floats
from models.survey.response.propensity import case_control_sample, response_propensity

# No answer weighs more than so many times the median: a few extreme weights add more variance than they remove bias.
LARGEST_RATIO = 10.0


def answer_weights(features: pd.DataFrame, answered: npt.ArrayLike, customer: npt.ArrayLike, seed: int = 0) -> Floats:
    """Weigh those of a base who answered so that they represent it: 1 / the probability of answering, clipped.

    Parameters
    ----------
    features
        (M, k) of the base.
    answered
        (M,) whether the customer answered; at least one did.
    customer
        (M,) ids.
    seed
        Of folds, sample and trees.

    Returns
    -------
    numpy.ndarray
        (n,) of those who answered, in the order of the rows, with mean 1. Of a large base only a sample is read.
    """
    R, who = np.asarray(answered).astype(bool), np.asarray(customer).astype(str)
    learned, share = case_control_sample(R, who, seed)
    sampled = response_propensity(features[learned], R[learned], who[learned], seed)[R[learned]]
    odds = logit(np.clip(sampled, 1e-9, 1.0 - 1e-9)) + np.log(share)
    weights = 1.0 / expit(odds)
    clipped = np.minimum(weights, LARGEST_RATIO * np.median(weights))
    return np.asarray(clipped / clipped.mean())
