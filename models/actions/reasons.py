"""Why a customer's NPS score differs from the base's: the groups of features that go with it, in words and points.

They are associations that the model uses (`models.nps.attribution`), no causes.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.catalogue import catalogue_of
from features.definition import Feature, write_value
from features.vocabulary import Vocabulary
from models.nps.attribution import NpsExplainer, feature_matrix
from models.scoring.parameters import CategoryParameters
from models.stats.typing import Floats

ROWS_AT_ONCE = 10_000
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


def least_difference(nps: CategoryParameters) -> float:
    """Points of m within which a customer's score is not told apart from the base's: the noise's 90 % interval."""
    return LEAST_DIFFERENCE if nps.noise is None else NOISE_IN_STANDARD_ERRORS * nps.noise


def nps_reasons(
    explainer: NpsExplainer,
    features: pd.DataFrame,
    vocabulary: Vocabulary,
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
    vocabulary
        It says what the features are.
    top
        Most groups per customer.
    progress
        Told the customers done and their number after each chunk.

    Yields
    ------
    list or None
        Per customer a JSON-able list: first the whole difference to the base with the shares of both; then the groups
        that lean the same way, largest first, each with the feature that moved most and its mean in the base; then
        what is left to the whole, where that is half a point or more: the points after the first add up to it. None
        where the score is within noise of the base's. At most `ROWS_AT_ONCE` customers are held.
    """
    catalogue = catalogue_of(vocabulary)
    definitions = [catalogue[name] for name in explainer.nps.features]
    for start in range(0, len(features), ROWS_AT_ONCE):
        yield from _reasons(explainer, features.iloc[start : start + ROWS_AT_ONCE], definitions, top)
        if progress is not None:
            progress(min(start + ROWS_AT_ONCE, len(features)), len(features))


def _reasons(
    explainer: NpsExplainer, features: pd.DataFrame, definitions: Sequence[Feature], top: int
) -> list[list[Reason] | None]:
    """Reasons of all rows at once."""
    points, probabilities = explainer.explain(features)
    total = points.sum(axis=1)
    direction = np.where(total < 0, -1.0, 1.0)[:, None]
    groups, of_group = _groups(definitions)
    by_group = np.stack([points[:, columns].sum(axis=1) for columns in of_group], axis=1)
    # The feature of each group that moved most the way of the score.
    foremost = [columns[np.argmax(points[:, columns] * direction, axis=1)] for columns in of_group]
    order = np.argsort(-by_group * direction, axis=1, kind="stable")[:, :top]
    feature = np.take_along_axis(np.stack(foremost, axis=1), order, axis=1)
    points_of = np.take_along_axis(by_group, order, axis=1)
    points_of[points_of * direction < LEAST_POINTS] = 0.0
    value = np.take_along_axis(feature_matrix(explainer.nps, features), feature, axis=1)
    due = (np.abs(total) > least_difference(explainer.nps)).tolist()
    # Lists, because single cells of arrays are slow to reach.
    rows = zip(*(of_all.tolist() for of_all in (total, probabilities, order, points_of, feature, value)), strict=True)
    words = _Words.of(definitions, explainer.usual)
    return [
        _say(explainer.base, groups, words, *row) if is_due else None for is_due, row in zip(due, rows, strict=True)
    ]


def _say(
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
    """Reasons of one customer: the whole, the groups of most points, what is left."""
    rates = f"{100 * p[0]:.0f} % detractors and {100 * p[2]:.0f} % promoters"
    beside = f"base {100 * base[0]:.0f} % and {100 * base[2]:.0f} %"
    said: list[Reason] = [
        {"group": "NPS", "points": round(total, 2), "text": f"such behaviour goes with {rates}; {beside}"}
    ]
    left = said[0]["points"]
    for g, points, j, own in zip(order, points_of, feature, value, strict=True):
        if points:
            text = f"{groups[g]} {points:+,.0f} points: {words.tell(j, own)}"
            said.append({"group": groups[g], "points": round(points, 2), "text": text})
            left -= said[-1]["points"]
    if abs(left) >= LEAST_POINTS:
        said.append({"group": "all else", "points": round(left, 2), "text": f"all else {left:+,.0f} points"})
    return said


@dataclass(frozen=True)
class _Words:
    """Per feature: its label, how its values are written, and its mean in the base as written."""

    labels: list[str]
    formats: list[str]
    usual: list[str]

    @classmethod
    def of(cls, features: Sequence[Feature], usual: Floats) -> "_Words":
        formats = [feature.entry.format for feature in features]
        # The mean of a count is no whole number.
        written = [write_value(mean, form.replace(".0f", ".1f")) for mean, form in zip(usual, formats, strict=True)]
        return cls([feature.label for feature in features], formats, written)

    def tell(self, j: int, value: float) -> str:
        return f"{self.labels[j]} {write_value(value, self.formats[j])} (base {self.usual[j]})"


def _groups(features: Sequence[Feature]) -> tuple[list[str], list[npt.NDArray[np.intp]]]:
    """Name the groups of features, in the order of their first feature, and the columns of each."""
    of_feature = [feature.group for feature in features]
    groups = list(dict.fromkeys(of_feature))
    return groups, [np.flatnonzero([group == name for group in of_feature]) for name in groups]
