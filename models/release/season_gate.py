"""Whether the purchase model goes by the season's clock: judged by the rolling backtest, beside the model without."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from features.tables import Tables
from models.purchases.fit import MODEL_NAMES
from models.purchases.season.closures import is_open_throughout
from models.purchases.season.estimate import FEWEST_DAYS, LEAST_EVIDENCE
from models.purchases.season.fit import estimate_season, fit_in_season
from models.recipe import Recipe
from models.release.rolling import FIRST_STAGE, CutoffResult, first_stage_name, in_season
from models.scoring.clock.parameters import Closure
from models.stats.metrics import clustered_standard_error, log_losses


@dataclass(frozen=True)
class SeasonVerdict:
    """Whether the season enters the scores, and why.

    Attributes
    ----------
    used : bool
        The verdict.
    why : str
        In one sentence with its figures.
    """

    used: bool
    why: str


def add_season(tables: Tables, result: CutoffResult, recipe: Recipe) -> CutoffResult:
    """Fit the recipe's purchase model by the clock before a cutoff, and predict the horizon after it.

    Returns
    -------
    CutoffResult
        With these predictions where the history before the cutoff shows a season; else as it is.
    """
    name = in_season(MODEL_NAMES[recipe.purchase_model])
    if MODEL_NAMES[recipe.purchase_model] not in result.predictions:
        return result
    fit = fit_in_season(tables, result.cutoff, recipe.purchase_model, recipe.country)
    if fit is None:
        return replace(result, left_out={**result.left_out, name: "the history before the cutoff shows no season"})
    predicted = fit.predict(result.customers, recipe.horizon)
    return replace(result, predictions={**result.predictions, name: predicted}, fits={**result.fits, name: fit})


def as_first_stage(recipe: Recipe, result: CutoffResult) -> CutoffResult:
    """Give the first stage's predictions at a cutoff the name `FIRST_STAGE` as well, whatever model it is there."""
    name = first_stage_name(recipe, result)
    if name not in result.predictions:
        return result
    return replace(result, predictions={**result.predictions, FIRST_STAGE: result.predictions[name]})


def judge_season(tables: Tables, as_of: date, recipe: Recipe, results: Sequence[CutoffResult]) -> SeasonVerdict:
    """Judge whether the season enters: the history must show one, and the clock must have predicted better.

    The history shows a season where its marginal likelihood is at least e^2 times that without one; a spell in which
    the shop was closed for once is judged like one, as the clock stands still then. The clock must then have the lower
    log loss of p_purchase over the cutoffs whose history showed either; all customers of a cutoff share its season, so
    a standard error over customers says nothing of the next one. A cutoff after which the shop was closed for once does
    not count. With no cutoff, as before 15 months of history at a horizon of 90 days, the evidence alone decides.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.
    recipe : Recipe
        With the purchase model.
    results : sequence of CutoffResult
        As `add_season` gives them.
    """
    estimate = estimate_season(tables, as_of, recipe.purchase_model, recipe.country)
    if estimate is None:
        return SeasonVerdict(
            False,
            "Season: none; there is less than a year of history, in which season and trend look alike"
            f" ({FEWEST_DAYS} days of purchases are needed).",
        )
    evidence = f"the log evidence for a season is {estimate.clock.evidence:.1f}, {LEAST_EVIDENCE:g} is needed"
    if not estimate.is_uneven:
        return SeasonVerdict(False, f"Season: none; {evidence}.")
    plain = MODEL_NAMES[recipe.purchase_model]
    closures = estimate.clock.closures
    foretold = [result for result in results if {plain, in_season(plain)} <= set(result.predictions)]
    both = [each for each in foretold if is_open_throughout(closures, each.cutoff, each.horizon)]
    answer = "yes" if estimate.is_season else "none"
    closed = "".join(f" {_told(closure)}" for closure in closures)
    swing = (
        f"the rate of purchases goes from {min(estimate.clock.index):.2f} to {max(estimate.clock.index):.2f} times its "
        "mean over the year"
    )
    if not both:
        lacking = "no cutoff has a year of history"
        if foretold:
            lacking = "the shop was closed after each cutoff that has a year of history"
        return SeasonVerdict(
            True, f"Season: {answer}; {swing}, and {evidence}; {lacking}, so no backtest could judge it.{closed}"
        )
    gains, people = [], []
    for result in both:
        bought = result.customers["purchases"].to_numpy(float) > 0
        without, within = (
            log_losses(bought, result.predictions[name]["p_purchase"].to_numpy(float))
            for name in (plain, in_season(plain))
        )
        gains.append(without - within)
        people.append(result.customers["customer_id"].to_numpy(str))
    gain = float(np.mean([each.mean() for each in gains]))
    error = clustered_standard_error(np.concatenate(gains), np.concatenate(people))
    told = (
        f"over {len(both)} cutoff{'s' * (len(both) > 1)} log loss of p_purchase is {abs(gain):.4f} "
        f"{'lower' if gain > 0 else 'higher'} by the season's clock (standard error {error:.4f}, clustered by customer)"
    )
    if gain <= 0:
        return SeasonVerdict(False, f"Season: no; {told}; {swing}, and {evidence}.")
    return SeasonVerdict(True, f"Season: {answer}; {told}; {swing}, and {evidence}.{closed}")


def _told(closure: Closure) -> str:
    last = date.fromisoformat(closure.start) + timedelta(days=closure.days - 1)
    return (
        f"Nothing was bought from {closure.start} to {last}, though it was on the same days of other years: the shop "
        "is taken to have been closed then, and the clock stands still."
    )
