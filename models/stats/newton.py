"""Maximum likelihood in log parameters: find the optimum, and say whether the data determine it.

SciPy's trust-exact, kept inside the same bounds, finds the same optima on 379 likelihoods of small shops, none of them
equal to the last bit (up to 1e-6 apart), with 7 to 9 % more evaluations; so the search stays as it is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.stats.typing import Floats

# Value, gradient and Hessian.
Derivatives = tuple[float, Floats, Floats]
# Maps log parameters to the mean negative log-likelihood of a customer with its gradient and Hessian.
Objective = Callable[[Floats], Derivatives]

# e^+-15 of the scaled parameters: beyond, the models no longer change.
_BOUND = 15.0
# With a standard error of 5 in the logarithm, a parameter may be off by a factor of e^10: it is not determined.
_LARGEST_LOG_ERROR = 5.0
_LARGEST_GRADIENT = 1e-6
# Largest entry of the gradient at which one last Newton step is taken.
_LAST_STEP_GRADIENT = 1e-7
_SAME_VALUE = 1e-7
_LARGEST_STEP, _FIRST_STEP, _SMALLEST_STEP = 4.0, 1.0, 1e-9
_MOST_STEPS = 200
# From `MANY_ROWS` rows on, the search begins on `SOME_ROWS` customers.
MANY_ROWS, SOME_ROWS = 50_000, 10_000
# Rows worked on at once: few enough to stay in the processor's cache, and for BLAS to add them up
# on one thread, so that the sums do not depend on how many there are.
_BLOCK = 8192


@dataclass(frozen=True)
class Optimum:
    """Where the search ended.

    Parameters
    ----------
    point : ndarray, shape (k,)
        Log parameters.
    value : float
        Mean negative log-likelihood there.
    gradient : ndarray, shape (k,)
        Of the mean negative log-likelihood by the log parameters.
    hessian : ndarray, shape (k, k)
        Its second derivatives by them, symmetric.
    log_covariance : ndarray, shape (k, k)
        Of the log parameters; infinite where the Hessian is not positive definite.
    determined : bool
        Whether this is an inner optimum whose parameters the data pin down.
    """

    point: Floats
    value: float
    gradient: Floats
    hessian: Floats
    log_covariance: Floats
    determined: bool


def find_optimum(
    objective: Objective,
    starts: Iterable[ArrayLike],
    customers: float,
    rough: Objective | None = None,
) -> Optimum:
    """Minimise from each start in turn until one search ends in a determined optimum.

    Parameters
    ----------
    objective : callable
        Log parameters -> (mean negative log-likelihood, gradient, Hessian).
    starts : iterable of array_like, shape (k,)
        Log parameters to begin from, at least one.
    customers : float
        Number of customers the mean is over.
    rough : callable, optional
        The objective on a part of the data. Where it has an inner optimum, the search on all begins there.

    Returns
    -------
    Optimum
        The first determined one, else the one of the lowest value.
    """
    tried = [np.asarray(start, dtype=np.float64) for start in starts]
    if not tried:
        raise ValueError("find_optimum needs at least one start")
    if rough is not None:
        near = find_optimum(rough, tried, customers)
        tried = [near.point, *tried] if near.determined else tried
    best: Optimum | None = None
    for start in tried:
        optimum = _search(objective, start, customers)
        if optimum.determined:
            return optimum
        # Two searches that run equally low agree that there is no inner optimum.
        if best is not None and abs(optimum.value - best.value) < _SAME_VALUE:
            break
        if best is None or optimum.value < best.value:
            best = optimum
    assert best is not None
    return best


def mean_negative(of_data: Derivatives, customers: float) -> Derivatives:
    """Turn a summed log-likelihood with its derivatives into the mean negative one of a customer."""
    value, gradient, hessian = of_data
    return -value / customers, -gradient / customers, -hessian / customers


def blocks(size: int) -> Iterator[slice]:
    """Cut ``size`` rows into slices that stay in the processor's cache."""
    return (slice(start, start + _BLOCK) for start in range(0, size, _BLOCK))


def evenly(weights: Floats, size: int) -> tuple[NDArray[np.int64], Floats]:
    """Take ``size`` customers at even distances from rows that stand for ``weights`` of them, to stand for all.

    Rows in order are thus spread over all values like all of them. Returns the places of the rows taken, ascending,
    and their new weights, of the same sum.
    """
    upto = np.cumsum(weights)
    each = upto[-1] / size
    taken = np.searchsorted(upto, (np.arange(size) + 0.5) * each)
    places, counts = np.unique(taken, return_counts=True)
    return places, counts * each


def _search(objective: Objective, start: Floats, customers: float) -> Optimum:
    """Take Newton steps no longer than a radius that grows where they do what they promise."""
    point, radius = np.clip(start, -_BOUND, _BOUND), _FIRST_STEP
    here = objective(point)
    for _ in range(_MOST_STEPS):
        value, gradient, hessian = here
        last = _steepest(point, gradient) < _LAST_STEP_GRADIENT
        step = _newton_step(point, gradient, hessian, radius)
        promised = -(gradient @ step + 0.5 * step @ hessian @ step)
        trial = objective(point + step)
        gain = value - trial[0]
        # Near the bottom the value is flat to its last digit, and the gradient is what still tells.
        flat = abs(promised) < 1e-13 * (1.0 + abs(value))
        better = _steepest(point + step, trial[1]) < _steepest(point, gradient) if flat else gain > 0.0
        if better:
            point, here = point + step, trial
            if promised > 0 and gain > 0.75 * promised:
                radius = min(2 * radius, _LARGEST_STEP)
        if last or (flat and not better) or radius < _SMALLEST_STEP:
            break
        if not better or (promised > 0 and gain < 0.25 * promised):
            radius = 0.25 * float(np.abs(step).max())
    return _judged(point, here, customers)


def _newton_step(point: Floats, gradient: Floats, hessian: Floats, radius: float) -> Floats:
    """Return the Newton step that goes downhill along every axis of the Hessian, within radius and bounds."""
    curvature, axes = np.linalg.eigh(hessian)
    # The slope over the absolute curvature: a saddle is left, not approached (Dauphin et al. 2014).
    along = -(axes.T @ gradient) / np.maximum(np.abs(curvature), 1e-12)
    longest = np.abs(axes @ np.clip(along, -radius, radius)).max()
    step = axes @ np.clip(along, -radius, radius) * min(1.0, radius / max(longest, 1e-300))
    return np.asarray(np.clip(point + step, -_BOUND, _BOUND) - point)


def _steepest(point: Floats, gradient: Floats) -> float:
    """Return the largest slope that does not lead out of bounds."""
    outwards = (np.abs(point) >= _BOUND) & (np.sign(gradient) != np.sign(point))
    return float(np.abs(np.where(outwards, 0.0, gradient)).max())


def _judged(point: Floats, here: Derivatives, customers: float) -> Optimum:
    value, gradient, hessian = here
    covariance = np.full_like(hessian, np.inf)
    if np.isfinite(hessian).all() and np.linalg.eigvalsh(hessian).min() > 0:
        inverse = np.linalg.inv(hessian) / customers
        covariance = 0.5 * (inverse + inverse.T)
    inside = np.abs(point).max() < _BOUND - 1 and np.abs(gradient).max() < _LARGEST_GRADIENT
    determined = bool(inside and np.sqrt(np.diag(covariance).max()) < _LARGEST_LOG_ERROR)
    return Optimum(point, float(value), gradient, hessian, covariance, determined)
