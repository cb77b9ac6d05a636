"""Rolling backtest: fit before a cutoff, compare with what came after it, and repeat at earlier cutoffs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property

import numpy as np
import pandas as pd

from data.errors import InputError
from features.describe import describe_everyone
from features.outcomes import summary_with_outcomes
from features.tables import Tables
from models.purchases.fit import MODEL_NAMES, PurchaseFit, fit_purchases_at
from models.purchases.returns_to_come import kept_by_age
from models.purchases.second_stage.training import train_second_stage
from models.recipe import PurchaseModel, Recipe
from models.release.backtest import BASELINES, backtest, wins
from models.stats.metrics import clustered_standard_error, log_losses
from models.stats.normal import ONE_SIDED_95

BG, MBG = MODEL_NAMES["bg_nbd"], MODEL_NAMES["mbg_nbd"]
FIRST_STAGE, SECOND_STAGE = "the first stage", "second stage"
MODELS = (BG, MBG, f"{BG} in season", f"{MBG} in season", SECOND_STAGE)
_SAME_LIKELIHOOD = 1e-9


@dataclass(frozen=True)
class CutoffResult:
    """The predictions of the models at a cutoff, and what happened after it.

    Attributes
    ----------
    cutoff : datetime.date
        The models were fitted on what was available before this date.
    horizon : int
        Days after the cutoff.
    customers : pandas.DataFrame
        One row per customer with a purchase before the cutoff, as `features.purchases.summarise_purchases` describes
        them; ``purchases`` and ``revenue`` of the horizon, ``purchases_before`` and ``revenue_before`` of as many days
        before the cutoff.
    predictions : mapping of str to pandas.DataFrame
        By name of the model, with the index of ``customers``: p_purchase, expected_purchases, expected_revenue.
    fits : mapping of str to PurchaseFit
        The purchase and spend models, by name.
    left_out : mapping of str to str
        Models without predictions, and why.
    """

    cutoff: date
    horizon: int
    customers: pd.DataFrame
    predictions: Mapping[str, pd.DataFrame]
    fits: Mapping[str, PurchaseFit] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def measures(self) -> pd.DataFrame:
        """The models beside the baselines, as `models.release.backtest.backtest` measures them."""
        return backtest(self.customers, self.customers, self.horizon, self.predictions)


def rolling_cutoffs(first_day: date, as_of: date, horizon: int, wanted: int) -> list[date]:
    """Return the cutoffs at which the models can be judged: each has a horizon after it and one before it.

    Parameters
    ----------
    first_day : datetime.date
        Day of the first transaction.
    as_of : datetime.date
        Exclusive end of the data.
    horizon : int
        Days.
    wanted : int
        Largest number of cutoffs.

    Returns
    -------
    list of datetime.date
        The newest first, one horizon apart, so that no purchase is judged twice.

    Raises
    ------
    InputError
        If the history is shorter than two horizons.
    """
    cutoffs = [as_of - timedelta(days=horizon * k) for k in range(1, wanted + 1)]
    possible = [cutoff for cutoff in cutoffs if (cutoff - first_day).days >= horizon]
    if not possible:
        days = (as_of - first_day).days
        shorter = f"a horizon of at most {days // 2} days (--horizon)" if days >= 2 else "a shorter horizon (--horizon)"
        raise InputError(
            f"a backtest over {horizon} days needs {2 * horizon} days of purchases, half of them to fit on and half to "
            f"judge by, but there are {days}, from {first_day} to the day before {as_of}: take {shorter}, or give a "
            "longer history"
        )
    return possible


def backtest_at(
    tables: Tables, cutoff: date, recipe: Recipe, with_second_stage: bool = True, judged: Tables | None = None
) -> CutoffResult:
    """Fit every model on what was available before a cutoff, and predict the horizon after it.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    cutoff : datetime.date
        Exclusive.
    recipe : Recipe
        Its horizon is used, and for the second stage also purchase model, seed and static attributes.
    with_second_stage : bool
        Whether the second stage is trained too; it needs everyone among the judged.
    judged : Tables, optional
        Tables of the customers to judge by; everyone unless given. Models are fitted on everyone.

    Returns
    -------
    CutoffResult
        Predictions and outcomes. A model that cannot be fitted is left out, with the reason.

    Raises
    ------
    InputError
        If nobody had bought before the cutoff.
    """
    customers = _customers_at(tables if judged is None else judged, tables, cutoff, recipe.horizon)
    if customers.empty:
        raise InputError(
            f"no purchase is visible before the cutoff at {cutoff}: take a shorter horizon or fewer cutoffs"
        )
    predictions, fits, left_out = {}, {}, {}
    for model, name in MODEL_NAMES.items():
        try:
            fit = fit_purchases_at(tables, cutoff, model)
            predictions[name] = fit.predict(customers, recipe.horizon)
            fits[name] = fit
        except InputError as error:
            left_out[name] = str(error)
    result = CutoffResult(cutoff, recipe.horizon, customers, predictions, fits, left_out)
    return add_second_stage(tables, result, recipe) if with_second_stage else result


def add_second_stage(tables: Tables, result: CutoffResult, recipe: Recipe) -> CutoffResult:
    """Train the second stage on the recipe's purchase model, out of time, and predict the horizon after the cutoff.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    result : CutoffResult
        With the purchase models at the cutoff.
    recipe : Recipe
        As in `backtest_at`.

    Returns
    -------
    CutoffResult
        With predictions of the second stage, or why there are none.
    """
    base = first_stage_name(recipe, result)
    if base not in result.predictions:
        return _without_second_stage(result, f"{base}, on which it builds, could not be fitted")
    try:
        stage = train_second_stage(tables, result.cutoff, recipe)
    except InputError as error:
        return _without_second_stage(result, str(error))
    described = describe_everyone(tables, result.cutoff, stage.vocabulary)
    described.index = result.customers.index
    predicted = stage.predict(described, result.predictions[base])
    return replace(result, predictions={**result.predictions, SECOND_STAGE: predicted})


def first_stage_name(recipe: Recipe, result: CutoffResult) -> str:
    """Name the first stage of a recipe at a cutoff: by the clock where the history before the cutoff shows a season."""
    plain = MODEL_NAMES[recipe.purchase_model]
    return in_season(plain) if recipe.season and in_season(plain) in result.predictions else plain


def in_season(model: str) -> str:
    """Name a purchase model that goes by the clock."""
    return f"{model} in season"


def over_cutoffs(results: Sequence[CutoffResult]) -> pd.DataFrame:
    """Return the means of the measures, over the cutoffs at which the model is there and the figure is defined."""
    tables = pd.concat([result.measures for result in results])
    mean = tables.groupby(level="predictor").mean()
    return mean.loc[[name for name in (*MODELS, *BASELINES) if name in mean.index]]


def wins_over_cutoffs(results: Sequence[CutoffResult], models: Sequence[str] = MODELS) -> list[str]:
    """Return a sentence for each measure on which a baseline beats a model, in the mean over the model's cutoffs.

    Parameters
    ----------
    results : sequence of CutoffResult
        One per cutoff.
    models : sequence of str
        Names of the models to compare.
    """
    sentences = []
    for model in models:
        results_with_model = [result for result in results if model in result.predictions]
        if results_with_model:
            table = over_cutoffs(results_with_model)
            sentences += wins(table.loc[[name for name in table.index if name in (model, *BASELINES)]])
    return sentences


def choose_purchase_model(results: Sequence[CutoffResult]) -> tuple[PurchaseModel, str]:
    """Choose the purchase model by the log loss of p_purchase over all cutoffs.

    The model with the lower mean log loss is chosen where the difference, paired by customer and clustered by customer
    over the cutoffs, is more than 1.645 standard errors. Else it is the one with the higher likelihood at the newest
    cutoff: both have as many parameters.

    Parameters
    ----------
    results : sequence of CutoffResult
        One per cutoff.

    Returns
    -------
    tuple of (str, str)
        ``"bg_nbd"`` or ``"mbg_nbd"``, and why.
    """
    paired = [result for result in results if BG in result.predictions and MBG in result.predictions]
    if not paired:
        return _choose_fitted_model(results)
    bought = np.concatenate([result.customers["purchases"].to_numpy(float) > 0 for result in paired])
    of_bg, of_mbg = (
        log_losses(bought, np.concatenate([result.predictions[name]["p_purchase"] for result in paired]))
        for name in (BG, MBG)
    )
    customers = np.concatenate([result.customers["customer_id"].to_numpy(str) for result in paired])
    saved = of_bg - of_mbg
    error = clustered_standard_error(saved, customers)
    losses = (
        f"log loss of p_purchase {of_mbg.mean():.5f} under {MBG} against {of_bg.mean():.5f} under {BG}, over "
        f"{len(saved):,} predictions at {len(paired)} cutoff{'s' * (len(paired) > 1)} (standard error {error:.5f} of "
        "the difference, clustered by customer)"
    )
    if abs(saved.mean()) > ONE_SIDED_95 * error:
        return ("mbg_nbd" if saved.mean() > 0 else "bg_nbd"), losses
    fits = next((result.fits for result in paired if BG in result.fits and MBG in result.fits), {})
    chosen, likelihood = likelier_model({model: fits[name] for model, name in MODEL_NAMES.items() if name in fits})
    return chosen, f"{losses}, no more than chance, and {likelihood}"


def likelier_model(fits: Mapping[PurchaseModel, PurchaseFit]) -> tuple[PurchaseModel, str]:
    """Choose between models fitted on the same customers by their likelihood, BG/NBD where it is the same.

    Returns
    -------
    tuple of (str, str)
        The model, and why.
    """
    values = {model: fit.log_likelihood_per_customer for model, fit in fits.items()}
    bg, mbg = values.get("bg_nbd"), values.get("mbg_nbd")
    if bg is None or mbg is None:
        return "bg_nbd", "there is no likelihood to compare"
    if abs(bg - mbg) < _SAME_LIKELIHOOD:
        return "bg_nbd", f"both models have the same likelihood: {fits['bg_nbd'].name}"
    chosen: PurchaseModel = "mbg_nbd" if mbg > bg else "bg_nbd"
    difference = abs(mbg - bg) * fits["bg_nbd"].customers
    return chosen, f"the log-likelihood of {MODEL_NAMES[chosen]} is higher by {difference:,.2f}"


def _choose_fitted_model(results: Sequence[CutoffResult]) -> tuple[PurchaseModel, str]:
    reasons = {name: why for result in results for name, why in result.left_out.items()}
    if any(MBG in result.predictions for result in results):
        return "mbg_nbd", f"{BG} could not be fitted at any cutoff where {MBG} could: {reasons.get(BG, '')}"
    why = reasons.get(MBG, "there is no cutoff to judge it at")
    return "bg_nbd", f"{MBG} could not be judged beside {BG}: {why}"


def _without_second_stage(result: CutoffResult, why: str) -> CutoffResult:
    return replace(result, left_out={**result.left_out, SECOND_STAGE: why})


def _customers_at(judged: Tables, tables: Tables, cutoff: date, horizon: int) -> pd.DataFrame:
    """Describe the purchases of the judged at the cutoff, with those of the horizon and of as many days before it."""
    end = cutoff + timedelta(days=horizon)
    return summary_with_outcomes(judged, cutoff, horizon, end, kept_by_age(tables, end))
