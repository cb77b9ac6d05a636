"""The purchase and spend models of one date, fitted together on sufficient statistics counted in the engine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import InputError
from features.purchases import purchase_statistics, purchase_summary, spend_statistics
from features.tables import Tables
from models.purchases.bg_nbd import BetaGeoModel, ModifiedBetaGeoModel
from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.purchases.gamma_gamma import GammaGammaModel
from models.purchases.returns_to_come import returns_to_come_at
from models.recipe import PurchaseModel
from models.scoring.arrays import as_tuples
from models.scoring.columns import PURCHASE_COLUMNS
from models.scoring.parameters import Covariance, PurchaseParameters, ReturnsToCome, SpendParameters, Uncertainty
from models.scoring.second_stage import first_stage

MODELS: Mapping[PurchaseModel, type[BetaGeoModel]] = {"bg_nbd": BetaGeoModel, "mbg_nbd": ModifiedBetaGeoModel}
MODEL_NAMES: Mapping[PurchaseModel, str] = {"bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD"}

# In a trial, 40 shops of 100 customers did not determine BG/NBD; this penalty fitted all of them, at some bias.
SMALL_SHOP_PENALTY = 0.001
SMALLEST_SPEND = 0.01
NO_SPREAD = 1e6


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
class PurchaseFit:
    """Fitted purchase and spend models.

    Attributes
    ----------
    purchases : PurchaseParameters
        Times in days.
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
    log_likelihood_per_customer : float
        Of the purchase model, times in days.
    returns : ReturnsToCome or None
        What still comes back of the purchases fitted on; None where nothing does.
    """

    purchases: PurchaseParameters
    spend: SpendParameters
    uncertainty: Uncertainty
    fits: pd.DataFrame
    notes: tuple[str, ...]
    statistics: SufficientStatistics
    log_likelihood_per_customer: float
    returns: ReturnsToCome | None = None

    @property
    def customers(self) -> int:
        """Number of customers."""
        return int(self.statistics.customers)

    def predict(self, customers: pd.DataFrame, horizon: int) -> pd.DataFrame:
        """Predict the horizon from purchase histories.

        Parameters
        ----------
        customers : pandas.DataFrame
            frequency, recency, T (days), spend_frequency and spend_value.
        horizon : int
            Days.

        Returns
        -------
        pandas.DataFrame
            p_alive, p_purchase, expected_purchases, expected_spend and expected_revenue, same index.
        """
        x, t_x, T, spend_x, spend_m = (customers[name].to_numpy(float) for name in PURCHASE_COLUMNS)
        if not self.spend.individual:
            spend_x = spend_m = np.zeros(len(customers))
        history = (x, t_x, T, spend_x, spend_m)
        predicted = first_stage(horizon, *history, self.purchases, self.spend, self.returns)
        return predicted.set_index(customers.index)


def fit_purchases_at(tables: Tables, as_of: date, purchase_model: PurchaseModel) -> PurchaseFit:
    """Fit the purchase and spend models on what was available before a date: each model once a run.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.
    purchase_model : "bg_nbd" or "mbg_nbd"
        Which one to fit.

    Raises
    ------
    InputError
        As `fit_purchase_models`.
    """
    return tables.workspace.once(
        ("purchase fit", as_of, purchase_model),
        lambda: _after_returns(
            fit_purchase_models(purchase_summary(tables, as_of), purchase_model), returns_to_come_at(tables, as_of)
        ),
    )


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

    Raises
    ------
    InputError
        Where the purchase model cannot be fitted: the message says what the data lacks.
    """
    counted = _columns(purchase_statistics(summary), ("frequency", "recency", "T", "customers"))
    statistics = SufficientStatistics(*counted)
    purchases, notes = _fit_purchases(statistics, purchase_model)
    spend, spend_covariance, spend_fits, spend_notes = _fit_spend(summary)
    return PurchaseFit(
        purchases=purchases.parameters,
        spend=spend,
        uncertainty=Uncertainty(as_tuples(purchases.log_covariance.tolist()), spend_covariance),
        fits=pd.concat([_purchase_rows(purchases, purchase_model), spend_fits], ignore_index=True),
        notes=(*notes, *spend_notes),
        statistics=statistics,
        log_likelihood_per_customer=float(purchases.log_likelihood_) / statistics.customers,
    )


def _columns(table: ir.Table, names: tuple[str, ...]) -> list[npt.NDArray[np.float64]]:
    columns = table.to_pyarrow()
    return [columns[name].to_numpy().astype(np.float64) for name in names]


def _fit_purchases(statistics: SufficientStatistics, purchase_model: PurchaseModel) -> tuple[BetaGeoModel, list[str]]:
    """Fit the model; in a small shop whose data leave it open, hold its parameters together a little and say so."""
    model = MODELS[purchase_model]
    try:
        return model().fit_sufficient_statistics(statistics), []
    except InputError as error:
        try:
            penalised = model(penalizer_coef=SMALL_SHOP_PENALTY).fit_sufficient_statistics(statistics)
        except InputError:
            raise error from None
    note = (
        f"The {statistics.customers:,.0f} customers do not settle the parameters of {MODEL_NAMES[purchase_model]}: "
        f"they are held together by a penalty of {SMALL_SHOP_PENALTY}, and purchases may be off. They settle as "
        "customers come back."
    )
    return penalised, [note]


def _fit_spend(summary: ir.Table) -> tuple[SpendParameters, Covariance, pd.DataFrame, list[str]]:
    """Fit Gamma-Gamma, or say why not and take the mean value of a purchase for everybody."""
    frequency, value, customers = _columns(spend_statistics(summary), ("spend_frequency", "spend_value", "customers"))
    try:
        model = GammaGammaModel().fit(frequency, value, weights=customers)
    except InputError as error:
        # In decimals, so that the sum does not depend on the order of its terms.
        value_sum = summary.total_value.cast("decimal(38, 4)").sum()
        total = summary.aggregate(value=value_sum, purchases=(summary.frequency + 1).sum()).to_pyarrow().to_pylist()[0]
        mean = max(float(total["value"]) / total["purchases"], SMALLEST_SPEND)
        note = f"Gamma-Gamma was not fitted; everybody's expected spend is the mean purchase, {mean:,.2f}: {error}"
        # The limit of Gamma-Gamma in which every purchase has the same value: p v / (q - 1) is the mean.
        constant = SpendParameters(p=NO_SPREAD, q=NO_SPREAD + 1.0, v=mean, individual=False)
        return constant, as_tuples(np.zeros((3, 3)).tolist()), pd.DataFrame(), [note]
    rows, covariance = _rows("Gamma-Gamma", model.summary), as_tuples(model.log_covariance.tolist())
    return model.parameters, covariance, rows, list(model.notes)


def _purchase_rows(model: BetaGeoModel, purchase_model: PurchaseModel) -> pd.DataFrame:
    """Return a row per parameter, and one for the share of customers who leave after a purchase."""
    rows = _rows(MODEL_NAMES[purchase_model], model.summary)
    share, low, high = model.dropout_share
    dropout_share = {
        "model": MODEL_NAMES[purchase_model],
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
