"""The candidate models of who answers: logistic regressions on logarithms, boosted trees, and trees on a regression."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import lightgbm
import numpy as np
from sklearn.linear_model import LogisticRegression

from models.stats.typing import Flags, Floats, Integers

# Rows (n, k) -> log odds (n,).
Model = Callable[[Floats], Floats]
# Rows, whether each answered, and a seed.
Fit = Callable[[Floats, Flags, int], Model]

# Inverses of the ridge penalty on standardised features: with few answers the smaller one wins, with many the larger.
RIDGE_C = 0.1
WEAK_RIDGE_C = 3.0
# A customer ten standard deviations from the mean is not ten times as informative as one at one standard deviation.
LARGEST_STANDARD_VALUE = 4.0
# With fewer answers trees overfit.
FEWEST_ANSWERS_FOR_TREES = 1000
ROUNDS, FEWER_ROUNDS = 100, 50


def candidates(answers: int) -> Mapping[str, Fit]:
    """Give the candidate models for so many answers, by name."""
    regressions: dict[str, Fit] = {"strong ridge": _strong_ridge, "weak ridge": _weak_ridge}
    if answers < FEWEST_ANSWERS_FOR_TREES:
        return regressions
    return {**regressions, "trees": _trees, "trees on the regression": _trees_on_regression}


@dataclass(frozen=True)
class Columns:
    """Columns of a regression, made of features: counts and amounts as logarithms, missing values, one scale.

    Of a feature that is nowhere negative and somewhere above 1 the model takes log(1 + x): a customer with twenty
    visits is to one with ten as one with ten is to one with five. A missing value becomes the median, with a flag of
    its own.

    Attributes
    ----------
    is_amount, has_gaps
        (k,) which features enter as logarithms, and which have a flag.
    median
        (k,) of the features.
    centre, scale
        (k + flags,) mean and standard deviation of the columns.
    """

    is_amount: Flags
    has_gaps: Flags
    median: Floats
    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, X: Floats) -> "Columns":
        """Learn the columns of features (n, k), NaN where not defined."""
        is_amount = (np.nanmin(X, axis=0, initial=np.inf) >= 0.0) & (np.nanmax(X, axis=0, initial=-np.inf) > 1.0)
        has_gaps: Flags = np.asarray(np.isnan(X).any(axis=0))
        median = np.nan_to_num(np.nanmedian(np.where(np.isnan(X).all(axis=0), 0.0, X), axis=0))
        unscaled = cls(is_amount, has_gaps, median, np.zeros(1), np.ones(1))
        Z = unscaled._filled(X)
        scale = Z.std(axis=0)
        return cls(is_amount, has_gaps, median, Z.mean(axis=0), np.where(scale > 0.0, scale, 1.0))

    @property
    def source(self) -> Integers:
        """(k + flags,) which feature each column is made of."""
        return np.concatenate([np.arange(len(self.has_gaps)), np.flatnonzero(self.has_gaps)])

    def standardised(self, X: Floats) -> Floats:
        """Give the columns (n, k + flags) of features (n, k)."""
        limit = LARGEST_STANDARD_VALUE
        return np.asarray(np.clip((self._filled(X) - self.centre) / self.scale, -limit, limit))

    def _filled(self, X: Floats) -> Floats:
        missing = np.isnan(X)
        Z = np.where(missing, self.median, X)
        Z[:, self.is_amount] = np.log1p(np.maximum(Z[:, self.is_amount], 0.0))
        return np.hstack([Z, missing[:, self.has_gaps]])


def regression(X: Floats, R: Flags, ridge_c: float) -> Model:
    """Ridge logistic regression on `Columns`."""
    columns = Columns.of(X)
    fitted = LogisticRegression(C=ridge_c, solver="newton-cholesky").fit(columns.standardised(X), R)

    def log_odds(values: Floats) -> Floats:
        return np.asarray(fitted.decision_function(columns.standardised(values)))

    return log_odds


def _strong_ridge(X: Floats, R: Flags, seed: int) -> Model:  # noqa: ARG001 - the signature of `Fit`
    return regression(X, R, RIDGE_C)


def _weak_ridge(X: Floats, R: Flags, seed: int) -> Model:  # noqa: ARG001 - the signature of `Fit`
    return regression(X, R, WEAK_RIDGE_C)


def _trees(X: Floats, R: Flags, seed: int) -> Model:
    return _boosted(X, R, seed, ROUNDS, None)


def _trees_on_regression(X: Floats, R: Flags, seed: int) -> Model:
    return _boosted(X, R, seed, FEWER_ROUNDS, regression(X, R, RIDGE_C))


def _boosted(X: Floats, R: Flags, seed: int, rounds: int, start: Model | None) -> Model:
    """Small boosted trees, from nothing or from the log odds of another model."""
    parameters = {
        "objective": "binary",
        "learning_rate": 0.05,
        "num_leaves": 4,
        "min_data_in_leaf": 50,
        "feature_fraction": 0.3,
        "bagging_fraction": 0.5,
        "bagging_freq": 1,
        "lambda_l2": 20.0,
        "deterministic": True,
        "force_col_wise": True,
        "num_threads": 1,
        "seed": seed,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(X, R.astype(float), init_score=None if start is None else start(X))
    trees = lightgbm.train(parameters, data, num_boost_round=rounds)

    def log_odds(values: Floats) -> Floats:
        learned = np.asarray(trees.predict(values, raw_score=True, num_threads=1), dtype=float)
        return learned if start is None else learned + start(values)

    return log_odds
