"""What the rolling backtest decides before a retraining: the purchase model and its season."""

from dataclasses import dataclass, replace

from data.errors import InputError
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from models.monitoring.rhythm import REGULAR, gap_variation
from models.purchases.fit import MODEL_NAMES, PurchaseFit, fit_purchases_at
from models.recipe import PurchaseModel, Recipe
from models.release.holdout import sampled_tables
from models.release.rolling import (
    backtest_at,
    choose_purchase_model,
    likelier_model,
    rolling_cutoffs,
)
from models.release.season_gate import add_season, judge_season

# A retraining looks back at this many cutoffs; `revealed backtest` goes back further.
CUTOFFS = 2


@dataclass(frozen=True)
class Decision:
    """The recipe that was decided on, and why.

    Attributes
    ----------
    recipe : Recipe
        With the purchase model and its season decided. A second stage needs no decision: what it counts is a number,
        learned in its training, and may be 0.
    sentences : tuple of str
        What was compared, and the outcome; empty if there was nothing to decide.
    """

    recipe: Recipe
    sentences: tuple[str, ...] = ()


def decide(settings: Settings, inputs: Inputs, recipe: Recipe) -> Decision:
    """Choose the purchase model and judge its season by the backtest, each if its setting is "auto".

    This chooses a recipe, not parameters, and the twin, fitted before the newest of these cutoffs, has the same recipe.
    So the gate judges the twin on days that the choice was made on. The advantage is small: the choice of the purchase
    model requires a difference beyond chance; within chance the likelihood chooses it.

    Parameters
    ----------
    settings : Settings
        ``purchase_model``, ``season`` and ``second_stage``.
    inputs : Inputs
        The checked tables and as_of.
    recipe : Recipe
        All other settings; its horizon is the distance between cutoffs.
    """
    wants = {name: getattr(settings, name) == "auto" for name in ("purchase_model", "season")}
    if settings.purchase_model != "auto":
        recipe = replace(recipe, purchase_model=settings.purchase_model)
    # The customers by whom the gate judges tell it: .986 of 969,000, of three samples of an eighth .987, .988 and .988.
    some = sampled_tables(inputs.tables, inputs.as_of, recipe)
    rhythm = _told_rhythm(gap_variation(some, inputs.as_of))
    # Without a repeat purchase nothing is forecast, and there is nothing to choose: the fit says so.
    has_forecast = _fit(inputs, recipe.purchase_model).purchases is not None
    if not (has_forecast and (any(wants.values()) or rhythm)):
        return Decision(replace(recipe, second_stage=has_forecast and settings.second_stage == "auto"))
    recipe = replace(recipe, second_stage=settings.second_stage == "auto")
    try:
        # Where purchases are regular, one cutoff says which model serves: its fits are those of the twin.
        wanted = CUTOFFS if any(wants.values()) else 1
        cutoffs = rolling_cutoffs(inputs.intake.first_day, inputs.as_of, recipe.horizon, wanted)
        with step(f"look back: fit before {' and '.join(map(str, cutoffs))}, judge after"):
            # The first stage is judged by the customers by whom the gate judges: of a large base a sample. The fits of
            # the newest cutoff are those of the twin, on everyone; further back the sample is learned from, too.
            judged = sampled_tables(inputs.tables, cutoffs[0], recipe)
            learned_from = {each: judged if number else inputs.tables for number, each in enumerate(cutoffs)}
            results = [
                backtest_at(learned_from[each], each, recipe, with_second_stage=False, judged=judged)
                for each in cutoffs
            ]
    except InputError as error:
        undecided = " and ".join(f"the {name.replace('_', ' ')}" for name, is_wanted in wants.items() if is_wanted)
        why_not = [f"The backtest cannot decide on {undecided}: {error}."] if undecided else []
        if not wants["purchase_model"]:
            return Decision(recipe, (*rhythm, *why_not))
        chosen, why = likelier_model({model: _fit(inputs, model) for model in MODEL_NAMES})
        recipe = replace(recipe, purchase_model=chosen)
        return Decision(recipe, (*rhythm, *why_not, _chosen(inputs, chosen, why)))
    sentences = [*rhythm]
    chosen, why = choose_purchase_model(results)
    if wants["purchase_model"]:
        recipe = replace(recipe, purchase_model=chosen)
        sentences.append(_chosen(inputs, chosen, why))
    elif chosen != recipe.purchase_model:
        sentences.append(
            f'Purchase model: {MODEL_NAMES[recipe.purchase_model]}, as set; purchase_model = "auto" would take '
            f"{MODEL_NAMES[chosen]}: {why}."
        )
    if wants["season"]:
        with step("judge the season"):
            results = [add_season(learned_from[result.cutoff], result, recipe) for result in results]
            season = judge_season(inputs.tables, inputs.as_of, recipe, results)
        recipe = replace(recipe, season=season.used)
        sentences.append(season.why)
    return Decision(recipe, tuple(sentences))


def _fit(inputs: Inputs, model: PurchaseModel) -> PurchaseFit:
    return fit_purchases_at(inputs.tables, inputs.as_of, model)


def _chosen(inputs: Inputs, model: PurchaseModel, why: str) -> str:
    """Say in a sentence which model was chosen, what its fit is today, and why it was chosen."""
    fitted = _fit(inputs, model).name
    limit = "" if fitted == MODEL_NAMES[model] else f", which here is {fitted}"
    return f"Purchase model: {MODEL_NAMES[model]}{limit}; {why}."


def _told_rhythm(variation: float | None) -> tuple[str, ...]:
    """Say that purchases are regular, where they are."""
    if variation is None or variation >= REGULAR:
        return ()
    return (
        f"Customers buy at regular times, as subscribers do: a customer's gaps vary by {100 * variation:.0f} % of "
        "their mean, where the models expect random times, 100 %. So they wait too long before they give one up, "
        "and more have left than they say: look at the backtest before relying on p_alive and p_purchase.",
    )
