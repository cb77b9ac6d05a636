"""How many personas there are: as many as come out again from other samples, and more than two only of groups.

Dolnicar & Leisch (2010, Marketing Letters 21, 83-101) call clusters reproducible that bootstrap fits find again, and
natural those that the data has of itself; both are asked for here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.cluster import KMeans

from features.catalogue import Catalogue
from models.segments.personas.null_reference import null_reference
from models.segments.personas.space import Space, fit_space
from models.stats.typing import Floats, Integers

# More than this nobody keeps apart.
MOST_PERSONAS = 6
# Mean adjusted Rand index between any two bootstrap fits, at least.
LEAST_AGREEMENT = 0.9
BOOTSTRAP_FITS = 8
# Spread within the clusters, as a share of what a cloud without groups has: above this there are none here either.
MOST_SPREAD = 0.95
CLOUDS, CLOUD_SIZE = 3, 5_000
# A persona is at least this share of the base, and this many of the customers it is fitted on.
LEAST_SHARE, LEAST_CUSTOMERS = 0.02, 10
# The number of before stays while its silhouette is this near to the best.
NEAR = 0.05
STARTS = 8

CRITERION = (
    f"Of the numbers from 2 to {MOST_PERSONAS} at which personas come out again (mean adjusted Rand index between "
    f"{BOOTSTRAP_FITS} bootstrap fits of at least {LEAST_AGREEMENT}), each holds at least {LEAST_SHARE:.0%} of the "
    f"customers and the spread within them is at most {MOST_SPREAD:.0%} of that in a cloud without groups: the one of "
    "the best silhouette. Where no number has so little spread, two, if two come out again; else one. The number of "
    "before stays while it comes out again with no more spread than the cloud, and with a silhouette within "
    f"{NEAR:.0%} of the best where one has so little spread."
)


@dataclass(frozen=True)
class Trial:
    """What was found of one number of personas.

    Attributes
    ----------
    k : int
        The number of personas.
    agreement : float
        Mean adjusted Rand index of Hubert & Arabie (1985) between any two of the bootstrap fits, each fitted from the
        ranks on, on a resample, and compared on the whole base.
    spread : float
        Sum of squares within the clusters divided by that within as many clusters of `null_reference` of the same
        features: the gap statistic of Tibshirani, Walther & Hastie (2001, JRSS B 63) as a ratio. 1 where there are no
        groups.
    silhouette : float
        Mean over customers of ``1 - a / b``, a and b the distances to the nearest and the second nearest centre: the
        silhouette of Rousseeuw (1987) in the simplified form that Vendramin, Campello & Hruschka (2010, Statistical
        Analysis and Data Mining 3) find as good and that takes no pairs of customers.
    smallest : float
        Share of the smallest cluster.
    """

    k: int
    agreement: float
    spread: float
    silhouette: float
    smallest: float

    def holds(self, customers: int) -> bool:
        """Say whether so many personas come out again, and each is large enough, in a base of so many customers."""
        large_enough = self.smallest >= LEAST_SHARE and round(self.smallest * customers) >= LEAST_CUSTOMERS
        return large_enough and self.agreement >= LEAST_AGREEMENT


def nearest(placed: Floats, centres: Sequence[Sequence[float]]) -> Integers:
    """Find each customer's nearest centre: (n, components), k centres -> (n,), the first of equally near ones."""
    squared = np.zeros((len(centres), len(placed)))
    for total, centre in zip(squared, centres, strict=True):
        for component, middle in enumerate(centre):
            total += (placed[:, component] - middle) ** 2
    found: Integers = squared.argmin(axis=0)
    return found


def simplified_silhouette(placed: Floats, centres: Floats) -> float:
    """Give the mean of ``1 - a / b`` over customers, a and b the distances to the two nearest centres."""
    squared = np.sort(((placed[np.newaxis] - centres[:, np.newaxis]) ** 2).sum(axis=2), axis=0)
    ratio = np.divide(squared[0], squared[1], out=np.ones(len(placed)), where=squared[1] > 0.0)
    return float(1.0 - np.sqrt(ratio).mean())


def cluster(placed: Floats, k: int, seed: int, weights: Integers | None = None) -> tuple[Floats, float]:
    """Find k-means centres, (k, components), and the sum of squares within the clusters."""
    fitted = KMeans(k, n_init=STARTS, random_state=seed).fit(placed, sample_weight=weights)
    return fitted.cluster_centers_, float(fitted.inertia_)


