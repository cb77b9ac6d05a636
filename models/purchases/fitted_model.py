"""What every fit by maximum likelihood tells: its parameters, their covariance, and a table of both."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from models.stats.normal import NORMAL_95
from models.stats.typing import Floats


class FittedModel:
    """Parameters estimated on the logarithmic scale, by the names that `lifetimes` gives them.

    Attributes
    ----------
    params_ : Series
        The parameters that were estimated, in the unit of the data.
    log_likelihood_ : float
        Summed over customers at the optimum, in the unit of the data.
    log_covariance : ndarray
        Covariance of the logarithms of all parameters of the formulas; 0 for those that a limit of the model fixes.
    """

    params_: "pd.Series[float]"
    log_likelihood_: float
    log_covariance: Floats
    # Of the logarithms of `params_`.
    _own_log_covariance: Floats

    def __repr__(self) -> str:
        fitted = ""
        if hasattr(self, "params_"):
            fitted = ": " + ", ".join(f"{name} {value:.4g}" for name, value in self.params_.items())
        return f"<{type(self).__name__}{fitted}>"

    def _keep(self, names: Sequence[str], natural: Floats, log_covariance: Floats, log_likelihood: float) -> Self:
        """Keep the estimates of a fit, and the covariance of their logarithms."""
        self.params_ = pd.Series(natural, index=list(names))
        self.log_covariance = self._own_log_covariance = log_covariance
        self.log_likelihood_ = log_likelihood
        return self

    def _values(self) -> tuple[float, ...]:
        """Return the fitted parameters in order."""
        if not hasattr(self, "params_"):
            raise ValueError(f"This {type(self).__name__} has not been fitted yet: call fit first.")
        return tuple(float(value) for value in self.params_)

    @property
    def variance_matrix_(self) -> pd.DataFrame:
        """Covariance of the parameters by the delta method; symmetric, while that of lifetimes is not."""
        covariance = self._own_log_covariance * np.outer(self.params_, self.params_)
        return pd.DataFrame(covariance, columns=self.params_.index, index=self.params_.index)

    @property
    def standard_errors_(self) -> "pd.Series[float]":
        """Standard errors of the parameters; 0 for one that was held."""
        return pd.Series(np.sqrt(np.diag(self.variance_matrix_)), index=self.params_.index)

    @property
    def confidence_intervals_(self) -> pd.DataFrame:
        """95 % intervals, normal on the logarithmic scale, so that the bounds of a positive parameter are positive."""
        factor = np.exp(NORMAL_95 * np.sqrt(np.diag(self._own_log_covariance)))
        return pd.DataFrame({"lower 95% bound": self.params_ / factor, "upper 95% bound": self.params_ * factor})

    @property
    def summary(self) -> pd.DataFrame:
        """One row per parameter: coef, se(coef) and the bounds of its 95 % interval."""
        estimates = pd.DataFrame({"coef": self.params_, "se(coef)": self.standard_errors_})
        return estimates.join(self.confidence_intervals_)


def indexed_like(argument: ArrayLike, values: Floats) -> Any:
    """Return the values as a Series with the index of the argument where that is a Series, as lifetimes does."""
    return pd.Series(values, index=argument.index) if isinstance(argument, pd.Series) else values
