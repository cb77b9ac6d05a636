"""What a backtest does, as plain functions: fit before each cut, judge after it, decide as a retraining would."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from data.errors import InputError
from flows.settings import Settings
from flows.steps.fitting import make_recipe
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from models.purchases.fit import MODEL_NAMES
from models.purchases.second_stage_gate import StageVerdict, judge_second_stage
from models.recipe import Recipe
from models.release.rolling import CutoffResult, add_second_stage, backtest_at, choose_purchase_model, rolling_cutoffs


@dataclass(frozen=True)
class Backtested:
    """What a backtest found.

    Attributes
    ----------
    recipe : Recipe
        With the purchase model that the second stage stands on: the one set, or the one that was chosen.
    results : sequence of CutoffResult
        The newest cut first.
    automatic : str
        The purchase model that ``purchase_model = "auto"`` takes, and why.
    stage : StageVerdict
        Whether the second stage would enter the scores, and why.
    """

    recipe: Recipe
    results: Sequence[CutoffResult]
    automatic: str
    stage: StageVerdict


def look_back(settings: Settings, inputs: Inputs) -> Backtested:
    """Fit every model before each cut and judge it on the horizon after it.

    Parameters
    ----------
    settings : Settings
        ``horizon``, ``backtest_cuts``, ``purchase_model``, and what else belongs to a recipe.
    inputs : Inputs
        The checked tables and the day.

    Raises
    ------
    InputError
        Where the history is shorter than two horizons, or no purchase model can be fitted before any cut.
    """
    recipe = make_recipe(settings, inputs)
    cuts = rolling_cutoffs(inputs.intake.first_day, inputs.as_of, recipe.horizon, settings.backtest_cuts)
    results = []
    for cut in cuts:
        with step(f"fit purchases and spend before {cut}, judge them on the {recipe.horizon} days after it"):
            results.append(backtest_at(inputs.tables, cut, recipe, with_second_stage=False))
    if not any(result.predictions for result in results):
        reasons = "\n".join(f"{name} before {r.cut}: {why}" for r in results for name, why in r.left_out.items())
        raise InputError(f"no purchase model could be fitted before any cut:\n{reasons}")
    chosen, why = choose_purchase_model(results)
    taken = chosen if settings.purchase_model == "auto" else settings.purchase_model
    recipe = replace(recipe, purchase_model=taken)
    with step("train the second stage before each cut and judge it"):
        results = [add_second_stage(inputs.tables, result, recipe) for result in results]
        stage = judge_second_stage(results, MODEL_NAMES[taken])
    return Backtested(recipe, results, f"{MODEL_NAMES[chosen]}: {why}.", stage)
