"""Why a customer's NPS score differs from the base's: the groups of features that go with it, in points.

The score is m = 100 (p_promoter - p_detractor). Each member of the blend adds up a latent score (or two) from the
features: proportional odds by its coefficients, trees by TreeSHAP (Lundberg et al. 2020, Nature Machine Intelligence
2). Integrated gradients (Sundararajan et al. 2017, ICML, eq. 1) turn those parts into points: a feature's part times
the mean slope of m on the straight line from a typical latent score to the customer's. As m is curved, one typical
score would not stand for the base: the mean over ten of them does (expected gradients, Erion et al. 2021, Nature
Machine Intelligence 3). The points of all features add up to m less the base's; the blend's are the weighted sum. They
are associations that the model uses, no causes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.names import feature_group
from models.customer_scorer import latent_probabilities, proportional_odds_terms
from models.reason_words import feature_in_words, value_in_words

Array = npt.NDArray[np.float64]
Boosters = Mapping[str, lightgbm.Booster]

ROWS_AT_ONCE = 10_000
# The base is seen as so many typical customers, each the mean of as many real ones, from the lowest score up.
TYPICAL = 10
# Gauss-Legendre nodes on each line; with four the points of one feature are right to .01 on lines six logits long.
NODES = 4
STEP = 1e-4  # of a latent score, for slopes by central differences
# Where a model does not know its noise: a difference of so many points needs no reason.
LEAST_DIFFERENCE = 2.0
NOISE_IN_STANDARD_ERRORS = 1.645
# Nor does a group that would be rounded to nothing count as one.
LEAST_POINTS = 0.5


class Reason(TypedDict):
    """One reason: the group of features, its points of m, and a sentence."""

    group: str
    points: float
    text: str


@dataclass(frozen=True)
class TypicalLatents:
    """What a member of the blend makes of the base's typical customers.

    ``latents`` (t, d) are their latent scores, ``parts`` (t, k, d) what each feature adds to those.
    """

    latents: Array
    parts: Array


@dataclass(frozen=True)
class NpsExplainer:
    """Splits the NPS score of customers into points by feature, against a base.

    Attributes
    ----------
    nps, boosters
        The model, as a release keeps it (``parameters["nps"]`` with source "model"), and its trees by name.
    base : tuple of float
        Mean shares of detractors, passives and promoters of the base, to be told beside a customer's.
    typical : tuple of TypicalLatents
        By member.
    usual : numpy.ndarray
        (k,) values of the features that are usual in the base: the median, of levels the share.
    """

    nps: Mapping[str, Any]
    boosters: Boosters
    base: tuple[float, float, float]
    typical: tuple[TypicalLatents, ...]
    usual: Array

    @classmethod
    def of(
        cls, nps: Mapping[str, Any], boosters: Boosters, reference: pd.DataFrame, base: Sequence[float]
    ) -> "NpsExplainer":
        """Build it from customers who stand for the base.

        Parameters
        ----------
        nps, boosters, base
            As the attributes.
        reference
            Features of at least one customer, evenly spread over the base in ascending order of m.
        """
        seen = _matrix(nps, reference)
        tenths = np.array_split(np.arange(len(seen)), min(TYPICAL, len(seen)))
        typical = []
        for member in nps["members"]:
            found = _latents(member, boosters, seen)
            latents, parts = (np.stack([of_all[rows].mean(axis=0) for rows in tenths]) for of_all in found)
            typical.append(TypicalLatents(latents, parts))
        columns = pd.DataFrame(seen, columns=list(nps["features"]))
        is_level = [name.startswith("attribute_") and "_is_" in name for name in nps["features"]]
        usual = np.where(is_level, columns.mean(), columns.median())
        return cls(nps, boosters, (float(base[0]), float(base[1]), float(base[2])), tuple(typical), usual)

    @property
    def baseline(self) -> float:
        """The base's m: the mean over its typical customers."""
        members = zip(self.nps["members"], self.typical, strict=True)
        return float(sum(member["weight"] * _points_of_m(member, seen.latents).mean() for member, seen in members))

    def explain(self, features: pd.DataFrame) -> tuple[Array, Array]:
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
        values = _matrix(self.nps, features)
        points, probabilities = np.zeros(values.shape), np.zeros((len(values), 3))
        for member, seen in zip(self.nps["members"], self.typical, strict=True):
            latents, parts = _latents(member, self.boosters, values)
            points += member["weight"] * _feature_points(member, latents, parts, seen)
            probabilities += member["weight"] * _probabilities(member, latents)
        return points, probabilities

    def reasons(self, features: pd.DataFrame, top: int = 3) -> list[list[Reason] | None]:
        """Name the groups of features that go most with the side a customer's score leans to; see `nps_reasons`."""
        names, least = list(self.nps["features"]), least_difference(self.nps)
        points, probabilities = self.explain(features)
        total = points.sum(axis=1)
        direction = np.where(total < 0, -1.0, 1.0)
        groups, of_group = _groups(names)
        by_group = np.stack([points[:, columns].sum(axis=1) for columns in of_group], axis=1)
        # The feature of a group that moved most the way of the score.
        foremost = np.stack(
            [columns[np.argmax(points[:, columns] * direction[:, None], axis=1)] for columns in of_group], axis=1
        )
        order = np.argsort(-by_group * direction[:, None], axis=1, kind="stable")[:, :top]
        words = [feature_in_words(name) for name in names]
        usual = [value_in_words(value, written) for value, (_, written) in zip(self.usual, words, strict=True)]
        values = _matrix(self.nps, features)
        found: list[list[Reason] | None] = []
        for i in range(len(values)):
            if abs(total[i]) <= least:
                found.append(None)
                continue
            said = [self._overall(probabilities[i], float(total[i]))]
            for g in order[i]:
                if by_group[i, g] * direction[i] < LEAST_POINTS:
                    break
                j, own = foremost[i, g], float(by_group[i, g])
                label, written = words[j]
                value = f"{label} {value_in_words(values[i, j], written)} (base {usual[j]})"
                text = f"{groups[g]} {own:+,.0f} points: {value}"
                said.append({"group": groups[g], "points": round(own, 2), "text": text})
            found.append(said)
        return found

    def _overall(self, p: Array, points: float) -> Reason:
        rates = f"{100 * p[0]:.0f} % detractors and {100 * p[2]:.0f} % promoters"
        beside = f"base {100 * self.base[0]:.0f} % and {100 * self.base[2]:.0f} %"
        return {"group": "NPS", "points": round(points, 2), "text": f"such behaviour goes with {rates}; {beside}"}


