"""BG/NBD and MBG/NBD: how often customers buy and when they leave, fitted on sufficient statistics."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from data.errors import InputError
from models.purchases.bg_nbd_likelihood import (
    SufficientStatistics,
    count_sufficient_statistics,
    log_likelihood_and_derivatives,
)
from models.purchases.fitted_model import FittedModel, indexed_like
from models.purchases.limits import LimitFit, fit_limit, largest_dropout
from models.scoring.bg_nbd import expected_purchases
from models.scoring.parameters import PurchaseParameters
from models.stats.newton import MANY_ROWS, SOME_ROWS, Derivatives, Objective, find_optimum, mean_negative
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

    Any customers with a repeat purchase fit. Where the likelihood is flat or rises towards an edge of the model, the
    fit is that edge (a limit of `PurchaseParameters`).

    Attributes
    ----------
    params_, log_likelihood_, log_covariance
        As of `FittedModel`: of r, alpha, a, b, times in the unit of the data. On an edge ``params_`` holds "rate"
        (purchases in the unit of time) in place of r and alpha where rates are equal, and "dropout" (the chance of
        leaving, or the share who leave at once) or nothing in place of a and b; the covariance is still 4 by 4.
    notes : tuple of str
        What an edge means, in words; empty otherwise.
    """

    notes: tuple[str, ...] = ()
    # 1 where a customer may leave right after the first purchase, too.
    _m = 0
    _name = "BG/NBD"
    _parameters: PurchaseParameters
    _largest_dropout: float = 1.0

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
            Where the columns are no purchase histories, or hold no repeat purchase.
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
        # The density of times in another unit.
        of_unit = float(statistics.weights @ statistics.x) * float(np.log(longest))
        if not optimum.determined:
            return self._keep_limit(fit_limit(scaled, self._m), scaled, longest, of_unit)
        natural = np.exp(optimum.point) * [1.0, longest, 1.0, 1.0]
        self._parameters = _parameters(natural, self._m)
        log_likelihood = -optimum.value * statistics.customers - of_unit
        return self._keep(("r", "alpha", "a", "b"), natural, optimum.log_covariance, log_likelihood)

    def _keep_limit(self, fit: LimitFit, scaled: SufficientStatistics, longest: float, of_unit: float) -> Self:
        """Keep a fit on an edge, with the errors of the parameters that remain."""
        family = fit.family
        natural = family.natural(fit.point, longest)
        # Of the logarithms of what is estimated: the slope of ln p by its log odds is 1 - p.
        slopes = np.where(np.array(family.names) == "dropout", 1.0 - natural, 1.0)
        self._keep(family.names, natural, fit.covariance * np.outer(slopes, slopes), fit.log_likelihood - of_unit)
        self._parameters = family.parameters(fit.point, longest)
        by_point = family.slopes_of_logs(fit.point)
        self.log_covariance = by_point @ fit.covariance @ by_point.T
        if family.dropout == "nobody_leaves":
            self._largest_dropout = largest_dropout(fit, scaled)
        self.notes = limit_notes(self._parameters, self._largest_dropout, is_held=fit.is_held)
        return self

    def _objective(self, scaled: SufficientStatistics) -> Objective:
        """Map log parameters to the mean negative log-likelihood and its derivatives."""

        def objective(log_params: Floats) -> Derivatives:
            of_data = log_likelihood_and_derivatives(_parameters(np.exp(log_params), self._m), scaled)
            return mean_negative(of_data, scaled.customers)

        return objective

    @property
    def parameters(self) -> PurchaseParameters:
        """The fitted parameters as the formulas take them."""
        self._values()
        return self._parameters

    @property
    def name(self) -> str:
        """What the fit is: BG/NBD or MBG/NBD; NBD where nobody leaves, Poisson where rates are equal as well."""
        if not self.parameters.nobody_leaves:
            return self._name
        return "Poisson" if self.parameters.equal_rates else "NBD"

    @property
    def confidence_intervals_(self) -> pd.DataFrame:
        """95 % intervals, normal on the logarithmic scale, that of a chance of leaving on the logit."""
        intervals = super().confidence_intervals_
        if "dropout" in intervals.index:
            intervals.loc["dropout"] = self.dropout_share[1:]
        return intervals

    @property
    def dropout_share(self) -> tuple[float, float, float]:
        """Mean chance of leaving after a purchase, a / (a + b), and its 95 % interval, symmetric on the logit.

        Where nobody seems to leave it is 0, and the upper end that of the one-sided 95 % interval.
        """
        parameters = self.parameters
        if parameters.nobody_leaves:
            return 0.0, 0.0, self._largest_dropout
        logit = np.log(parameters.a) - np.log(parameters.b)
        of_a, of_b, of_both = self.log_covariance[2, 2], self.log_covariance[3, 3], self.log_covariance[2, 3]
        half = NORMAL_95 * np.sqrt(of_a + of_b - 2.0 * of_both)
        return float(expit(logit)), float(expit(logit - half)), float(expit(logit + half))

    def predict(self, t: ArrayLike, frequency: ArrayLike, recency: ArrayLike, T: ArrayLike) -> Any:
        """Return the purchases expected in the next ``t``, a Series where ``frequency`` is one."""
        return indexed_like(frequency, expected_purchases(t, frequency, recency, T, self.parameters))


class ModifiedBetaGeoModel(BetaGeoModel):
    """MBG/NBD (Batislam, Denizel & Filiztekin 2007): BG/NBD whose customers may leave right after the first purchase.

    All of `BetaGeoModel`, with m = 1 in its likelihood and in every formula: a customer has one more chance of
    leaving, so a one-time buyer's probability of being alive falls with time.
    """

    _m = 1
    _name = "MBG/NBD"


def limit_notes(parameters: PurchaseParameters, largest_dropout: float, *, is_held: bool) -> tuple[str, ...]:
    """Say what the limits of parameters mean.

    Parameters
    ----------
    parameters : PurchaseParameters
    largest_dropout : float
        Upper end of the interval of the chance of leaving where nobody seems to leave.
    is_held : bool
        Whether the chance of leaving is held below 1.
    """
    share = f"{100 * parameters.a / (parameters.a + parameters.b):.3g} %"
    after = "each purchase" if parameters.m else "each repeat purchase"
    notes: dict[str, str] = {
        "equal_rates": "Customers do not differ measurably in how often they buy: all are given one rate.",
        "nobody_leaves": (
            f"The data show nobody leaving: after a purchase at most {100 * largest_dropout:.2g} % leave (95 %). So "
            "nobody is taken to have left, and who buys rarely is told from who buys often alone: p_alive is null for "
            "everyone, and p_churn is the probability of no purchase within its horizon."
        ),
        "equal_dropout": (
            f"Customers do not differ measurably in how soon they leave: after {after} {share} leave, whoever they are."
        ),
        "at_once_or_never": (
            f"Customers leave after their first {'' if parameters.m else 'repeat '}purchase, as {share} do, or never."
        ),
    }
    told = [notes[limit] for limit in parameters.limits]
    if is_held:
        told.append(
            "Everyone who could leave seems to have left; as no count of customers makes that certain, the chance of "
            f"leaving is held at {share}."
        )
    return tuple(told)


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
