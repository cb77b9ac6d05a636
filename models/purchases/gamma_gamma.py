"""Gamma-Gamma: what a customer's purchases are worth."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from lifetimes import GammaGammaFitter
from numpy.typing import ArrayLike, NDArray

from data.errors import InputError
from models.purchases.gamma_gamma_likelihood import (
    HELD_AT,
    Independence,
    SpendHistories,
    free_parameters,
    independence,
    log_likelihood_and_derivatives,
    log_parameters,
)
from models.scoring.gamma_gamma import expected_spend
from models.scoring.parameters import SpendParameters
from models.stats.newton import MANY_ROWS, SOME_ROWS, Derivatives, Objective, find_optimum, penalised
from models.stats.typing import Floats

__all__ = ["GammaGammaModel", "Independence"]

NAMES = ["p", "q", "v"]
# Log parameters to begin from, values in units of their mean.
STARTS = np.log(np.array([[2.0, 3.0, 1.0], [6.0, 4.0, 0.5], [0.7, 2.0, 2.0], [30.0, 8.0, 0.3]]))
# A mean of the base so far above what its buyers were seen to spend is the mark of a q too near to 1.
_LARGEST_MEAN = 3.0
_HELD_NOTES = {
    "mean": "Spend is so unequal that Gamma-Gamma has no credible mean; it was held at the observed one.",
    "p": "Customers seem to spend the same every time: their expected spend is their own mean.",
    "q": "Customers do not differ measurably in what they spend: their expected spend is nearly that of the base.",
}
_FEWEST_CUSTOMERS = 10


class GammaGammaModel(GammaGammaFitter):  # type: ignore[misc]
    """Gamma-Gamma (Fader & Hardie 2013, note 025) with the interface of ``lifetimes.GammaGammaFitter``.

    The mean spend of the base, p v / (q - 1), always exists: q > 1. Where the likelihood alone leads to q <= 1 or
    to a mean far above all that was seen, the mean is held at that of the observed values instead. Where it
    grows without end in p (each spends the same every time) or in q (customers do not differ), that one is held
    at 1,000: the expected spend is then the customer's own mean, or nearly that of the base.

    Parameters
    ----------
    penalizer_coef : float
        Coefficient of the squared parameters (values in units of their mean) added to the mean negative
        log-likelihood; 0 by default.

    Attributes
    ----------
    params_ : Series
        p, q, v.
    variance_matrix_, standard_errors_, confidence_intervals_, summary
        Of the parameters; intervals are 95 %.
    log_likelihood_ : float
        Summed over customers at the optimum, without the penalty, in the unit of the data.
    log_covariance : ndarray, shape (3, 3)
        Of ln p, ln q, ln v; zero for what is held.
    held : tuple of str
        What had to be held: "mean", "p" or "q"; a held p or q has a standard error of 0.
    independence : Independence
        Whether frequency and value go together.
    notes : tuple of str
        What was held, and the warning of `independence`, in words.
    data : DataFrame
        monetary_value, frequency and weights of the customers fitted on.
    """

    def fit(
        self,
        frequency: ArrayLike,
        monetary_value: ArrayLike,
        weights: ArrayLike | None = None,
        initial_params: ArrayLike | None = None,
        verbose: bool = False,
        tol: float = 1e-7,
        index: Any = None,
    ) -> "GammaGammaModel":
        """Fit on the customers with a repeat purchase of positive value; the others are left out.

        Parameters
        ----------
        frequency : array_like, shape (n,)
            Repeat purchase days with positive value.
        monetary_value : array_like, shape (n,)
            Their mean value.
        weights : array_like, shape (n,), optional
            Customers that each row stands for; 1 by default.
        initial_params : array_like, shape (3,), optional
            Log of p, q, v to try first, values in units of their mean.
        verbose : bool
            Print where the search ended.
        tol : float
            Largest slope by a log parameter at which one last Newton step is taken.
        index : array_like, shape (n,), optional
            Index of the rows.

        Raises
        ------
        InputError
            Where no customer has such purchases, or they do not determine the model.
        """
        columns = {
            "monetary_value": np.asarray(monetary_value, dtype=np.float64),
            "frequency": np.asarray(frequency, dtype=np.float64),
            "weights": np.ones(np.shape(frequency), dtype=np.int64) if weights is None else np.asarray(weights),
        }
        data = _priced_repeat_buyers(columns, index)
        given = (data[name].to_numpy(np.float64) for name in ("frequency", "monetary_value", "weights"))
        histories = SpendHistories(*given).in_order()
        scaled = histories.in_units_of(histories.mean)
        if scaled.customers < _FEWEST_CUSTOMERS and not self.penalizer_coef:
            raise InputError(
                f"Only {scaled.customers:.0f} customers have a repeat purchase of positive value, and Gamma-Gamma "
                f"needs {_FEWEST_CUSTOMERS}: give more customers or a longer history, or hold the parameters with a "
                "small penalty: GammaGammaModel(penalizer_coef=0.001)."
            )
        thinned = [scaled.thinned(SOME_ROWS)] if scaled.x.size > MANY_ROWS else []
        held: list[str] = []
        while True:
            starts = [free_parameters(start, held) for start in STARTS]
            if initial_params is not None and not held:
                starts.insert(0, np.asarray(initial_params, dtype=np.float64))
            objectives = [self._objective(some, tuple(held)) for some in (scaled, *thinned)]
            optimum = find_optimum(objectives[0], starts, scaled.customers, tol, *objectives[1:])
            free = log_parameters(optimum.point, held)
            natural = np.exp(free.logs)
            lacking = _to_hold(natural, optimum.determined, held)
            if lacking is None:
                break
            held.append(lacking)
        if verbose:
            print(optimum)  # noqa: T201 - what `verbose` asks for
        if not optimum.determined:
            raise InputError(_what_lacks(natural, scaled))
        self.held = tuple(held)

        self._negative_log_likelihood_ = optimum.value
        self._hessian_ = optimum.hessian
        self.params_ = pd.Series(natural * [1.0, 1.0, histories.mean], index=NAMES)
        self.data = data
        penalty = self.penalizer_coef * float(natural @ natural)
        # The density of a value in another unit of money.
        self.log_likelihood_ = (penalty - optimum.value - float(np.log(histories.mean))) * histories.customers
        self.independence = independence(histories)
        self.notes = (
            *(_HELD_NOTES[name] for name in held),
            *([self.independence.warning] if self.independence.warning else []),
        )
        self.log_covariance = free.slopes @ optimum.log_covariance @ free.slopes.T
        self.variance_matrix_ = self._compute_variance_matrix()
        self.standard_errors_ = self._compute_standard_errors()
        self.confidence_intervals_ = self._compute_confidence_intervals()
        return self

    def _objective(self, scaled: SpendHistories, held: tuple[str, ...]) -> Objective:
        """Map free log parameters to the penalised mean negative log-likelihood and its derivatives."""

        def objective(point: Floats) -> Derivatives:
            free = log_parameters(point, held)
            natural = np.exp(free.logs)
            of_data = log_likelihood_and_derivatives(SpendParameters(*natural), scaled)
            return free.derivatives(penalised(of_data, scaled.customers, self.penalizer_coef, natural))

        return objective

    @property
    def parameters(self) -> SpendParameters:
        """The fitted parameters as the formulas take them."""
        p, q, v = (float(value) for value in self._unload_params(*NAMES))
        return SpendParameters(p, q, v)

    def _compute_variance_matrix(self) -> pd.DataFrame:
        """Return the covariance of the parameters; lifetimes' is scaled on one side only, so not symmetric."""
        covariance = self.log_covariance * np.outer(self.params_, self.params_)
        return pd.DataFrame(covariance, columns=NAMES, index=NAMES)

    def conditional_expected_average_profit(
        self, frequency: ArrayLike | None = None, monetary_value: ArrayLike | None = None
    ) -> Any:
        """Return the expected value of a customer's next purchases: see `customer_scorer.expected_spend`.

        Parameters
        ----------
        frequency, monetary_value : array_like, optional
            As in `fit`, those of the fit by default.

        Returns
        -------
        ndarray, or Series with the index of ``frequency`` where that is one.
        """
        frequency = self.data["frequency"] if frequency is None else frequency
        monetary_value = self.data["monetary_value"] if monetary_value is None else monetary_value
        values = expected_spend(frequency, monetary_value, self.parameters)
        return pd.Series(values, index=frequency.index) if isinstance(frequency, pd.Series) else values

    def predict(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Any:
        """Return `conditional_expected_average_profit`, by the name that other models give it."""
        return self.conditional_expected_average_profit(frequency, monetary_value)


def _to_hold(natural: Floats, determined: bool, held: Sequence[str]) -> str | None:
    """Name what must be held before a next search; None where the search is over."""
    p, q, v = natural
    if "mean" not in held and (q <= 1 or p * v / (q - 1) > _LARGEST_MEAN):
        return "mean"
    if determined or "p" in held or "q" in held:
        return None
    if max(p, q) < HELD_AT / 100:
        return None
    return "p" if p > q else "q"


def _priced_repeat_buyers(columns: dict[str, NDArray[Any]], index: Any) -> pd.DataFrame:
    """Return the rows of customers with a repeat purchase of positive value; raise InputError where none is."""
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputError(f"frequency, monetary_value and weights must have one length, but have {lengths}.")
    m, x, weights = columns.values()
    bad = ~(np.isfinite(x) & np.isfinite(m) & np.isfinite(weights) & (weights > 0) & (x >= 0))
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"frequency and monetary_value must be finite, frequency 0 or more, weights positive; row {row} is "
            f"{ {name: float(values[row]) for name, values in columns.items()} } ({int(bad.sum())} such rows)."
        )
    priced = (x > 0) & (m > 0)
    kept = np.arange(x.size)[priced] if index is None else pd.Index(index)[priced]
    data = pd.DataFrame({name: values[priced] for name, values in columns.items()}, index=kept)
    if data.empty:
        raise InputError(
            f"None of the {weights.sum():.0f} customers has a repeat purchase of positive value, and "
            "Gamma-Gamma learns what a purchase is worth from those: give a longer history, or check the amounts."
        )
    return data


def _what_lacks(natural: Floats, scaled: SpendHistories) -> str:
    """Say in words why the likelihood has no inner optimum, and what to do."""
    p, q, v = natural
    if min(p, q) > HELD_AT / 10:
        reason = "all of them spend the same, or nearly"
    else:
        reason = "they are too few to tell the spread between purchases from that between customers"
    return (
        f"Gamma-Gamma is not determined by these {scaled.customers:.0f} customers with repeat purchases of positive "
        f"value: {reason} (the search ended at p {p:.3g}, q {q:.3g}, v {v:.3g} means). Give more customers or a "
        "longer history, or hold the parameters with a small penalty: GammaGammaModel(penalizer_coef=0.001)."
    )
