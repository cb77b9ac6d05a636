"""Fifty-digit differences of the log Gamma function and of its first two derivatives."""

from collections.abc import Callable
from functools import partial

import mpmath

Z = (1e-12, 1e-3, 0.5, 1.0, 7.3, 15.999, 16.0, 40.0, 1e4, 1e8, 1e14)
N = (1e-6, 0.3, 1.0, 4.0, 1000.0, 20_000.0, 1e9)


def cases() -> dict[str, Callable[[], list[float]]]:
    """Of every z the differences for every n, those of the function and then of each derivative."""
    return {f"z {z:g}": partial(_differences, z) for z in Z}


def _differences(z: float) -> list[float]:
    with mpmath.workdps(50):
        start = mpmath.mpf(z)
        return [
            float(function(start + mpmath.mpf(n)) - function(start))
            for function in (mpmath.loggamma, mpmath.digamma, partial(mpmath.psi, 1))
            for n in N
        ]
