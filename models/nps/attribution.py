"""A customer's NPS score split into points by feature, against a base.

The score is m = 100 (p_promoter - p_detractor). Each member of the blend adds up a latent score (or two) from the
features: proportional odds by its coefficients, trees by TreeSHAP (Lundberg et al. 2020, Nature Machine Intelligence
2). Integrated gradients (Sundararajan et al. 2017, ICML, eq. 1) turn those parts into points: a feature's part times
the mean slope of m on the straight line from a typical latent score to the customer's. As m is curved, one typical
score would not stand for the base: the mean over ten of them does (expected gradients, Erion et al. 2021, Nature
Machine Intelligence 3). The points of all features add up to m less the base's; the blend's are the weighted sum. They
are associations that the model uses, no causes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd

from models.scoring.members import Member, PriorMember, ProportionalOddsMember, RiditTreesMember
from models.scoring.nps import latent_probabilities, proportional_odds_terms
from models.scoring.parameters import CategoryParameters
from models.stats.typing import Floats

Boosters = Mapping[str, lightgbm.Booster]

# The base is seen as so many typical customers, each the mean of as many real ones, from the lowest score up.
TYPICAL = 10
# Gauss-Legendre nodes on each line. Of 20,000 simulated customers a feature's points are .0004 off (rms), at most .3.
NODES = 4
STEP = 1e-4  # of a latent score, for slopes by central differences
SHORT = 1e-6  # way of a latent score on which there is nothing to make up for


@dataclass(frozen=True)
class TypicalLatents:
    """What a member of the blend makes of the base's typical customers.

    ``latents`` (t, d) are their latent scores, ``parts`` (t, k, d) what each feature adds to those.
    """

    latents: Floats
    parts: Floats


@dataclass(frozen=True)
class NpsExplainer:
    """Splits the NPS score of customers into points by feature, against a base.

    Attributes
    ----------
    nps, boosters
        The model, as a release keeps it, with source "model", and its trees by name.
    base : tuple of float
        Mean shares of detractors, passives and promoters of the base, to be told beside a customer's.
    typical : tuple of TypicalLatents
        By member.
    usual : numpy.ndarray
        (k,) means of the features over those customers of the base for whom they are defined.
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
        """Build it from customers who stand for the base.

        Parameters
        ----------
        nps, boosters, base
            As the attributes.
        reference
            Features of at least one customer, evenly spread over the base in ascending order of m.
        """
        seen = feature_matrix(nps, reference)
        tenths = np.array_split(np.arange(len(seen)), min(TYPICAL, len(seen)))
        typical = []
        for member in nps.members:
            found = _latents(member, boosters, seen)
            latents, parts = (np.stack([of_all[rows].mean(axis=0) for rows in tenths]) for of_all in found)
            typical.append(TypicalLatents(latents, parts))
        usual = pd.DataFrame(seen).mean().to_numpy(float)
        return cls(nps, boosters, (float(base[0]), float(base[1]), float(base[2])), tuple(typical), usual)

    @property
    def baseline(self) -> float:
        """The base's m: the mean over its typical customers."""
        members = zip(self.nps.members, self.typical, strict=True)
        return float(sum(member.weight * _points_of_m(member, seen.latents).mean() for member, seen in members))

    def explain(self, features: pd.DataFrame) -> tuple[Floats, Floats]:
        """Split the score of each row; its memory grows with the rows.

        Parameters
        ----------
        features
            (n, k) with the model's features among the columns.

        Returns
        -------
        tuple of numpy.ndarray
            (n, k) points by feature, which add up to m less `baseline`, and the probabilities (n, 3).
        """
        values = feature_matrix(self.nps, features)
        points, probabilities = np.zeros(values.shape), np.zeros((len(values), 3))
        for member, seen in zip(self.nps.members, self.typical, strict=True):
            latents, parts = _latents(member, self.boosters, values)
            points += member.weight * _feature_points(member, latents, parts, seen)
            probabilities += member.weight * _probabilities(member, latents)
        return points, probabilities


def feature_matrix(nps: CategoryParameters, features: pd.DataFrame) -> Floats:
    """Take the model's features in its order; NaN where one is not defined."""
    return features.reindex(columns=list(nps.features)).to_numpy(dtype=float, na_value=np.nan)


def _latents(member: Member, boosters: Boosters, features: Floats) -> tuple[Floats, Floats]:
    """Latent scores (n, d) of a member and what each feature adds to them (n, k, d), up to a constant."""
    n, k = features.shape
    if isinstance(member, PriorMember):
        return np.zeros((n, 1)), np.zeros((n, k, 1))
    if isinstance(member, ProportionalOddsMember):
        terms = proportional_odds_terms(member, features)[:, :, None]
        return terms.sum(axis=1), terms
    names = (member.booster,) if isinstance(member, RiditTreesMember) else member.boosters
    # TreeSHAP gives k parts and the mean score over the training rows, side by side; together they are the score.
    found = [np.asarray(boosters[name].predict(features, pred_contrib=True, num_threads=1), float) for name in names]
    by_feature = np.stack(found, axis=2)
    return by_feature.sum(axis=1), by_feature[:, :k]


def _feature_points(member: Member, latents: Floats, parts: Floats, typical: TypicalLatents) -> Floats:
    """Points (n, k) of m by feature that one member gives, against the mean of the base's typical customers."""
    points = np.zeros(parts.shape[:2])
    for start, centre in zip(typical.latents, typical.parts, strict=True):
        slopes = _mean_slopes(member, start, latents)
        for j in range(latents.shape[1]):
            points += (parts[:, :, j] - centre[:, j]) * slopes[:, None, j]
    return points / len(typical.latents)


def _mean_slopes(member: Member, start: Floats, end: Floats) -> Floats:
    """Mean slopes (n, d) of m by each latent score on the straight lines from (d,) to (n, d), by quadrature.

    The least change that makes them add up to the difference of m makes up for what quadrature misses; of one latent
    score they are then the exact difference quotient.
    """
    places, weights = np.polynomial.legendre.leggauss(NODES)
    slopes = np.zeros(end.shape)
    for place, weight in zip((1.0 + places) / 2.0, weights / 2.0, strict=True):
        here = start + place * (end - start)
        for j, step in enumerate(STEP * np.eye(end.shape[1])):
            rise = _points_of_m(member, here + step) - _points_of_m(member, here - step)
            slopes[:, j] += weight * rise / (2.0 * STEP)
    way = end - start
    missed = _points_of_m(member, end) - _points_of_m(member, start[None, :]) - (slopes * way).sum(axis=1)
    length = (way**2).sum(axis=1)
    share = np.divide(missed, length, out=np.zeros_like(missed), where=length > SHORT**2)
    return np.asarray(slopes + way * share[:, None])


def _points_of_m(member: Member, latents: Floats) -> Floats:
    """Return m = 100 (p_promoter - p_detractor) of latent scores (n, d)."""
    p = _probabilities(member, latents)
    return np.asarray(100.0 * (p[:, 2] - p[:, 0]))


def _probabilities(member: Member, latents: Floats) -> Floats:
    return latent_probabilities(member, latents[:, 0] if latents.shape[1] == 1 else latents)
