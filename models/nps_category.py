"""The NPS category from behaviour: small trees, a calibration map, and the rule that says when to publish them.

Noise is worse than nothing. Out of fold, the trees must beat the shares of the classes by more than chance; otherwise
the shares (the "prior") are published and said to be so. All figures come from predictions that never saw the
customer's own answers.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd

from models import metrics
from models.calibration import DirichletMap, fit_dirichlet_map
from models.customer_scorer import (
    bounded_log_probabilities,
    calibrated_probabilities,
    median_category,
    nps_category_probabilities,
)
from models.nps_trees import customer_folds, grow_trees, out_of_fold_scores

Array = npt.NDArray[np.float64]
Categories = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

CATEGORIES = ("detractor", "passive", "promoter")
FEWEST_ANSWERS = 30
FEWEST_ANSWERS_FOR_TREES = 200
# One-sided 95 %: the trees are published where their gain is unlikely to be chance.
GAIN_IN_STANDARD_ERRORS = 1.645


@dataclass(frozen=True)
class NpsModel:
    """What is needed to say each customer's probable NPS category; JSON-able by `to_dict`.

    Attributes
    ----------
    source
        "model" (trees), "prior" (shares of the classes, for everyone) or None (too few answers to say anything).
    why
        One plain sentence: why this source.
    answers
        Rows it was trained on.
    features
        Names of the features in the order of the trees' input.
    prior
        Laplace-smoothed shares of detractors, passives and promoters; None with source None.
    calibration, booster
        Dirichlet map and LightGBM text; None unless source is "model".
    metrics
        Out-of-fold figures: `rps`, `log_loss`, `auc_detractor`, `auc_promoter`, `quadratic_kappa` (of the median
        class), `ece`, each with `_model` and `_prior`, and `rps_gain`, `rps_gain_standard_error`, `trees` (per class).
        Figures that are not defined are left out.
    """

    source: Literal["model", "prior"] | None
    why: str
    answers: int
    features: tuple[str, ...] = ()
    prior: tuple[float, float, float] | None = None
    calibration: DirichletMap | None = None
    booster: str | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "NpsModel":
        """Rebuild the model from `to_dict` or its JSON."""
        given = dict(values)
        if given["prior"] is not None:
            given["prior"] = tuple(given["prior"])
        if given["calibration"] is not None:
            weights, bias = given["calibration"]["weights"], given["calibration"]["bias"]
            given["calibration"] = DirichletMap(tuple(tuple(row) for row in weights), tuple(bias))
        return cls(**given | {"features": tuple(given["features"])})


@dataclass(frozen=True)
class NpsTraining:
    """A trained model and, in the order of the rows given, its probabilities without the customer's own answers.

    `out_of_fold` (n, 3) belongs to the published source: the shares of the classes where that is the prior, None where
    it is None.
    """

    model: NpsModel
    out_of_fold: Array | None


def train_nps_category(
    features: pd.DataFrame, category: npt.ArrayLike, customer: npt.ArrayLike, seed: int = 0, threads: int = 1
) -> NpsTraining:
    """Train the NPS category and decide what to publish.

    Parameters
    ----------
    features
        (n, k) doubles, one row per answer, NaN where a feature is not defined.
    category
        (n,) 0 detractor, 1 passive, 2 promoter.
    customer
        (n,) ids; answers of one customer stay in one fold and count as one cluster.
    seed
        Of folds and trees. The same rows in any order give the same model, bit for bit.
    threads
        Threads LightGBM may use.

    Raises
    ------
    ValueError
        If lengths differ, a category is not 0, 1 or 2, or a feature is infinite.
    """
    X, y, who = _checked(features, category, customer)
    names, n = tuple(str(name) for name in features.columns), len(y)
    too_few = _why_nothing(y)
    if too_few:
        return NpsTraining(NpsModel(source=None, why=too_few, answers=n, features=names), None)
    prior = _smoothed_shares(y)
    too_few = _why_no_trees(X, who)
    if too_few:
        model = NpsModel(source="prior", why=too_few, answers=n, features=names, prior=prior)
        return NpsTraining(model, np.tile(prior, (n, 1)))

    varies = _varies(X)
    X, names = X[:, varies], tuple(name for name, kept in zip(names, varies, strict=True) if kept)
    # One order of the rows, whatever order they came in: folds, bagging and sums of gradients depend on it.
    order = np.lexsort((*X.T[::-1], y, who))
    X, y, who = X[order], y[order], who[order]
    fold = customer_folds(who, seed)
    grown = out_of_fold_scores(X, y, fold, seed, threads)
    log_p = bounded_log_probabilities(grown.raw)
    by_trees = _cross_calibrated(log_p, y, fold)
    by_prior = np.array([_smoothed_shares(y[fold != k]) for k in range(fold.max() + 1)])[fold]
    figures = _figures(y, who, by_trees, by_prior) | {"trees": float(grown.rounds)}
    gain, error = figures["rps_gain"], figures["rps_gain_standard_error"]
    better = gain > GAIN_IN_STANDARD_ERRORS * error

    model = NpsModel(
        source="model" if better else "prior",
        why=_verdict(gain, error, better),
        answers=n,
        features=names,
        prior=prior,
        calibration=fit_dirichlet_map(log_p, y) if better else None,
        booster=grow_trees(X, y, grown.rounds, seed, threads).model_to_string() if better else None,
        metrics={name: value for name, value in figures.items() if np.isfinite(value)},
    )
    out_of_fold = np.empty((n, 3))
    out_of_fold[order] = by_trees if better else by_prior
    return NpsTraining(model, out_of_fold)


def predict_nps_category(model: NpsModel, features: pd.DataFrame, threads: int = 1) -> Array:
    """Probabilities (n, 3) of detractor, passive and promoter under a trained model.

    Raises
    ------
    ValueError
        If the model has no source, or a feature it was trained with is missing.
    """
    if model.prior is None:
        raise ValueError(f"This NPS model cannot predict: {model.why}")
    if model.booster is None or model.calibration is None:
        return np.tile(np.asarray(model.prior), (len(features), 1))
    missing = [name for name in model.features if name not in features.columns]
    if missing:
        raise ValueError(
            f"The features table must hold all {len(model.features)} features; missing: {', '.join(missing)}"
        )
    X = features[list(model.features)].to_numpy(dtype=float, na_value=np.nan)
    booster = lightgbm.Booster(model_str=model.booster)
    return nps_category_probabilities(booster, X, model.calibration.arrays(), threads=threads)


def _checked(
    features: pd.DataFrame, category: npt.ArrayLike, customer: npt.ArrayLike
) -> tuple[Array, Categories, npt.NDArray[np.str_]]:
    """Arrays of equal length with valid categories and no infinite feature."""
    X = features.to_numpy(dtype=float, na_value=np.nan)
    y, who = np.asarray(category), np.asarray(customer).astype(str)
    if not len(X) == len(y) == len(who):
        raise ValueError(
            f"features, category and customer must have one row per answer, got {len(X)}, {len(y)}, {len(who)}"
        )
    if not np.isin(y, (0, 1, 2)).all():
        odd = sorted({str(value) for value in y[~np.isin(y, (0, 1, 2))]})
        raise ValueError(f"category must be 0, 1 or 2, got {', '.join(odd[:5])}")
    infinite = np.isinf(X).any(axis=0)
    if infinite.any():
        raise ValueError(f"features must be finite or NaN, got infinity in {', '.join(features.columns[infinite])}")
    return X, y.astype(np.int64), who


def _why_nothing(y: Categories) -> str | None:
    """Why no NPS can be said at all, or None."""
    if len(y) < FEWEST_ANSWERS:
        return f"There are {len(y)} answers; fewer than {FEWEST_ANSWERS} say nothing about the others."
    if np.unique(y).size == 1:
        return f"All {len(y)} answers are of one class ({CATEGORIES[y[0]]}), so nothing can be told apart."
    return None


def _why_no_trees(X: Array, who: npt.NDArray[np.str_]) -> str | None:
    """Why the shares of the classes are all that can be said, or None."""
    if len(X) < FEWEST_ANSWERS_FOR_TREES:
        return f"There are {len(X)} answers; under {FEWEST_ANSWERS_FOR_TREES} everyone gets the shares of the classes."
    people = np.unique(who).size
    if people < FEWEST_ANSWERS:
        return f"Only {people} customers gave the {len(X)} answers, so everyone gets the shares of the classes."
    if not _varies(X).any():
        return "No feature differs between the answers, so everyone gets the shares of the classes."
    return None


def _varies(X: Array) -> Flags:
    """Say which features have two values or more.

    The others tell at most where they are missing, which other features say in their own name: a shop without
    returns has no return rate where nothing was bought, and that is no reason to speak of returns.
    """
    return np.asarray(np.nanmax(X, axis=0, initial=-np.inf) > np.nanmin(X, axis=0, initial=np.inf))


def _smoothed_shares(y: Categories) -> tuple[float, float, float]:
    """Shares of the three classes with one answer added to each (Laplace), so that none is impossible."""
    shares = (np.bincount(y, minlength=3) + 1.0) / (len(y) + 3.0)
    return float(shares[0]), float(shares[1]), float(shares[2])


def _cross_calibrated(log_p: Array, y: Categories, fold: Categories) -> Array:
    """Out-of-fold probabilities, each fold calibrated by a map fitted on the others."""
    calibrated = np.empty_like(log_p)
    for k in range(fold.max() + 1):
        held_out = fold == k
        fitted = fit_dirichlet_map(log_p[~held_out], y[~held_out])
        calibrated[held_out] = calibrated_probabilities(log_p[held_out], *fitted.arrays())
    return calibrated


def _figures(y: Categories, who: npt.NDArray[np.str_], by_trees: Array, by_prior: Array) -> dict[str, float]:
    """Out-of-fold figures of the trees beside the prior's."""
    figures: dict[str, float] = {}
    for name, p in (("model", by_trees), ("prior", by_prior)):
        figures[f"rps_{name}"] = metrics.ranked_probability_score(y, p)
        figures[f"log_loss_{name}"] = metrics.log_loss(y, p)
        figures[f"auc_detractor_{name}"] = metrics.auc(y == 0, p[:, 0])
        figures[f"auc_promoter_{name}"] = metrics.auc(y == 2, p[:, 2])
        figures[f"quadratic_kappa_{name}"] = metrics.quadratic_kappa(y, median_category(p))
        figures[f"ece_{name}"] = metrics.expected_calibration_error(y, p)
    gains = metrics.ranked_probability_scores(y, by_prior) - metrics.ranked_probability_scores(y, by_trees)
    figures["rps_gain"] = float(gains.mean())
    figures["rps_gain_standard_error"] = metrics.clustered_standard_error(gains, who)
    return figures


def _verdict(gain: float, error: float, better: bool) -> str:
    """Say the decision in one sentence with its figures."""
    side = "lower" if gain > 0 else "higher"
    measured = f"out of fold the RPS is {abs(gain):.4f} {side} than the prior's (standard error {error:.4f})"
    if better:
        return f"Behaviour tells the classes apart: {measured}."
    return f"No signal was found: {measured}, so everyone gets the shares of the classes."
