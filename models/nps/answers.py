"""The answers that an NPS model learns from: checks of their validity, and of whether they are enough."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.scoring.columns import CATEGORIES
from models.stats.typing import Flags, Floats, Integers, Strings

FEWEST_ANSWERS = 30
FEWEST_ANSWERS_TO_LEARN = 200
# With fewer answers outside the largest class a single answer decides the out-of-fold gain and its standard error.
FEWEST_ANSWERS_OF_OTHER_CLASSES = 10


@dataclass(frozen=True)
class Answers:
    """Answers with features and folds, in one order of the rows.

    Attributes
    ----------
    X, category, level, fold
        (n, k) features, (n,) category 0..2, (n,) level 0..levels-1 and (n,) fold.
    category_of_level
        (levels,) category of each level, not decreasing; each category has a level.
    seed
        Seed of the trees.
    """

    X: Floats
    category: Integers
    level: Integers
    category_of_level: Integers
    fold: Integers
    seed: int

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return int(self.fold.max()) + 1


def checked(
    features: pd.DataFrame, category: npt.ArrayLike, customer: npt.ArrayLike, level: npt.ArrayLike | None
) -> tuple[Floats, Integers, Strings, npt.NDArray[Any]]:
    """Return arrays of equal length with valid categories and no infinite feature."""
    X = features.to_numpy(dtype=float, na_value=np.nan)
    y, who = np.asarray(category), np.asarray(customer).astype(str)
    levels = y if level is None else np.asarray(level)
    if not len(X) == len(y) == len(who) == len(levels):
        raise ValueError(
            "features, category, customer and level must have one row per answer, "
            f"got {len(X)}, {len(y)}, {len(who)}, {len(levels)}"
        )
    if not np.isin(y, (0, 1, 2)).all():
        invalid = sorted({str(value) for value in y[~np.isin(y, (0, 1, 2))]})
        raise ValueError(f"category must be 0, 1 or 2, got {', '.join(invalid[:5])}")
    infinite = np.isinf(X).any(axis=0)
    if infinite.any():
        raise ValueError(f"features must be finite or NaN, got infinity in {', '.join(features.columns[infinite])}")
    return X, y.astype(np.int64), who, levels


def ranked_levels(level: npt.NDArray[Any], category: Integers) -> tuple[Integers, Integers]:
    """Return the level of each answer, counted from 0, and the category of each level.

    A category that nobody gave gets a level of its own. Where levels contradict the order of the categories, the
    category itself is the level.
    """
    pairs, of_row = np.unique(np.column_stack([category, level]), axis=0, return_inverse=True)
    if len(np.unique(pairs[:, 1])) < len(pairs) or np.any(np.diff(pairs[:, 1]) < 0):
        return category, np.arange(3)
    of_level = np.concatenate([pairs[:, 0].astype(np.int64), np.setdiff1d(np.arange(3), category)])
    order = np.argsort(of_level, kind="stable")
    return np.argsort(order)[of_row.ravel()], of_level[order]


def why_nothing(y: Integers) -> str | None:
    """Say why no NPS can be given at all; None where it can."""
    if len(y) < FEWEST_ANSWERS:
        return f"There are {len(y)} answers; fewer than {FEWEST_ANSWERS} say nothing about the other customers."
    if np.unique(y).size == 1:
        return f"All {len(y)} answers are of one class ({CATEGORIES[y[0]]}), so there is nothing to learn."
    return None


def why_no_model(X: Floats, y: Integers, who: Strings) -> str | None:
    """Say why everyone gets the shares of the classes; None where a model can be learned."""
    if len(X) < FEWEST_ANSWERS_TO_LEARN:
        return f"There are {len(X)} answers; under {FEWEST_ANSWERS_TO_LEARN} everyone gets the shares of the classes."
    people = np.unique(who).size
    if people < FEWEST_ANSWERS:
        return f"Only {people} customers gave the {len(X)} answers, so everyone gets the shares of the classes."
    count = np.bincount(y, minlength=len(CATEGORIES))
    others = len(y) - int(count.max())
    if others < FEWEST_ANSWERS_OF_OTHER_CLASSES:
        return (
            f"Only {others} of the {len(y)} answers are not of the largest class ({CATEGORIES[count.argmax()]}); under "
            f"{FEWEST_ANSWERS_OF_OTHER_CLASSES} everyone gets the shares of the classes."
        )
    if not varying(X).any():
        return "No feature differs between the answers, so everyone gets the shares of the classes."
    return None


def varying(X: Floats) -> Flags:
    """Flag the features with two values or more.

    The others carry at most the pattern of where they are missing, which other features carry too: in a shop without
    returns the return rate is missing where nothing was bought, and a reason about returns would be wrong.
    """
    return np.asarray(np.nanmax(X, axis=0, initial=-np.inf) > np.nanmin(X, axis=0, initial=np.inf))
