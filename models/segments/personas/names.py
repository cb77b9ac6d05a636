"""The names of personas: words for what tells each apart from the others, kept while the people are the same."""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from features.definition import Feature
from models.segments.personas.space import Coordinate
from models.stats.typing import Floats, Integers

ALL, NONE_TELLS = "all customers", "in between"
# Words of a name: at least this many standard deviations from the mean of all, at most so many to begin with.
TELLING, WORDS = 0.4, 3
# Two clusters are the same people where those in both are at least this share of those in either: below it Hennig
# (2007, Computational Statistics & Data Analysis 52, 258-271) calls a cluster dissolved.
SAME_PEOPLE = 0.5

# Everything the customer does goes with buying more: what is bought names a persona before what happened to it.
_PURCHASES_FIRST = 1.25


def word(feature: Feature | None, difference: float) -> str:
    """Give the word for a feature that is above or below the mean of all customers; "" where there is none."""
    if feature is None or feature.persona is None:
        return ""
    return (feature.persona.much if difference > 0.0 else feature.persona.little).format(feature.value_in_words)


def telling_words(coordinates: Sequence[Coordinate], differences: Floats) -> list[str]:
    """Give the words that tell a persona apart, the most telling first, one a theme.

    Parameters
    ----------
    coordinates
        The p features.
    differences
        Mean of the persona less that of all, in standard deviations over all: (p,).
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
    """Name personas by their most telling words, each name once.

    Parameters
    ----------
    words
        For each persona the words of `telling_words`.
    kept
        Persona -> the name it keeps.

    Returns
    -------
    list of str
        Three words; more where two personas would share a name, and a number where words run out.
    """
    names = dict(kept)
    new = [persona for persona in range(len(words)) if persona not in kept]
    for length in range(WORDS, max([WORDS, *map(len, words)]) + 1):
        tried = {persona: ", ".join(words[persona][:length]) or NONE_TELLS for persona in new}
        # The same words in another order are no other name.
        taken = [_sorted(name) for name in (*names.values(), *tried.values())]
        names |= {persona: name for persona, name in tried.items() if taken.count(_sorted(name)) == 1}
        new = [persona for persona in new if persona not in names]
    for persona in new:
        name, number = ", ".join(words[persona]) or NONE_TELLS, 2
        while f"{name} ({number})" in names.values():
            number += 1
        names[persona] = f"{name} ({number})"
    return [names[persona] for persona in range(len(words))]


def same_people(found: Integers, k: int, before: Sequence[str], before_names: Sequence[str]) -> dict[int, str]:
    """Find which clusters are personas of before: cluster -> the name it keeps.

    Parameters
    ----------
    found
        Cluster of each customer now, 0 to k - 1.
    k
        How many clusters there are now.
    before
        Name of the persona of the same customers by the earlier personas.
    before_names
        The names of the earlier personas.

    Returns
    -------
    dict of int to str
        The matching (Hungarian method) that makes the sum of the Jaccard overlaps largest, less the pairs whose overlap
        is below `SAME_PEOPLE`.
    """
    position = {name: number for number, name in enumerate(before_names)}
    earlier = np.array([position[name] for name in before], dtype=np.int64)
    shape = (k, len(before_names))
    both = np.bincount(found * shape[1] + earlier, minlength=shape[0] * shape[1]).reshape(shape)
    either = both.sum(axis=1, keepdims=True) + both.sum(axis=0, keepdims=True) - both
    overlap = both / np.maximum(either, 1)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    pairs = zip(rows.tolist(), columns.tolist(), strict=True)
    return {i: before_names[j] for i, j in pairs if overlap[i, j] >= SAME_PEOPLE and before_names[j] != ALL}


def _sorted(name: str) -> list[str]:
    return sorted(name.split(", "))
