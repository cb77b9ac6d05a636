"""What not knowing who answers adds to an interval: weights 1 / r vary more where r is estimated from few answers."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from models.stats.typing import Floats
from models.survey.propensity import RIDGE_C


@dataclass(frozen=True)
class ResponseNoise:
    """The features that the estimator will learn from who answers, as far as its error depends on them.

    Attributes
    ----------
    spectrum
        (k,) eigenvalues of the correlations of the features, missing ones flagged, as `models.survey.propensity` sees
        them.
    groups
        Groups of about as many answers each that it learns from together.
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
        """Give the same, where the answers of so many groups are learned from together."""
        return replace(self, groups=groups)

    def variance(self, answers: float, rate: float) -> float:
        """Give the variance of a customer's estimated log odds of answering.

        A ridge logistic regression on standardised features with eigenvalues e and penalty 1/C has about the
        information I e in the direction of each, I = answers (1 - rate), and in it the variance I e^2 / (I e + 1/C)^2
        (le Cessie & van Houwelingen 1992, Applied Statistics 41, section 3). With fewer answers than give a direction
        its greatest variance it keeps that, so that answers never add to it.

        Parameters
        ----------
        answers
            Expected, of one group.
        rate
            Share that answers.
        """
        penalty = 1.0 / RIDGE_C
        information = np.maximum(self.groups * answers * (1.0 - rate) * self.spectrum, penalty)
        return float(np.sum(information * self.spectrum / (information + penalty) ** 2))
