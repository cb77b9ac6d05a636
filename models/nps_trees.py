"""Small multiclass trees for the NPS category, grown so that a few hundred answers do not teach them noise."""

from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax

from models.nps_folds import customer_folds as customer_folds

Array = npt.NDArray[np.float64]
Categories = npt.NDArray[np.int64]

# Numbers of boosting rounds that compete. The loss is flat between neighbours: a finer choice would only fit noise.
ROUNDS = (10, 20, 40, 60, 80, 120, 160, 240, 320)


def parameters(answers: int, seed: int, threads: int) -> dict[str, Any]:
    """LightGBM's parameters: four leaves, strong shrinkage, three features in ten for each tree, no class weights.

    Class weights would move the NPS of the base by many points. `deterministic` and `force_row_wise` make the trees
    the same on every run. The leaves grow with the number of answers.
    """
    return {
        "objective": "multiclass",
        "num_class": 3,
        "learning_rate": 0.05,
        "num_leaves": 4 if answers < 5000 else 8,
        "min_data_in_leaf": 20,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.5,
        "bagging_freq": 1,
        "lambda_l2": 20.0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "seed": seed,
        "verbosity": -1,
    }


def grow_trees(X: Array, y: Categories, rounds: int, seed: int, threads: int) -> lightgbm.Booster:
    """Grow `rounds` trees per class on (n, k) features and (n,) categories."""
    return lightgbm.train(parameters(len(y), seed, threads), lightgbm.Dataset(X, y), num_boost_round=rounds)


@dataclass(frozen=True)
class OutOfFold:
    """Raw scores (n, 3) of trees that never saw the row's customer, and the rounds to grow on all rows."""

    raw: Array
    rounds: int


def out_of_fold_scores(X: Array, y: Categories, fold: Categories, seed: int, threads: int) -> OutOfFold:
    """Grow trees once per fold and choose their number by out-of-fold log loss.

    A fold's own number of rounds is chosen on the other folds' losses, so that choosing adds no optimism to its scores.
    """
    folds = int(fold.max()) + 1
    path = np.empty((len(ROUNDS), len(y), 3))
    for k in range(folds):
        held_out = fold == k
        booster = grow_trees(X[~held_out], y[~held_out], ROUNDS[-1], seed, threads)
        path[:, held_out] = _path_of_scores(booster, X[held_out], threads)
    losses = -np.take_along_axis(log_softmax(path, axis=2), y[None, :, None], axis=2)[:, :, 0]
    chosen = [int(np.argmin(losses[:, fold != k].mean(axis=1))) for k in range(folds)]
    raw = path[np.asarray(chosen)[fold], np.arange(len(y))]
    return OutOfFold(raw=raw, rounds=ROUNDS[int(np.argmin(losses.mean(axis=1)))])


def _path_of_scores(booster: lightgbm.Booster, X: Array, threads: int) -> Array:
    """Raw scores (rounds, n, 3) after each number in `ROUNDS`; scores of trees add up, so each tree is visited once."""
    steps = np.diff((0, *ROUNDS))
    starts = np.asarray(ROUNDS) - steps
    path = np.empty((len(ROUNDS), len(X), 3))
    for i, (start, step) in enumerate(zip(starts, steps, strict=True)):
        scores = booster.predict(
            X, raw_score=True, start_iteration=int(start), num_iteration=int(step), num_threads=threads
        )
        path[i] = np.asarray(scores, dtype=float)
    return np.cumsum(path, axis=0)
