"""Neyman's allocation in whole numbers: every best one, from the fewest invitations to all customers."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student

from models.stats.typing import Floats, Integers
from models.survey.weight_noise import ResponseNoise

# From two the spread within a stratum can be seen.
FEWEST_PER_STRATUM = 2


@dataclass(frozen=True)
class Allocations:
    """The best allocation of each number of invitations to strata; each takes one step more than the one before.

    The variance of a stratified estimate is sum_h A_h / n_h / N^2 and a constant, so that the n-th and next invitation
    of a stratum takes A_h / (n (n + 1)) off: taking the largest first is optimal for every total, with bounds on n_h
    too (Wright 2012, The American Statistician 66, algorithm III).

    Attributes
    ----------
    sizes
        (H,) customers N_h.
    spreads
        (H,) A_h = N_h sum s^2 / r over the stratum, points squared.
    weights
        (H,) N_h sum 1 / r, of which the effective number of answers is made.
    order
        (N - fewest,) stratum of each further invitation.
    response
        (H,) mean probability of answering.
    fixed
        Variance that does not depend on whom is asked, points squared.
    noise
        What the estimator learns from who answers; None where that is known.
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
        """Order the steps.

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
        """How many steps lead from the fewest invitations to all customers."""
        return len(self.order)

    def after(self, steps: int) -> Integers:
        """Give the invitations of each stratum, (H,), after so many steps."""
        start = np.minimum(self.sizes, FEWEST_PER_STRATUM)
        return np.asarray(start + np.bincount(self.order[:steps], minlength=len(self.sizes)))

    def margin(self, invited: Integers) -> float:
        """Give the expected half width of the 95 % interval, points; NaN where nobody is asked.

        Student's degrees of freedom are the effective number of answers (Kish 1965) less one. Where the probability of
        answering r is estimated, weights 1 / r get another factor with the variance of its log, sigma^2, which leaves
        exp(-sigma^2) of the effective answers. As d log r = (1 - r) d logit r, that is (1 - r)^2 of the variance of the
        log odds: where all answer there is nothing to learn.
        """
        N, asked = int(self.sizes.sum()), int(invited.sum())
        if N == 0:
            return np.nan
        answers = float(invited @ self.response)
        silent = 1.0 - answers / asked
        sigma2 = 0.0 if self.noise is None else silent**2 * self.noise.variance(answers, 1.0 - silent)
        inflation = float(np.exp(sigma2))
        effective = N**2 / float(np.sum(self.weights / invited)) / inflation
        error = np.sqrt(float(np.sum(self.spreads / invited)) / N**2 * inflation + self.fixed)
        return float(student.ppf(0.975, max(effective - 1.0, 1.0)) * error)

    def steps_to(self, margin: float) -> int | None:
        """Give the fewest steps that lead to at most this margin; None where none do."""
        steps = bisect_left(range(self.steps + 1), True, key=lambda k: self.margin(self.after(k)) <= margin)
        return steps if steps <= self.steps else None
