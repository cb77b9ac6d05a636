"""Personas: clusters of customers who behave alike, with names and what tells them apart."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.catalogue import Catalogue, catalogue_of
from features.definition import Feature, write_value
from features.vocabulary import Vocabulary
from models.segments.personas.names import ALL, TELLING, persona_names, same_people, telling_words
from models.segments.personas.number_of_clusters import (
    CRITERION,
    MOST_SPREAD,
    Trial,
    chosen,
    cluster,
    nearest,
    try_numbers,
)
from models.segments.personas.space import Space, feature_values, fit_space
from models.stats.typing import Floats, Integers, Texts

# Customers that personas are fitted on; of more these are drawn by their ids, mostly the same at every refit.
FITTED_ON = 20_000
# Features that a profile names, and scores of which it gives the mean.
FEATURES_TOLD = 4
VALUES = ("revenue", "clv", "expected_revenue", "p_purchase", "p_churn")


@dataclass(frozen=True)
class Personas:
    """Personas as fitted.

    Attributes
    ----------
    space : Space
        Where customers stand by their features.
    centres : tuple of tuple of float
        The middle of each persona in the space.
    names : tuple of str
        Of each persona, the largest first.
    trials : tuple of Trial
        What was found of each number of personas that was tried.
    customers, fitted_on : int
        Of the base, and those drawn from it to fit on.
    why : str
        Why there is one persona only, or that the two are no groups; "" of groups.
    """

    space: Space
    centres: tuple[tuple[float, ...], ...]
    names: tuple[str, ...]
    trials: tuple[Trial, ...]
    customers: int
    fitted_on: int
    why: str = ""

    @property
    def agreement(self) -> float:
        """Mean adjusted Rand index between bootstrap fits of the number chosen; 1 of a single persona."""
        return next((trial.agreement for trial in self.trials if trial.k == len(self.names)), 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Give the personas as JSON can hold them, with the criterion that chose their number."""
        return {
            "k": len(self.names),
            "names": list(self.names),
            "criterion": CRITERION,
            "trials": [asdict(trial) for trial in self.trials],
            "why": self.why,
            "customers": self.customers,
            "fitted_on": self.fitted_on,
            "centres": [list(centre) for centre in self.centres],
            "space": self.space.to_dict(),
        }

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any], catalogue: Catalogue) -> "Personas":
        """Read what `to_dict` gave; the catalogue holds the features of the customers to assign."""
        return cls(
            space=Space.from_dict(parts["space"], catalogue),
            centres=tuple(tuple(centre) for centre in parts["centres"]),
            names=tuple(parts["names"]),
            trials=tuple(Trial(**trial) for trial in parts["trials"]),
            customers=parts["customers"],
            fitted_on=parts["fitted_on"],
            why=parts["why"],
        )


def fit_personas(
    described: pd.DataFrame, vocabulary: Vocabulary, seed: int, before: Personas | None = None
) -> Personas:
    """Find the personas of a base.

    Parameters
    ----------
    described
        Everyone's features at one date: customer_id and the columns that `features.describe.describe` gives, NaN where
        undefined. The order of rows does not matter. Attributes are not used: they are not behaviour.
    vocabulary
        It names the features.
    seed
        Seed of everything random.
    before
        Earlier personas, whose names and number are kept while they hold.

    Returns
    -------
    Personas
        k-means clusters in the space of `models.segments.personas.space.fit_space`, as many as the criterion of
        `models.segments.personas.number_of_clusters` finds.
    """
    base = _drawn(described, seed)
    catalogue = catalogue_of(vocabulary)
    # One thread: sums come out the same to the last bit on any machine, and these are small.
    with threadpool_limits(limits=1):
        space = fit_space(base, catalogue)
        placed = space.place(base)
        trials = try_numbers(base, space, catalogue, seed)
        k = chosen(trials, len(base), len(before.names) if before is not None else None)
        centres = cluster(placed, k, seed)[0] if k > 1 else np.zeros((1, placed.shape[1]))
    found = nearest(placed, centres.tolist())
    order = np.argsort(-np.bincount(found, minlength=k), kind="stable")
    centres, found = centres[order], np.argsort(order)[found]
    if k == 1:
        called = [ALL]
    else:
        kept = {}
        if before is not None:
            kept = same_people(found, k, list(assign_personas(before, base)), before.names)
        differences = _differences(space, base, found, k)
        called = persona_names([telling_words(space.coordinates, row) for row in differences], kept)
    return Personas(
        space=space,
        centres=tuple(tuple(centre) for centre in centres.tolist()),
        names=tuple(called),
        trials=trials,
        customers=len(described),
        fitted_on=len(base),
        why=_why(space, trials, k, len(base)),
    )


