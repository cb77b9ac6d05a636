"""Gamma-Gamma: the value of a customer's purchases."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from data.errors import InputError
from models.purchases.fitted_model import FittedModel, indexed_like
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
from models.stats.newton import MANY_ROWS, SOME_ROWS, Derivatives, Objective, Optimum, find_optimum, penalised
from models.stats.typing import Floats

# Log parameters to begin from, values in units of their mean.
STARTS = np.log(np.array([[2.0, 3.0, 1.0], [6.0, 4.0, 0.5], [0.7, 2.0, 2.0], [30.0, 8.0, 0.3]]))
# A mean of the base so far above what its buyers spent is the mark of a q too near to 1.
_LARGEST_MEAN = 3.0
_HELD_NOTES = {
    "mean": "Spend is so unequal that Gamma-Gamma has no credible mean; it was held at the observed one.",
    "p": "Customers seem to spend the same every time: their expected spend is their own mean.",
    "q": "Customers do not differ measurably in what they spend: their expected spend is nearly that of the base.",
}
_FEWEST_CUSTOMERS = 10


class GammaGammaModel(FittedModel):
    """Gamma-Gamma (Fader & Hardie 2013, note 025): how much customers spend, and how much they differ in it.

    The mean spend of the base, p v / (q - 1), always exists: q > 1. Where the likelihood alone leads to q <= 1 or
    to a mean far above all observed values, the mean is held at that of the observed values instead. Where it
    grows without end in p (each spends the same every time) or in q (customers do not differ), that one is held
    at 1,000: the expected spend is then the customer's own mean, or nearly that of the base.

    Parameters
    ----------
    penalizer_coef : float
        Coefficient of the squared parameters (values in units of their mean) added to the mean negative
        log-likelihood; 0 by default.

    Attributes
    ----------
    params_, log_likelihood_, log_covariance
        As of `FittedModel`: of p, q, v. The covariance is zero for what is held.
    held : tuple of str
        What had to be held: "mean", "p" or "q"; a held p or q has a standard error of 0.
    independence : Independence
        Whether frequency and value go together.
    notes : tuple of str
        What was held, and the warning of `independence`, in words.
    """

    parameter_names = ("p", "q", "v")

    held: tuple[str, ...]
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
            Where no customer has such purchases, or they do not determine the model.
        """
        histories = _priced_repeat_buyers(
            np.asarray(frequency, dtype=np.float64),
            np.asarray(monetary_value, dtype=np.float64),
            np.ones(np.shape(frequency)) if weights is None else np.asarray(weights, dtype=np.float64),
        )
        scaled = histories.in_units_of(histories.mean)
        if scaled.customers < _FEWEST_CUSTOMERS and not self.penalizer_coef:
            raise InputError(
                f"Only {scaled.customers:.0f} customers have a repeat purchase of positive value, and Gamma-Gamma "
                f"needs {_FEWEST_CUSTOMERS}: give more customers or a longer history, or hold the parameters with a "
                "small penalty: GammaGammaModel(penalizer_coef=0.001)."
            )
        optimum, held = self._search(scaled)
        free = log_parameters(optimum.point, held)
        natural = np.exp(free.logs)
        if not optimum.determined:
            raise InputError(_what_lacks(natural, scaled))
        self.held = held
        self.independence = independence(histories)
        self.notes = (
            *(_HELD_NOTES[name] for name in held),
            *([self.independence.warning] if self.independence.warning else []),
        )
        penalty = self.penalizer_coef * float(natural @ natural)
        # The density of a value in another unit of money.
        log_likelihood = (penalty - optimum.value - float(np.log(histories.mean))) * histories.customers
        log_covariance = free.slopes @ optimum.log_covariance @ free.slopes.T
        return self._keep(natural * [1.0, 1.0, histories.mean], log_covariance, log_likelihood)

    def _search(self, scaled: SpendHistories) -> tuple[Optimum, tuple[str, ...]]:
        """Find the optimum, holding one thing after the other where the data do not determine it."""
        thinned = scaled.thinned(SOME_ROWS) if scaled.x.size > MANY_ROWS else None
        held: tuple[str, ...] = ()
        while True:
            starts = [free_parameters(start, held) for start in STARTS]
            rough = None if thinned is None else self._objective(thinned, held)
            optimum = find_optimum(self._objective(scaled, held), starts, scaled.customers, rough)
            lacking = _to_hold(np.exp(log_parameters(optimum.point, held).logs), optimum.determined, held)
            if lacking is None:
                return optimum, held
            held = (*held, lacking)

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
        p, q, v = self._values()
        return SpendParameters(p, q, v)

    def predict(self, frequency: ArrayLike, monetary_value: ArrayLike) -> Any:
        """Return the expected value of a customer's next purchases, a Series where ``frequency`` is one."""
        return indexed_like(frequency, expected_spend(frequency, monetary_value, self.parameters))


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


def _what_lacks(natural: Floats, scaled: SpendHistories) -> str:
    """Explain why the likelihood has no inner optimum, and what to do."""
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
