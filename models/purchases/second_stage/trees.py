"""Growing the second stage's trees: each set corrects one part of the first stage."""

from dataclasses import dataclass
from typing import Any, Literal

import lightgbm
import numpy as np
from scipy.special import expit, xlogy
from threadpoolctl import threadpool_limits

from models.stats.boosting import ONE_BY_ONE
from models.stats.typing import Floats

Objective = Literal["binary", "poisson", "tweedie"]

# As many as served best of 30 to 240 on the shops of benchmarks/purchases/second_stage.py; where they are too many, the
# weight that is stacked shrinks them.
TREES = 60
LARGE = 20_000
# Of a feature's values trees see 63 classes, found on a sample of the rows. With LightGBM's 255 classes, found on all
# rows, the log loss of later dates is .0001 higher at 20,000 simulated customers, and the same where only purchases are
# given, at 1.15 times the processor seconds.
BINS, ROWS_TO_FIND_BINS = 63, 10_000
# Rows of each kind (some outcome, none), as many as the smallest leaf holds. LightGBM refuses a Poisson or Tweedie
# target whose outcomes are all zero.
FEWEST_OUTCOMES = 20
_TWEEDIE_POWER = 1.5


@dataclass(frozen=True)
class Target:
    """What trees predict, shape (n,) each: outcomes, the first stage on the scale of the link, and weights."""

    objective: Objective
    y: Floats
    offset: Floats
    weight: Floats | None = None


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
        "max_bin": BINS,
        "bin_construct_sample_cnt": ROWS_TO_FIND_BINS,
        # What is too rare to split all rows may split some of them.
        "feature_pre_filter": False,
        "deterministic": True,
        "force_col_wise": True,
        **ONE_BY_ONE,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }


def grow(rows: lightgbm.Dataset, target: Target, seed: int) -> str | None:
    """Grow trees that start from the first stage.

    Parameters
    ----------
    rows : lightgbm.Dataset
        Of n customers, as `binned` gives them, or a subset. They serve several targets, one after the other.
    target : Target
        What to predict.
    seed : int
        Of the trees.

    Returns
    -------
    str or None
        LightGBM's text; None where there are too few outcomes to grow trees from.
    """
    happened = target.y > 0
    kinds = (happened, ~happened) if target.objective == "binary" else (happened,)
    if min(int(kind.sum()) for kind in kinds) < FEWEST_OUTCOMES:
        return None
    settings = parameters(target.objective, len(target.y), seed)
    # The setting num_threads alone does not hold: other calls of LightGBM reset it for the whole process.
    with threadpool_limits(limits=1):
        rows.construct().set_label(target.y).set_weight(target.weight).set_init_score(target.offset)
        return str(lightgbm.train(settings, rows, num_boost_round=TREES).model_to_string())


def binned(X: Floats, seed: int) -> lightgbm.Dataset:
    """Put (n, k) features, NaN where not defined, into bins, as trees of every objective and of any rows read them.

    This takes a quarter of what growing trees on them takes; to choose some of the rows afterwards, next to nothing.
    """
    with threadpool_limits(limits=1):
        return lightgbm.Dataset(X, np.zeros(len(X)), params=parameters("binary", len(X), seed)).construct()


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


def slopes(objective: Objective, y: Floats, score: Floats) -> Floats:
    """Return the derivative of `losses` by the score."""
    if objective == "binary":
        return np.asarray(expit(score) - y)
    if objective == "poisson":
        return np.asarray(np.exp(score) - y)
    short = 1.0 - _TWEEDIE_POWER
    return np.asarray(np.exp(score * (short + 1.0)) - y * np.exp(score * short))
