"""Sets of parameters, fitted ones or draws of what they may be, and latent traits of customers drawn from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from ..arrays import Floats
from ..parameters import Covariance, PurchaseParameters, SpendParameters, Uncertainty

_PARAMETER_SETS = 256


@dataclass(frozen=True)
class ParameterSets:
    """Sets of parameters, shape (k,) each: the fitted ones alone (k = 1), or draws of what they may be."""

    r: Floats
    alpha: Floats
    a: Floats
    b: Floats
    p: Floats
    q: Floats
    v: Floats

    @property
    def size(self) -> int:
        """Number of sets."""
        return self.r.size

    @classmethod
    def of(cls, purchase: PurchaseParameters, spend: SpendParameters, uncertainty: Uncertainty | None) -> ParameterSets:
        """Return the fitted set, or draws of ln theta ~ N(fitted, covariance), evenly spread."""
        names = (purchase.r, purchase.alpha, purchase.a, purchase.b, spend.p, spend.q, spend.v)
        if uncertainty is None:
            return cls(*(np.array([value], dtype=np.float64) for value in names))
        normal = _even_normal_draws(len(names))
        deviations = np.concatenate(
            [
                _correlated(normal[:, :4], uncertainty.purchases),
                _correlated(normal[:, 4:], uncertainty.spend),
            ]
        )
        # What is not known at all still has to be a number, and so does an a of 0, where nobody leaves.
        logs = np.log(np.maximum(names, np.finfo(float).tiny))
        r, alpha, a, b, p, q, v = np.exp(np.clip(logs[:, None] + deviations, -100.0, 100.0))
        # Without q > 1 the mean of the base does not exist.
        return cls(r, alpha, a, b, p, np.maximum(q, 1.0 + 1e-9), v)

    def repeated(self, draws: int) -> ParameterSets:
        """Return the sets in turn, as many times as it takes to give each of ``draws`` one."""
        columns = (self.r, self.alpha, self.a, self.b, self.p, self.q, self.v)
        turn = np.arange(draws) % self.size
        return ParameterSets(*(column[turn] for column in columns))


def _even_normal_draws(dimensions: int) -> Floats:
    """Return 256 points, z beside -z, whose mean is 0 and whose covariance is that of independent standard normals.

    The points are Roberts' additive recurrence, which fills the cube more evenly than chance does, then scaled.
    """
    base = 2.0
    for _ in range(64):
        base = (1.0 + base) ** (1.0 / (dimensions + 1))
    steps = base ** -np.arange(1.0, dimensions + 1)
    half = ndtri((0.5 + np.arange(1, _PARAMETER_SETS // 2 + 1)[:, None] * steps) % 1.0)
    half = np.linalg.solve(np.linalg.cholesky(half.T @ half / len(half)), half.T).T
    return np.stack([half, -half], axis=1).reshape(-1, dimensions)


def _correlated(normal: Floats, covariance: Covariance | None) -> Floats:
    """Return deviations of that covariance, shape (parameters, draws); none where it is not given."""
    if covariance is None:
        return np.zeros(normal.T.shape)
    # The symmetric root by eigenvalues: a parameter that is held has no variance, and rounding may make it negative.
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T @ normal.T)


@dataclass(frozen=True)
class Traits:
    """Latent traits of simulated living customers.

    Attributes
    ----------
    gamma_rate : ndarray
        Purchase rate times alpha + T; the rate itself where ``has_age`` is false, as with equal rates.
    dropout : ndarray
        Chance of leaving after a purchase.
    gamma_spend : ndarray
        The rate of the values of their purchases over v + the sum spent.
    p : ndarray
        The shape of those values: the fitted one, or that of each draw's own parameters.
    has_age, has_spread : bool
        Whether the rate depends on alpha + T, and whether a customer's purchases differ in value.
    """

    gamma_rate: Floats
    dropout: Floats
    gamma_spend: Floats
    p: Floats
    has_age: bool = True
    has_spread: bool = True

    @classmethod
    def drawn(
        cls,
        frequency: float,
        spend_x: float,
        purchase: PurchaseParameters,
        spend: SpendParameters,
        sets: ParameterSets,
        rng: np.random.Generator,
    ) -> Traits:
        """Draw living customers of a frequency and of so many priced purchases, one for each set of parameters."""
        gamma_rate = sets.r / sets.alpha if purchase.equal_rates else rng.standard_gamma(sets.r + frequency)
        chances, share = frequency + purchase.m, sets.a / (sets.a + sets.b)
        if purchase.nobody_leaves:
            dropout = np.zeros(share.size)
        elif "equal_dropout" in purchase.limits:
            dropout = share
        elif "at_once_or_never" in purchase.limits:
            dropout = np.zeros(share.size) if chances else np.asarray(rng.random(share.size) < share, dtype=np.float64)
        else:
            dropout = rng.beta(sets.a, sets.b + chances)
        if spend.equal_means or (spend.equal_purchases and spend_x):
            gamma_spend = np.ones(share.size)
        else:
            gamma_spend = rng.standard_gamma(sets.q + (0.0 if spend.equal_purchases else sets.p * spend_x))
        return cls(gamma_rate, dropout, gamma_spend, sets.p, not purchase.equal_rates, not spend.equal_purchases)

    def rate(self, age: Floats) -> Floats:
        """Purchase rates at alpha + T."""
        return self.gamma_rate / age if self.has_age else self.gamma_rate

    def value(self, purchases: Floats, rng: np.random.Generator) -> Floats:
        """Draw the value of so many purchases of each, over v + the sum spent."""
        sums = rng.standard_gamma(self.p * purchases) if self.has_spread else self.p * purchases
        return np.asarray(sums / self.gamma_spend)

    @property
    def mean_value(self) -> Floats:
        """Mean value of a purchase over v + the sum spent."""
        return np.asarray(self.p / self.gamma_spend)
