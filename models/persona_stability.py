"""How many personas there are: as many as come out again from other samples, and no more than the base has.

Dolnicar & Leisch (2010, Marketing Letters 21, 83-101) call clusters reproducible that bootstrap fits find again, and
natural those that the data has of itself; both are asked for here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from models.persona_space import Floats, fit_space

Integers = npt.NDArray[np.int64]

MOST_PERSONAS = 8
# Mean adjusted Rand index between any two bootstrap fits, at least.
LEAST_AGREEMENT = 0.9
BOOTSTRAP_FITS = 8
# Spread within the clusters, as a share of what one normal cloud would have: above this there are no clusters.
MOST_SPREAD = 0.95
CLOUDS, CLOUD_SIZE = 3, 10_000
# A persona is at least this share of the base, and this many of the customers it is fitted on.
LEAST_SHARE, LEAST_CUSTOMERS = 0.02, 10
# More personas must lower the spread by more than the one, another number than before by more than the other.
WORTH_MORE, WORTH_A_CHANGE = 0.02, 0.05
STARTS = 10

CRITERION = (
    f"Of 2 to {MOST_PERSONAS} personas that come out again (mean adjusted Rand index between {BOOTSTRAP_FITS} "
    f"bootstrap fits of at least {LEAST_AGREEMENT}), each of at least {LEAST_SHARE:.0%} of the customers, the fewest "
    f"whose spread within personas, beside one normal cloud's, is within {WORTH_MORE:.0%} of the lowest and below "
    f"{MOST_SPREAD:.0%}; else one. The number of before stays while it holds and is within {WORTH_A_CHANGE:.0%}."
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
        Sum of squares within the clusters as a share of that around the mean, divided by the same share of normal
        clouds with the same variances: the gap statistic of Tibshirani, Walther & Hastie (2001, JRSS B 63) as a
        ratio, with the reference of Liu et al. (2008, JASA 103, SigClust). 1 is a cloud without clusters.
    smallest : float
        Share of the smallest cluster.
    """

    k: int
    agreement: float
    spread: float
    smallest: float

    def holds(self, customers: int) -> bool:
        """Say whether a base of so many customers may have this number of personas."""
        large_enough = self.smallest >= LEAST_SHARE and round(self.smallest * customers) >= LEAST_CUSTOMERS
        return large_enough and self.agreement >= LEAST_AGREEMENT and self.spread <= MOST_SPREAD


def nearest(placed: Floats, centres: Sequence[Sequence[float]]) -> Integers:
    """Find each customer's nearest centre: (n, components), k centres -> (n,), the first of equally near ones."""
    squared = np.zeros((len(centres), len(placed)))
    for total, centre in zip(squared, centres, strict=True):
        for component, middle in enumerate(centre):
            total += (placed[:, component] - middle) ** 2
    found: Integers = squared.argmin(axis=0)
    return found


def cluster(placed: Floats, k: int, seed: int) -> tuple[Floats, float]:
    """Find k-means centres, (k, components), and the sum of squares within as a share of that around the mean."""
    fitted = KMeans(k, n_init=STARTS, random_state=seed).fit(placed)
    around = float(((placed - placed.mean(axis=0)) ** 2).sum())
    return fitted.cluster_centers_, float(fitted.inertia_) / around


def try_numbers(base: pd.DataFrame, placed: Floats, names: Sequence[str], seed: int) -> tuple[Trial, ...]:
    """Try every number of personas.

    Parameters
    ----------
    base
        Features of the customers to fit on, in a fixed order.
    placed
        Where they stand in the space of all of them, (n, components).
    names
        The names of the features.
    seed
        Seed of resamples, clouds and starts.

    Returns
    -------
    tuple of Trial
        One for each number up to the most that the customers suffice for; none where they stand on one point or are
        fewer than two personas need.
    """
    rng = np.random.default_rng(seed)
    distinct = len(np.unique(placed, axis=0))
    most = min(MOST_PERSONAS, len(placed) // LEAST_CUSTOMERS, distinct)
    if placed.shape[1] == 0 or most < 2:
        return ()
    resamples = []
    for _ in range(BOOTSTRAP_FITS):
        drawn = np.sort(rng.integers(0, len(base), len(base)))
        everyone = fit_space(base.iloc[drawn], names).place(base)
        resamples.append((everyone, everyone[drawn]))
    size = min(len(placed), CLOUD_SIZE)
    clouds = [rng.standard_normal((size, placed.shape[1])) * placed.std(axis=0) for _ in range(CLOUDS)]
    trials = []
    for k in range(2, most + 1):
        centres, within = cluster(placed, k, seed)
        spread = within / np.mean([cluster(cloud, k, seed)[1] for cloud in clouds])
        smallest = np.bincount(nearest(placed, centres.tolist()), minlength=k).min() / len(placed)
        trials.append(Trial(k, _agreement(resamples, k, seed), float(spread), float(smallest)))
    return tuple(trials)


def chosen(trials: Sequence[Trial], customers: int, before: int | None = None) -> int:
    """Choose the number of personas by the `CRITERION`: 1 where no other holds.

    Parameters
    ----------
    trials
        What was found of each number.
    customers
        How many customers they were fitted on.
    before
        The number of personas of an earlier fit, if there was one.
    """
    holding = {trial.k: trial.spread for trial in trials if trial.holds(customers)}
    if not holding:
        return 1
    lowest = min(holding.values())
    if before in holding and holding[before] <= lowest * (1.0 + WORTH_A_CHANGE):
        return before
    return min(k for k, spread in holding.items() if spread <= lowest * (1.0 + WORTH_MORE))


def _agreement(resamples: Sequence[tuple[Floats, Floats]], k: int, seed: int) -> float:
    """Give the mean adjusted Rand index of all pairs of bootstrap fits; 0 where a resample has too few points."""
    found = []
    for number, (everyone, resample) in enumerate(resamples):
        if resample.shape[1] == 0 or len(np.unique(resample, axis=0)) < k:
            return 0.0
        # Each fit starts elsewhere, or clusters would come out again because they were looked for in one place.
        centres, _ = cluster(resample, k, seed + 1 + number)
        found.append(nearest(everyone, centres.tolist()))
    return float(np.mean([adjusted_rand_score(one, other) for one, other in combinations(found, 2)]))
