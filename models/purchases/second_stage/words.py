"""What is told of a second stage: what it counts, how it served at past cuts, and where its levels come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from scipy.special import expit

from models.purchases.second_stage.levels import Bias, lasting_bias, level_of_buyers
from models.purchases.second_stage.stacking import JudgedOutcomes
from models.recipe import Recipe
from models.stats.metrics import auc, log_losses
from models.stats.typing import Floats

# Smaller corrections of a level would be told as a factor of 1.00.
_TOLD = 0.005


@dataclass(frozen=True)
class Learned:
    """What a second stage learned, and from which past cuts (the newest first)."""

    recipe: Recipe
    cuts: Sequence[date]
    weights: Mapping[str, float]
    metrics: Mapping[str, float]
    biases: Mapping[int, Sequence[Bias]]


def figures_at_past_cuts(judged: Sequence[JudgedOutcomes], weights: Mapping[str, float]) -> dict[str, float]:
    """Return log loss and AUC of who buys, of either stage, means over the cuts at which the weights were stacked.

    The log loss is that at the realised level, so that both figures tell how well customers are told apart.
    """
    of_members = np.array([weights["buys"], weights["logistic"]])
    figures: dict[str, list[float]] = {}
    for each in judged:
        bought = each.y > 0
        for stage, score in (("first", each.offset), ("second", each.offset + each.members @ of_members)):
            p = expit(score + level_of_buyers(score, float(bought.sum())))
            figures.setdefault(f"log_loss_{stage}", []).append(float(log_losses(bought, p).mean()))
            figures.setdefault(f"auc_{stage}", []).append(auc(bought, p))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def in_words(learned: Learned) -> str:
    """Tell in sentences what the second stage counts, and why."""
    return " ".join([_who_buys(learned), *_further(learned.weights), *_levels(learned)])


def _who_buys(learned: Learned) -> str:
    trees, line = learned.weights["buys"], learned.weights["logistic"]
    m, cuts = learned.metrics, learned.cuts
    judged = cuts[:-1] or cuts
    shown = " and ".join(map(str, judged))
    how = (
        f"stacked by log loss at {shown}, from members that learned before"
        if len(cuts) > 1
        else f"stacked by log loss across the customers of {shown}, the only past cut, and halved"
    )
    figures = (
        f"there, levels apart, log loss of p_purchase is {m['log_loss_second']:.4f} against {m['log_loss_first']:.4f} "
        f"of the first stage, AUC {m['auc_second']:.3f} against {m['auc_first']:.3f}"
    )
    if trees + line == 0.0:
        return f"Second stage: who buys is told by the first stage alone; trees and a regression count 0, {how}."
    return (
        f"Second stage: who buys is told by the first stage with weight {1.0 - trees - line:.2f}, by trees with "
        f"{trees:.2f} and by a logistic regression with {line:.2f}, {how}; {figures}."
    )


def _further(weights: Mapping[str, float]) -> list[str]:
    counted = [
        f"{weights[part]:.2f} for {words}"
        for part, words in (("purchases", "further purchases"), ("revenue", "the value of a purchase"))
        if weights[part] > 0
    ]
    return [f"Trees count {' and '.join(counted)}."] if counted else []


def _levels(learned: Learned) -> list[str]:
    """Tell, horizon by horizon, whose level the figures have."""
    recipe = learned.recipe
    figures: dict[int, list[tuple[str, str, int]]] = {}
    for days, column, total, place in (
        (recipe.horizon, "p_purchase", "buyers", 0),
        (recipe.churn_horizon, "p_churn", "buyers", 0),
        (recipe.clv_horizon, "clv", "value", 2),
    ):
        figures.setdefault(days, []).append((column, total, place))
    return [_level(days, shown, learned.biases[days]) for days, shown in figures.items()]


def _level(days: int, shown: Sequence[tuple[str, str, int]], biases: Sequence[Bias]) -> str:
    columns = " and ".join(column for column, _, _ in shown)
    verb = "keep" if len(shown) > 1 else "keeps"
    if not biases:
        return f"No past cut tells the level over {days} days, so {columns} {verb} the first stage's."
    lasting: Floats = lasting_bias(biases)
    moved = [f"{total} x {np.exp(lasting[place]):.2f}" for _, total, place in shown if abs(lasting[place]) >= _TOLD]
    at = f"{len(biases)} past cut{'s' * (len(biases) > 1)} of {days} days"
    if not moved:
        return f"{at[0].upper()}{at[1:]} showed no bias that lasts, so {columns} {verb} the first stage's level."
    return (
        f"The level of {columns} is the first stage's with {' and '.join(moved)}: what is to last of its bias at {at}."
    )
