"""The number of personas: one that is found again in bootstrap samples, and more than two only where there are groups.

Dolnicar & Leisch (2010, Marketing Letters 21, 83-101) call clusters reproducible where bootstrap fits find them again,
and natural where the data have groups. Both are required here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from features.catalogue import Catalogue
from models.segments.personas.null_reference import null_reference
from models.segments.personas.space import Space, fit_space
from models.stats.typing import Floats, Integers

# People do not keep more personas apart.
MOST_PERSONAS = 6
# Least mean adjusted Rand index between bootstrap fits.
LEAST_AGREEMENT = 0.9
BOOTSTRAP_FITS = 8
# Spread within the clusters, relative to that of the null reference: above this the base has no groups.
MOST_SPREAD = 0.95
NULL_REFERENCES, NULL_REFERENCE_SIZE = 3, 5_000
# Least share of the customers in a persona, and least number of them.
LEAST_SHARE, LEAST_CUSTOMERS = 0.02, 10
# An earlier number is kept while its silhouette is this near to the best, as a share of it.
NEAR = 0.05
STARTS = 8
# Rows among which distinct ones are looked for before all are: to sort those of nine fits takes .08 s.
_FIRST_ROWS = 100

CRITERION = (
    f"A number of personas from 2 to {MOST_PERSONAS} is stable where the mean adjusted Rand index between "
    f"{BOOTSTRAP_FITS} bootstrap fits is at least {LEAST_AGREEMENT} and each persona holds at least {LEAST_SHARE:.0%} "
    f"of the customers. It shows groups where the spread within the personas is at most {MOST_SPREAD:.0%} of that in a "
    "null reference without groups. Of the stable numbers that show groups, the one with the best silhouette is "
    "chosen; where there is none, two if two is stable, else one. The number of an earlier fit is kept while it is "
    "stable, has no more spread than the null reference, and has a silhouette within "
    f"{NEAR:.0%} of the best that shows groups."
)


@dataclass(frozen=True)
class Trial:
    """The figures of one number of personas.

    Attributes
    ----------
    k : int
        The number of personas.
    agreement : float or None
        Mean adjusted Rand index of Hubert & Arabie (1985) over all pairs of bootstrap fits. Each fit repeats all steps
        on a resample, from the scores of the features on; the fits are compared on the whole base. None, as it is not
        computed, where the number that is chosen does not depend on it.
    spread : float
        Sum of squares within the clusters, divided by that within as many clusters of `null_reference`: the gap
        statistic of Tibshirani, Walther & Hastie (2001, JRSS B 63) as a ratio. About 1 where there are no groups.
    silhouette : float
        Mean over customers of ``1 - a / b``, a and b the distances to the nearest and the second nearest centre: the
        silhouette of Rousseeuw (1987) in the simplified form that Vendramin, Campello & Hruschka (2010, Statistical
        Analysis and Data Mining 3) find as good and that needs no pairs of customers.
    smallest : float
        Share of the smallest cluster.
    """

    k: int
    agreement: float | None
    spread: float
    silhouette: float
    smallest: float

    def holds(self, customers: int) -> bool:
        """Say whether the number is stable and each persona large enough, in a fit on so many customers."""
        large_enough = self.smallest >= LEAST_SHARE and round(self.smallest * customers) >= LEAST_CUSTOMERS
        return large_enough and self.agreement is not None and self.agreement >= LEAST_AGREEMENT


def nearest(placed: Floats, centres: Sequence[Sequence[float]]) -> Integers:
    """Return the (n,) number of the nearest of k centres to (n, components) customers, the first of equally near ones.

    Sums run over the components in a fixed order: the result depends on a customer's row alone, to the last bit.
    """
    squared = np.zeros((len(centres), len(placed)))
    for total, centre in zip(squared, centres, strict=True):
        for component, middle in enumerate(centre):
            total += (placed[:, component] - middle) ** 2
    position: Integers = squared.argmin(axis=0)
    return position


def simplified_silhouette(placed: Floats, centres: Floats) -> float:
    """Return the mean of ``1 - a / b`` over customers, a and b the distances to the two nearest centres."""
    squared = np.sort(((placed[np.newaxis] - centres[:, np.newaxis]) ** 2).sum(axis=2), axis=0)
    ratio = np.divide(squared[0], squared[1], out=np.ones(len(placed)), where=squared[1] > 0.0)
    return float(1.0 - np.sqrt(ratio).mean())


def cluster(placed: Floats, k: int, seed: int, weights: Integers | None = None) -> tuple[Floats, float]:
    """Fit k-means: the (k, components) centres and the sum of squares within the clusters."""
    # A scoring only assigns customers to the centres, and needs no scikit-learn.
    from sklearn.cluster import KMeans

    fitted = KMeans(k, n_init=STARTS, random_state=seed).fit(placed, sample_weight=weights)
    return fitted.cluster_centers_, float(fitted.inertia_)


def try_numbers(
    base: pd.DataFrame, space: Space, catalogue: Catalogue, seed: int, before: int | None = None
) -> tuple[Trial, ...]:
    """Compute the figures of every number of personas.

    Parameters
    ----------
    base
        Features of the customers to fit on, in a fixed order.
    space
        The space fitted on them.
    catalogue
        The features of the vocabulary.
    seed
        Seed of the resamples, the null references and the starts of k-means.
    before
        The number of personas of an earlier fit, if there was one.

    Returns
    -------
    tuple of Trial
        One for each number that the customers are enough for; none where all are at one point, or where they are fewer
        than two personas need.
    """
    rng = np.random.default_rng(seed)
    if not space.components or len(base) < 2 * LEAST_CUSTOMERS:
        return ()
    columns = space.columns(base)
    placed = space.project(columns, len(base))
    resamples = [_resample(base, catalogue, rng) for _ in range(BOOTSTRAP_FITS)]
    # k-means needs as many points as clusters.
    points = [_distinct(placed), *(_distinct(everyone[times > 0]) for everyone, times in resamples)]
    most = min(MOST_PERSONAS, len(placed) // LEAST_CUSTOMERS, *points)
    size = min(len(placed), NULL_REFERENCE_SIZE)
    references = [space.project(null_reference(columns, size, rng), size) for _ in range(NULL_REFERENCES)]
    trials = []
    for k in range(2, most + 1):
        centres, within = cluster(placed, k, seed)
        within_references = float(np.mean([cluster(reference, k, seed)[1] for reference in references])) / size
        # Where customers have few distinct rows, a null reference may have no more points than clusters.
        spread = within / len(placed) / within_references if within_references > 0.0 else 1.0
        smallest = np.bincount(nearest(placed, centres.tolist()), minlength=k).min() / len(placed)
        trials.append(Trial(k, None, spread, simplified_silhouette(placed, centres), float(smallest)))

    def agreement(k: int) -> float:
        return _agreement(resamples, k, seed)

    return _with_agreements(trials, agreement, len(base), before)


def _with_agreements(
    trials: Sequence[Trial], agreement: Callable[[int], float], customers: int, before: int | None
) -> tuple[Trial, ...]:
    """Compute the agreements that the criterion asks for until the number is known: they are most of the cost."""
    asked = {trial.k: trial for trial in trials}

    def holds(k: int) -> bool:
        if asked[k].agreement is None:
            asked[k] = replace(asked[k], agreement=agreement(k))
        return asked[k].holds(customers)

    if before in asked:
        holds(before)
    groups = sorted((t for t in trials if t.spread <= MOST_SPREAD), key=lambda t: -t.silhouette)
    # The first of the groups that holds is the best; two may be stable without groups.
    has_none = not any(holds(t.k) for t in groups) and chosen(list(asked.values()), customers, before) == 1
    if has_none and asked and not holds(2):
        # Where no number is chosen, it is told which one comes nearest.
        for k in tuple(asked):
            holds(k)
    return tuple(asked.values())


def chosen(trials: Sequence[Trial], customers: int, before: int | None = None) -> int:
    """Choose the number of personas by the `CRITERION`.

    Parameters
    ----------
    trials
        The figures of each number.
    customers
        How many customers they were computed on.
    before
        The number of personas of an earlier fit, if there was one.
    """
    stable = {trial.k: trial for trial in trials if trial.holds(customers)}
    groups = [trial for trial in stable.values() if trial.spread <= MOST_SPREAD]
    best = max((trial.silhouette for trial in groups), default=0.0)
    if before in stable and stable[before].spread <= 1.0 and stable[before].silhouette >= best * (1.0 - NEAR):
        return before
    return next((trial.k for trial in groups if trial.silhouette == best), 2 if 2 in stable else 1)


def _resample(base: pd.DataFrame, catalogue: Catalogue, rng: np.random.Generator) -> tuple[Floats, Integers]:
    """Fit the space of a bootstrap sample: the places of all customers in it, and how often each was drawn."""
    drawn = rng.integers(0, len(base), len(base))
    times: Integers = np.bincount(drawn, minlength=len(base))
    return fit_space(base.iloc[np.sort(drawn)], catalogue).place(base), times


def _agreement(resamples: Sequence[tuple[Floats, Integers]], k: int, seed: int) -> float:
    """Return the mean adjusted Rand index over all pairs of bootstrap fits."""
    partitions = []
    for number, (everyone, times) in enumerate(resamples):
        drawn = everyone[times > 0]
        # Each fit has its own starts; with common ones the fits would agree because of where they started.
        centres, _ = cluster(drawn, k, seed + 1 + number, times[times > 0])
        partitions.append(nearest(everyone, centres.tolist()))
    return float(np.mean([adjusted_rand_index(one, other, k) for one, other in combinations(partitions, 2)]))


def adjusted_rand_index(one: Integers, other: Integers, k: int) -> float:
    """Return the adjusted Rand index of two partitions into k clusters, numbered from 0.

    It is scikit-learn's `adjusted_rand_score` from counts of pairs, without sorting the labels: .2 of its 4 ms for
    20,000 customers, which are compared 28 times for each number.
    """
    both = np.bincount(one * k + other, minlength=k * k).reshape(k, k)
    pairs = int((both**2).sum())
    of_one, of_other = int((both.sum(axis=1) ** 2).sum()), int((both.sum(axis=0) ** 2).sum())
    together, only_other, only_one = pairs - len(one), of_other - pairs, of_one - pairs
    if not only_one and not only_other:
        return 1.0
    apart = len(one) ** 2 - only_one - only_other - pairs
    chance = (together + only_one) * (only_one + apart) + (together + only_other) * (only_other + apart)
    return 2.0 * (together * apart - only_one * only_other) / chance


def _distinct(placed: Floats) -> int:
    """Count the distinct rows; as many as there may be personas are enough, and the first ones mostly have them."""
    if not placed.shape[1]:
        return 0
    few = len(np.unique(placed[:_FIRST_ROWS], axis=0))
    return few if few >= MOST_PERSONAS else len(np.unique(placed, axis=0))
