"""The members of the second stage, and what each adds to the first one: trees for three parts, a regression for one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import lightgbm
import numpy as np
import numpy.typing as npt

from models.purchases.second_stage.cuts import PastCut
from models.purchases.second_stage.levels import level_of_buyers
from models.purchases.second_stage.logistic import fit_logistic
from models.purchases.second_stage.stacking import JudgedOutcomes
from models.purchases.second_stage.trees import Objective, Target, binned, grow
from models.scoring.boosted.trees import Trees
from models.scoring.parameters import LogisticParameters
from models.scoring.second_stage.correction import regression
from models.scoring.second_stage.first import Offsets, second_stage_matrix
from models.stats.typing import Floats

# Who buys, how often those who buy, and at which value.
OBJECTIVES: Mapping[str, Objective] = {"buys": "binary", "purchases": "poisson", "revenue": "tweedie"}
_FOLDS = 3


@dataclass(frozen=True)
class Members:
    """Trees as LightGBM text by part, those that could be grown, and the regression of who buys."""

    boosters: dict[str, str]
    logistic: LogisticParameters


def rows_of(cuts: Sequence[PastCut], names: Sequence[str], seed: int) -> lightgbm.Dataset:
    """Give the customers of past cuts, one cut after the other, as trees read them."""
    return binned(np.vstack([second_stage_matrix(cut.first, cut.described, names) for cut in cuts]), seed)


def fit_members(
    cuts: Sequence[PastCut], everyone: lightgbm.Dataset, seed: int, parts: Collection[str] = tuple(OBJECTIVES)
) -> Members:
    """Fit all members on the customers of some past cuts together.

    Parameters
    ----------
    cuts : sequence of PastCut
        The level of each is set to what was realised, so that the trees only learn to tell customers apart.
    everyone : lightgbm.Dataset
        The customers of the cuts, as `rows_of` gives them.
    seed : int
        Of the trees.
    parts : collection of str
        Those to grow trees of, all unless told.
    """
    boosters = {}
    # Two parts learn of those who bought.
    buyers = everyone.subset(np.flatnonzero(np.concatenate([cut.bought for cut in cuts])).tolist())
    for part in (name for name in OBJECTIVES if name in parts):
        objective = OBJECTIVES[part]
        targets = [at_realised_level(outcomes_of(cut, part)) for cut in cuts]
        weights = [target.weight for target in targets if target.weight is not None]
        y, offset = (np.concatenate([getattr(target, name) for target in targets]) for name in ("y", "offset"))
        target = Target(objective, y, offset, np.concatenate(weights) if weights else None)
        text = grow(everyone if part == "buys" else buyers, target, seed)
        if text is not None:
            boosters[part] = text
    return Members(boosters, fit_logistic(cuts))


def outcomes_of(cut: PastCut, part: str) -> Target:
    """Return what a part predicts of a cut: of everyone who buys, of those who did how often and at which value."""
    offsets, bought = Offsets.of(cut.first), cut.bought
    if part == "buys":
        return Target("binary", bought.astype(float), offsets.buys)
    purchases = cut.purchases[bought]
    if part == "purchases":
        return Target("poisson", purchases - 1.0, offsets.purchases[bought])
    # A purchase whose returns exceed its value counts as one without value. In units of the mean, so that the shrinkage
    # of the leaves does not depend on the currency.
    value = np.maximum(cut.revenue[bought], 0.0) / purchases
    mean = max(float(np.average(value, weights=purchases)), np.finfo(float).tiny)
    return Target("tweedie", value / mean, offsets.revenue[bought] - np.log(mean), purchases)


def at_realised_level(target: Target) -> Target:
    """Move the first stage by a constant, so that its total is the realised one."""
    if target.objective == "binary":
        return replace(target, offset=target.offset + level_of_buyers(target.offset, float(target.y.sum())))
    weight = np.ones(len(target.y)) if target.weight is None else target.weight
    realised, expected = (weight * target.y).sum(), (weight * np.exp(target.offset)).sum()
    return replace(target, offset=target.offset + np.log(realised / expected)) if realised > 0 else target


def judged_out_of_time(
    cuts: Sequence[PastCut], everyone: lightgbm.Dataset, names: Sequence[str], seed: int
) -> dict[str, list[JudgedOutcomes]]:
    """Predict each past cut by members that were fitted on the cuts before it.

    With one cut alone, customers are predicted by members that were fitted on others of the same cut.

    Parameters
    ----------
    cuts : sequence of PastCut
        The newest first.
    everyone : lightgbm.Dataset
        Their customers, as `rows_of` gives them: the classes of a feature's values are those of all cuts, for each fit.
    names : sequence of str
        The features.
    seed : int
        Of the trees and of the folds.

    Returns
    -------
    dict of str to list of JudgedOutcomes
        By part; of "buys" the members are the trees and the regression, of the others the trees.
    """
    if len(cuts) == 1:
        return _judged_across_customers(cuts[0], everyone, names, seed)
    judged: dict[str, list[JudgedOutcomes]] = {part: [] for part in OBJECTIVES}
    ends = np.cumsum([len(cut.described) for cut in cuts]).tolist()
    for number, cut in enumerate(cuts[:-1]):
        members = fit_members(cuts[number + 1 :], everyone.subset(list(range(ends[number], ends[-1]))), seed)
        for part in OBJECTIVES:
            judged[part].append(_judged(cut, part, added_by(members, cut, part, names)))
    return judged


def added_by(members: Members, cut: PastCut, part: str, names: Sequence[str]) -> Floats:
    """Return what each member adds to the first stage of a cut's customers, (n, m), n as in `outcomes_of`."""
    X = _matrix(cut, part, names)
    columns = [np.zeros(len(X))]
    if part in members.boosters:
        columns = [np.asarray(_raw(members.boosters[part], X))]
    if part == "buys":
        columns.append(regression(members.logistic, Offsets.of(cut.first).buys, cut.described))
    return np.column_stack(columns)


def _judged_across_customers(
    cut: PastCut, everyone: lightgbm.Dataset, names: Sequence[str], seed: int
) -> dict[str, list[JudgedOutcomes]]:
    fold = np.random.default_rng(seed).permutation(len(cut.described)) % _FOLDS
    parts = {part: np.zeros((len(fold), 2 if part == "buys" else 1)) for part in OBJECTIVES}
    for number in range(_FOLDS):
        others, held_out = fold != number, _rows(cut, fold == number)
        members = fit_members([_rows(cut, others)], everyone.subset(np.flatnonzero(others).tolist()), seed)
        for part, added in parts.items():
            rows = (fold == number) & (cut.bought | (part == "buys"))
            added[rows] = added_by(members, held_out, part, names)
    bought = cut.bought
    return {part: [_judged(cut, part, added if part == "buys" else added[bought])] for part, added in parts.items()}


def _judged(cut: PastCut, part: str, added: Floats) -> JudgedOutcomes:
    target = outcomes_of(cut, part)
    return JudgedOutcomes(target.y, target.offset, added, target.weight)


def _rows(cut: PastCut, chosen: npt.NDArray[np.bool_]) -> PastCut:
    return replace(cut, described=cut.described[chosen], first=cut.first[chosen])


def _matrix(cut: PastCut, part: str, names: Sequence[str]) -> Floats:
    X = second_stage_matrix(cut.first, cut.described, names)
    return X if part == "buys" else X[cut.bought]


def _raw(text: str, X: Floats) -> Floats:
    return Trees(text).raw_scores(X)
