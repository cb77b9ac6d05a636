"""Maximum likelihood in log parameters: find the optimum, and know whether the data determine it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import OptimizeResult, minimize

Floats = NDArray[np.float64]
# Maps log parameters to the mean negative log-likelihood of a customer and its gradient.
Objective = Callable[[Floats], tuple[float, Floats]]

# e^+-15 of the scaled parameters: beyond, the models no longer change.
_BOUND = 15.0
# A parameter known to a factor of e^10 either way (two standard errors of 5 in the logarithm) is not known.
_LARGEST_LOG_ERROR = 5.0
_LARGEST_GRADIENT = 1e-6
_DIFFERENCE = 1e-4
_SAME_VALUE = 1e-7


@dataclass(frozen=True)
class Optimum:
    """Where the search ended.

    Parameters
    ----------
    point : ndarray, shape (k,)
        Log parameters.
    value : float
        Mean negative log-likelihood there.
    hessian : ndarray, shape (k, k)
        Of the mean negative log-likelihood in log parameters, symmetric.
    log_errors : ndarray, shape (k,)
        Standard errors of the log parameters; infinite where the Hessian is not positive definite.
    determined : bool
        Whether this is an inner optimum whose parameters the data pin down.
    """

    point: Floats
    value: float
    hessian: Floats
    log_errors: Floats
    determined: bool


def find_optimum(objective: Objective, starts: Iterable[ArrayLike], customers: float, tol: float = 1e-7) -> Optimum:
    """Minimise by L-BFGS from each start in turn until one search ends in a determined optimum.

    Parameters
    ----------
    objective : callable
        Log parameters -> (mean negative log-likelihood, gradient).
    starts : iterable of array_like, shape (k,)
        Log parameters to begin from, at least one.
    customers : float
        Number of customers the mean is over.
    tol : float
        Gradient norm at which L-BFGS stops; Newton steps then take the rest.

    Returns
    -------
    Optimum
        The first determined one, else the one of the lowest value.
    """
    best: Optimum | None = None
    for start in starts:
        optimum = _search(objective, np.asarray(start, dtype=np.float64), customers, tol)
        if optimum.determined:
            return optimum
        # Two searches that run equally low agree that there is no inner optimum.
        if best is not None and abs(optimum.value - best.value) < _SAME_VALUE:
            break
        if best is None or optimum.value < best.value:
            best = optimum
    if best is None:
        raise ValueError("find_optimum needs at least one start")
    return best


def _search(objective: Objective, start: Floats, customers: float, tol: float) -> Optimum:
    bounds = [(-_BOUND, _BOUND)] * start.size
    found: OptimizeResult = minimize(
        cast(Any, objective),
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=bounds,
        options={"gtol": tol, "ftol": 1e-15, "maxiter": 150},
    )
    point = np.asarray(found.x, dtype=np.float64)
    value, gradient = objective(point)
    hessian = _hessian(objective, point)
    for _ in range(3):
        if np.abs(gradient).max() < 1e-10 or not _is_positive(hessian):
            break
        trial = point - np.linalg.solve(hessian, gradient)
        # A long step means that there is no quadratic bowl to go to the bottom of.
        if np.abs(trial - point).max() > 0.1:
            break
        point = trial
        value, gradient = objective(point)
    else:
        hessian = _hessian(objective, point)
    log_errors = np.full(point.size, np.inf)
    if _is_positive(hessian):
        log_errors = np.sqrt(np.diag(np.linalg.inv(hessian)) / customers)
    inside = np.abs(point).max() < _BOUND - 1 and np.abs(gradient).max() < _LARGEST_GRADIENT
    determined = bool(inside and log_errors.max() < _LARGEST_LOG_ERROR)
    return Optimum(point, float(value), hessian, log_errors, determined)


def _hessian(objective: Objective, point: Floats) -> Floats:
    """Return the Hessian by central differences of the analytic gradient, made symmetric."""
    steps = _DIFFERENCE * np.eye(point.size)
    rows = [(objective(point + step)[1] - objective(point - step)[1]) / (2 * _DIFFERENCE) for step in steps]
    hessian = np.array(rows)
    return np.asarray(0.5 * (hessian + hessian.T))


def _is_positive(hessian: Floats) -> bool:
    return bool(np.isfinite(hessian).all() and np.linalg.eigvalsh(hessian).min() > 0)
