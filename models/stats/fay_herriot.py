"""Shrink noisy figures of groups towards their common centre (Fay & Herriot 1979, JASA 74)."""

from dataclasses import dataclass

import numpy as np

from models.stats.typing import Floats

# Points at which the posterior of the variance between groups is taken, and how far below its top it ends.
POINTS_OF_POSTERIOR = 256
LOWEST_LOG_LIKELIHOOD = -25.0


@dataclass(frozen=True)
class Shrunk:
    """Figures of G groups, each between its own and that of all.

    Attributes
    ----------
    centre
        Mean of the groups' own figures by their shares.
    own
        (G,) share of the group's own figure, from 0 to 1; the rest is the centre's.
    estimates
        (G,) own direct + (1 - own) centre.
    variances
        (G,) expected squared errors.
    """

    centre: float
    own: Floats
    estimates: Floats
    variances: Floats


def shrink(direct: Floats, sampling: Floats, shares: Floats, floor: Floats, scale: float) -> Shrunk:
    """Shrink each group's figure towards the centre of all, by as much as its sampling error requires.

    The model is direct_g = mu + u_g + e_g with e_g ~ N(0, D_g) and u_g ~ N(0, B_g), B_g = A + floor_g. Given A a group
    keeps the share gamma_g = B_g / (B_g + D_g) of its own figure; the rest is the centre's, sum_h s_h direct_h by given
    shares s (of the base: then the groups add up to it). The error of that has variance

    (1-gamma)^2 (1-s_g)^2 B_g + (gamma + (1-gamma) s_g)^2 D_g + (1-gamma)^2 sum_{h != g} s_h^2 (B_h + D_h).

    A is not known: gamma and this variance are averaged over its posterior, and the variance of gamma times
    (direct_g - centre)^2 is added (Morris 1983, JASA 78; Rao & Molina 2015, Small Area Estimation, section 10.3). With
    many groups that is the mean squared error of Prasad & Rao (1990, JASA 85); with few, a single estimate of A is
    often 0 and theirs far too wide.

    Parameters
    ----------
    direct
        (G,) figure of each group by its own sample.
    sampling
        (G,) D > 0, its sampling variance; infinite for a group without a sample (`direct` is not read then).
    shares
        (G,) shares of the groups in the centre, summing to 1; 0 where `sampling` is infinite.
    floor
        (G,) variance of u_g that is there at least, at least 0.
    scale
        Of the half-Cauchy prior of the standard deviation between groups, in the unit of `direct`: half of its mass
        lies below (Gelman 2006, Bayesian Analysis 1).
    """
    sampled = np.isfinite(sampling)
    r, D = np.where(sampled, direct, 0.0), np.where(sampled, sampling, 1.0)
    centre = float(shares @ r)
    between, weight = posterior_of_between(direct[sampled], (sampling + floor)[sampled], scale)
    B = between[:, None] + floor
    gamma = np.where(sampled, B / (B + D), 0.0)
    of_others = shares**2 * (B + D)
    error = (1 - gamma) ** 2 * (1 - shares) ** 2 * B + np.where(sampled, gamma + (1 - gamma) * shares, 0.0) ** 2 * D
    error += (1 - gamma) ** 2 * (of_others.sum(axis=1, keepdims=True) - of_others)
    own = weight @ gamma
    return Shrunk(
        centre=centre,
        own=own,
        estimates=own * r + (1 - own) * centre,
        variances=weight @ error + weight @ (gamma - own) ** 2 * (r - centre) ** 2,
    )


def posterior_of_between(direct: Floats, noise: Floats, scale: float) -> tuple[Floats, Floats]:
    """Posterior of A in Var(direct_g) = A + noise_g around an unknown mean.

    The likelihood is the restricted one, exp -1/2 (sum ln V + ln sum 1/V + sum (direct - mu)^2 / V) with
    mu = sum direct/V / sum 1/V (Patterson & Thompson 1971, Biometrika 58). With sqrt(A) = scale tan(pi/2 u) the
    half-Cauchy prior is flat in u, so the posterior is taken at points of u that are evenly spaced where it has mass.

    Parameters
    ----------
    direct, noise
        (G,) figures and the variance of each that is not A.
    scale
        Of the prior of sqrt(A).

    Returns
    -------
    tuple of numpy.ndarray
        (Q,) values of A and (Q,) their weights, summing to 1.
    """
    coarse = np.concatenate([[0.0], np.geomspace(1e-6, 1e-3, 32), np.linspace(2e-3, 1.0, 512)])
    between = (scale * np.tan(np.pi / 2 * (coarse[1:] + coarse[:-1]) / 2)) ** 2
    high = np.flatnonzero(_log_likelihood(between, direct, noise) > LOWEST_LOG_LIKELIHOOD)
    edges = np.linspace(
        coarse[max(high[0] - 1, 0)], coarse[min(high[-1] + 2, len(coarse) - 1)], POINTS_OF_POSTERIOR + 1
    )
    between = (scale * np.tan(np.pi / 2 * (edges[1:] + edges[:-1]) / 2)) ** 2
    weight = np.exp(_log_likelihood(between, direct, noise))
    return between, weight / weight.sum()


def _log_likelihood(between: Floats, direct: Floats, noise: Floats) -> Floats:
    """Restricted log likelihood of each A, (Q,), less its largest value."""
    precision = 1.0 / (between[:, None] + noise)
    total = precision.sum(axis=1)
    mu = precision @ direct / total
    spread = np.sum(precision * (direct - mu[:, None]) ** 2, axis=1)
    value = (np.log(precision).sum(axis=1) - np.log(total) - spread) / 2
    return np.asarray(value - value.max())
