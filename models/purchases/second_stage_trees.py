"""Growing the second stage's trees: each set corrects one part of the first stage, and is kept only if it does."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy.special import expit, xlogy
from threadpoolctl import threadpool_limits

from models.stats.metrics import clustered_standard_error
from models.stats.normal import ONE_SIDED_95
from models.stats.typing import Floats

Objective = Literal["binary", "poisson", "tweedie"]

MOST_TREES = 150
PATIENCE = 10
LARGE = 20_000
# Rows of each kind (some outcome, none) that a fold must train on, as many as the smallest leaf holds. LightGBM refuses
# a Poisson or Tweedie target whose outcomes are all zero.
FEWEST_OUTCOMES = 20
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
    """Trees as LightGBM text, None where they do not beat the first stage, and the metrics that show it."""

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
        "force_col_wise": True,
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
        ``gain_in_errors`` say by how much. Where a fold has too few outcomes to train on, none are grown, and both
        losses are that of the first stage.
    """
    # The setting num_threads alone does not hold: other calls of LightGBM reset it for the whole process.
    with threadpool_limits(limits=1):
        return _grow(X, target, seed)


def _grow(X: Floats, target: Target, seed: int) -> TargetTrees:
    rows = len(target.y)
    settings = parameters(target.objective, rows, seed)
    fold = np.random.default_rng(seed).permutation(rows) % (3 if rows >= LARGE else 5)
    splits = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(int(fold.max()) + 1)]
    weight = np.ones(rows) if target.weight is None else target.weight / target.weight.mean()
    first = weight * losses(target.objective, target.y, target.offset)
    if not _enough_outcomes(target, [trained for trained, _ in splits]):
        loss = float(first.mean())
        return TargetTrees(None, {"trees": 0.0, "loss_first": loss, "loss": loss, "gain_in_errors": 0.0})
    data = lightgbm.Dataset(X, target.y, weight=target.weight, init_score=target.offset, params=settings)
    cross_validated = lightgbm.cv(
        settings,
        data,
        num_boost_round=MOST_TREES,
        folds=splits,
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
        return_cvbooster=True,
    )
    grown = cast(lightgbm.CVBooster, cross_validated["cvbooster"])
    trees = grown.best_iteration
    out_of_fold = target.offset.copy()
    for booster, (_, held_out) in zip(grown.boosters, splits, strict=True):
        raw = booster.predict(X[held_out], raw_score=True, num_iteration=trees, num_threads=1)
        out_of_fold[held_out] += np.asarray(raw, dtype=float)
    second = weight * losses(target.objective, target.y, out_of_fold)
    gain = float(np.mean(first - second))
    in_errors = gain / max(clustered_standard_error(first - second, np.arange(rows)), np.finfo(float).tiny)
    metrics = {"loss_first": float(first.mean()), "loss": float(second.mean()), "gain_in_errors": in_errors}
    # Kept where the out-of-fold loss falls by more than chance makes it fall.
    if in_errors <= ONE_SIDED_95:
        return TargetTrees(None, {"trees": 0.0, **metrics})
    booster = lightgbm.train(settings, data, num_boost_round=trees)
    return TargetTrees(booster.model_to_string(), {"trees": float(trees), **metrics})


def _enough_outcomes(target: Target, trainings: Sequence[npt.NDArray[np.intp]]) -> bool:
    """Say whether every fold trains on enough rows with an outcome and, of the binary target, without one."""
    happened = target.y > 0
    kinds = (happened, ~happened) if target.objective == "binary" else (happened,)
    return min(int(kind[trained].sum()) for kind in kinds for trained in trainings) >= FEWEST_OUTCOMES


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
