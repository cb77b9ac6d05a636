"""How a simulated customer answers: a latent satisfaction plus noise, cut into the points of a scale.

The latent of one answer is ``sqrt(R) s + sqrt(1 - R) e`` with ``s`` the customer's satisfaction and ``e``
standard normal noise, so that ``R`` is the share of its variance that satisfaction explains. Where ``s``
is standard normal too, the points come out in the shares given, whatever ``R``.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Shares of the answers 0, 1, ... 10: 32 % detractors, 33 % passives, 35 % promoters.
NPS_SHARES: Floats = np.array([0.03, 0.01, 0.02, 0.04, 0.04, 0.09, 0.09, 0.14, 0.19, 0.14, 0.21])
# Shares of the answers 1, 2, ... 5 of a satisfaction question.
CSAT_SHARES: Floats = np.array([0.08, 0.07, 0.15, 0.30, 0.40])
# The first answer of a passive and of a promoter.
NPS_CUTS = (7, 9)


def point_probabilities(satisfaction: Floats, reliability: float, shares: Floats) -> Floats:
    """Return the probability of each point of the scale.

    Parameters
    ----------
    satisfaction : array of shape (n,)
        Latent satisfaction, in standard deviations of the base.
    reliability : float
        ``R``, the share of an answer's variance that satisfaction explains, in [0, 1).
    shares : array of shape (points,)
        Shares of the points where satisfaction is standard normal; they sum to 1.

    Returns
    -------
    array of shape (n, points)
        ``Phi((c_k - sqrt(R) s) / sqrt(1 - R)) - Phi((c_{k-1} - sqrt(R) s) / sqrt(1 - R))`` with cut points
        ``c_k = Phi^-1(shares_1 + ... + shares_k)``; each row sums to 1.
    """
    cuts = ndtri(np.cumsum(shares)[:-1])
    standardised = (cuts - np.sqrt(reliability) * satisfaction[:, None]) / np.sqrt(1.0 - reliability)
    below = np.pad(ndtr(standardised), ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1)))
    return np.diff(below, axis=1)


def nps_probabilities(satisfaction: Floats, reliability: float) -> Floats:
    """Return the probability of a detractor, a passive and a promoter.

    Parameters
    ----------
    satisfaction : array of shape (n,)
        Latent satisfaction, in standard deviations of the base.
    reliability : float
        ``R``, the share of an answer's variance that satisfaction explains, in [0, 1).

    Returns
    -------
    array of shape (n, 3)
        Each row sums to 1.
    """
    passive, promoter = NPS_CUTS
    shares = np.add.reduceat(NPS_SHARES, [0, passive, promoter])
    return point_probabilities(satisfaction, reliability, shares)


def draw_points(satisfaction: Floats, noise: Floats, reliability: float, shares: Floats) -> Integers:
    """Turn satisfaction and noise into points 0, 1, ... of a scale.

    Parameters
    ----------
    satisfaction, noise : array of shape (n,)
        Latent satisfaction and standard normal noise, one of each per answer.
    reliability : float
        ``R``, the share of an answer's variance that satisfaction explains, in [0, 1).
    shares : array of shape (points,)
        Shares of the points where satisfaction is standard normal; they sum to 1.

    Returns
    -------
    array of shape (n,)
        Positions on the scale, counted from 0.
    """
    latent = np.sqrt(reliability) * satisfaction + np.sqrt(1.0 - reliability) * noise
    cuts = ndtri(np.cumsum(shares)[:-1])
    points: Integers = np.searchsorted(cuts, latent, side="right").astype(np.int64)
    return points
