"""Names of personas: words for what sets each apart, kept over refits as long as the customers are mostly the same."""

from collections.abc import Mapping, Sequence

import numpy as np

from features.definition import Feature
from models.segments.personas.space import Coordinate
from models.stats.typing import Floats, Integers

ALL, NONE_TELLS = "all customers", "in between"
# A word enters a name where its feature differs from the mean of all customers by at least TELLING standard deviations.
# A name starts with at most WORDS words.
TELLING, WORDS = 0.4, 3
# Two clusters count as the same people from this Jaccard coefficient on. Below it Hennig (2007, Computational
# Statistics & Data Analysis 52, 258-271) calls a cluster dissolved.
SAME_PEOPLE = 0.5

# Most activity rises with purchases, so a purchase feature is preferred over an event feature of similar difference.
_PURCHASES_FIRST = 1.25


def word(feature: Feature | None, difference: float) -> str:
    """Return the word for a feature that is above or below the mean of all customers; "" where there is none."""
    if feature is None or feature.persona is None:
        return ""
    return (feature.persona.much if difference > 0.0 else feature.persona.little).format(feature.value_in_words)


def telling_words(coordinates: Sequence[Coordinate], differences: Floats) -> list[str]:
    """Return the words that set a persona apart, the most telling first, at most one per theme.

    Parameters
    ----------
    coordinates
        The p features.
    differences
        (p,) mean of the persona minus that of all customers, in standard deviations over all customers.
    """
    words: dict[str, str] = {}
    uses = [None if coordinate.definition is None else coordinate.definition.persona for coordinate in coordinates]
    weights = [_PURCHASES_FIRST if use is not None and use.is_purchase else 1.0 for use in uses]
    for number in np.argsort(-np.abs(differences) * weights, kind="stable"):
        coordinate, difference = coordinates[number], float(differences[number])
        telling = word(coordinate.definition, difference) if abs(difference) >= TELLING else ""
        if telling and coordinate.theme not in words:
            words[coordinate.theme] = telling
    return list(words.values())


def persona_names(words: Sequence[Sequence[str]], kept: Mapping[int, str]) -> list[str]:
    """Name personas by their most telling words; no two get the same name.

    Parameters
    ----------
    words
        The words of `telling_words` for each persona.
    kept
        Number of a persona -> the name it keeps.

    Returns
    -------
    list of str
        Up to three words each; more where two personas would share a name, and a number where no words are left.
    """
    names = dict(kept)
    new = [persona for persona in range(len(words)) if persona not in kept]
    for length in range(WORDS, max([WORDS, *map(len, words)]) + 1):
        tried = {persona: ", ".join(words[persona][:length]) or NONE_TELLS for persona in new}
        # The same words in another order count as the same name.
        taken = [_sorted(name) for name in (*names.values(), *tried.values())]
        names |= {persona: name for persona, name in tried.items() if taken.count(_sorted(name)) == 1}
        new = [persona for persona in new if persona not in names]
    for persona in new:
        name, number = ", ".join(words[persona]) or NONE_TELLS, 2
        while f"{name} ({number})" in names.values():
            number += 1
        names[persona] = f"{name} ({number})"
    return [names[persona] for persona in range(len(words))]


def same_people(clusters: Integers, k: int, before: Sequence[str], before_names: Sequence[str]) -> dict[int, str]:
    """Find which clusters continue an earlier persona.

    Parameters
    ----------
    clusters
        (n,) new cluster of each customer, 0 to k - 1.
    k
        How many new clusters there are.
    before
        (n,) name of the earlier persona of the same customers.
    before_names
        All names of the earlier personas.

    Returns
    -------
    dict of int to str
        Number of a cluster -> the name it keeps, from the matching with the largest sum of Jaccard coefficients
        (Hungarian method), without the pairs whose coefficient is below `SAME_PEOPLE`.
    """
    position = {name: number for number, name in enumerate(before_names)}
    earlier = np.array([position[name] for name in before], dtype=np.int64)
    shape = (k, len(before_names))
    both = np.bincount(clusters * shape[1] + earlier, minlength=shape[0] * shape[1]).reshape(shape)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    overlap = both / np.maximum(either, 1)
    # A scoring names nothing anew, and needs no optimiser.
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(overlap, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {i: before_names[j] for i, j in pairs if overlap[i, j] >= SAME_PEOPLE and before_names[j] != ALL}


def _sorted(name: str) -> list[str]:
    return sorted(name.split(", "))
