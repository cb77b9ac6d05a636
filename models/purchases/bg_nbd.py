"""BG/NBD and MBG/NBD: how often customers buy and when they leave, fitted on sufficient statistics."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from data.errors import InputError
from models.purchases.bg_nbd_likelihood import (
    SufficientStatistics,
    count_sufficient_statistics,
    log_likelihood_and_derivatives,
)
from models.purchases.fitted_model import FittedModel, indexed_like
from models.scoring.bg_nbd import expected_purchases
from models.scoring.parameters import PurchaseParameters
from models.stats.newton import MANY_ROWS, SOME_ROWS, Derivatives, Objective, Optimum, find_optimum, penalised
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats

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


class BetaGeoModel(FittedModel):
    """BG/NBD (Fader, Hardie & Lee 2005), fitted on sufficient statistics with analytic derivatives.

    An error says what the data lack where they do not determine the model. Attributes are those of `FittedModel`:
    ``params_`` holds r, alpha, a, b, times in the unit of the data.

    Parameters
    ----------
    penalizer_coef : float
        Coefficient of the squared parameters (alpha in units of the largest age) added to the mean negative
        log-likelihood; 0 by default.
    """

    parameter_names = ("r", "alpha", "a", "b")
    # 1 where a customer may leave right after the first purchase, too.
    _m = 0
    _name = "BG/NBD"

    def fit(self, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """Fit the model on customers.

        Parameters
        ----------
        frequency, recency, T : array_like, shape (n,)
            Repeat purchases, age at the last one and age, in one unit of time.
        weights : array_like, shape (n,), optional
            Customers that each row stands for; 1 by default.

        Raises
        ------
        InputError
            Where the columns are no purchase histories, or do not determine the model.
        """
        x, t_x, age = (np.asarray(column, dtype=np.float64) for column in (frequency, recency, T))
        counts = np.ones_like(age) if weights is None else np.asarray(weights)
        _check_histories(x, t_x, age, counts, self._name)
        return self._fit_checked(count_sufficient_statistics(x, t_x, age, weights))

    def fit_sufficient_statistics(self, statistics: SufficientStatistics) -> Self:
        """Fit the model on customers already counted, as by a GROUP BY where the data are.

        Parameters
        ----------
        statistics : SufficientStatistics
            In any order, which does not change the fit.

        Raises
        ------
        InputError
            As in `fit`.
        """
        columns = (statistics.x, statistics.t_x, statistics.T, statistics.weights)
        _check_histories(*columns, self._name)
        return self._fit_checked(statistics if statistics.in_order else count_sufficient_statistics(*columns))

    def _fit_checked(self, statistics: SufficientStatistics) -> Self:
        longest = float(statistics.T.max())
        scaled = statistics.in_units_of(longest)
        rough = self._objective(scaled.thinned(SOME_ROWS)) if scaled.x.size > MANY_ROWS else None
        optimum = find_optimum(self._objective(scaled), STARTS, scaled.customers, rough)
        if not optimum.determined:
            raise InputError(self._what_lacks(optimum, statistics))
        natural = np.exp(optimum.point)
        penalty = self.penalizer_coef * float(natural @ natural)
        purchases = float(statistics.weights @ statistics.x)
        # The density of times in another unit.
        log_likelihood = (penalty - optimum.value) * statistics.customers - purchases * float(np.log(longest))
        return self._keep(natural * [1.0, longest, 1.0, 1.0], optimum.log_covariance, log_likelihood)

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
        return _parameters(self._values(), self._m)

    @property
    def dropout_share(self) -> tuple[float, float, float]:
        """Mean chance of leaving after a purchase, a / (a + b), and its 95 % interval, symmetric on the logit."""
        parameters = self.parameters
        logit = np.log(parameters.a) - np.log(parameters.b)
        of_a, of_b, of_both = self.log_covariance[2, 2], self.log_covariance[3, 3], self.log_covariance[2, 3]
        half = NORMAL_95 * np.sqrt(of_a + of_b - 2.0 * of_both)
        return float(expit(logit)), float(expit(logit - half)), float(expit(logit + half))

    def predict(self, t: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Any:
        """Return the purchases expected in the next ``t``, a Series where ``frequency`` is one."""
        return indexed_like(frequency, expected_purchases(t, frequency, recency, T, self.parameters))

    def _what_lacks(self, optimum: Optimum, statistics: SufficientStatistics) -> str:
        """Explain why the likelihood has no inner optimum, and what to do."""
        customers, repeat = statistics.customers, float(statistics.weights[statistics.x > 0].sum())
        r, _, a, b = np.exp(optimum.point)
        if statistics.x.size == 1 or np.ptp(statistics.x) == 0:
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
            f"{self._name} is not determined by these {customers:.0f} customers, {repeat:.0f} of whom bought "
            f"again: {reason} (the search ended at r {r:.3g}, a {a:.3g}, b {b:.3g}). Give more customers or a longer "
            f"history, or hold the parameters with a small penalty: {type(self).__name__}(penalizer_coef=0.001)."
        )


class ModifiedBetaGeoModel(BetaGeoModel):
    """MBG/NBD (Batislam, Denizel & Filiztekin 2007): BG/NBD whose customers may leave right after the first purchase.

    All of `BetaGeoModel`, with m = 1 in its likelihood and in every formula: a customer has one more chance of
    leaving, so a one-time buyer's probability of being alive falls with time.
    """

    _m = 1
    _name = "MBG/NBD"


def _parameters(natural: Iterable[float], m: int) -> PurchaseParameters:
    r, alpha, a, b = (float(value) for value in natural)
    return PurchaseParameters(r, alpha, a, b, m)


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
