"""Differences of the log Gamma function and its derivatives, exact where both sides are large and alike."""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln, polygamma

from models.stats.typing import Floats

# From here on Stirling's series with the terms below holds to double precision.
_LARGE = 16.0
# Bernoulli numbers B_2, B_4, ..., B_14.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6)


def rising(z: ArrayLike, n: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return ln Gamma(z + n) - ln Gamma(z) and its first two derivatives by z.

    The logarithm of z (z + 1) ... (z + n - 1) for whole n. Both Gamma functions of a large z are far larger than
    their difference, so there the difference is taken within Stirling's series (Abramowitz & Stegun 1964, eq. 6.1.41,
    6.3.18, 6.4.12), term by term.

    Parameters
    ----------
    z : array_like
        Positive.
    n : array_like
        0 or more. Shapes broadcast.

    Returns
    -------
    (ndarray, ndarray, ndarray)
        The difference, that of digamma and that of trigamma, between z + n and z.
    """
    z, n = np.broadcast_arrays(np.asarray(z, dtype=np.float64), np.asarray(n, dtype=np.float64))
    end = z + n
    small = np.minimum(z, _LARGE)
    near = (small, np.where(z < _LARGE, end, _LARGE))
    direct = [function(near[1]) - function(near[0]) for function in (gammaln, digamma, _trigamma)]
    far = np.maximum(z, _LARGE)
    return tuple(np.where(z < _LARGE, a, b) for a, b in zip(direct, _by_stirling(far, n), strict=True))  # type: ignore[return-value]


def _trigamma(z: Floats) -> Floats:
    return np.asarray(polygamma(1, z))


def _by_stirling(z: Floats, n: Floats) -> tuple[Floats, Floats, Floats]:
    end = z + n
    growth = np.log1p(n / z)
    # 1/z - 1/end without a difference.
    fall = n / z / end
    log_gamma = (z - 0.5) * growth + n * (np.log(end) - 1.0)
    psi = growth + 0.5 * fall
    trigamma = -fall * (1.0 + 0.5 * (1.0 / z + 1.0 / end))
    for k, bernoulli in enumerate(_BERNOULLI, start=1):
        log_gamma = log_gamma + bernoulli / (2 * k * (2 * k - 1)) * (end ** (1 - 2 * k) - z ** (1 - 2 * k))
        psi = psi - bernoulli / (2 * k) * (end ** (-2 * k) - z ** (-2 * k))
        trigamma = trigamma + bernoulli * (end ** (-2 * k - 1) - z ** (-2 * k - 1))
    return log_gamma, psi, trigamma
