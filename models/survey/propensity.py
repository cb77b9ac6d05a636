"""Who answers a survey: the probability of answering, from behaviour."""

from collections.abc import Callable
from dataclasses import dataclass

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from models.stats.folds import customer_folds
from models.stats.typing import Flags, Floats

# Rows (n, k) -> log odds (n,).
Model = Callable[[Floats], Floats]
# Rows, whether each answered, and a seed.
Fit = Callable[[Floats, Flags, int], Model]

# Inverse of the ridge penalty on standardised features.
RIDGE_C = 0.1
# A customer ten standard deviations from the mean is not ten times as informative as one at one standard deviation.
LARGEST_STANDARD_VALUE = 4.0
FEWEST_ANSWERS_PER_FOLD = 2
# With fewer answers trees overfit.
FEWEST_ANSWERS_FOR_TREES = 1000
# More non-respondents per answer add almost no information (King & Zeng 2001). Below the second number it is not worth
# leaving any out.
NON_RESPONDENTS_PER_ANSWER = 5
FEWEST_NON_RESPONDENTS = 20_000
TREE_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)
ROUNDS = 100
# A large base is predicted in parts, so that memory stays bounded.
ROWS_AT_ONCE = 100_000


def response_propensity(
    features: pd.DataFrame, answered: npt.ArrayLike, customer: npt.ArrayLike, seed: int = 0
) -> Floats:
    """Estimate each row's probability of answering, by models that have seen no row of its customer.

    The model is a ridge logistic regression on standardised features (a missing value becomes the median, with a flag
    of its own). With `FEWEST_ANSWERS_FOR_TREES` answers or more its log odds are blended with those of boosted trees,
    with the weight of least out-of-fold log loss. If there are many non-respondents, the models learn from a sample of
    them, and the log of the sampled share is added to the log odds (King & Zeng 2001, Political Analysis 9,
    equation 7).

    Parameters
    ----------
    features
        (n, k) doubles, NaN where not defined.
    answered
        (n,) whether the row's customer answered.
    customer
        (n,) ids.
    seed
        Seed of folds, sample and trees. Rows in any order give the same probabilities.

    Returns
    -------
    numpy.ndarray
        (n,) in (0, 1). The share that answered, for all, if there are too few rows or features for a regression; 1 if
        all answered.

    Raises
    ------
    ValueError
        If lengths differ.
    """
    X, R, who = _checked(features, answered, customer)
    if R.all():
        return np.ones(len(R))
    rows = _rows(X, R, who, seed)
    if rows is None:
        return np.full(len(R), _smoothed_share(R))
    # LightGBM's own setting for threads is not enough: other calls of it reset the number for the whole process.
    with threadpool_limits(limits=1):
        log_odds, by_trees, weight = _out_of_fold(rows, seed)
    propensity = np.empty(len(R))
    propensity[rows.order] = _probability(log_odds + weight * (by_trees - log_odds), rows.share)
    return propensity


@dataclass(frozen=True)
class Response:
    """A model of who answers, learned from one set of rows, for any other rows; made by `fit_response`.

    Attributes
    ----------
    features
        Names of the k columns, in order.
    share
        The share that answered, 0 to 1.
    log_odds
        Rows (n, k) -> log odds (n,); None if there were too few rows or features for a regression: all have the share.
    """

    features: tuple[str, ...]
    share: float
    log_odds: Model | None = None

    def predict(self, features: pd.DataFrame) -> Floats:
        """Give each row's probability of answering, (n,) in (0, 1], from a table that holds `features`."""
        if self.log_odds is None:
            return np.full(len(features), self.share)
        probability = np.empty(len(features))
        with threadpool_limits(limits=1):
            for first in range(0, len(features), ROWS_AT_ONCE):
                rows = slice(first, first + ROWS_AT_ONCE)
                X = features[list(self.features)].iloc[rows].to_numpy(dtype=float, na_value=np.nan)
                probability[rows] = expit(self.log_odds(X))
        return probability


def fit_response(features: pd.DataFrame, answered: npt.ArrayLike, customer: npt.ArrayLike, seed: int = 0) -> Response:
    """Learn who answers, as `response_propensity` does, to predict other rows.

    For the rows it was learned from use `response_propensity`: this model has seen their answers.

    Parameters
    ----------
    features, answered, customer, seed
        As `response_propensity` takes them.

    Raises
    ------
    ValueError
        If lengths differ.
    """
    X, R, who = _checked(features, answered, customer)
    names = tuple(str(name) for name in features.columns)
    rows = None if R.all() else _rows(X, R, who, seed)
    if rows is None:
        return Response(names, 1.0 if R.all() else _smoothed_share(R))
    with threadpool_limits(limits=1):
        weight = _out_of_fold(rows, seed)[2]
        training_rows = rows.X[rows.learned], rows.R[rows.learned]
        by_regression = _by_regression(*training_rows, seed)
        by_trees = _by_trees(*training_rows, seed) if weight else by_regression
    shift = float(np.log(rows.share))

    def log_odds(values: Floats) -> Floats:
        odds = by_regression(values)
        return np.asarray((odds + weight * (by_trees(values) - odds) if weight else odds) + shift)

    return Response(names, float(R.mean()), log_odds)


@dataclass(frozen=True)
class _Rows:
    """Rows in an order that does not depend on the order in which they were given.

    Attributes
    ----------
    order
        (n,) positions of the rows as given.
    X, R
        (n, k) features, NaN where not defined; (n,) whether the row was answered.
    fold
        (n,) fold number of the row's customer.
    learned
        (n,) whether models learn from the row: all answers and a sample of the non-respondents.
    share
        Share of the non-respondents that is in the sample, 0 to 1.
    """

    order: npt.NDArray[np.intp]
    X: Floats
    R: Flags
    fold: npt.NDArray[np.int64]
    learned: Flags
    share: float


