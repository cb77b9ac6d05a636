"""The candidate models of who answers: logistic regressions on logarithms, boosted trees, and trees on a regression."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import lightgbm
import numpy as np

from models.stats.boosting import ONE_BY_ONE
from models.stats.typing import Flags, Floats, Integers

if TYPE_CHECKING:
    from sklearn.linear_model import LogisticRegression

# Inverses of the ridge penalty on standardised features: with few answers the smaller one wins, with many the larger.
RIDGE_C = 0.1
WEAK_RIDGE_C = 3.0
# A customer ten standard deviations from the mean is not ten times as informative as one at one standard deviation.
LARGEST_STANDARD_VALUE = 4.0
# With fewer answers trees overfit.
FEWEST_ANSWERS_FOR_TREES = 1000
# With twice the rounds at half the rate, and half of the rows for each tree, the likelihood out of fold is no higher.
ROUNDS, FEWER_ROUNDS = 50, 25
_TREES = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 4,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.3,
    "lambda_l2": 20.0,
    "deterministic": True,
    "force_col_wise": True,
    **ONE_BY_ONE,
    "num_threads": 1,
    "verbosity": -1,
}


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
    def learned(cls, X: Floats) -> "tuple[Columns, Floats]":
        """Learn the columns of features (n, k), NaN where not defined; also give these (n, k + flags)."""
        is_amount = (np.nanmin(X, axis=0, initial=np.inf) >= 0.0) & (np.nanmax(X, axis=0, initial=-np.inf) > 1.0)
        has_gaps: Flags = np.asarray(np.isnan(X).any(axis=0))
        median = np.nan_to_num([np.median(x[~np.isnan(x)]) if not np.isnan(x).all() else 0.0 for x in X.T])
        unscaled = cls(is_amount, has_gaps, median, np.zeros(1), np.ones(1))
        Z = unscaled._filled(X)
        scale = Z.std(axis=0)
        columns = cls(is_amount, has_gaps, median, Z.mean(axis=0), np.where(scale > 0.0, scale, 1.0))
        return columns, columns._on_one_scale(Z)

    @property
    def source(self) -> Integers:
        """(k + flags,) which feature each column is made of."""
        return np.concatenate([np.arange(len(self.has_gaps)), np.flatnonzero(self.has_gaps)])

    def standardised(self, X: Floats) -> Floats:
        """Give the columns (n, k + flags) of features (n, k)."""
        return self._on_one_scale(self._filled(X))

    def _on_one_scale(self, Z: Floats) -> Floats:
        # In its place: copies of all rows take longer than the arithmetic.
        Z -= self.centre
        Z /= self.scale
        return np.clip(Z, -LARGEST_STANDARD_VALUE, LARGEST_STANDARD_VALUE, out=Z)

    def _filled(self, X: Floats) -> Floats:
        missing, k = np.isnan(X), X.shape[1]
        Z = np.empty((len(X), k + int(self.has_gaps.sum())))
        Z[:, :k] = np.where(missing, self.median, X)
        Z[:, k:] = missing[:, self.has_gaps]
        amounts = Z[:, np.flatnonzero(self.is_amount)]
        np.maximum(amounts, 0.0, out=amounts)
        Z[:, np.flatnonzero(self.is_amount)] = np.log1p(amounts, out=amounts)
        return Z


@dataclass(frozen=True)
class Rows:
    """Rows to predict, (n, k), NaN where not defined; what several models make of them is made once."""

    X: Floats
    _standardised: dict[int, Floats] = field(default_factory=dict, repr=False)

    def standardised(self, columns: Columns) -> Floats:
        """Give the columns of a regression, as `Columns.standardised`."""
        if id(columns) not in self._standardised:
            self._standardised[id(columns)] = columns.standardised(self.X)
        return self._standardised[id(columns)]


# Rows -> log odds (n,).
Model = Callable[[Rows], Floats]


@dataclass(frozen=True)
class Training:
    """Rows to learn from, and what several candidates learn of them: the candidates share it.

    Attributes
    ----------
    X, R
        (n, k) features, NaN where not defined; (n,) whether each row was answered.
    seed
        Of the trees.
    of
        More rows, from which these were chosen, and which of them these are: trees read them once for all choices.
    """

    X: Floats
    R: Flags
    seed: int
    of: "tuple[Training, Integers] | None" = None

    def some(self, chosen: Flags) -> "Training":
        """Give the chosen rows, (n,), to learn from."""
        return Training(self.X[chosen], self.R[chosen], self.seed, (self, np.flatnonzero(chosen)))

    @property
    def columns(self) -> Columns:
        """Columns of the regressions."""
        return self._learned[0]

    @property
    def standardised(self) -> Floats:
        """(n, k + flags) of the rows."""
        return self._learned[1]

    @cached_property
    def _learned(self) -> tuple[Columns, Floats]:
        return Columns.learned(self.X)

    @cached_property
    def strong(self) -> "LogisticRegression":
        """The regression with the larger penalty."""
        return self.regression(RIDGE_C)

    @cached_property
    def binned(self) -> lightgbm.Dataset:
        """The rows as trees read them."""
        if self.of is not None:
            more, rows = self.of
            return more.binned.subset(rows.tolist()).construct()
        settings = {**_TREES, "seed": self.seed}
        return lightgbm.Dataset(self.X, self.R.astype(float), params=settings, free_raw_data=False).construct()

    def regression(self, ridge_c: float) -> "LogisticRegression":
        """Ridge logistic regression on `columns`."""
        # A scoring imports this module and fits nothing.
        from sklearn.linear_model import LogisticRegression

        return LogisticRegression(C=ridge_c, solver="newton-cholesky").fit(self.standardised, self.R)


# Made of rows with answers and non-respondents.
Fit = Callable[[Training], Model]


def candidates(answers: int) -> Mapping[str, Fit]:
    """Give the candidate models for so many answers, by name."""
    regressions: dict[str, Fit] = {"strong ridge": _strong_ridge, "weak ridge": _weak_ridge}
    if answers < FEWEST_ANSWERS_FOR_TREES:
        return regressions
    return {**regressions, "trees": _trees, "trees on the regression": _trees_on_regression}


def _strong_ridge(training: Training) -> Model:
    return _of_regression(training.columns, training.strong)


def _weak_ridge(training: Training) -> Model:
    return _of_regression(training.columns, training.regression(WEAK_RIDGE_C))


def _of_regression(columns: Columns, fitted: "LogisticRegression") -> Model:
    def log_odds(rows: Rows) -> Floats:
        return np.asarray(fitted.decision_function(rows.standardised(columns)))

    return log_odds


def _trees(training: Training) -> Model:
    return _boosted(training, ROUNDS, None)


def _trees_on_regression(training: Training) -> Model:
    return _boosted(training, FEWER_ROUNDS, _strong_ridge(training))


def _boosted(training: Training, rounds: int, start: Model | None) -> Model:
    """Small boosted trees, from nothing or from the log odds of another model."""
    data = training.binned
    if start is not None:
        data.set_init_score(start(Rows(training.X, {id(training.columns): training.standardised})))
    trees = lightgbm.train({**_TREES, "seed": training.seed}, data, num_boost_round=rounds)
    data.set_init_score(None)

    def log_odds(rows: Rows) -> Floats:
        learned = np.asarray(trees.predict(rows.X, raw_score=True, num_threads=1), dtype=float)
        return learned if start is None else learned + start(rows)

    return log_odds
