"""A customer's NPS score split into points by feature, relative to a base.

The score is m = 100 (p_promoter - p_detractor). In each member of the blend one or two latent scores are sums of parts
by feature: from the coefficients of proportional odds, and from TreeSHAP for trees (Lundberg et al. 2020, Nature
Machine Intelligence 2). Integrated gradients (Sundararajan et al. 2017, ICML, eq. 1) turn the parts into points: the
part of a feature times the mean slope of m on the straight line from a typical latent score to the customer's. As m is
not linear, one typical score cannot represent the base; the mean over ten of them does (expected gradients, Erion et
al. 2021, Nature Machine Intelligence 3). The points of all features add up to m minus the m of the base; those of the
blend are the weighted sum over its members. They are associations that the model uses, not causes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.scoring.boosted.trees import Trees
from models.scoring.members import (
    CategoryParameters,
    Member,
    PriorMember,
    ProportionalOddsMember,
    RiditTreesMember,
    Shares,
)
from models.scoring.nps import latent_probabilities, proportional_odds_terms, shifted_probabilities
from models.stats.typing import Floats

Boosters = Mapping[str, Trees]

# The base is represented by so many typical customers, each the mean of an equal part of the reference, ordered by
# score.
TYPICAL = 10
# Gauss-Legendre nodes on each line. For 20,000 simulated customers the error of the points is .0004 (rms), at most .3.
NODES = 4
STEP = 1e-4  # in units of a latent score, for slopes by central differences
SHORT = 1e-6  # distance of latent scores below which slopes are not corrected


@dataclass(frozen=True)
class TypicalLatents:
    """The latent scores of the base's typical customers under one member of the blend.

    ``latents`` (t, d) are the scores, ``parts`` (t, k, d) the part of each feature in them.
    """

    latents: Floats
    parts: Floats


@dataclass(frozen=True)
class NpsExplainer:
    """Splits the NPS score of customers into points by feature, relative to a base.

    Attributes
    ----------
    nps, boosters
        The model, as a release keeps it, with source "model", and its trees by name.
    base : tuple of float
        Mean shares of detractors, passives and promoters in the base.
    typical : tuple of TypicalLatents
        The typical customers under each member.
    usual : numpy.ndarray
        (k,) means of the features over the customers of the reference for whom they are defined.
    """

    nps: CategoryParameters
    boosters: Boosters
    base: tuple[float, float, float]
    typical: tuple[TypicalLatents, ...]
    usual: Floats

    @classmethod
    def of(
        cls, nps: CategoryParameters, boosters: Boosters, reference: pd.DataFrame, base: Sequence[float]
    ) -> "NpsExplainer":
        """Build the explainer from customers who represent the base.

        Parameters
        ----------
        nps, boosters, base
            As the attributes.
        reference
            Features of at least one customer, evenly spread over the base, in ascending order of m.
        """
        matrix = feature_matrix(nps, reference)
        parts_of_base = np.array_split(np.arange(len(matrix)), min(TYPICAL, len(matrix)))
        typical = []
        for member in nps.members:
            latents, parts = (
                np.stack([of_customers[rows].mean(axis=0) for rows in parts_of_base])
                for of_customers in _latents(member, boosters, matrix)
            )
            typical.append(TypicalLatents(latents, parts))
        usual = pd.DataFrame(matrix).mean().to_numpy(float)
        return cls(nps, boosters, (float(base[0]), float(base[1]), float(base[2])), tuple(typical), usual)

    @property
    def baseline(self) -> float:
        """The m of the base: the mean over its typical customers."""
        members = zip(self.nps.members, self.typical, strict=True)
        offsets = self.nps.offsets
        return float(
            sum(member.weight * _score(member, typical.latents, offsets).mean() for member, typical in members)
        )

    def explain(self, features: pd.DataFrame) -> tuple[Floats, Floats]:
        """Split the score of each row; memory grows with the rows.

        Parameters
        ----------
        features
            (n, k) with the model's features among the columns.

        Returns
        -------
        tuple of numpy.ndarray
            (n, k) points by feature, which add up to m minus `baseline`, and the probabilities (n, 3).
        """
        values = feature_matrix(self.nps, features)
        points, probabilities = np.zeros(values.shape), np.zeros((len(values), 3))
        for member, typical in zip(self.nps.members, self.typical, strict=True):
            latents, parts = _latents(member, self.boosters, values)
            points += member.weight * _feature_points(member, latents, parts, typical, self.nps.offsets)
            probabilities += member.weight * _probabilities(member, latents, self.nps.offsets)
        return points, probabilities


def feature_matrix(nps: CategoryParameters, features: pd.DataFrame) -> Floats:
    """Return (n, k) values of the model's features in its order; NaN where one is not defined."""
    return features.reindex(columns=list(nps.features)).to_numpy(dtype=float, na_value=np.nan)


