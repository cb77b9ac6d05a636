"""The NPS category: latent scores, their links to probabilities, calibration, and the pool of members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from .arrays import Floats

# A category that trees never saw gets a log probability near -35, which would carry a calibration map away.
LOWEST_LOG_PROBABILITY = -10.0


def bounded_log_probabilities(raw: Floats) -> Floats:
    """Return ln softmax(raw) of each row of (n, 3), not below `LOWEST_LOG_PROBABILITY`."""
    return np.asarray(np.maximum(log_softmax(np.asarray(raw, dtype=float), axis=1), LOWEST_LOG_PROBABILITY))


def calibrated_probabilities(raw: Floats, weights: Floats, bias: Floats) -> Floats:
    """Return softmax(W ln p + c) with p = softmax(raw): a Dirichlet calibration map (Kull et al. 2019, NeurIPS 32).

    Parameters
    ----------
    raw
        (n, 3) raw scores of the trees, or log probabilities: only differences within a row count.
    weights, bias
        (3, 3) and (3,); identity and zeros leave the probabilities as they are.

    Returns
    -------
    numpy.ndarray
        (n, 3) of detractor, passive and promoter; rows sum to 1.
    """
    log_p = bounded_log_probabilities(raw)
    # Not a matrix product: its rounding may depend on the number of rows beside this one.
    logits = (log_p[:, None, :] * np.asarray(weights, dtype=float)).sum(axis=2) + np.asarray(bias, dtype=float)
    return np.asarray(softmax(logits, axis=1))


def proportional_odds_terms(member: Mapping[str, Any], features: Floats) -> Floats:
    """Return what each feature adds to the latent score of a member of kind "proportional_odds".

    Parameters
    ----------
    member
        Per feature j: `knots[j]` and `values[j]`, a line through points that stays level beyond its ends (so nothing
        is extrapolated), and `missing[j]`, what a missing value adds. Each term has mean 0 over the training rows.
    features
        (n, k) doubles, NaN where a feature is not defined.

    Returns
    -------
    numpy.ndarray
        (n, k) in log odds; positive leans to promoter. Rows add up to `latent_scores`.
    """
    terms = np.empty(features.shape)
    for j, (knots, values, missing) in enumerate(
        zip(member["knots"], member["values"], member["missing"], strict=True)
    ):
        column = features[:, j]
        terms[:, j] = np.where(np.isnan(column), missing, np.interp(column, knots, values))
    return terms


def latent_scores(member: Mapping[str, Any], boosters: Mapping[str, lightgbm.Booster], features: Floats) -> Floats:
    """Return what a member of the blend reads from the features, before links and calibration.

    Parameters
    ----------
    member
        One entry of the NPS parameters' `members`.
    boosters
        Trees by the name the member gives them.
    features
        (n, k) doubles in the order of the parameters' `features`; NaN where a feature is not defined.

    Returns
    -------
    numpy.ndarray
        (n,) "proportional_odds": the sum of its terms; "ridit_trees": the predicted ridit; "prior": zeros.
        (n, 2) "cumulative_trees": log odds of being above detractor and above passive.
    """
    kind = member["kind"]
    if kind == "proportional_odds":
        score = np.zeros(len(features))
        # Column by column: the rounding of a matrix product may depend on the rows beside this one.
        for j in range(features.shape[1]):
            one = {name: member[name][j : j + 1] for name in ("knots", "values", "missing")}
            score += proportional_odds_terms(one, features[:, j : j + 1])[:, 0]
        return score
    if kind == "prior" or len(features) == 0:
        return np.zeros((len(features), 2) if kind == "cumulative_trees" else len(features))
    if kind == "ridit_trees":
        return np.asarray(boosters[member["booster"]].predict(features, raw_score=True, num_threads=1), dtype=float)
    each = [boosters[name].predict(features, raw_score=True, num_threads=1) for name in member["boosters"]]
    return np.column_stack([np.asarray(raw, dtype=float) for raw in each])


def latent_probabilities(member: Mapping[str, Any], scores: Floats) -> Floats:
    """Return the probabilities (n, 3) of detractor, passive and promoter that a member gives to its latent scores.

    Ordinal link (McCullagh 1980, J. R. Statist. Soc. B 42, proportional odds): P(category <= j) = expit(c_j - b s),
    with b = 1 for "proportional_odds". "cumulative_trees" (Frank & Hall 2001, ECML): P(above passive) is not more than
    P(above detractor), then a Dirichlet calibration map. "prior": its shares for everyone.
    """
    if member["kind"] == "prior":
        return np.tile(np.asarray(member["shares"], dtype=float), (len(scores), 1))
    if member["kind"] == "cumulative_trees":
        calibration = member["calibration"]
        return calibrated_probabilities(
            cumulative_log_probabilities(scores), calibration["weights"], calibration["bias"]
        )
    latent = member.get("slope", 1.0) * scores
    lowest, highest = (np.asarray(cut - latent) for cut in member["cuts"])
    # A difference of two expits would round small probabilities away: F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)).
    passive = expit(highest) * expit(-lowest) * -np.expm1(lowest - highest)
    return np.column_stack([expit(lowest), passive, expit(-highest)])


def cumulative_log_probabilities(raw: Floats) -> Floats:
    """Return bounded log probabilities (n, 3) from (n, 2) log odds of being above detractor and above passive."""
    above_detractor, above_passive = expit(raw[:, 0]), expit(np.minimum(raw[:, 0], raw[:, 1]))
    shares = np.column_stack([1.0 - above_detractor, above_detractor - above_passive, above_passive])
    return bounded_log_probabilities(np.log(np.maximum(shares, np.finfo(float).tiny)))


def category_probabilities(
    parameters: Mapping[str, Any], boosters: Mapping[str, lightgbm.Booster], features: pd.DataFrame
) -> Floats:
    """Return the probabilities of detractor, passive and promoter of each row under an NPS model.

    Parameters
    ----------
    parameters
        `NpsModel.to_dict()`: `source`, `why`, `features`, `prior`, `members`.
    boosters
        Its trees: "ridit", "above_detractor", "above_passive"; those that no member uses are absent.
    features
        The features table; a feature it lacks counts as missing.

    Returns
    -------
    numpy.ndarray
        (n, 3): the members' probabilities, weighed. Rows sum to 1.

    Raises
    ------
    ValueError
        Where the model has no source.
    """
    if parameters["source"] is None:
        raise ValueError(f"the scorer holds no NPS model: {parameters['why']}")
    if parameters["source"] == "prior":
        return np.tile(np.asarray(parameters["prior"], dtype=float), (len(features), 1))
    X = features.reindex(columns=parameters["features"]).to_numpy(dtype=float, na_value=np.nan)
    return blended_probabilities(parameters["members"], boosters, X)


def blended_probabilities(
    members: Sequence[Mapping[str, Any]], boosters: Mapping[str, lightgbm.Booster], features: Floats
) -> Floats:
    """Return the weighted mean (n, 3) of what the members say of features (n, k): a linear pool (Stone 1961)."""
    blended = np.zeros((len(features), 3))
    for member in members:
        blended += member["weight"] * latent_probabilities(member, latent_scores(member, boosters, features))
    return blended


def median_category(probabilities: Floats) -> NDArray[np.int64]:
    """Return the median class of each row of (n, 3) probabilities: the first category that reaches half of the mass.

    Unlike the most probable class, it respects the order of the categories: its expected absolute distance is least.
    """
    below = np.cumsum(np.asarray(probabilities, dtype=float), axis=1)[:, :2] < 0.5
    return np.asarray(below.sum(axis=1), dtype=np.int64)
