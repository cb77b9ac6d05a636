"""BG/NBD: how often customers buy and when they leave, fitted on counted purchase patterns."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from data.errors import InputError
from models.purchases.bg_nbd_likelihood import (
    SufficientStatistics,
    count_sufficient_statistics,
    log_likelihood,
    log_likelihood_and_derivatives,
    new_customer_p_purchases,
    simulate_purchases,
)
from models.scoring.bg_nbd import expected_purchases, new_customer_expected_purchases, p_alive
from models.scoring.parameters import PurchaseParameters
from models.stats.newton import MANY_ROWS, SOME_ROWS, Derivatives, Objective, Optimum, find_optimum, penalised
from models.stats.typing import Floats

__all__ = [
    "BetaGeoModel",
    "SufficientStatistics",
    "count_sufficient_statistics",
    "log_likelihood",
    "simulate_purchases",
]

NAMES = ["r", "alpha", "a", "b"]
# Log parameters to begin from, times in units of the largest age: that of lifetimes, a shop of rare buyers, one
# of regular ones, one of loyal ones, one where customers are much alike.
STARTS = np.log(
    np.array(
        [
            [1.1, 1.1, 1.1, 1.1],
            [0.25, 0.1, 0.8, 2.5],
            [3.0, 0.2, 0.3, 3.0],
            [1.0, 0.3, 0.02, 0.5],
            [10.0, 3.0, 5.0, 20.0],
        ]
    )
)


class BetaGeoModel(BetaGeoFitter):  # type: ignore[misc]
    """BG/NBD (Fader, Hardie & Lee 2005) with the interface of ``lifetimes.BetaGeoFitter``.

    The same optimum, from a likelihood on counted patterns with its analytic derivatives; predictions that hold at
    the corners; a covariance that is symmetric; an error that says what the data lack where they do not
    determine the model.

    Parameters
    ----------
    penalizer_coef : float
        Coefficient of the squared parameters (alpha in units of the largest age) added to the mean negative
        log-likelihood; 0 by default.

    Attributes
    ----------
    params_ : Series
        r, alpha, a, b, times in the unit of the data.
    variance_matrix_, standard_errors_, confidence_intervals_, summary
        Of the parameters; intervals are 95 %.
    log_likelihood_ : float
        Summed over customers at the optimum, without the penalty, in the unit of the data.
    log_covariance : ndarray, shape (4, 4)
        Of ln r, ln alpha, ln a, ln b.
    data : DataFrame
        frequency, recency, T and weights as given to `fit` or `fit_patterns`.
    """

    # 1 where a customer may leave right after the first purchase, too.
    _m = 0
    _name = "BG/NBD"

    def fit(
        self,
        frequency: ArrayLike,
        recency: ArrayLike,
        T: ArrayLike,
        weights: ArrayLike | None = None,
        initial_params: ArrayLike | None = None,
        verbose: bool = False,
        tol: float = 1e-7,
        index: Any = None,
        **kwargs: Any,
    ) -> "BetaGeoModel":
        """Fit the model.

        Parameters
        ----------
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases, age at the last one and age, in one unit of time.
        weights : array_like, shape (n,), optional
            Customers that each row stands for; 1 by default.
        initial_params : array_like, shape (4,), optional
            Log parameters to try first, alpha in units of the largest age.
        verbose : bool
            Print where the search ended.
        tol : float
            Largest slope by a log parameter at which one last Newton step is taken.
        index : array_like, optional
            Index of `data`.
        **kwargs
            Options of scipy's minimiser that ``lifetimes`` takes are not needed here and refused.

        Raises
        ------
        InputError
            Where the columns are no purchase histories, or do not determine the model.
        """
        if kwargs:
            raise TypeError(f"fit() takes no options of the minimiser here, but got {sorted(kwargs)}")
        frequency, recency, T = (np.asarray(column, dtype=np.float64) for column in (frequency, recency, T))
        given = None if weights is None else np.asarray(weights)
        weights = np.ones_like(T, dtype=np.int64) if given is None else given
        _check_histories(frequency, recency, T, weights, self._name)
        self._fit_checked(count_sufficient_statistics(frequency, recency, T, given), initial_params, verbose, tol)
        columns = {"frequency": frequency.astype(np.int64), "recency": recency, "T": T, "weights": weights}
        self.data = pd.DataFrame(columns, index=index)
        return self

    def fit_patterns(
        self,
        patterns: SufficientStatistics,
        initial_params: ArrayLike | None = None,
        verbose: bool = False,
        tol: float = 1e-7,
    ) -> "BetaGeoModel":
        """Fit the model on patterns already counted, as by a GROUP BY where the data are.

        Parameters
        ----------
        patterns : SufficientStatistics
            In any order, which does not change the fit.
        initial_params, verbose, tol
            As in `fit`.

        Raises
        ------
        InputError
            As in `fit`.
        """
        columns = (patterns.x, patterns.t_x, patterns.T, patterns.weights)
        _check_histories(*columns, self._name)
        counted = patterns if patterns.in_order else count_sufficient_statistics(*columns)
        self._fit_checked(counted, initial_params, verbose, tol)
        self.data = pd.DataFrame(dict(zip(["frequency", "recency", "T", "weights"], columns, strict=True)))
        self.data["frequency"] = self.data["frequency"].astype(np.int64)
        return self

    def _fit_checked(
        self, patterns: SufficientStatistics, initial_params: ArrayLike | None, verbose: bool, tol: float
    ) -> None:
        longest = float(patterns.T.max())
        scaled = patterns.in_units_of(longest)
        starts = STARTS if initial_params is None else [np.asarray(initial_params, dtype=np.float64), *STARTS]
        rough = self._objective(scaled.thinned(SOME_ROWS)) if scaled.x.size > MANY_ROWS else None
        optimum = find_optimum(self._objective(scaled), starts, scaled.customers, tol, rough)
        if verbose:
            print(optimum)  # noqa: T201 - what `verbose` asks for
        if not optimum.determined:
            raise InputError(self._what_lacks(optimum, patterns))

        self._scale = 1.0 / longest
        self._negative_log_likelihood_ = optimum.value
        self._hessian_ = optimum.hessian
        natural = np.exp(optimum.point)
        self.params_ = pd.Series(natural * [1.0, longest, 1.0, 1.0], index=NAMES)
        penalty = self.penalizer_coef * float(natural @ natural)
        purchases = float(patterns.weights @ patterns.x)
        self.log_likelihood_ = (penalty - optimum.value) * patterns.customers - purchases * float(np.log(longest))
        self.log_covariance = optimum.log_covariance
        self.variance_matrix_ = self._compute_variance_matrix()
        self.standard_errors_ = self._compute_standard_errors()
        self.confidence_intervals_ = self._compute_confidence_intervals()

    def _objective(self, scaled: SufficientStatistics) -> Objective:
        """Map log parameters to the penalised mean negative log-likelihood and its derivatives."""

        def objective(log_params: Floats) -> Derivatives:
            natural = np.exp(log_params)
            of_data = log_likelihood_and_derivatives(_parameters(natural, self._m), scaled)
            return penalised(of_data, scaled.customers, self.penalizer_coef, natural)

        return objective

    @property
    def parameters(self) -> PurchaseParameters:
        """The fitted parameters as the formulas take them."""
        return _parameters(self._unload_params(*NAMES), self._m)

    @property
    def dropout_share(self) -> tuple[float, float, float]:
        """Mean chance of leaving after a purchase, a / (a + b), and its 95 % interval, symmetric on the logit."""
        a, b = self._unload_params("a", "b")
        logit = np.log(a) - np.log(b)
        of_a, of_b, of_both = self.log_covariance[2, 2], self.log_covariance[3, 3], self.log_covariance[2, 3]
        half = 1.96 * np.sqrt(of_a + of_b - 2.0 * of_both)
        return float(expit(logit)), float(expit(logit - half)), float(expit(logit + half))

    def _compute_variance_matrix(self) -> pd.DataFrame:
        """Return the covariance of the parameters; lifetimes' is scaled on one side only, so not symmetric."""
        covariance = self.log_covariance * np.outer(self.params_, self.params_)
        return pd.DataFrame(covariance, columns=NAMES, index=NAMES)

    def conditional_expected_number_of_purchases_up_to_time(
        self, t: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike
    ) -> Any:
        """Return the purchases expected in the next ``t``: see `customer_scorer.expected_purchases`.

        A Series where ``frequency`` is one, with its index.
        """
        return _like(frequency, expected_purchases(t, frequency, recency, T, self.parameters))

    def predict(self, t: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Any:
        """Return `conditional_expected_number_of_purchases_up_to_time`, by the name that lifetimes gives it."""
        return self.conditional_expected_number_of_purchases_up_to_time(t, frequency, recency, T)

    def conditional_probability_alive(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Floats:
        """Return the probability of not having left by T: see `customer_scorer.p_alive`."""
        return np.atleast_1d(p_alive(frequency, recency, T, self.parameters))

    def expected_number_of_purchases_up_to_time(self, t: ArrayLike) -> Any:
        """Return the repeat purchases expected of a new customer in their first ``t``."""
        return _like(t, new_customer_expected_purchases(t, self.parameters))

    def probability_of_n_purchases_up_to_time(self, t: float, n: int) -> float:
        """Return the probability that a new customer buys again exactly ``n`` times in ``t``."""
        return float(new_customer_p_purchases(n, t, self.parameters))

    def generate_new_data(self, size: int = 1, seed: int = 0) -> pd.DataFrame:
        """Simulate ``size`` customers of the fitted ages, taken in turn; the same seed gives the same customers."""
        ages = np.resize(self.data["T"].to_numpy(np.float64), size)
        return simulate_purchases(ages, self.parameters, np.random.default_rng(seed))

    def _what_lacks(self, optimum: Optimum, patterns: SufficientStatistics) -> str:
        """Say in words why the likelihood has no inner optimum, and what to do."""
        repeat = float(patterns.weights[patterns.x > 0].sum())
        r, _, a, b = np.exp(optimum.point)
        if patterns.x.size == 1 or np.ptp(patterns.x) == 0:
            reason = "their purchase histories show no spread"
        elif r > 100:
            reason = "their purchase rates do not differ measurably"
        elif min(a, b) > 50:
            reason = "their chances of leaving do not differ measurably"
        elif a < 1e-3 * b:
            reason = "there is no sign of customers leaving"
        else:
            reason = "they are too few to tell customers who left from customers who buy rarely"
        return (
            f"{self._name} is not determined by these {patterns.customers:.0f} customers, {repeat:.0f} of whom bought "
            f"again: {reason} (the search ended at r {r:.3g}, a {a:.3g}, b {b:.3g}). Give more customers or a longer "
            f"history, or hold the parameters with a small penalty: {type(self).__name__}(penalizer_coef=0.001)."
        )


def _parameters(natural: Iterable[float], m: int) -> PurchaseParameters:
    r, alpha, a, b = (float(value) for value in natural)
    return PurchaseParameters(r, alpha, a, b, m)


def _like(given: ArrayLike, values: Floats) -> Any:
    """Return the values as a Series where a Series was given, as lifetimes does."""
    return pd.Series(values, index=given.index) if isinstance(given, pd.Series) else values


def _check_histories(frequency: Floats, recency: Floats, T: Floats, weights: NDArray[Any], name: str) -> None:
    """Raise InputError with the first row that is no purchase history."""
    if not len(frequency) == len(recency) == len(T) == len(weights):
        lengths = (len(frequency), len(recency), len(T), len(weights))
        raise InputError(f"frequency, recency, T and weights must have one length, but have {lengths}.")
    rules = {
        "frequency must be a whole number of repeat purchases, 0 or more": (frequency < 0)
        | (frequency != np.floor(frequency)),
        "recency must lie between 0 and T": ~((recency >= 0) & (recency <= T)),
        "recency must be 0 where frequency is 0": (frequency == 0) & (recency != 0),
        "frequency, recency and T must be finite": ~np.isfinite(frequency + recency + T),
        "weights must be positive": ~(weights > 0),
    }
    for rule, broken in rules.items():
        if broken.any():
            row = int(np.flatnonzero(broken)[0])
            raise InputError(
                f"{rule}; row {row} has frequency {frequency[row]:g}, recency {recency[row]:g}, T {T[row]:g}, "
                f"weight {weights[row]:g} ({int(broken.sum())} such rows)."
            )
    if not len(T):
        raise InputError(f"{name} has no customers to learn from: give a table with at least some repeat buyers.")
    if not T.any():
        raise InputError("All customers bought for the first time today, at age 0: give a longer history.")
    customers = float(weights.sum())
    if not frequency.any():
        raise InputError(
            f"None of the {customers:.0f} customers bought on more than one day, and {name} learns from repeat "
            "purchases: give a longer history, or check that customer_id is the customer's and not the order's."
        )
