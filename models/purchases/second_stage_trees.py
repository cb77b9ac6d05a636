"""Growing the second stage's trees: each set corrects one part of the first stage, and is kept only if it does."""

from dataclasses import dataclass
from typing import Any, Literal, cast

import lightgbm
import numpy as np
from scipy.special import expit, xlogy
from threadpoolctl import threadpool_limits

from models.stats.metrics import clustered_standard_error
from models.stats.typing import Floats

Objective = Literal["binary", "poisson", "tweedie"]

MOST_TREES = 150
PATIENCE = 10
# Trees are kept where the out-of-fold loss falls by more than this many standard errors: one-sided 95 %.
BEYOND_NOISE = 1.645
LARGE = 20_000
_TWEEDIE_POWER = 1.5


@dataclass(frozen=True)
class Target:
    """What trees predict, shape (n,) each: outcomes, the first stage on the scale of the link, and weights."""

    objective: Objective
    y: Floats
    offset: Floats
    weight: Floats | None = None


@dataclass(frozen=True)
class TargetTrees:
    """Trees as LightGBM text, None where they were not worth keeping, and the metrics that say so."""

    text: str | None
    metrics: dict[str, float]


def parameters(objective: Objective, rows: int, seed: int) -> dict[str, Any]:
    """LightGBM's parameters: shallow trees, strong shrinkage, half of the features for each tree.

    One thread: the same trees on every run, and another one gains nothing where the machine is busy.
    """
    return {
        "objective": objective,
        "tweedie_variance_power": _TWEEDIE_POWER,
        "learning_rate": 0.1,
        "num_leaves": 16 if rows >= LARGE else 8,
        "min_data_in_leaf": int(np.clip(rows // 200, 20, 200)),
        "feature_fraction": 0.5,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 20.0,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }


def grow_target(X: Floats, target: Target, seed: int) -> TargetTrees:
    """Grow as many trees as cross-validation takes, or none.

    Parameters
    ----------
    X : numpy.ndarray
        (n, k) features, one row a customer; NaN where not defined.
    target : Target
        What to predict.
    seed : int
        Of the folds and of the trees.

    Returns
    -------
    TargetTrees
        Their number minimises the loss out of fold. They are kept where that is lower than the first stage's by more
        than 1.645 standard errors of the difference; ``trees``, ``loss_first``, ``loss`` (mean, out of fold) and
        ``gain_in_errors`` say by how much.
    """
    # The setting num_threads alone does not hold: other calls of LightGBM reset it for the whole process.
    with threadpool_limits(limits=1):
        return _grow(X, target, seed)


def _grow(X: Floats, target: Target, seed: int) -> TargetTrees:
    rows = len(target.y)
    settings = parameters(target.objective, rows, seed)
    data = lightgbm.Dataset(X, target.y, weight=target.weight, init_score=target.offset, params=settings)
    fold = np.random.default_rng(seed).permutation(rows) % (3 if rows >= LARGE else 5)
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(int(fold.max()) + 1)]
    found = lightgbm.cv(
        settings,
        data,
        num_boost_round=MOST_TREES,
        folds=splits,
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        return_cvbooster=True,
    )
    grown = cast(lightgbm.CVBooster, found["cvbooster"])
    trees = grown.best_iteration
    out_of_fold = target.offset.copy()
    for booster, (_, held_out) in zip(grown.boosters, splits, strict=True):
        raw = booster.predict(X[held_out], raw_score=True, num_iteration=trees, num_threads=1)
        out_of_fold[held_out] += np.asarray(raw, dtype=float)
    weight = np.ones(rows) if target.weight is None else target.weight / target.weight.mean()
    first, second = (weight * losses(target.objective, target.y, score) for score in (target.offset, out_of_fold))
    gain = float(np.mean(first - second))
    in_errors = gain / max(clustered_standard_error(first - second, np.arange(rows)), np.finfo(float).tiny)
    metrics = {"loss_first": float(first.mean()), "loss": float(second.mean()), "gain_in_errors": in_errors}
    if in_errors <= BEYOND_NOISE:
        return TargetTrees(None, {"trees": 0.0, **metrics})
    booster = lightgbm.train(settings, data, num_boost_round=trees)
    return TargetTrees(booster.model_to_string(), {"trees": float(trees), **metrics})


def losses(objective: Objective, y: Floats, score: Floats) -> Floats:
    """Return the loss of each row that the trees of an objective minimise, given scores on the scale of the link.

    Log loss; Poisson's and Tweedie's (power 1.5) negative log likelihood without the terms that are free of the score.
    """
    if objective == "binary":
        return np.asarray(-xlogy(y, expit(score)) - xlogy(1.0 - y, expit(-score)))
    if objective == "poisson":
        return np.asarray(np.exp(score) - y * score)
    short = 1.0 - _TWEEDIE_POWER
    return np.asarray(np.exp(score * (short + 1.0)) / (short + 1.0) - y * np.exp(score * short) / short)