def assign_personas(personas: Personas, described: pd.DataFrame) -> Texts:
    """Name everyone's persona, at any later date.

    Parameters
    ----------
    personas
        As fitted.
    described
        Features as for `fit_personas`; a feature that is missing counts as not known.

    Returns
    -------
    array of shape (n,)
        Names. Each depends on that customer's row alone, so a customer's persona moves because the customer moved.
    """
    assigned: Texts = np.array(personas.names, dtype=object)[_positions(personas, described)]
    return assigned


def profile(personas: Personas, described: pd.DataFrame, scores: pd.DataFrame | None = None) -> pd.DataFrame:
    """Say of each persona how many it holds, what tells it apart and what it is worth.

    Parameters
    ----------
    personas
        The personas.
    described
        Features as for `fit_personas`.
    scores
        Rows of a scores table, by customer_id; the means of its columns among `VALUES` are added.

    Returns
    -------
    DataFrame
        One row per persona, in the order of the names: persona, customers, share, told_by ("orders so far 7 (all 1);
        ...": the features farthest from the mean of all, at most one a theme, with the median of the persona and of
        all, those whose medians are alike left out) and the mean of each score, NaN of a persona without customers.
    """
    position, k = _positions(personas, described), len(personas.names)
    customers = np.bincount(position, minlength=k)
    differences = _differences(personas.space, described, position, k)
    rows = pd.DataFrame(
        {
            "persona": personas.names,
            "customers": customers,
            "share": customers / max(len(described), 1),
            "told_by": [
                _told(personas.space, described, described[position == number], differences[number])
                for number in range(k)
            ],
        }
    )
    if scores is not None:
        values = scores.set_index("customer_id").reindex(described["customer_id"])
        means = values[[name for name in VALUES if name in values]].groupby(position).mean().reindex(range(k))
        rows = rows.join(means)
    return rows


def _drawn(described: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw the customers to fit on by a hash of their ids, and put them in order.

    A customer is drawn or not whoever else there is, as far as sizes allow: refits see mostly the same people.
    """
    if len(described) > FITTED_ON:
        hashed = pd.util.hash_array(described["customer_id"].to_numpy(dtype=object), hash_key=f"{seed:016d}"[-16:])
        described = described[hashed <= np.partition(hashed, FITTED_ON - 1)[FITTED_ON - 1]]
    return described.sort_values("customer_id", ignore_index=True)


def _positions(personas: Personas, described: pd.DataFrame) -> Integers:
    return nearest(personas.space.place(described), personas.centres)


def _differences(space: Space, described: pd.DataFrame, position: Integers, k: int) -> Floats:
    """Give each persona's mean less that of all, in standard deviations over all: (k, coordinates)."""
    customers = np.maximum(np.bincount(position, minlength=k), 1)
    differences = np.zeros((k, len(space.coordinates)))
    for number, coordinate in enumerate(space.coordinates):
        column = coordinate.place(described)
        spread = column.std() if len(column) else 0.0
        if spread > 0.0:
            means = np.bincount(position, weights=column, minlength=k) / customers
            differences[:, number] = (means - column.mean()) / spread
    return differences


def _told(space: Space, everyone: pd.DataFrame, persona: pd.DataFrame, differences: Floats) -> str:
    """Say in words which features tell a persona apart."""
    told: dict[str, str] = {}
    for number in np.argsort(-np.abs(differences), kind="stable"):
        coordinate = space.coordinates[number]
        if len(told) == FEATURES_TOLD or abs(differences[number]) < TELLING:
            break
        feature = coordinate.definition
        if coordinate.theme in told or feature is None or coordinate.feature not in everyone:
            continue
        own, of_all = (write_value(_median(of, feature), feature.entry.format) for of in (persona, everyone))
        if own != of_all:
            told[coordinate.theme] = f"{feature.label} {own} (all {of_all})"
    return "; ".join(told.values())


def _median(described: pd.DataFrame, feature: Feature) -> float:
    """Give the median of those of whom the feature is known, NaN where it is of none."""
    return float(pd.Series(feature_values(described, feature)).median())


def _why(space: Space, trials: tuple[Trial, ...], k: int, customers: int) -> str:
    """Say why there is one persona only, or two without groups; "" of personas that are groups."""
    if not space.components:
        return f"Too little of the behaviour of {customers:,} customers is told by several features together."
    if not trials:
        return f"{customers:,} customers are too few, or too much alike, to be told apart."
    if k == 1:
        best = max(trials, key=lambda trial: trial.agreement)
        return (
            f"No number of personas of {customers:,} customers comes out again: at best {best.k} do, with an adjusted "
            f"Rand index of {best.agreement:.2f}."
        )
    spread = next(trial.spread for trial in trials if trial.k == k)
    if spread <= MOST_SPREAD:
        return ""
    return (
        f"Behaviour forms no groups: the spread within {k} personas is {spread:.0%} of that of customers without any. "
        "They are a cut through a range, in a place that comes out again."
    )
