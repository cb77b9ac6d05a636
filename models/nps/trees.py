"""Trees for the NPS category, regularised for a few hundred answers: on a score, or on the flags of two cut points.

Their number is chosen out of fold. The trees of all folds grow in step and stop together once more trees no longer
help.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from models.stats.boosting import ONE_BY_ONE
from models.stats.metrics import log_losses
from models.stats.typing import Floats, Integers

Objective = Literal["regression", "binary"]

# Numbers of boosting rounds to choose from. The loss is flat between neighbours: a finer choice would only fit noise.
ROUNDS = (10, 20, 30, 45, 65, 95, 140, 200, 280, 400, 560, 800)
# Growing ends after so many steps without a lower loss. With two, the number of trees is the same in 34 of 36 simulated
# surveys of 500 to 9,700 answers, and growing takes a quarter to a third longer (benchmarks/README.md).
PATIENCE = 1


def parameters(objective: Objective, answers: int, seed: int) -> dict[str, Any]:
    """Return LightGBM's parameters: few leaves, strong shrinkage, half of the features for each tree, no class weights.

    Class weights would shift the NPS of the base by many points. `deterministic` and `force_col_wise` make the trees
    the same on every run; histograms by column cost half of those by row, as a tree sees half of the features. The
    number of leaves grows with the number of answers.
    """
    return {
        "objective": objective,
        "learning_rate": 0.05,
        "num_leaves": int(np.clip(answers // 2500, 4, 16)),
        "min_data_in_leaf": int(np.clip(answers // 200, 20, 100)),
        "feature_fraction": 0.5,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 20.0,
        "max_bin": 63,
        "deterministic": True,
        "force_col_wise": True,
        **ONE_BY_ONE,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }


def ridits(level: npt.NDArray[np.integer]) -> Floats:
    """Return the ridit of each answer: the share below plus half of the share equal (Bross 1958, Biometrics 14)."""
    return np.asarray((pd.Series(level).rank().to_numpy(float) - 0.5) / max(len(level), 1))


@dataclass(frozen=True)
class Trees:
    """Trees of one target.

    Attributes
    ----------
    raw
        (n,) raw scores from trees grown without the row's customer.
    fold
        (n,) fold of each row.
    start
        (folds + 1,) raw score that the trees without each fold start from, and that of the trees on all rows.
    rounds
        Number of rounds to grow on all rows.
    of_fold
        (folds,) LightGBM text of the trees grown without each fold.
    """

    raw: Floats
    fold: Integers
    start: Floats
    rounds: int
    of_fold: tuple[str, ...]

    def raw_without(self, k: int) -> Floats:
        """Return the raw scores (n,) as if all trees had started where those without fold k did (-1: on all rows).

        Trees start from the mean of their training answers, which is low where the held-out answers are high. A model
        fitted to raw scores of several folds would learn that difference, and with it the held-out answers.
        """
        return np.asarray(self.raw - self.start[self.fold] + self.start[k])


def grow(X: Floats, target: Floats, objective: Objective, rounds: int, seed: int) -> str:
    """Grow trees on (n, k) features and (n,) targets; return LightGBM text."""
    settings = parameters(objective, len(target), seed)
    return lightgbm.train(settings, lightgbm.Dataset(X, target), num_boost_round=rounds).model_to_string()


@dataclass(frozen=True)
class FoldedRows:
    """Rows to grow trees on out of fold, of several targets one after the other: LightGBM reads them once for all.

    Attributes
    ----------
    X, fold
        (n, k) features; (n,) fold of each row.
    seed
        Of the trees.
    """

    X: Floats
    fold: Integers
    seed: int

    @cached_property
    def without_fold(self) -> list[lightgbm.Dataset]:
        """The rows without each fold, as trees read them; how depends on no target."""
        kept = [self.X[self.fold != k] for k in range(int(self.fold.max()) + 1)]
        return [
            lightgbm.Dataset(X, np.zeros(len(X)), params=parameters("regression", len(X), self.seed)).construct()
            for X in kept
        ]


def grow_out_of_fold(rows: FoldedRows, target: Floats, objective: Objective) -> Trees:
    """Grow trees once per fold and choose their number by the loss out of fold.

    The number of rounds of a fold is chosen on the losses of the other folds, so that the choice adds no optimism.
    """
    X, fold = rows.X, rows.fold
    boosters = []
    for k, data in enumerate(rows.without_fold):
        data.set_label(target[fold != k])
        boosters.append(lightgbm.Booster(parameters(objective, data.num_data(), rows.seed), data))
    folds = len(boosters)
    path: list[Floats] = []
    losses: list[Floats] = []
    for start, end in zip((0, *ROUNDS), ROUNDS, strict=False):
        raw = np.zeros(len(target)) if not path else path[-1].copy()
        for k, booster in enumerate(boosters):
            for _ in range(end - start):
                booster.update()
            # Scores of trees add up, so only the new trees are evaluated.
            held_out = fold == k
            added = booster.predict(
                X[held_out], raw_score=True, start_iteration=start, num_iteration=end - start, num_threads=1
            )
            raw[held_out] += np.asarray(added, dtype=float)
        path.append(raw)
        losses.append(_losses(objective, target, raw))
        if len(path) - 1 - int(np.argmin([loss.mean() for loss in losses])) >= PATIENCE:
            break
    loss = np.array(losses)
    chosen = [int(np.argmin(loss[:, fold != k].mean(axis=1))) for k in range(folds)]
    masks = [fold != k for k in range(folds)] + [fold >= 0]
    return Trees(
        fold=fold,
        start=np.array([_start(objective, target[rows]) for rows in masks]),
        raw=np.array(path)[np.asarray(chosen)[fold], np.arange(len(target))],
        rounds=ROUNDS[int(np.argmin(loss.mean(axis=1)))],
        of_fold=tuple(
            booster.model_to_string(num_iteration=ROUNDS[step]) for booster, step in zip(boosters, chosen, strict=True)
        ),
    )


def _losses(objective: Objective, target: Floats, raw: Floats) -> Floats:
    """Return the squared error or log loss of each row."""
    if objective == "regression":
        return np.asarray((target - raw) ** 2)
    return log_losses(target > 0, expit(raw))


def _start(objective: Objective, target: Floats) -> float:
    """Return the raw score that trees start from: the mean, as log odds where the target is a flag."""
    mean = float(target.mean())
    if objective == "regression":
        return mean
    return float(logit(np.clip(mean, 0.5 / len(target), 1.0 - 0.5 / len(target))))