def least_difference(nps: Mapping[str, Any]) -> float:
    """Points of m within which a customer's score is not told apart from the base's: the noise's 90 % interval."""
    noise = nps.get("noise")
    return LEAST_DIFFERENCE if noise is None else NOISE_IN_STANDARD_ERRORS * float(noise)


def nps_reasons(
    explainer: NpsExplainer,
    features: pd.DataFrame,
    top: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[list[Reason] | None]:
    """Say, customer by customer, what goes most with the side the score leans to.

    Parameters
    ----------
    explainer
        Of the model and the base.
    features
        (n, k) with the model's features among the columns, NaN where not defined.
    top
        Most groups per customer.
    progress
        Told the customers done and their number after each chunk.

    Yields
    ------
    list or None
        Per customer a JSON-able list: first the whole difference to the base with the shares of both, then the groups
        that lean the same way, largest first; those of the other side are not told, so that the groups need not add up
        to the whole. None where the score is within noise of the base's. At most `ROWS_AT_ONCE` customers are held.
    """
    for start in range(0, len(features), ROWS_AT_ONCE):
        yield from explainer.reasons(features.iloc[start : start + ROWS_AT_ONCE], top)
        if progress is not None:
            progress(min(start + ROWS_AT_ONCE, len(features)), len(features))


def _matrix(nps: Mapping[str, Any], features: pd.DataFrame) -> Array:
    """Take the model's features in its order; NaN where one is not defined."""
    return features.reindex(columns=list(nps["features"])).to_numpy(dtype=float, na_value=np.nan)


def _latents(member: Mapping[str, Any], boosters: Boosters, features: Array) -> tuple[Array, Array]:
    """Latent scores (n, d) of a member and what each feature adds to them (n, k, d), up to a constant."""
    n, k = features.shape
    if member["kind"] == "prior":
        return np.zeros((n, 1)), np.zeros((n, k, 1))
    if member["kind"] == "proportional_odds":
        terms = proportional_odds_terms(member, features)[:, :, None]
        return terms.sum(axis=1), terms
    names = [member["booster"]] if member["kind"] == "ridit_trees" else member["boosters"]
    # TreeSHAP gives k parts and the mean score over the training rows, side by side; together they are the score.
    found = [np.asarray(boosters[name].predict(features, pred_contrib=True, num_threads=1), float) for name in names]
    by_feature = np.stack(found, axis=2)
    return by_feature.sum(axis=1), by_feature[:, :k]


def _feature_points(member: Mapping[str, Any], latents: Array, parts: Array, typical: TypicalLatents) -> Array:
    """Points (n, k) of m by feature that one member gives, against the mean of the base's typical customers."""
    points = np.zeros(parts.shape[:2])
    for start, centre in zip(typical.latents, typical.parts, strict=True):
        slopes = _mean_slopes(member, start, latents)
        for j in range(latents.shape[1]):
            points += (parts[:, :, j] - centre[:, j]) * slopes[:, None, j]
    points /= len(typical.latents)
    # What the quadrature leaves over is given to the features by their size, so that the points add up exactly.
    left = _points_of_m(member, latents) - _points_of_m(member, typical.latents).mean() - points.sum(axis=1)
    size = np.abs(points)
    whole = size.sum(axis=1)
    points += size * np.divide(left, whole, out=np.zeros_like(left), where=whole > 0)[:, None]
    return points


def _mean_slopes(member: Mapping[str, Any], start: Array, end: Array) -> Array:
    """Mean slopes (n, d) of m by each latent score on the straight lines from (d,) to (n, d), by quadrature."""
    places, weights = np.polynomial.legendre.leggauss(NODES)
    slopes = np.zeros(end.shape)
    for place, weight in zip((1.0 + places) / 2.0, weights / 2.0, strict=True):
        here = start + place * (end - start)
        for j, step in enumerate(STEP * np.eye(end.shape[1])):
            rise = _points_of_m(member, here + step) - _points_of_m(member, here - step)
            slopes[:, j] += weight * rise / (2.0 * STEP)
    return slopes


def _points_of_m(member: Mapping[str, Any], latents: Array) -> Array:
    """Return m = 100 (p_promoter - p_detractor) of latent scores (n, d)."""
    p = _probabilities(member, latents)
    return np.asarray(100.0 * (p[:, 2] - p[:, 0]))


def _probabilities(member: Mapping[str, Any], latents: Array) -> Array:
    return latent_probabilities(member, latents[:, 0] if latents.shape[1] == 1 else latents)


def _groups(names: Sequence[str]) -> tuple[list[str], list[npt.NDArray[np.intp]]]:
    """Name the groups of features, in the order of their first feature, and the columns of each."""
    of_feature = [feature_group(name) for name in names]
    groups = list(dict.fromkeys(of_feature))
    return groups, [np.flatnonzero([group == name for group in of_feature]) for name in groups]
