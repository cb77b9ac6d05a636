"""How estimating the probability of answering r widens an interval: with few answers the weights 1 / r vary more."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from models.stats.typing import Floats
from models.survey.response.candidates import RIDGE_C


@dataclass(frozen=True)
class ResponseNoise:
    """What the variance of the estimated probability of answering depends on.

    Attributes
    ----------
    spectrum
        (k,) eigenvalues of the correlation matrix of the features, with flags of missing values, as
        `models.survey.response.propensity` uses them.
    groups
        Number of groups, of about equally many answers each, that one model learns from.
    """

    spectrum: Floats
    groups: int = 1

    @classmethod
    def of(cls, features: pd.DataFrame) -> "ResponseNoise":
        """Measure the features (n, k), doubles, NaN where not defined."""
        X = features.to_numpy(dtype=float, na_value=np.nan)
        missing = np.isnan(X)
        median = np.nan_to_num(np.nanmedian(np.where(missing.all(axis=0), 0.0, X), axis=0))
        Z = np.hstack([np.where(missing, median, X), missing[:, missing.any(axis=0)]])
        Z = Z[:, Z.min(axis=0, initial=np.inf) < Z.max(axis=0, initial=-np.inf)]
        if not Z.shape[1]:
            return cls(np.zeros(0))
        with threadpool_limits(limits=1):
            correlations = np.atleast_2d(np.corrcoef(Z, rowvar=False))
            return cls(np.maximum(np.linalg.eigvalsh(correlations), 0.0))

    def among(self, groups: int) -> "ResponseNoise":
        """Give the same for a model that learns from the answers of so many groups together."""
        return replace(self, groups=groups)

    def variance(self, answers: float, rate: float) -> float:
        """Give the variance of a customer's estimated log odds of answering.

        A ridge logistic regression on standardised features with penalty 1/C has, in the direction of an eigenvector
        with eigenvalue e, approximately the information I e with I = answers (1 - rate), and the variance
        I e^2 / (I e + 1/C)^2 (le Cessie & van Houwelingen 1992, Applied Statistics 41, section 3). This variance first
        rises with the number of answers; its largest value is used until then, so that more answers never widen it.

        Parameters
        ----------
        answers
            Expected answers of one group.
        rate
            Share that answers, 0 to 1.
        """
        penalty = 1.0 / RIDGE_C
        information = np.maximum(self.groups * answers * (1.0 - rate) * self.spectrum, penalty)
        return float(np.sum(information * self.spectrum / (information + penalty) ** 2))
