"""Gamma-Gamma: the value of a customer's purchases."""

from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from data.errors import InputError
from models.purchases.fitted_model import FittedModel, indexed_like
from models.purchases.gamma_gamma_likelihood import (
    Independence,
    SpendHistories,
    independence,
    log_likelihood_and_derivatives,
    log_parameters,
)
from models.purchases.spend_limits import SpendLimitFit, fit_spend_limit
from models.scoring.gamma_gamma import expected_spend
from models.scoring.parameters import SpendParameters
from models.stats.newton import MANY_ROWS, SOME_ROWS, Derivatives, Objective, Optimum, find_optimum, mean_negative
from models.stats.typing import Floats

# Log parameters to begin from, values in units of their mean.
STARTS = np.log(np.array([[2.0, 3.0, 1.0], [6.0, 4.0, 0.5], [0.7, 2.0, 2.0], [30.0, 8.0, 0.3]]))
# A mean of the base so far above what its buyers spent is the mark of a q too near to 1.
_LARGEST_MEAN = 3.0
_MEAN_NOTE = "Spend is so unequal that Gamma-Gamma has no credible mean; it was held at the observed one."
_LIMIT_NOTES = {
    "equal_purchases": "For the spend model each customer spends the same every time: it expects their own mean.",
    "equal_means": "Customers do not differ measurably in what they spend: all have one expected spend.",
}
_FEWEST_CUSTOMERS = 10


