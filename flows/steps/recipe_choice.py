"""What the rolling backtest decides before a retraining fits: the purchase model, and whether it has a second stage."""

from dataclasses import dataclass, replace

from data.errors import InputError
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from models.purchases.fit import MODEL_NAMES
from models.purchases.second_stage_gate import StageVerdict, judge_second_stage
from models.recipe import Recipe
from models.release.rolling import CutoffResult, add_second_stage, backtest_at, choose_purchase_model, rolling_cutoffs

# Horizons that a retraining looks back on; `revealed backtest` goes back further.
CUTS = 2


@dataclass(frozen=True)
class Decision:
    """What was decided, and why.

    Attributes
    ----------
    recipe : Recipe
        With the purchase model and the second stage decided.
    sentences : tuple of str
        What was compared with what, and what came of it; empty where nothing was to be decided.
    stage : StageVerdict or None
        On the second stage; None where it is switched off or cannot be judged.
    """

    recipe: Recipe
    sentences: tuple[str, ...] = ()
    stage: StageVerdict | None = None


def decide(settings: Settings, inputs: Inputs, recipe: Recipe) -> Decision:
    """Let the backtest choose the purchase model where it is asked to, and judge the second stage unless it is off.

    A choice of recipe, not of parameters: the twin, fitted before the newest of these cuts, shares it. The gate then
    judges the twin on days that the choice has seen, which favours it by no more than the bounds beyond chance let.

    Parameters
    ----------
    settings : Settings
        ``purchase_model`` and ``second_stage``.
    inputs : Inputs
        The checked tables and the day.
    recipe : Recipe
        With everything else; the horizon that is looked back by.
    """
    wants_model, wants_stage = settings.purchase_model == "auto", settings.second_stage == "auto"
    if settings.purchase_model != "auto":
        recipe = replace(recipe, purchase_model=settings.purchase_model)
    if not (wants_model or wants_stage):
        return Decision(recipe)
    try:
        cuts = rolling_cutoffs(inputs.intake.first_day, inputs.as_of, recipe.horizon, CUTS)
        with step(f"look back: fit before {' and '.join(map(str, cuts))}, judge after"):
            results = [backtest_at(inputs.tables, cut, recipe, with_second_stage=False) for cut in cuts]
    except InputError as error:
        what = " and ".join(["the purchase model"] * wants_model + ["the second stage"] * wants_stage)
        return Decision(recipe, (f"The backtest cannot decide on {what}: {error}.",))
    sentences: list[str] = []
    if wants_model:
        chosen, why = choose_purchase_model(results)
        recipe = replace(recipe, purchase_model=chosen)
        sentences.append(f"Purchase model: {MODEL_NAMES[chosen]}; {why}.")
    if not wants_stage:
        return Decision(recipe, tuple(sentences))
    with step("judge the second stage"):
        verdict = _judge_stage(inputs, recipe, results)
    return Decision(replace(recipe, second_stage=verdict.used), (*sentences, verdict.why), verdict)


def _judge_stage(inputs: Inputs, recipe: Recipe, results: list[CutoffResult]) -> StageVerdict:
    with_stage = [add_second_stage(inputs.tables, result, recipe) for result in results]
    return judge_second_stage(with_stage, MODEL_NAMES[recipe.purchase_model])
