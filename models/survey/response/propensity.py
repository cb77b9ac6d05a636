"""Who answers a survey: the probability of answering, from behaviour."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit
from threadpoolctl import threadpool_limits

from models.stats.drawing import drawing_hash
from models.stats.folds import customer_folds
from models.stats.typing import Flags, Floats
from models.survey.response.candidates import FEWEST_ANSWERS_FOR_TREES, Fit, Rows, Training, candidates
from models.survey.response.stacking import stack

FEWEST_ANSWERS_PER_FOLD = 2
# More non-respondents per answer add almost no information (King & Zeng 2001). Below the second number it is not worth
# leaving any out: of some 125,000 customers asked, 1,836 with an answer, the 20,000 others that are drawn give an NPS
# of the base that is .06 of its standard error from that of all (benchmarks/README.md).
NON_RESPONDENTS_PER_ANSWER = 5
FEWEST_NON_RESPONDENTS = 20_000
# Share of the largest weight below which a candidate is left out.
LEAST_WEIGHT = 0.01
# A large base is predicted in parts, so that memory stays bounded.
ROWS_AT_ONCE = 100_000


def response_propensity(
    features: pd.DataFrame,
    answered: npt.ArrayLike,
    customer: npt.ArrayLike,
    seed: int = 0,
    share: float = 1.0,
    learned: npt.ArrayLike | None = None,
) -> Floats:
    """Estimate each row's probability of answering, by models that have seen no row of its customer.

    The candidates (`models.survey.response.candidates`) are stacked: the log odds are c + sum_j b_j of candidate j's,
    with weights b_j that are not negative, learned by out-of-fold likelihood (Wolpert 1992, Neural Networks 5). The sum
    of the b_j is the slope: it need not be 1, so what penalties shrank is stretched again (Cox 1958, Biometrika 45).
    The weights of a fold are learned from the other folds. If there are many non-respondents, the models learn from a
    sample of them, and the log of the sampled share is added to the log odds (King & Zeng 2001, Political Analysis 9,
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
    share
        Share of the non-respondents that is among the rows, where these are a sample of them.
    learned
        (n,) the rows to learn from, others are predicted only; unless given all answers and a sample of the others, as
        `case_control_sample` draws it.

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
    rows = _rows(X, R, who, seed, learned)
    if rows is None:
        return np.full(len(R), _smoothed_share(R, share))
    # LightGBM's own setting for threads is not enough: other calls of it reset the number for the whole process.
    with threadpool_limits(limits=1):
        log_odds = _stacked(rows, _out_of_fold(rows, candidates(int(rows.R.sum())), seed)[1])
    propensity = np.empty(len(R))
    propensity[rows.order] = _probability(log_odds, share * rows.share)
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
    log_odds: Callable[[Floats], Floats] | None = None

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
        fits, each = _out_of_fold(rows, candidates(int(rows.R.sum())), seed)
        constant, *weights = stack(each[rows.learned], rows.R[rows.learned])
        training = Training(rows.X[rows.learned], rows.R[rows.learned], seed)
        # A candidate without weight is not fitted.
        models = [(fit(training), b) for fit, b in zip(fits, weights, strict=True) if b > 0.0]
    shift = float(np.log(rows.share))

    def log_odds(values: Floats) -> Floats:
        odds, predicted = np.full(len(values), constant + shift), Rows(values)
        for model, weight in models:
            odds += weight * model(predicted)
        return odds

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


def _rows(
    X: Floats, R: Flags, who: npt.NDArray[np.str_], seed: int, chosen: npt.ArrayLike | None = None
) -> _Rows | None:
    """Order the rows, fold them and choose those to learn from; None if they are too few for a regression."""
    if X.shape[1] == 0 or np.unique(who).size < 2:
        return None
    order = _order(X, R, who)
    X, R, who = X[order], R[order], who[order]
    fold = customer_folds(who, seed)
    if chosen is None:
        learned, share = case_control_sample(R, who, seed)
    else:
        learned = np.asarray(chosen).astype(bool)[order]
        share = float(np.mean(learned[~R]) / np.mean(learned[R]))
    counts = np.array([[np.sum(R[learned & (fold != k)] == kind) for kind in (0, 1)] for k in range(fold.max() + 1)])
    if counts.min() < FEWEST_ANSWERS_PER_FOLD:
        return None
    return _Rows(order, X, R, fold, learned, share)


def _smoothed_share(R: Flags, share: float = 1.0) -> float:
    """Share that answered, smoothed so that it is never 0 or 1; of the others only a share may be among the rows."""
    return float((R.sum() + 0.5) / (R.sum() + np.sum(~R) / share + 1.0))


def _out_of_fold(rows: _Rows, kinds: Mapping[str, Fit], seed: int) -> tuple[list[Fit], Floats]:
    """Predict every row by models fitted on the sampled rows of the other folds.

    With many answers, a candidate that gets no weight on the rows of the first fold is not fitted for the others.

    Returns
    -------
    tuple
        The candidates that are left, and the log odds of every row by each of them, (N, candidates).
    """
    training = Training(rows.X[rows.learned], rows.R[rows.learned], seed)
    fits, log_odds = list(kinds.values()), np.empty((len(rows.R), len(kinds)))
    for k in range(int(rows.fold.max()) + 1):
        learned_from, held_out = training.some(rows.fold[rows.learned] != k), np.flatnonzero(rows.fold == k)
        models = [fit(learned_from) for fit in fits]
        for first in range(0, len(held_out), ROWS_AT_ONCE):
            part = held_out[first : first + ROWS_AT_ONCE]
            predicted = Rows(rows.X[part])
            log_odds[part] = np.column_stack([model(predicted) for model in models])
        if k == 0 and rows.R.sum() >= FEWEST_ANSWERS_FOR_TREES:
            judged = held_out[rows.learned[held_out]]
            _, *weights = stack(log_odds[judged], rows.R[judged])
            left = np.flatnonzero(np.array(weights) >= max(weights) * LEAST_WEIGHT)
            fits, log_odds = [fits[number] for number in left], log_odds[:, left]
    return fits, log_odds


def _stacked(rows: _Rows, each: Floats) -> Floats:
    """Stack the candidates' log odds, (N,), each fold by weights that were learned from the other folds."""
    log_odds = np.empty(len(rows.R))
    for k in range(int(rows.fold.max()) + 1):
        others, held_out = rows.learned & (rows.fold != k), rows.fold == k
        constant, *weights = stack(each[others], rows.R[others])
        log_odds[held_out] = constant + (each[held_out] * weights).sum(axis=1)
    return log_odds


def _probability(log_odds: Floats, share: float) -> Floats:
    """Probabilities from log odds that were learned with only a share of the non-respondents."""
    return np.asarray(np.clip(expit(log_odds + np.log(share)), 1e-6, 1.0))


def _order(X: Floats, R: Flags, who: npt.NDArray[np.str_]) -> npt.NDArray[np.intp]:
    """Order that does not depend on how the rows were given: by customer, rows of one customer by their values."""
    people, first = np.unique(who, return_index=True)
    return first if len(people) == len(who) else np.lexsort((*X.T[::-1], R, who))


def case_control_sample(R: Flags, who: npt.NDArray[np.str_], seed: int) -> tuple[Flags, float]:
    """Rows to learn from, all answers and a sample of the non-respondents; and the share of these in the sample.

    A hash of the customer's id draws them: who is drawn does not depend on who else is there.
    """
    non_respondents = np.flatnonzero(~R)
    size = sample_size(int(R.sum()), len(non_respondents))
    learned = R.copy()
    if size == len(non_respondents):
        learned[:] = True
        return learned, 1.0
    hashed = drawing_hash(who[non_respondents], seed)
    learned[non_respondents[np.argsort(hashed, kind="stable")[:size]]] = True
    return learned, size / len(non_respondents)


def sample_size(answered: int, others: int) -> int:
    """Say how many non-respondents models learn from beside so many answers."""
    return min(others, max(NON_RESPONDENTS_PER_ANSWER * answered, FEWEST_NON_RESPONDENTS))
