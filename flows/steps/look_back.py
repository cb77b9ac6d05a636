"""The steps of a backtest: fit before each cutoff, judge after it, decide as a retraining would."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.errors import InputError
from flows.settings import Settings
from flows.steps.fitting import make_recipe
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from models.purchases.fit import MODEL_NAMES
from models.purchases.second_stage.comparison import StageComparison, compare_stages
from models.recipe import Recipe
from models.release.rolling import (
    FIRST_STAGE,
    CutoffResult,
    add_second_stage,
    backtest_at,
    choose_purchase_model,
    rolling_cutoffs,
)
from models.release.season_gate import SeasonVerdict, add_season, as_first_stage, judge_season


@dataclass(frozen=True)
class Backtested:
    """The result of a backtest.

    Attributes
    ----------
    recipe : Recipe
        With the purchase model that the second stage builds on: the one set, or the one that was chosen.
    results : sequence of CutoffResult
        The newest cutoff first.
    automatic : str
        The purchase model that ``purchase_model = "auto"`` chooses, and why.
    stage : StageComparison
        How the second stage served beside the first.
    season : SeasonVerdict or None
        The same of the season's clock; None where it is switched off.
    """

    recipe: Recipe
    results: Sequence[CutoffResult]
    automatic: str
    stage: StageComparison
    season: SeasonVerdict | None = None


def look_back(settings: Settings, inputs: Inputs) -> Backtested:
    """Fit every model before each cutoff and judge it on the horizon after it.

    Parameters
    ----------
    settings : Settings
        ``horizon``, ``backtest_cuts``, ``purchase_model``, and the other settings that belong to a recipe.
    inputs : Inputs
        The checked tables and as_of.

    Raises
    ------
    InputError
        If the history is shorter than two horizons, or no purchase model can be fitted before any cutoff.
    """
    recipe = make_recipe(settings, inputs)
    cutoffs = rolling_cutoffs(inputs.intake.first_day, inputs.as_of, recipe.horizon, settings.backtest_cuts)
    results = []
    for cutoff in cutoffs:
        with step(f"fit purchases and spend before {cutoff}, judge them on the {recipe.horizon} days after it"):
            results.append(backtest_at(inputs.tables, cutoff, recipe, with_second_stage=False))
    if not any(result.predictions for result in results):
        reasons = "\n".join(f"{name} before {r.cutoff}: {why}" for r in results for name, why in r.left_out.items())
        raise InputError(f"no purchase model could be fitted before any cutoff:\n{reasons}")
    chosen, why = choose_purchase_model(results)
    model = chosen if settings.purchase_model == "auto" else settings.purchase_model
    recipe = replace(recipe, purchase_model=model)
    season = None
    if settings.season == "auto":
        with step("fit by the season before each cutoff and judge it"):
            results = [add_season(inputs.tables, result, recipe) for result in results]
            season = judge_season(inputs.tables, inputs.as_of, recipe, results)
        recipe = replace(recipe, season=season.used)
    with step("train the second stage before each cutoff and judge it"):
        results = [add_second_stage(inputs.tables, result, recipe) for result in results]
        stage = compare_stages([as_first_stage(recipe, result) for result in results], FIRST_STAGE)
    return Backtested(recipe, results, f"{MODEL_NAMES[chosen]}: {why}.", stage, season)
