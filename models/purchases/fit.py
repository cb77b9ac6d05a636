"""The purchase and spend models of one date, fitted together on sufficient statistics counted in the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data.errors import InputError
from features.tables import Tables
from models.purchases.bg_nbd import BetaGeoModel, ModifiedBetaGeoModel
from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.purchases.counts import SpendCounts, count_histories, count_spends, histories_at, spends_at
from models.purchases.gamma_gamma import GammaGammaModel
from models.purchases.returns_to_come import returns_to_come_at
from models.recipe import PurchaseModel
from models.scoring.arrays import as_tuples
from models.scoring.clock.clock import Clock, day_number
from models.scoring.clock.future import Future
from models.scoring.clock.parameters import ClockParameters
from models.scoring.columns import PURCHASE_COLUMNS
from models.scoring.gamma_gamma import kept_spend
from models.scoring.parameters import Covariance, PurchaseParameters, ReturnsToCome, SpendParameters, Uncertainty
from models.scoring.second_stage.first import first_stage

MODELS: Mapping[PurchaseModel, type[BetaGeoModel]] = {"bg_nbd": BetaGeoModel, "mbg_nbd": ModifiedBetaGeoModel}
MODEL_NAMES: Mapping[PurchaseModel, str] = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD"}

SMALLEST_SPEND = 0.01
NO_REPEATS = "none of the {customers:,.0f} customers bought on more than one day"


@dataclass(frozen=True)
class TrainingFit:
    """What a release keeps of its training, to be compared with later data.

    Parameters
    ----------
    as_of : datetime.date
        Only what was available before it was learned from.
    customers : int
        Customers learned from.
    log_likelihood_per_customer : float
        At the fitted parameters, times in days.
    log_covariance : tuple of 4 tuples of 4 floats, or None
        Covariance of ln r, ln alpha, ln a, ln b; None takes the parameters as known.
    """

    as_of: date
    customers: int
    log_likelihood_per_customer: float
    log_covariance: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class SpendFit:
    """A fitted spend model, the covariance of its log parameters, its rows of `PurchaseFit.fits`, and its notes."""

    parameters: SpendParameters
    covariance: Covariance
    rows: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PurchaseFit:
    """Fitted purchase and spend models.

    Attributes
    ----------
    purchases : PurchaseParameters or None
        Times in days; None without a repeat purchase, from which alone the purchase models learn.
    spend : SpendParameters
        Values in the shop's currency.
    uncertainty : Uncertainty
        Of both.
    fits : pandas.DataFrame
        model, parameter, estimate, standard_error, low and high (95 %); the dropout share a / (a + b) among them.
    notes : tuple of str
        What a reader must know: what could not be fitted and why, assumptions that fail.
    statistics : SufficientStatistics
        The distinct purchase histories fitted on, and how many customers share each.
    log_likelihood_per_customer : float or None
        Of the purchase model, times in days; None without one.
    name : str
        What the purchase model is: BG/NBD, MBG/NBD, or NBD or Poisson where these show nobody leaving.
    returns : ReturnsToCome or None
        What still comes back of the purchases fitted on; None where nothing does.
    clock : ClockParameters or None
        By which all its times are; None where a day is a day.
    """

    purchases: PurchaseParameters | None
    spend: SpendParameters
    uncertainty: Uncertainty
    fits: pd.DataFrame
    notes: tuple[str, ...]
    statistics: SufficientStatistics
    log_likelihood_per_customer: float | None
    name: str
    returns: ReturnsToCome | None = None
    clock: ClockParameters | None = None

    @property
    def future(self) -> Future:
        """What lies ahead of the date it was fitted at."""
        if self.clock is None:
            return Future()
        return Future(Clock(self.clock), day_number(self.clock.fitted_at))

    @property
    def customers(self) -> int:
        """Number of customers."""
        return int(self.statistics.customers)

    def predict(self, customers: pd.DataFrame, horizon: int) -> pd.DataFrame:
        """Predict the horizon from purchase histories.

        Parameters
        ----------
        customers : pandas.DataFrame
            frequency, recency, T (days), spend_frequency and spend_value, at the date of the fit.
        horizon : int
            Days.

        Returns
        -------
        pandas.DataFrame
            p_alive, p_purchase, expected_purchases, expected_spend and expected_revenue, same index.

        Raises
        ------
        InputError
            Without a purchase model.
        """
        if self.purchases is None:
            raise InputError(NO_REPEATS.format(customers=self.customers))
        x, t_x, T, spend_x, spend_m = (customers[name].to_numpy(float) for name in PURCHASE_COLUMNS)
        if not self.spend.individual:
            spend_x = spend_m = np.zeros(len(customers))
        kept = kept_spend(x, t_x, T, self.purchases, self.returns)
        future = self.future
        if future.clock is not None:
            t_x, T = future.clock.times(future.as_of, t_x, T)
        history = (x, t_x, T, spend_x, spend_m)
        predicted = first_stage(future.length(horizon), *history, self.purchases, self.spend, kept)
        return predicted.set_index(customers.index)


def fit_purchases_at(tables: Tables, as_of: date, purchase_model: PurchaseModel) -> PurchaseFit:
    """Fit the purchase and spend models on what was available before a date: each model once a run.

    Customers are counted, and spend is fitted, once for all purchase models.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.
    purchase_model : "bg_nbd" or "mbg_nbd"
        Which one to fit.
    """
    once = tables.workspace.once
    statistics = histories_at(tables, as_of)
    return once(
        ("purchase fit", as_of, purchase_model), lambda: fit_with_spend(tables, as_of, statistics, purchase_model)
    )


def fit_with_spend(
    tables: Tables, as_of: date, statistics: SufficientStatistics, purchase_model: PurchaseModel
) -> PurchaseFit:
    """Fit a purchase model on histories as of a date, beside the spend model and the returns to come of that date."""
    once = tables.workspace.once
    spend = once(("spend fit", as_of), lambda: fit_spend(spends_at(tables, as_of)))
    returns = once(("returns to come", as_of), lambda: returns_to_come_at(tables, as_of))
    return _after_returns(fit_histories(statistics, spend, purchase_model), returns)


def _after_returns(fit: PurchaseFit, returns: ReturnsToCome | None) -> PurchaseFit:
    """Add what still comes back of the purchases fitted on, and a note of it."""
    if returns is None:
        return fit
    back = 1.0 - returns.kept[-1]
    half = returns.lags[int(np.searchsorted(-np.array(returns.kept), back / 2.0 - 1.0))]
    note = (
        f"Of the money that customers pay {100 * back:.1f} % comes back, half of that within {half:,} days. Expected "
        f"spend, revenue and clv are after returns; {100 * returns.share:.1f} % of the repeat purchases learned from "
        "is expected to come back still, and is taken off."
    )
    return replace(fit, returns=returns, notes=(*fit.notes, note))


def fit_purchase_models(summary: ir.Table, purchase_model: PurchaseModel) -> PurchaseFit:
    """Fit a purchase model and Gamma-Gamma; the engine counts equal customers, so the base itself is never in memory.

    Parameters
    ----------
    summary : ibis.expr.types.Table
        As `features.purchases.summarise_purchases` gives it: one row per customer.
    purchase_model : "bg_nbd" or "mbg_nbd"
        Which one to fit.
    """
    return fit_histories(count_histories(summary), fit_spend(count_spends(summary)), purchase_model)


def fit_histories(statistics: SufficientStatistics, spend: SpendFit, purchase_model: PurchaseModel) -> PurchaseFit:
    """Fit a purchase model on counted histories, beside a spend model.

    Any histories with a repeat purchase fit. Times may be in any unit, whole or not.
    """
    customers = statistics.customers
    if not statistics.x.any():
        note = (
            f"There is no purchase forecast: {NO_REPEATS.format(customers=customers)}, and purchase models learn from "
            "repeat purchases; its columns are null. A longer history changes that; if customers do come back, check "
            "that customer_id is the customer's and not the order's."
        )
        unknown = Uncertainty(None, spend.covariance)
        return PurchaseFit(None, spend.parameters, unknown, spend.rows, (note,), statistics, None, "no purchase model")
    model = MODELS[purchase_model]().fit_sufficient_statistics(statistics)
    return PurchaseFit(
        purchases=model.parameters,
        spend=spend.parameters,
        uncertainty=Uncertainty(as_tuples(model.log_covariance.tolist()), spend.covariance),
        fits=pd.concat([_purchase_rows(model), spend.rows], ignore_index=True),
        notes=(*model.notes, *spend.notes),
        statistics=statistics,
        log_likelihood_per_customer=float(model.log_likelihood_) / customers,
        name=model.name,
    )


def fit_spend(spends: SpendCounts) -> SpendFit:
    """Fit Gamma-Gamma, or say why not and take the mean value of a purchase for everybody."""
    try:
        model = GammaGammaModel().fit(spends.frequency, spends.value, weights=spends.customers)
    except InputError as error:
        mean = max(spends.total_value / max(spends.purchases, 1.0), SMALLEST_SPEND)
        note = f"Gamma-Gamma was not fitted; everybody's expected spend is the mean purchase, {mean:,.2f}: {error}"
        constant = SpendParameters(1.0, 1.0, mean, individual=False, limits=("equal_purchases", "equal_means"))
        return SpendFit(constant, as_tuples(np.zeros((3, 3)).tolist()), pd.DataFrame(), (note,))
    rows, covariance = _rows("Gamma-Gamma", model.summary), as_tuples(model.log_covariance.tolist())
    return SpendFit(model.parameters, covariance, rows, model.notes)


def _purchase_rows(model: BetaGeoModel) -> pd.DataFrame:
    """Return a row per parameter, and one for the share of customers who leave after a purchase."""
    rows = _rows(model.name, model.summary)
    if "dropout" in model.params_:
        return rows
    share, low, high = model.dropout_share
    dropout_share = {
        "model": model.name,
        "parameter": "a / (a + b)",
        "estimate": share,
        "low": low,
        "high": high,
    }
    return pd.concat([rows, pd.DataFrame([dropout_share])], ignore_index=True)


def _rows(model: str, summary: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "model": model,
            "parameter": summary.index,
            "estimate": summary["coef"].to_numpy(float),
            "standard_error": summary["se(coef)"].to_numpy(float),
            "low": summary["lower 95% bound"].to_numpy(float),
            "high": summary["upper 95% bound"].to_numpy(float),
        }
    )
