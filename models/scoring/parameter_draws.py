"""Draws of what the parameters of the purchase and spend models may be, given their covariance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from .arrays import Floats
from .parameters import PurchaseParameters, SpendParameters

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
    def of(
        cls, purchase: PurchaseParameters, spend: SpendParameters, uncertainty: Mapping[str, Any] | None
    ) -> ParameterSets:
        """Return the fitted set, or draws of ln theta ~ N(fitted, covariance), evenly spread."""
        names = (purchase.r, purchase.alpha, purchase.a, purchase.b, spend.p, spend.q, spend.v)
        if uncertainty is None:
            return cls(*(np.array([value], dtype=np.float64) for value in names))
        normal = _even_normal_draws(len(names))
        deviations = np.concatenate(
            [
                _correlated(normal[:, :4], uncertainty.get("purchases")),
                _correlated(normal[:, 4:], uncertainty.get("spend")),
            ]
        )
        # What is not known at all still has to be a number.
        r, alpha, a, b, p, q, v = np.exp(np.clip(np.log(names)[:, None] + deviations, -100.0, 100.0))
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


def _correlated(normal: Floats, covariance: ArrayLike | None) -> Floats:
    """Return deviations of that covariance, shape (parameters, draws); none where it is not given."""
    if covariance is None:
        return np.zeros(normal.T.shape)
    # The symmetric root by eigenvalues: a parameter that is held has no variance, and rounding may make it negative.
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T @ normal.T)
