"""The model of the NPS category, its training, and the rule for publishing it.

The blend of candidate models is published where out of fold it beats the shares of the classes (the "prior") by more
than chance; otherwise the prior is published, with the reason why. All figures come from predictions that were made
without the customer's own answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from models.nps.answers import Answers, checked, ranked_levels, varying, why_no_model, why_nothing
from models.nps.candidates import smoothed_shares
from models.nps.evaluation import last_wave_figures, out_of_fold_figures, rps_gain, training_noise
from models.nps.pool import Blend, Members, blend
from models.scoring.members import CategoryParameters
from models.scoring.nps import category_probabilities
from models.scoring.scorer import parse_trees
from models.stats import metrics
from models.stats.folds import customer_folds, last_wave
from models.stats.normal import ONE_SIDED_95
from models.stats.typing import Floats, Integers, Strings

# Least gain as a share of the prior's RPS, which is small where nearly all answers are of one class: a smaller gain is
# of no use, however certain it is.
LEAST_GAIN = 0.005
# Shares of the blend that may be published; the prior gets the rest. Half of a forecast has three quarters of its gain
# and half of its noise, so a weak signal is detected sooner, and it is published at the strength at which it was
# tested.
STRENGTHS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)


@dataclass(frozen=True)
class NpsModel(CategoryParameters):
    """A category model with its trees: LightGBM texts by the names in the members."""

    boosters: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameters(self) -> CategoryParameters:
        """The model without its trees, as a release keeps it."""
        return CategoryParameters(**{each.name: getattr(self, each.name) for each in fields(CategoryParameters)})


@dataclass(frozen=True)
class NpsTraining:
    """A trained model, and out-of-fold probabilities in the order of the training rows.

    Attributes
    ----------
    model
        The model to publish.
    out_of_fold
        (n, 3) out-of-fold probabilities of the published source: the shares of the classes where that is the prior,
        None where there is no source.
    fold
        (n,) fold of each row; None where nothing was learned.
    fold_models
        fold_models[k] was fitted without the rows of fold k, including weights, links and calibration; empty unless
        source is "model". Only the strength (see `publishable`) was chosen on all rows.
    """

    model: NpsModel
    out_of_fold: Floats | None
    fold: Integers | None = None
    fold_models: tuple[NpsModel, ...] = ()


def train_nps_category(
    features: pd.DataFrame,
    category: npt.ArrayLike,
    customer: npt.ArrayLike,
    level: npt.ArrayLike | None = None,
    day: npt.ArrayLike | None = None,
    seed: int = 0,
) -> NpsTraining:
    """Train a model of the NPS category and decide what to publish.

    Parameters
    ----------
    features
        (n, k) doubles, one row per answer, NaN where a feature is not defined.
    category
        (n,) 0 detractor, 1 passive, 2 promoter.
    customer
        (n,) ids; answers of one customer stay in one fold and count as one cluster.
    level
        (n,) the answers as given (0..10, 1..5), which hold more information than their category. Where they contradict
        the order of the categories (mixed scales), or are not given, the category is used.
    day
        (n,) dates of the invitations. Where given, a model of earlier answers of other customers is judged on the last
        wave too.
    seed
        Seed of folds and trees. The same rows in any order give the same model, bit for bit.

    Raises
    ------
    ValueError
        If lengths differ, a category is not 0, 1 or 2, or a feature is infinite.
    """
    X, y, who, levels = checked(features, category, customer, level)
    if day is not None and len(np.asarray(day)) != len(y):
        raise ValueError(f"day must have one date per answer, got {len(np.asarray(day))} for {len(y)} answers")
    # LightGBM's own setting is not enough: any other call of it resets the number of threads for the whole process.
    # With a few hundred rows, more threads wait for each other longer than they work.
    with threadpool_limits(limits=1):
        return _train(X, y, who, levels, day, tuple(str(name) for name in features.columns), seed)


def _train(
    X: Floats,
    y: Integers,
    who: Strings,
    levels: Integers,
    day: npt.ArrayLike | None,
    names: tuple[str, ...],
    seed: int,
) -> NpsTraining:
    """Train on checked rows."""
    n = len(y)
    too_few = why_nothing(y)
    if too_few:
        return NpsTraining(NpsModel(source=None, why=too_few, answers=n, features=names), None)
    prior = smoothed_shares(y)
    too_few = why_no_model(X, y, who)
    if too_few:
        model = NpsModel(source="prior", why=too_few, answers=n, features=names, prior=prior)
        return NpsTraining(model, np.tile(prior, (n, 1)))

    kept = varying(X)
    X, names = X[:, kept], tuple(name for name, is_kept in zip(names, kept, strict=True) if is_kept)
    # Folds, bagging and sums of gradients depend on the order of the rows, so the rows are sorted.
    order = np.lexsort((*X.T[::-1], levels, y, who))
    X, y, who, levels = X[order], y[order], who[order], levels[order]
    answers = Answers(X, y, *ranked_levels(levels, y), customer_folds(who, seed), seed)
    learned = blend(answers)
    chosen = publishable(learned, who)
    judged = chosen or learned
    figures = out_of_fold_figures(judged, who)
    if day is not None:
        figures |= last_wave_figures(answers, who, last_wave(day)[order])
    published = judged.out_of_fold if chosen else judged.of("prior").out_of_fold
    fold_models = tuple(_fold_model(chosen, k, names) for k in range(answers.folds)) if chosen else ()
    members = chosen.on_all() if chosen else Members((), {})
    model = NpsModel(
        source="model" if chosen else "prior",
        why=_verdict(figures["rps_gain"], figures["rps_gain_standard_error"], published=chosen is not None),
        answers=n,
        features=names,
        prior=prior,
        members=members.members,
        noise=training_noise(chosen) if chosen else None,
        boosters=members.boosters,
        metrics={name: value for name, value in figures.items() if np.isfinite(value)},
    )
    as_given = np.argsort(order)
    return NpsTraining(model, published[as_given], answers.fold[as_given], fold_models)


def publishable(learned: Blend, customer: Strings) -> Blend | None:
    """Return the blend at the greatest strength that beats the prior by more than chance, or None.

    Parameters
    ----------
    learned
        The blend as it was learned.
    customer
        (n,) ids in the order of its answers.

    Notes
    -----
    The gain is the fall of the out-of-fold RPS below the prior's; it must exceed 1.645 of its standard errors,
    clustered by customer, and half a percent of the prior's RPS. Only the strength, one of eight numbers, is chosen on
    the same rows that it is judged on. The gain of a forecast that deviates from the prior by t d is 2 t A - t^2 B, and
    its standard error is about proportional to t.
    """
    if learned.weights[[candidate.name != "prior" for candidate in learned.candidates]].sum() <= 0:
        return None
    least = LEAST_GAIN * metrics.ranked_probability_score(learned.answers.category, learned.of("prior").out_of_fold)
    for strength in STRENGTHS:
        diluted = learned.diluted(strength)
        gain, error = rps_gain(diluted, customer)
        if gain > max(ONE_SIDED_95 * error, least):
            return diluted
    return None


def predict_nps_category(model: NpsModel, features: pd.DataFrame) -> Floats:
    """Return the probabilities (n, 3) of detractor, passive and promoter under a trained model.

    Raises
    ------
    ValueError
        If the model has no source, or a feature it was trained with is missing.
    """
    if model.prior is None:
        raise ValueError(f"This NPS model cannot predict: {model.why}")
    missing = [name for name in model.features if name not in features.columns]
    if missing and model.source == "model":
        raise ValueError(
            f"The features table must hold all {len(model.features)} features; missing: {', '.join(missing)}"
        )
    return category_probabilities(model, parse_trees(model.boosters), features)


def _fold_model(blended: Blend, k: int, names: tuple[str, ...]) -> NpsModel:
    """Build the model that was fitted without fold k."""
    category = blended.answers.category[blended.answers.fold != k]
    members = blended.without_fold(k)
    why = f"Fitted without the answers of fold {k}, to predict them and to measure the noise of training."
    return NpsModel(
        source="model",
        why=why,
        answers=len(category),
        features=names,
        prior=smoothed_shares(category),
        members=members.members,
        boosters=members.boosters,
    )


def _verdict(gain: float, error: float, *, published: bool) -> str:
    """Say in one sentence what is published, with the figures that decide it."""
    side = "lower" if gain > 0 else "higher"
    measured = f"out of fold the RPS is {abs(gain):.4f} {side} than the prior's (standard error {error:.4f})"
    if published:
        return f"Behaviour predicts the category: {measured}."
    signal = "Too weak a signal" if gain > ONE_SIDED_95 * error else "No signal"
    return f"{signal} was found: {measured}, so everyone gets the shares of the classes."
