"""Why a customer's NPS score differs from the base's: the groups of features that go with it, in words and points.

They are associations that the model uses (`models.nps.attribution`), not causes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.catalogue import catalogue_of
from features.definition import Feature, write_value
from features.vocabulary import Vocabulary
from models.nps.attribution import NpsExplainer, feature_matrix
from models.scoring.members import CategoryParameters
from models.stats.normal import ONE_SIDED_95
from models.stats.typing import Floats

ROWS_AT_ONCE = 10_000
# Where the noise of a model is not known, a difference of so many points needs no reason.
LEAST_DIFFERENCE = 2.0
# A group with fewer points, which round to 0, is not given as a reason.
LEAST_POINTS = 0.5
MOST_GROUPS = 3


class Reason(TypedDict):
    """One reason: the group of features, its points of m, and a sentence."""

    group: str
    points: float
    text: str


def least_difference(nps: CategoryParameters) -> float:
    """Return the points within which a customer's score does not differ from the base's: half of the 90 % interval."""
    return LEAST_DIFFERENCE if nps.noise is None else ONE_SIDED_95 * nps.noise


def nps_reasons(
    explainer: NpsExplainer,
    features: pd.DataFrame,
    vocabulary: Vocabulary,
) -> Iterator[list[Reason] | None]:
    """Give, customer by customer, the groups of features that go with the difference of the score from the base's.

    Parameters
    ----------
    explainer
        The explainer of the model, relative to the base.
    features
        (n, k) with the model's features among the columns, NaN where not defined.
    vocabulary
        The vocabulary that names the features.

    Yields
    ------
    list or None
        Per customer a JSON-able list: first the whole difference to the base with the shares of both; then up to
        `MOST_GROUPS` groups with points of the same sign, largest first, each with its feature of most points and the
        mean of that feature in the base; then the remainder, where it is half a point or more. The points after the
        first add up to it. None where the score is within noise of the base's. At most `ROWS_AT_ONCE` customers are
        computed at once.
    """
    catalogue = catalogue_of(vocabulary)
    definitions = [catalogue[name] for name in explainer.nps.features]
    for start in range(0, len(features), ROWS_AT_ONCE):
        yield from _reasons(explainer, features.iloc[start : start + ROWS_AT_ONCE], definitions)


def _reasons(
    explainer: NpsExplainer, features: pd.DataFrame, definitions: Sequence[Feature]
) -> list[list[Reason] | None]:
    """Return the reasons of all rows, computed at once."""
    points, probabilities = explainer.explain(features)
    total = points.sum(axis=1)
    direction = np.where(total < 0, -1.0, 1.0)[:, None]
    groups, of_group = _groups(definitions)
    by_group = np.stack([points[:, columns].sum(axis=1) for columns in of_group], axis=1)
    # The feature of each group with the most points of the sign of the total.
    foremost = [columns[np.argmax(points[:, columns] * direction, axis=1)] for columns in of_group]
    order = np.argsort(-by_group * direction, axis=1, kind="stable")[:, :MOST_GROUPS]
    feature = np.take_along_axis(np.stack(foremost, axis=1), order, axis=1)
    points_of = np.take_along_axis(by_group, order, axis=1)
    points_of[points_of * direction < LEAST_POINTS] = 0.0
    value = np.take_along_axis(feature_matrix(explainer.nps, features), feature, axis=1)
    due = (np.abs(total) > least_difference(explainer.nps)).tolist()
    # Lists, because access to single cells of arrays is slow.
    rows = zip(*(of_all.tolist() for of_all in (total, probabilities, order, points_of, feature, value)), strict=True)
    words = _Words.of(definitions, explainer.usual)
    return [
        _worded(explainer.base, groups, words, *row) if is_due else None for is_due, row in zip(due, rows, strict=True)
    ]


def _worded(
    base: Sequence[float],
    groups: list[str],
    words: "_Words",
    total: float,
    p: list[float],
    order: list[int],
    points_of: list[float],
    feature: list[int],
    value: list[float],
) -> list[Reason]:
    """Return the reasons of one customer: the whole difference, the groups of most points, and the remainder."""
    rates = f"{100 * p[0]:.0f} % detractors and {100 * p[2]:.0f} % promoters"
    beside = f"base {100 * base[0]:.0f} % and {100 * base[2]:.0f} %"
    reasons: list[Reason] = [
        {"group": "NPS", "points": round(total, 2), "text": f"such behaviour goes with {rates}; {beside}"}
    ]
    remainder = reasons[0]["points"]
    for g, points, j, own in zip(order, points_of, feature, value, strict=True):
        if points:
            text = f"{groups[g]} {points:+,.0f} points: {words.describe(j, own)}"
            reasons.append({"group": groups[g], "points": round(points, 2), "text": text})
            remainder -= reasons[-1]["points"]
    if abs(remainder) >= LEAST_POINTS:
        text = f"all else {remainder:+,.0f} points"
        reasons.append({"group": "all else", "points": round(remainder, 2), "text": text})
    return reasons


@dataclass(frozen=True)
class _Words:
    """Per feature its label, the format of its values, and its mean in the base in words."""

    labels: list[str]
    formats: list[str]
    usual: list[str]

    @classmethod
    def of(cls, features: Sequence[Feature], usual: Floats) -> "_Words":
        formats = [feature.entry.format for feature in features]
        # The mean of a count is not a whole number, so it gets a decimal.
        written = [write_value(mean, form.replace(".0f", ".1f")) for mean, form in zip(usual, formats, strict=True)]
        return cls([feature.label for feature in features], formats, written)

    def describe(self, j: int, value: float) -> str:
        return f"{self.labels[j]} {write_value(value, self.formats[j])} (base {self.usual[j]})"


def _groups(features: Sequence[Feature]) -> tuple[list[str], list[npt.NDArray[np.intp]]]:
    """Return the groups of features, in the order of their first feature, and the columns of each."""
    of_feature = [feature.group for feature in features]
    groups = list(dict.fromkeys(of_feature))
    return groups, [np.flatnonzero([group == name for group in of_feature]) for name in groups]
