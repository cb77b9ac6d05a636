"""The first stage of one date: purchase and spend models, by a clock where the recipe has a season."""

from dataclasses import replace
from datetime import date

from features.tables import Tables
from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.purchases.counts import by_day_at
from models.purchases.fit import MODELS, PurchaseFit, fit_purchases_at, fit_with_spend
from models.purchases.season.closures import closed_spells
from models.purchases.season.estimate import SeasonEstimate, by_clock, estimate_clock
from models.purchases.season.total import total_purchases
from models.recipe import PurchaseModel, Recipe
from models.scoring.clock.clock import Clock
from models.scoring.parameters import PurchaseParameters


def fit_first_stage_at(tables: Tables, as_of: date, recipe: Recipe) -> PurchaseFit:
    """Fit the purchase and spend models of a recipe on what was available before a date, once a run.

    By a clock where the recipe has a season and the history before the date shows one; at even pace otherwise.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.
    recipe : Recipe
        Its purchase model, season and country are used.
    """
    fit = fit_in_season(tables, as_of, recipe.purchase_model, recipe.country) if recipe.season else None
    return fit_purchases_at(tables, as_of, recipe.purchase_model) if fit is None else fit


def fit_in_season(
    tables: Tables, as_of: date, purchase_model: PurchaseModel, country: str | None = None
) -> PurchaseFit | None:
    """Fit by the clock, once a run; None where the history before the date shows no season.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.
    purchase_model : "bg_nbd" or "mbg_nbd"
        Which one to fit.
    country : str, optional
        Whose movable feasts the clock knows, such as "DE".
    """
    key = ("fit in season", as_of, purchase_model, country)
    return tables.workspace.once(key, lambda: _fit(tables, as_of, purchase_model, country))


def estimate_season(
    tables: Tables, as_of: date, purchase_model: PurchaseModel, country: str | None = None
) -> SeasonEstimate | None:
    """Estimate the clock of a date, once a run, whether it shows a season or not; see `estimate_clock`."""

    def fit(statistics: SufficientStatistics) -> PurchaseParameters:
        return MODELS[purchase_model]().fit_sufficient_statistics(statistics).parameters

    def estimate() -> SeasonEstimate | None:
        plain = fit_purchases_at(tables, as_of, purchase_model)
        if plain.purchases is None:
            return None
        purchases, repeats = by_day_at(tables, as_of)
        closures = closed_spells(purchases, as_of)
        return estimate_clock(plain.statistics, repeats, as_of, fit, country, closures)

    return tables.workspace.once(("season", as_of, purchase_model, country), estimate)


def _fit(tables: Tables, as_of: date, purchase_model: PurchaseModel, country: str | None) -> PurchaseFit | None:
    estimate = estimate_season(tables, as_of, purchase_model, country)
    if estimate is None or not estimate.is_uneven:
        return None
    plain = fit_purchases_at(tables, as_of, purchase_model)
    inside = by_clock(plain.statistics, Clock(estimate.clock), as_of)
    return replace(fit_with_spend(tables, as_of, inside, purchase_model), clock=estimate.clock)


def season_note(fit: PurchaseFit, horizon: int) -> str:
    """Say what a fit by the clock expects of the whole base in the horizon, and that its time is the clock's."""
    if fit.clock is None or fit.purchases is None:
        raise ValueError("the fit has no clock")
    future = fit.future
    length, error = future.length(horizon), future.error(horizon)
    total = total_purchases(fit.statistics, length, fit.purchases, fit.uncertainty.purchases, error)
    return (
        f"Time goes by the season's clock: the next {horizon} days are {length:.0f} of its days (standard error "
        f"{100 * error:.0f} %). In them these customers are expected to make {total.expected:,.0f} purchases, 90 % "
        f"interval {total.low:,.0f} to {total.high:,.0f}."
    )
