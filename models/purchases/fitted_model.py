"""What every fit by maximum likelihood tells: its parameters, their covariance, and a table of both."""

from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from models.stats.normal import NORMAL_95
from models.stats.typing import Floats


class FittedModel:
    """Parameters estimated on the logarithmic scale, by the names that `lifetimes` gives them.

    Parameters
    ----------
    penalizer_coef : float
        Coefficient of the squared parameters (in units of the data's own scale) added to the mean negative
        log-likelihood; 0 by default.

    Attributes
    ----------
    params_ : Series
        The parameters in the unit of the data.
    log_likelihood_ : float
        Summed over customers at the optimum, without the penalty, in the unit of the data.
    log_covariance : ndarray, shape (k, k)
        Covariance of the logarithms of the parameters.
    """

    parameter_names: ClassVar[tuple[str, ...]]

    params_: "pd.Series[float]"
    log_likelihood_: float
    log_covariance: Floats

    def __init__(self, penalizer_coef: float = 0.0) -> None:
        self.penalizer_coef = penalizer_coef

    def __repr__(self) -> str:
        fitted = ""
        if hasattr(self, "params_"):
            fitted = ": " + ", ".join(f"{name} {value:.4g}" for name, value in self.params_.items())
        return f"<{type(self).__name__}{fitted}>"

    def _keep(self, natural: Floats, log_covariance: Floats, log_likelihood: float) -> Self:
        """Keep the result of a fit."""
        self.params_ = pd.Series(natural, index=list(self.parameter_names))
        self.log_covariance = log_covariance
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
        covariance = self.log_covariance * np.outer(self.params_, self.params_)
        return pd.DataFrame(covariance, columns=self.params_.index, index=self.params_.index)

    @property
    def standard_errors_(self) -> "pd.Series[float]":
        """Standard errors of the parameters; 0 for one that was held."""
        return pd.Series(np.sqrt(np.diag(self.variance_matrix_)), index=self.params_.index)

    @property
    def confidence_intervals_(self) -> pd.DataFrame:
        """95 % intervals, normal on the logarithmic scale, so that the bounds of a positive parameter are positive."""
        factor = np.exp(NORMAL_95 * np.sqrt(np.diag(self.log_covariance)))
        return pd.DataFrame({"lower 95% bound": self.params_ / factor, "upper 95% bound": self.params_ * factor})

    @property
    def summary(self) -> pd.DataFrame:
        """One row per parameter: coef, se(coef) and the bounds of its 95 % interval."""
        estimates = pd.DataFrame({"coef": self.params_, "se(coef)": self.standard_errors_})
        return estimates.join(self.confidence_intervals_)


def indexed_like(argument: ArrayLike, values: Floats) -> Any:
    """Return the values as a Series with the index of the argument where that is a Series, as lifetimes does."""
    return pd.Series(values, index=argument.index) if isinstance(argument, pd.Series) else values
