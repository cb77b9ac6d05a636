"""The NPS category: latent scores, their links to probabilities, calibration, and the pool of members."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, softmax

from .arrays import Floats, interpolated, matrices_of
from .boosted.trees import Trees
from .columns import CATEGORIES
from .members import (
    CategoryParameters,
    CumulativeTreesMember,
    Member,
    PriorMember,
    ProportionalOddsMember,
    RiditTreesMember,
)

# A category that trees never saw gets a log probability near -35, which would carry a calibration map away.
LOWEST_LOG_PROBABILITY = -10.0
NO_OFFSETS = (0.0, 0.0, 0.0)


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


def proportional_odds_terms(member: ProportionalOddsMember, features: Floats) -> Floats:
    """Return what each feature adds to the latent score of a member of proportional odds.

    Parameters
    ----------
    member
        With as many features.
    features
        (n, k) doubles, NaN where a feature is not defined.

    Returns
    -------
    numpy.ndarray
        (n, k) in log odds; positive leans to promoter. Rows add up to `latent_scores`.
    """
    terms = np.empty(features.shape)
    for j, term in enumerate(_terms_by_feature(member, features)):
        terms[:, j] = term
    return terms


def _terms_by_feature(member: ProportionalOddsMember, features: Floats) -> Iterator[Floats]:
    """Yield each feature's term, (n,)."""
    lines = zip(features.T, member.knots, member.values, member.missing, strict=True)
    for column, knots, values, missing in lines:
        yield np.where(np.isnan(column), missing, interpolated(column, knots, values))


def latent_scores(member: Member, boosters: Mapping[str, Trees], features: Floats) -> Floats:
    """Return what a member of the blend reads from the features, before links and calibration.

    Parameters
    ----------
    member
        One of the parameters' `members`.
    boosters
        Trees by the name the member gives them.
    features
        (n, k) doubles in the order of the parameters' `features`; NaN where a feature is not defined.

    Returns
    -------
    numpy.ndarray
        (n,) of proportional odds the sum of its terms, of ridit trees the predicted ridit, of the prior zeros;
        (n, 2) of cumulative trees, the log odds of being above detractor and above passive.
    """
    match member:
        case ProportionalOddsMember():
            score = np.zeros(len(features))
            # Column by column: the rounding of a matrix product may depend on the rows beside this one.
            for term in _terms_by_feature(member, features):
                score += term
            return score
        case RiditTreesMember():
            return boosters[member.booster].raw_scores(features)
        case CumulativeTreesMember():
            return np.column_stack([boosters[name].raw_scores(features) for name in member.boosters])
        case PriorMember():
            return np.zeros(len(features))


def latent_probabilities(member: Member, scores: Floats) -> Floats:
    """Return the probabilities (n, 3) of detractor, passive and promoter that a member gives to its latent scores.

    Ordinal link (McCullagh 1980, J. R. Statist. Soc. B 42, proportional odds): P(category <= j) = expit(c_j - b s),
    with b = 1 for proportional odds. Cumulative trees (Frank & Hall 2001, ECML): P(above passive) is not more than
    P(above detractor), then a Dirichlet calibration map. The prior: its shares for everyone.
    """
    match member:
        case PriorMember():
            return np.tile(np.asarray(member.shares, dtype=float), (len(scores), 1))
        case CumulativeTreesMember():
            return calibrated_probabilities(cumulative_log_probabilities(scores), *member.calibration.arrays())
        case RiditTreesMember():
            latent = member.slope * scores
        case ProportionalOddsMember():
            latent = scores
    lowest, highest = (np.asarray(cut - latent) for cut in member.cuts)
    # A difference of two expits would round small probabilities away: F(a) - F(b) = F(a) F(-b) (1 - exp(b - a)).
    passive = expit(highest) * expit(-lowest) * -np.expm1(lowest - highest)
    return np.column_stack([expit(lowest), passive, expit(-highest)])


def cumulative_log_probabilities(raw: Floats) -> Floats:
    """Return bounded log probabilities (n, 3) from (n, 2) log odds of being above detractor and above passive."""
    above_detractor, above_passive = expit(raw[:, 0]), expit(np.minimum(raw[:, 0], raw[:, 1]))
    shares = np.column_stack([1.0 - above_detractor, above_detractor - above_passive, above_passive])
    return bounded_log_probabilities(np.log(np.maximum(shares, np.finfo(float).tiny)))


def category_probabilities(
    parameters: CategoryParameters, boosters: Mapping[str, Trees], features: pd.DataFrame
) -> Floats:
    """Return the probabilities of detractor, passive and promoter of each row under an NPS model.

    Parameters
    ----------
    parameters
        Of the model.
    boosters
        Its trees: "ridit", "above_detractor", "above_passive"; those that no member uses are absent.
    features
        The features table; a feature it lacks counts as missing.

    Returns
    -------
    numpy.ndarray
        (n, 3): the members' probabilities, weighed, and moved by the offsets. Rows sum to 1.

    Raises
    ------
    ValueError
        Where the model has no source.
    """
    if parameters.source is None:
        raise ValueError(f"the scorer holds no NPS model: {parameters.why}")
    if parameters.source == "prior":
        prior = np.tile(np.asarray(parameters.prior, dtype=float), (len(features), 1))
        return shifted_probabilities(prior, parameters.offsets)
    probabilities = np.empty((len(features), 3))
    for rows, X in matrices_of(features, parameters.features):
        probabilities[rows] = blended_probabilities(parameters.members, boosters, X, parameters.offsets)
    return probabilities


def shifted_probabilities(probabilities: Floats, offsets: Sequence[float]) -> Floats:
    """Return probabilities (n, 3) with offsets added to their logarithms, scaled to sum to 1."""
    if not any(offsets):
        return probabilities
    shifted = probabilities * np.exp(np.asarray(offsets, dtype=float))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def blended_probabilities(
    members: Sequence[Member],
    boosters: Mapping[str, Trees],
    features: Floats,
    offsets: Sequence[float] = NO_OFFSETS,
) -> Floats:
    """Return the weighted mean (n, 3) of what the members say of features (n, k): a linear pool (Stone 1961).

    Each member's probabilities are moved by the offsets first, see `shifted_probabilities`.
    """
    blended = np.zeros((len(features), 3))
    for member in members:
        of_member = latent_probabilities(member, latent_scores(member, boosters, features))
        blended += member.weight * shifted_probabilities(of_member, offsets)
    return blended


def categories(parameters: CategoryParameters, probabilities: Floats) -> NDArray[np.object_]:
    """Return the category of each row of (n, 3) probabilities, (n,) names; None for all without a signal.

    The score m = p_promoter - p_detractor is cut at the points of the version. Median or likeliest classes would name
    almost nobody a detractor where a quarter are: single probabilities are far from certain. A version without cut
    points gives the median class.
    """
    if parameters.source != "model":
        return np.full(len(probabilities), None, dtype=object)
    if parameters.cuts is None:
        of_row = median_category(probabilities)
    else:
        of_row = np.searchsorted(parameters.cuts, probabilities[:, 2] - probabilities[:, 0], side="right")
    return np.asarray(np.array(CATEGORIES, dtype=object)[of_row])


def median_category(probabilities: Floats) -> NDArray[np.int64]:
    """Return the median class of each row of (n, 3) probabilities: the first category that reaches half of the mass.

    Unlike the most probable class, it respects the order of the categories: its expected absolute distance is least.
    """
    below = np.cumsum(np.asarray(probabilities, dtype=float), axis=1)[:, :2] < 0.5
    return np.asarray(below.sum(axis=1), dtype=np.int64)
