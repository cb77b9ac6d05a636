"""Trees for the NPS category, grown so that a few hundred answers do not teach them noise: a score, and two cuts.

Their number is chosen out of fold. The trees of all folds grow in step and stop together, once more of them no longer
help.
"""

from dataclasses import dataclass
from typing import Any, Literal

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from scipy.stats import rankdata

from models.stats.metrics import log_losses
from models.stats.typing import Floats, Integers

Objective = Literal["regression", "binary"]

# Numbers of boosting rounds that compete. The loss is flat between neighbours: a finer choice would only fit noise.
ROUNDS = (10, 20, 30, 45, 65, 95, 140, 200, 280, 400, 560, 800)
# So many steps without a lower loss end the growing.
PATIENCE = 2


def parameters(objective: Objective, answers: int, seed: int, threads: int) -> dict[str, Any]:
    """LightGBM's parameters: few leaves, strong shrinkage, half of the features for each tree, no class weights.

    Class weights would move the NPS of the base by many points. `deterministic` and `force_row_wise` make the trees
    the same on every run. The leaves grow with the number of answers.
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
        "force_row_wise": True,
        "num_threads": threads,
        "seed": seed,
        "verbosity": -1,
    }


def ridits(level: npt.NDArray[np.integer]) -> Floats:
    """Return the ridit of each answer: the share below plus half of the share equal (Bross 1958, Biometrics 14)."""
    return np.asarray((rankdata(level) - 0.5) / max(len(level), 1))


@dataclass(frozen=True)
class Trees:
    """Trees of one target.

    Attributes
    ----------
    raw
        (n,) raw scores by trees that never saw the row's customer.
    fold
        (n,) fold of each row.
    start
        (folds + 1,) raw score that the trees grown without each fold start from, and that of trees on all rows.
    rounds
        How many to grow on all rows.
    of_fold
        (folds,) LightGBM text of the trees grown without each fold.
    """

    raw: Floats
    fold: Integers
    start: Floats
    rounds: int
    of_fold: tuple[str, ...]

    def seen_from(self, k: int) -> Floats:
        """Return the raw scores (n,) as if all trees had started where those without fold k did (-1: those on all).

        Trees start from the mean of the answers they saw, which is low where the fold held out is high. What is fitted
        to raw scores of several folds would learn that, and so the held-out answers themselves.
        """
        return np.asarray(self.raw - self.start[self.fold] + self.start[k])


def grow(X: Floats, target: Floats, objective: Objective, rounds: int, seed: int, threads: int) -> str:
    """Grow trees on (n, k) features and (n,) targets; as LightGBM text."""
    settings = parameters(objective, len(target), seed, threads)
    return lightgbm.train(settings, lightgbm.Dataset(X, target), num_boost_round=rounds).model_to_string()


def grow_out_of_fold(X: Floats, target: Floats, objective: Objective, fold: Integers, seed: int, threads: int) -> Trees:
    """Grow trees once per fold and choose their number by the loss out of fold.

    A fold's own number of rounds is chosen on the other folds' losses, so that choosing adds no optimism to its scores.
    """
    folds = int(fold.max()) + 1
    boosters = []
    for k in range(folds):
        settings = parameters(objective, int((fold != k).sum()), seed, threads)
        data = lightgbm.Dataset(X[fold != k], target[fold != k], params=settings)
        boosters.append(lightgbm.Booster(settings, data))
    path: list[Floats] = []
    losses: list[Floats] = []
    for start, end in zip((0, *ROUNDS), ROUNDS, strict=False):
        raw = np.zeros(len(target)) if not path else path[-1].copy()
        for k, booster in enumerate(boosters):
            for _ in range(end - start):
                booster.update()
            # Scores of trees add up, so each tree is visited once.
            held_out = fold == k
            added = booster.predict(
                X[held_out], raw_score=True, start_iteration=start, num_iteration=end - start, num_threads=threads
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
    """Squared error or log loss of each row."""
    if objective == "regression":
        return np.asarray((target - raw) ** 2)
    return log_losses(target > 0, expit(raw))


def _start(objective: Objective, target: Floats) -> float:
    """Raw score that trees start from: the mean, as log odds where the target is a flag."""
    mean = float(target.mean())
    if objective == "regression":
        return mean
    return float(logit(np.clip(mean, 0.5 / len(target), 1.0 - 0.5 / len(target))))