def _latents(member: Member, boosters: Boosters, features: Floats) -> tuple[Floats, Floats]:
    """Return latent scores (n, d) of a member and the part of each feature in them (n, k, d), up to a constant."""
    n, k = features.shape
    if isinstance(member, PriorMember):
        return np.zeros((n, 1)), np.zeros((n, k, 1))
    if isinstance(member, ProportionalOddsMember):
        terms = proportional_odds_terms(member, features)[:, :, None]
        return terms.sum(axis=1), terms
    names = (member.booster,) if isinstance(member, RiditTreesMember) else member.boosters
    # TreeSHAP returns k parts and, in the last column, the mean score over the training rows; they sum to the score.
    shap = [boosters[name].contributions(features) for name in names]
    by_feature = np.stack(shap, axis=2)
    return by_feature.sum(axis=1), by_feature[:, :k]


def _feature_points(member: Member, latents: Floats, parts: Floats, typical: TypicalLatents, offsets: Shares) -> Floats:
    """Return (n, k) points of m by feature under one member, relative to the base's typical customers."""
    points = np.zeros(parts.shape[:2])
    for start, start_parts in zip(typical.latents, typical.parts, strict=True):
        slopes = _mean_slopes(member, start, latents, offsets)
        for j in range(latents.shape[1]):
            points += (parts[:, :, j] - start_parts[:, j]) * slopes[:, None, j]
    return points / len(typical.latents)


def _mean_slopes(member: Member, start: Floats, end: Floats, offsets: Shares) -> Floats:
    """Return mean slopes (n, d) of m by each latent score on the straight lines from (d,) to (n, d), by quadrature.

    The error of quadrature is corrected by the least change that makes the slopes add up to the difference of m. With
    one latent score the slope is then the exact difference quotient.
    """
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    slopes = np.zeros(end.shape)
    for node, weight in zip((1.0 + nodes) / 2.0, weights / 2.0, strict=True):
        here = start + node * (end - start)
        for j, step in enumerate(STEP * np.eye(end.shape[1])):
            rise = _score(member, here + step, offsets) - _score(member, here - step, offsets)
            slopes[:, j] += weight * rise / (2.0 * STEP)
    difference = end - start
    rise = _score(member, end, offsets) - _score(member, start[None, :], offsets)
    missed = rise - (slopes * difference).sum(axis=1)
    length = (difference**2).sum(axis=1)
    share = np.divide(missed, length, out=np.zeros_like(missed), where=length > SHORT**2)
    return np.asarray(slopes + difference * share[:, None])


def _score(member: Member, latents: Floats, offsets: Shares) -> Floats:
    """Return m = 100 (p_promoter - p_detractor) of latent scores (n, d)."""
    p = _probabilities(member, latents, offsets)
    return np.asarray(100.0 * (p[:, 2] - p[:, 0]))


def _probabilities(member: Member, latents: Floats, offsets: Shares) -> Floats:
    of_member = latent_probabilities(member, latents[:, 0] if latents.shape[1] == 1 else latents)
    return shifted_probabilities(of_member, offsets)