def _checked(
    features: pd.DataFrame, answered: npt.ArrayLike, customer: npt.ArrayLike
) -> tuple[Floats, Flags, npt.NDArray[np.str_]]:
    """Features (n, k), whether answered (n,) and ids (n,), checked to be equally long."""
    X = features.to_numpy(dtype=float, na_value=np.nan)
    R, who = np.asarray(answered).astype(bool), np.asarray(customer).astype(str)
    if not len(X) == len(R) == len(who):
        raise ValueError(f"features, answered and customer must be equally long, got {len(X)}, {len(R)}, {len(who)}")
    return X, R, who


def _rows(X: Floats, R: Flags, who: npt.NDArray[np.str_], seed: int) -> _Rows | None:
    """Order the rows, fold them and choose those to learn from; None if they are too few for a regression."""
    if X.shape[1] == 0 or np.unique(who).size < 2:
        return None
    order = _order(X, R, who)
    X, R, who = X[order], R[order], who[order]
    fold = customer_folds(who, seed)
    learned, share = _case_control_sample(R, seed)
    counts = np.array([[np.sum(R[learned & (fold != k)] == kind) for kind in (0, 1)] for k in range(fold.max() + 1)])
    if counts.min() < FEWEST_ANSWERS_PER_FOLD:
        return None
    return _Rows(order, X, R, fold, learned, share)


def _smoothed_share(R: Flags) -> float:
    """Share that answered, smoothed so that it is never 0 or 1."""
    return float((R.sum() + 0.5) / (len(R) + 1.0))


def _out_of_fold(rows: _Rows, seed: int) -> tuple[Floats, Floats, float]:
    """Log odds by regression, log odds by trees, and the weight of the trees (0 if there are none)."""
    by_regression = _cross_fitted(_by_regression, rows, seed)
    if rows.R.sum() < FEWEST_ANSWERS_FOR_TREES:
        return by_regression, by_regression, 0.0
    by_trees = _cross_fitted(_by_trees, rows, seed)
    learned = rows.learned
    return by_regression, by_trees, _tree_weight(by_regression[learned], by_trees[learned], rows.R[learned])


def _probability(log_odds: Floats, share: float) -> Floats:
    """Probabilities from log odds that were learned with only a share of the non-respondents."""
    return np.asarray(np.clip(expit(log_odds + np.log(share)), 1e-6, 1.0))


def _order(X: Floats, R: Flags, who: npt.NDArray[np.str_]) -> npt.NDArray[np.intp]:
    """Order that does not depend on how the rows were given: by customer, rows of one customer by their values."""
    people, first = np.unique(who, return_index=True)
    return first if len(people) == len(who) else np.lexsort((*X.T[::-1], R, who))


def _case_control_sample(R: Flags, seed: int) -> tuple[Flags, float]:
    """Rows to learn from, all answers and a sample of the non-respondents; and the share of these in the sample."""
    non_respondents = np.flatnonzero(~R)
    size = min(len(non_respondents), max(NON_RESPONDENTS_PER_ANSWER * int(R.sum()), FEWEST_NON_RESPONDENTS))
    learned = R.copy()
    learned[np.random.default_rng(seed).choice(non_respondents, size, replace=False)] = True
    return learned, size / len(non_respondents)


def _cross_fitted(fit: Fit, rows: _Rows, seed: int) -> Floats:
    """Log odds of every row by a model fitted on the sampled rows of the other folds."""
    log_odds = np.empty(len(rows.R))
    for k in range(int(rows.fold.max()) + 1):
        training, held_out = rows.learned & (rows.fold != k), rows.fold == k
        log_odds[held_out] = fit(rows.X[training], rows.R[training], seed)(rows.X[held_out])
    return log_odds


def _by_regression(X: Floats, R: Flags, seed: int) -> Model:  # noqa: ARG001 - the signature of `Fit`
    """Ridge logistic regression."""
    median = np.nan_to_num(np.nanmedian(np.where(np.isnan(X).all(axis=0), 0.0, X), axis=0))
    flagged = np.isnan(X).any(axis=0)

    def filled(values: Floats) -> Floats:
        missing = np.isnan(values)
        return np.hstack([np.where(missing, median, values), missing[:, flagged]])

    Z = filled(X)
    centre, scale = Z.mean(axis=0), Z.std(axis=0)
    scale[scale == 0.0] = 1.0

    def standardised(values: Floats) -> Floats:
        limit = LARGEST_STANDARD_VALUE
        return np.asarray(np.clip((filled(values) - centre) / scale, -limit, limit))

    fitted = LogisticRegression(C=RIDGE_C, max_iter=1000).fit(standardised(X), R)

    def log_odds(values: Floats) -> Floats:
        return np.asarray(fitted.decision_function(standardised(values)))

    return log_odds


def _by_trees(X: Floats, R: Flags, seed: int) -> Model:
    """Small boosted trees."""
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
    trees = lightgbm.train(parameters, lightgbm.Dataset(X, R.astype(float)), num_boost_round=ROUNDS)

    def log_odds(values: Floats) -> Floats:
        return np.asarray(trees.predict(values, raw_score=True, num_threads=1), dtype=float)

    return log_odds


def _tree_weight(by_regression: Floats, by_trees: Floats, R: Flags) -> float:
    """Weight of the trees' log odds that gives the blend the least log loss."""
    sign = np.where(R, -1.0, 1.0)
    losses = [np.logaddexp(0.0, sign * (by_regression + w * (by_trees - by_regression))).mean() for w in TREE_WEIGHTS]
    return TREE_WEIGHTS[int(np.argmin(losses))]