class GammaGammaModel(FittedModel):
    """Gamma-Gamma (Fader & Hardie 2013, note 025): how much customers spend, and how much they differ in it.

    The mean spend of the base, p v / (q - 1), always exists: q > 1. Where the likelihood alone leads to q <= 1 or
    to a mean far above all observed values, the mean is held at that of the observed values instead. Where it
    is flat or rises without end in p (each spends the same every time) or in q (customers do not differ), the fit is
    that limit of `SpendParameters`: the expected spend is then the customer's own mean, or one for all.

    Attributes
    ----------
    params_, log_likelihood_, log_covariance
        As of `FittedModel`: of p, q, v; in a limit ``params_`` holds the two of them that remain.
    holds_mean : bool
        Whether the mean is held.
    independence : Independence
        Whether frequency and value go together.
    notes : tuple of str
        What was held or is a limit, and the warning of `independence`, in words.
    """

    holds_mean: bool
    _parameters: SpendParameters
    independence: Independence
    notes: tuple[str, ...]

    def fit(self, frequency: ArrayLike, monetary_value: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit on the customers with a repeat purchase of positive value; the others are left out.

        Parameters
        ----------
        frequency : array_like, shape (n,)
            Repeat purchase days with positive value.
        monetary_value : array_like, shape (n,)
            Their mean value.
        weights : array_like, shape (n,), optional
            Customers that each row stands for; 1 by default.

        Raises
        ------
        InputError
            Where fewer than ten customers have such purchases, or all spend the same.
        """
        histories = _priced_repeat_buyers(
            np.asarray(frequency, dtype=np.float64),
            np.asarray(monetary_value, dtype=np.float64),
            np.ones(np.shape(frequency)) if weights is None else np.asarray(weights, dtype=np.float64),
        )
        scaled = histories.in_units_of(histories.mean)
        if scaled.customers < _FEWEST_CUSTOMERS:
            raise InputError(
                f"Only {scaled.customers:.0f} customers have a repeat purchase of positive value, and Gamma-Gamma "
                f"needs {_FEWEST_CUSTOMERS}: give more customers or a longer history."
            )
        optimum, self.holds_mean = _search(scaled)
        self.independence = independence(histories)
        # The density of a value in another unit of money.
        of_unit = float(np.log(histories.mean)) * histories.customers
        if optimum.determined:
            free = log_parameters(optimum.point, holds_mean=self.holds_mean)
            p, q, v = map(float, np.exp(free.logs) * [1.0, 1.0, histories.mean])
            self._parameters = SpendParameters(p, q, v)
            log_covariance = free.slopes @ optimum.log_covariance @ free.slopes.T
            log_likelihood = -optimum.value * histories.customers - of_unit
            self._keep(("p", "q", "v"), np.array([p, q, v]), log_covariance, log_likelihood)
        else:
            limit = fit_spend_limit(scaled, _LARGEST_MEAN)
            if limit is None:
                raise InputError(
                    f"All {scaled.customers:.0f} customers with repeat purchases of positive value spend the same, or "
                    "nearly: there is no spread to learn from."
                )
            self._keep_limit(limit, histories.mean, of_unit)
        self.notes = (
            *([_MEAN_NOTE] if self.holds_mean else []),
            *(_LIMIT_NOTES[limit] for limit in self._parameters.limits),
            *([self.independence.warning] if self.independence.warning else []),
        )
        return self

    def _keep_limit(self, limit: SpendLimitFit, mean: float, of_unit: float) -> None:
        """Keep a fit in a limit, with the errors of the parameters that remain."""
        self.holds_mean = limit.holds_mean
        self._parameters = replace(limit.parameters, v=limit.parameters.v * mean)
        free = ["pqv".index(name) for name in limit.names]
        estimates = np.array([getattr(self._parameters, name) for name in limit.names])
        own = limit.log_covariance[np.ix_(free, free)]
        self._keep(limit.names, estimates, own, limit.log_likelihood - of_unit)
        self.log_covariance = limit.log_covariance

    @property
    def parameters(self) -> SpendParameters:
        """The fitted parameters as the formulas take them."""
        self._values()
        return self._parameters

    def predict(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Any:
        """Return the expected value of a customer's next purchases, a Series where ``frequency`` is one."""
        return indexed_like(frequency, expected_spend(frequency, monetary_value, self.parameters))


def _search(scaled: SpendHistories) -> tuple[Optimum, bool]:
    """Find the optimum, with the mean held where there is no credible one; say whether it is held."""
    thinned = scaled.thinned(SOME_ROWS) if scaled.x.size > MANY_ROWS else None

    def search(*, holds_mean: bool) -> Optimum:
        rough = None if thinned is None else _objective(thinned, holds_mean=holds_mean)
        starts = STARTS[:, :2] if holds_mean else STARTS
        return find_optimum(_objective(scaled, holds_mean=holds_mean), starts, scaled.customers, rough)

    optimum = search(holds_mean=False)
    p, q, v = np.exp(optimum.point)
    if q > 1 and p * v / (q - 1) <= _LARGEST_MEAN:
        return optimum, False
    return search(holds_mean=True), True


def _objective(scaled: SpendHistories, *, holds_mean: bool) -> Objective:
    """Map free log parameters to the mean negative log-likelihood and its derivatives."""

    def objective(point: Floats) -> Derivatives:
        free = log_parameters(point, holds_mean=holds_mean)
        of_data = log_likelihood_and_derivatives(SpendParameters(*np.exp(free.logs)), scaled)
        return free.derivatives(mean_negative(of_data, scaled.customers))

    return objective


def _priced_repeat_buyers(x: Floats, m: Floats, weights: Floats) -> SpendHistories:
    """Return the customers with a repeat purchase of positive value, in order; raise InputError where none is."""
    columns = {"monetary_value": m, "frequency": x, "weights": weights}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"frequency, monetary_value and weights must have one length, but have {lengths}.")
    bad = ~(np.isfinite(x) & np.isfinite(m) & np.isfinite(weights) & (weights > 0) & (x >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"frequency and monetary_value must be finite, frequency 0 or more, weights positive; row {row} is "
            f"{ {name: float(values[row]) for name, values in columns.items()} } ({int(bad.sum())} such rows)."
        )
    priced = (x > 0) & (m > 0)
    if not priced.any():
        raise InputError(
            f"None of the {weights.sum():.0f} customers has a repeat purchase of positive value, and "
            "Gamma-Gamma learns what a purchase is worth from those: give a longer history, or check the amounts."
        )
    return SpendHistories(x[priced], m[priced], weights[priced]).in_order()
