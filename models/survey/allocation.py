"""Neyman's allocation in whole numbers: the best one for every number of invitations, from the fewest to all."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from models.stats.typing import Floats, Integers
from models.survey.response.weight_noise import ResponseNoise

# The variance within a stratum needs at least two.
FEWEST_PER_STRATUM = 2


@dataclass(frozen=True)
class Allocations:
    """The best allocation to strata for each number of invitations; each has one invitation more than the one before.

    The variance of a stratified estimate is sum_h A_h / n_h / N^2 plus a constant, so one more invitation in a stratum
    with n reduces the sum by A_h / (n (n + 1)). Taking the largest reduction first is optimal for every total, also
    with bounds on n_h (Wright 2012, The American Statistician 66, algorithm III).

    Attributes
    ----------
    sizes
        (H,) customers N_h of each of the H strata.
    spreads
        (H,) A_h = N_h sum s^2 / r over the stratum, points squared.
    weights
        (H,) N_h sum 1 / r over the stratum; the effective number of answers follows from them.
    order
        (S,) stratum of each invitation after the fewest (two a stratum), up to all customers.
    response
        (H,) mean probability of answering.
    fixed
        Variance that does not depend on who is asked, points squared.
    noise
        How estimating r widens the interval; None if r is known.
    """

    sizes: Integers
    spreads: Floats
    weights: Floats
    order: Integers
    response: Floats
    fixed: float
    noise: ResponseNoise | None

    @classmethod
    def of(cls, people: pd.DataFrame, fixed: float, noise: ResponseNoise | None = None) -> "Allocations":
        """Order the invitations by how much they reduce the variance.

        Parameters
        ----------
        people
            One row per customer who may be asked: stratum, variance (s^2) and response (r, above 0).
        fixed, noise
            As the attributes.
        """
        stratum = np.unique(people["stratum"].to_numpy(), return_inverse=True)[1]
        chance = people["response"].to_numpy(float)
        inverse = 1.0 / chance
        sizes = np.bincount(stratum).astype(np.int64)
        spreads = np.asarray(sizes * np.bincount(stratum, people["variance"].to_numpy(float) * inverse), dtype=float)
        weights = np.asarray(sizes * np.bincount(stratum, inverse), dtype=float)
        start = np.minimum(sizes, FEWEST_PER_STRATUM)
        further = sizes - start
        h = np.repeat(np.arange(len(sizes)), further)
        n = start[h] + np.arange(len(h)) - np.repeat(np.cumsum(further) - further, further)
        order = h[np.argsort(-spreads[h] / (n * (n + 1.0)), kind="stable")]
        return cls(sizes, spreads, weights, order, np.bincount(stratum, chance) / sizes, fixed, noise)

    @property
    def steps(self) -> int:
        """Number of further invitations from the fewest to all customers."""
        return len(self.order)

    def after(self, steps: int) -> Integers:
        """Give the invitations of each stratum, (H,), after so many further invitations."""
        start = np.minimum(self.sizes, FEWEST_PER_STRATUM)
        return np.asarray(start + np.bincount(self.order[:steps], minlength=len(self.sizes)))

    def margin(self, invited: Integers) -> float:
        """Give the expected margin of error, the half width of the 95 % interval in points; NaN if nobody is asked.

        Student's degrees of freedom are the effective number of answers (Kish 1965) less one. If the probability of
        answering r is estimated, the log of a weight 1 / r gets the additional variance sigma^2, which multiplies the
        effective number of answers by exp(-sigma^2). As d log r = (1 - r) d logit r, sigma^2 is (1 - r)^2 times the
        variance of the log odds: if all answer, it is 0.
        """
        N, asked = int(self.sizes.sum()), int(invited.sum())
        if N == 0:
            return np.nan
        answers = float(invited @ self.response)
        non_response = 1.0 - answers / asked
        sigma2 = 0.0 if self.noise is None else non_response**2 * self.noise.variance(answers, 1.0 - non_response)
        inflation = float(np.exp(sigma2))
        effective = N**2 / float(np.sum(self.weights / invited)) / inflation
        error = np.sqrt(float(np.sum(self.spreads / invited)) / N**2 * inflation + self.fixed)
        return float(stdtrit(max(effective - 1.0, 1.0), 0.975) * error)

    def steps_to(self, margin: float) -> int | None:
        """Give the fewest further invitations with at most this margin of error; None if even all do not give it."""
        steps = bisect_left(range(self.steps + 1), True, key=lambda k: self.margin(self.after(k)) <= margin)
        return steps if steps <= self.steps else None
