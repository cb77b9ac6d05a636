"""Personas as fitted: clusters of customers who behave alike, their names, and the profile of each."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from features.catalogue import Catalogue, catalogue_of
from features.definition import write_value
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
from models.stats.drawing import drawing_hash
from models.stats.population_stability import Columns
from models.stats.typing import Flags, Floats, Integers, Texts

# Most customers that personas are fitted on. Of 193,000 simulated ones, all find the same five personas again in
# bootstrap samples (agreement .983, .9 is asked for), as do 40,000 (.972); of 20,000 by the seed (.899 and .928).
FITTED_ON = 40_000
# How many features a profile names, and the scores whose means it gives.
FEATURES_TOLD = 4
VALUES = ("revenue", "clv", "expected_revenue", "p_purchase", "p_churn")


@dataclass(frozen=True)
class Personas:
    """Personas as fitted.

    Attributes
    ----------
    space : Space
        The coordinates and components in which customers are compared.
    centres : tuple of tuple of float
        The centre of each persona in the space.
    names : tuple of str
        The name of each persona, the largest persona first.
    trials : tuple of Trial
        The figures of each number of personas that was tried.
    customers, fitted_on : int
        How many customers the base has, and how many of them the personas were fitted on.
    why : str
        Why there is only one persona, or why two personas are not groups; "" where the personas are groups.
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
        """Mean adjusted Rand index between bootstrap fits with the chosen number; 1 for a single persona."""
        return next((trial.agreement or 0.0 for trial in self.trials if trial.k == len(self.names)), 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Return the personas as JSON types, with the criterion that chose their number."""
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
    described: pd.DataFrame,
    vocabulary: Vocabulary,
    seed: int,
    before: Personas | None = None,
    customers: int | None = None,
) -> Personas:
    """Fit the personas of a base.

    Parameters
    ----------
    described
        Features of customers at one date: customer_id and the columns of `features.describe.describe`, NaN where a
        feature is undefined. The order of the rows does not matter. Attributes are not behaviour and are not used. Of
        more than `FITTED_ON` customers those are used that `drawn` gives.
    vocabulary
        The vocabulary that names the features.
    seed
        Seed of all random draws.
    before
        Earlier personas. Their number and names are kept as long as they still fit.
    customers
        How many customers the base has, where ``described`` holds only those that `drawn` gives of them.

    Returns
    -------
    Personas
        k-means clusters in the space of `models.segments.personas.space.fit_space`. Their number is chosen by the
        criterion of `models.segments.personas.number_of_clusters`.
    """
    base = described.iloc[drawn(described["customer_id"], seed)].sort_values("customer_id", ignore_index=True)
    catalogue = catalogue_of(vocabulary)
    # With one thread sums are the same to the last bit on any machine; the matrices are small anyway.
    with threadpool_limits(limits=1):
        space = fit_space(base, catalogue)
        placed = space.place(base)
        number_before = len(before.names) if before is not None else None
        trials = try_numbers(base, space, catalogue, seed, number_before)
        k = chosen(trials, len(base), number_before)
        centres = cluster(placed, k, seed)[0] if k > 1 else np.zeros((1, placed.shape[1]))
    position = nearest(placed, centres.tolist())
    order = np.argsort(-np.bincount(position, minlength=k), kind="stable")
    centres, position = centres[order], np.argsort(order)[position]
    if k == 1:
        labels = [ALL]
    else:
        kept = {}
        if before is not None:
            kept = same_people(position, k, list(assign_personas(before, base)), before.names)
        differences = _differences(space, base, position, k)
        labels = persona_names([telling_words(space.coordinates, row) for row in differences], kept)
    return Personas(
        space=space,
        centres=tuple(tuple(centre) for centre in centres.tolist()),
        names=tuple(labels),
        trials=trials,
        customers=customers or len(described),
        fitted_on=len(base),
        why=_why(space, trials, k, len(base)),
    )


def places_of(personas: Personas, described: pd.DataFrame) -> Integers:
    """Return the place of each customer's persona among the names, (n,), at the date of the fit or later.

    Parameters
    ----------
    personas
        The fitted personas.
    described
        Features as for `fit_personas`; a missing column counts as undefined for all customers.
    """
    return nearest(personas.space.place(described), personas.centres)


def assign_personas(personas: Personas, described: pd.DataFrame) -> Texts:
    """Return the name of each customer's persona, at the date of the fit or later.

    Parameters
    ----------
    personas, described
        As for `places_of`.

    Returns
    -------
    array of shape (n,)
        Names. Each depends only on that customer's row, so a persona changes only when the customer's behaviour does.
    """
    assigned: Texts = np.array(personas.names, dtype=object)[places_of(personas, described)]
    return assigned


def profile(
    personas: Personas, described: Columns, position: Integers, some: pd.DataFrame, scores: Columns | None = None
) -> pd.DataFrame:
    """Describe each persona: its size, the features that set it apart and its mean scores.

    Parameters
    ----------
    personas
        The fitted personas.
    described
        Features as for `fit_personas`, of which a few columns are read.
    position
        As `places_of` gives it of the same customers, row for row.
    some
        Those of the customers whom `drawn` gives, as for `fit_personas`: which features set a persona apart is told
        from them.
    scores
        Scores of the same customers, row for row; the means of those of its columns that are in `VALUES` are added.

    Returns
    -------
    DataFrame
        One row per persona, in the order of the names: persona, customers, share, told_by and the mean of each score
        (NaN for a persona without customers). told_by reads "orders so far 7 (all 1); ...": the features whose means
        differ most from those of all customers, at most one per theme, each with the median of the persona and of all
        customers. A feature whose two medians read the same is left out.
    """
    k = len(personas.names)
    customers = np.bincount(position, minlength=k)
    differences = _differences(personas.space, some, places_of(personas, some), k)
    rows = pd.DataFrame(
        {
            "persona": personas.names,
            "customers": customers,
            "share": customers / max(len(described), 1),
            "told_by": [
                _told_by(personas.space, described, position == number, differences[number]) for number in range(k)
            ],
        }
    )
    if scores is not None:
        for name in VALUES:
            if name in scores.columns:
                rows[name] = scores[name].groupby(position).mean().reindex(range(k))
    return rows


def drawn(customer: pd.Series, seed: int) -> Integers:
    """Draw the customers to fit on by a hash of their ids; returns their places, ascending.

    As far as the size of the base allows, whether a customer is drawn does not depend on the other customers, so refits
    use mostly the same ones.
    """
    if len(customer) <= FITTED_ON:
        return np.arange(len(customer))
    hashed = drawing_hash(customer.to_numpy(dtype=object), seed)
    return np.flatnonzero(hashed <= np.partition(hashed, FITTED_ON - 1)[FITTED_ON - 1])


def _differences(space: Space, described: Columns, position: Integers, k: int) -> Floats:
    """Return (k, coordinates): the mean of each persona minus that of all customers, in standard deviations."""
    customers = np.maximum(np.bincount(position, minlength=k), 1)
    differences = np.zeros((k, len(space.coordinates)))
    for number, coordinate in enumerate(space.coordinates):
        column = coordinate.place(described)
        spread = column.std() if len(column) else 0.0
        if spread > 0.0:
            means = np.bincount(position, weights=column, minlength=k) / customers
            differences[:, number] = (means - column.mean()) / spread
    return differences


def _told_by(space: Space, described: Columns, persona: Flags, differences: Floats) -> str:
    """Say in words which features set a persona apart."""
    sentences: dict[str, str] = {}
    for number in np.argsort(-np.abs(differences), kind="stable"):
        coordinate = space.coordinates[number]
        if len(sentences) == FEATURES_TOLD or abs(differences[number]) < TELLING:
            break
        feature = coordinate.definition
        if coordinate.theme in sentences or feature is None or coordinate.feature not in described.columns:
            continue
        values = pd.Series(feature_values(described, feature))
        # Over the customers for whom the feature is defined; NaN where there are none.
        own, of_all = (write_value(float(of.median()), feature.entry.format) for of in (values[persona], values))
        if own != of_all:
            sentences[coordinate.theme] = f"{feature.label} {own} (all {of_all})"
    return "; ".join(sentences.values())


def _why(space: Space, trials: tuple[Trial, ...], k: int, customers: int) -> str:
    """Say why there is only one persona, or why two personas are not groups; "" where the personas are groups."""
    if not space.components:
        return f"Too little of the behaviour of {customers:,} customers is shared by several features."
    if not trials:
        return f"{customers:,} customers are too few, or too similar, to form personas."
    if k == 1:
        if any(trial.holds(customers) for trial in trials):
            return f"Behaviour of {customers:,} customers forms no groups, and a split in two is not stable."
        best = max(trials, key=lambda trial: trial.agreement or 0.0)
        return (
            f"No number of personas of {customers:,} customers is stable: the best is {best.k}, with an adjusted Rand "
            f"index of {best.agreement or 0.0:.2f}."
        )
    spread = next(trial.spread for trial in trials if trial.k == k)
    if spread <= MOST_SPREAD:
        return ""
    return (
        f"Behaviour forms no groups: the spread within {k} personas is {spread:.0%} of that of customers without any. "
        "They split a continuous range, at a place that is found again."
    )