def adjusted_rand(one: Integers, other: Integers) -> float:
    """Give the adjusted Rand index of two partitions, (n,) numbers from 0 each (Hubert & Arabie 1985, equation 5).

    It counts pairs of customers who are together in both: 1 where the partitions are the same, 0 on average where they
    have nothing to do with each other. That of scikit-learn is the same and sorts all labels first.
    """
    both = np.bincount(one * (other.max() + 1) + other).astype(np.float64)
    pairs, in_one, in_other = (_pairs(counts) for counts in (both, np.bincount(one), np.bincount(other)))
    expected = in_one * in_other / _pairs(np.array([len(one)]))
    most = (in_one + in_other) / 2.0
    return 1.0 if most == expected else float((pairs - expected) / (most - expected))


def try_numbers(base: pd.DataFrame, space: Space, catalogue: Catalogue, seed: int) -> tuple[Trial, ...]:
    """Try every number of personas.

    Parameters
    ----------
    base
        Features of the customers to fit on, in a fixed order.
    space
        Their space.
    catalogue
        The features.
    seed
        Seed of resamples, clouds and starts.

    Returns
    -------
    tuple of Trial
        One for each number up to the most that the customers suffice for; none where they stand on one point or are
        fewer than two personas need.
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
    size = min(len(placed), CLOUD_SIZE)
    clouds = [space.project(null_reference(columns, size, rng), size) for _ in range(CLOUDS)]
    trials = []
    for k in range(2, most + 1):
        centres, within = cluster(placed, k, seed)
        of_clouds = float(np.mean([cluster(cloud, k, seed)[1] for cloud in clouds])) / size
        # Customers of few kinds may give a cloud of no more points than clusters.
        spread = within / len(placed) / of_clouds if of_clouds > 0.0 else 1.0
        smallest = np.bincount(nearest(placed, centres.tolist()), minlength=k).min() / len(placed)
        agreement, silhouette = _agreement(resamples, k, seed), simplified_silhouette(placed, centres)
        trials.append(Trial(k, agreement, spread, silhouette, float(smallest)))
    return tuple(trials)


def chosen(trials: Sequence[Trial], customers: int, before: int | None = None) -> int:
    """Choose the number of personas by the `CRITERION`.

    Parameters
    ----------
    trials
        What was found of each number.
    customers
        How many customers they were fitted on.
    before
        The number of personas of an earlier fit, if there was one.
    """
    again = {trial.k: trial for trial in trials if trial.holds(customers)}
    groups = [trial for trial in again.values() if trial.spread <= MOST_SPREAD]
    best = max((trial.silhouette for trial in groups), default=0.0)
    if before in again and again[before].spread <= 1.0 and again[before].silhouette >= best * (1.0 - NEAR):
        return before
    return next((trial.k for trial in groups if trial.silhouette == best), 2 if 2 in again else 1)


def _resample(base: pd.DataFrame, catalogue: Catalogue, rng: np.random.Generator) -> tuple[Floats, Integers]:
    """Draw as many customers with replacement, find their space, and place everyone in it; say how often each is in."""
    drawn = rng.integers(0, len(base), len(base))
    times: Integers = np.bincount(drawn, minlength=len(base))
    return fit_space(base.iloc[np.sort(drawn)], catalogue).place(base), times


def _agreement(resamples: Sequence[tuple[Floats, Integers]], k: int, seed: int) -> float:
    """Give the mean adjusted Rand index of all pairs of bootstrap fits."""
    found = []
    for number, (everyone, times) in enumerate(resamples):
        drawn = everyone[times > 0]
        # Each fit starts elsewhere, or clusters would come out again because they were looked for in one place.
        centres, _ = cluster(drawn, k, seed + 1 + number, times[times > 0])
        found.append(nearest(everyone, centres.tolist()))
    return float(np.mean([adjusted_rand(one, other) for one, other in combinations(found, 2)]))


def _distinct(placed: Floats) -> int:
    return len(np.unique(placed, axis=0)) if placed.shape[1] else 0


def _pairs(counts: npt.NDArray[Any]) -> float:
    return float((counts * (counts - 1.0)).sum() / 2.0)
