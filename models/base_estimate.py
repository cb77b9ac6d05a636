"""The NPS of the base from a release and the shop's tables: who was asked, who answered, and everyone else."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.describe import describe, feature_names, materialise
from features.labels import invitations
from features.spine import everyone, pairs
from features.tables import Tables
from models.customer_scorer import nps_category_probabilities
from models.nps_base import POINTS, BaseNps, base_nps, clipped_weights, newest_per_customer
from models.nps_trees import customer_folds, grow_trees
from models.release import Release
from models.response import response_propensity

Array = npt.NDArray[np.float64]
# From here on the base is too unlike those who answered, at the time of asking, for their estimate to be carried over.
MOST_UNLIKE = 0.8
FEWEST_WHO_ANSWERED = 2
# A share is known well enough from so many customers, however large the base.
LARGEST_SAMPLE = 20_000
_ANSWER = ["customer_id", "as_of", "answered_at"]


def estimate_base_nps(tables: Tables, release: Release) -> BaseNps | None:
    """Estimate what the whole base would answer at the release's as_of.

    Those who answered are weighted to stand for all who were asked, each described at the time of asking; the
    predictions for everyone as of now carry the estimate to the base. Where hardly anyone of the base is like those who
    answered (a survey right after each delivery, a base last seen months ago), that would be a guess: the estimate then
    stays with the frame, as it was when asked. Without unanswered invitations in the data the
    customers without an answer stand in for those who were asked and did not answer, and the frame says so.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    release : Release
        Freshly fitted, with its answers and out-of-fold probabilities.

    Returns
    -------
    BaseNps or None
        None where nothing was asked, too few answered to train on, or all answers are one customer's.
    """
    if tables.answers is None or release.training is None or release.training.out_of_fold is None:
        return None
    base = materialise(describe(tables, everyone(tables.transactions, release.as_of), release.vocabulary))
    base_probabilities = release.scorer().category_probabilities(base)
    asked = _asked(tables, release)
    frame_name = "invited"
    if asked["answered"].all():
        frame_name = "customers"
        silent = base[~base["customer_id"].isin(asked["customer_id"])].assign(answered=False)
        asked = pd.concat([asked, silent], ignore_index=True)
    category, probabilities = _answers_and_predictions(asked, release)
    answered = asked["answered"].to_numpy(bool)
    if answered.sum() < FEWEST_WHO_ANSWERED:
        return None
    names = feature_names(release.vocabulary)
    propensity = response_propensity(asked[names], answered, asked["customer_id"], release.parameters["seed"])
    unlike = _unlike_share(asked.loc[answered, [*names, "customer_id"]], base[[*names, "customer_id"]])
    carried = base_probabilities if unlike <= MOST_UNLIKE else None
    noise = 0.0
    if carried is not None:
        weights = clipped_weights(1.0 / propensity[answered])
        noise = _noise_of_carrying(release, base, asked[answered], weights)
    estimate = base_nps(probabilities, answered, category, propensity, frame_name, carried, noise)
    return replace(estimate, unlike_share=unlike)


def _noise_of_carrying(release: Release, base: pd.DataFrame, asked: pd.DataFrame, weights: Array) -> float:
    """Variance, from the training of the trees, of what carries the estimate from those who answered to the base.

    That is the mean prediction of the base less the weighted one of those who answered: a delete-one-fold jackknife
    over customers (Shao & Wu 1989, Annals of Statistics 17) of trees grown as those of the release.
    """
    assert release.training is not None and release.answers is not None
    model = release.training.model
    if model.booster is None or model.calibration is None:
        return 0.0
    names, seed = list(model.features), release.parameters["seed"]
    X, y = release.answers[names].to_numpy(float), release.answers["category"].to_numpy(int)
    fold = customer_folds(release.answers["customer_id"].to_numpy(str), seed)
    calibration, rounds, folds = model.calibration.arrays(), int(model.metrics["trees"]), int(fold.max()) + 1
    base_X, asked_X = base[names].to_numpy(float), asked[names].to_numpy(float)
    carried = np.empty(folds)
    for k in range(folds):
        booster = grow_trees(X[fold != k], y[fold != k], rounds, seed, threads=1)
        of_base = nps_category_probabilities(booster, base_X, calibration) @ POINTS
        of_asked = nps_category_probabilities(booster, asked_X, calibration) @ POINTS
        carried[k] = of_base.mean() - np.average(of_asked, weights=weights)
    return float((folds - 1) / folds * np.sum((carried - carried.mean()) ** 2))


def _unlike_share(answered: pd.DataFrame, base: pd.DataFrame) -> float:
    """Share of the base that looks less like an answer than all but 1 % of the answers do, to a cross-fitted model."""
    some = base.sample(min(len(base), LARGEST_SAMPLE), random_state=0)
    both = pd.concat([answered, some], ignore_index=True)
    is_answer = np.arange(len(both)) < len(answered)
    likeness = response_propensity(both.drop(columns="customer_id"), is_answer, both["customer_id"])
    return float(np.mean(likeness[~is_answer] < np.quantile(likeness[is_answer], 0.01)))


def _asked(tables: Tables, release: Release) -> pd.DataFrame:
    """One row per customer who was asked: the newest answer, or the newest invitation, with the features of then."""
    recipe = release.parameters
    asked = invitations(tables.answers, recipe["nps_question"], before=release.as_of, gap_days=recipe["label_gap_days"])
    described = describe(tables, pairs(asked), release.vocabulary)
    frame = materialise(asked.inner_join(described, ["customer_id", "as_of"]))
    newest = newest_per_customer(frame["customer_id"], frame["as_of"], frame["answered"])
    return frame.iloc[newest].reset_index(drop=True)


def _answers_and_predictions(asked: pd.DataFrame, release: Release) -> tuple[Array, Array]:
    """Categories of those who answered (0 elsewhere), and predictions that saw nobody's own answer."""
    assert release.answers is not None and release.training is not None
    known = release.answers[_ANSWER].copy()
    known["category"] = release.answers["category"].to_numpy()
    known[["p0", "p1", "p2"]] = release.training.out_of_fold
    joined = asked[_ANSWER].merge(known.drop_duplicates(_ANSWER), on=_ANSWER, how="left")
    probabilities = release.scorer().category_probabilities(asked)
    answered = asked["answered"].to_numpy(bool)
    probabilities[answered] = joined.loc[answered, ["p0", "p1", "p2"]].to_numpy(float)
    return joined["category"].fillna(0).to_numpy(float), probabilities
