"""Means over the dropout chance p ~ Beta(a, b + x + m), by Gauss-Jacobi nodes or the trapezoid rule, and in limits.

References
----------
Golub & Welsch (1969), Calculation of Gauss Quadrature Rules, Mathematics of Computation 23, 221-230.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from scipy.special import expit

from .arrays import Floats, groups
from .parameters import PurchaseParameters

# Nodes come in a few sizes, so that customers of one frequency share them.
_NODE_COUNTS = np.array([16, 24, 32, 48, 64, 96, 128, 192])
# Steps of the trapezoid rule that replaces Gauss-Jacobi where that would need hundreds of nodes.
_STEPS = 416
_TERMS_AT_ONCE = 1 << 20
# A retraining asks for some 550 sets of nodes, each three or four times: they take as long as all that is summed.
_MOST_KEPT = 1024
# Stands for a dropout chance of 0: (1 - (1 + p z)^-k) / p has its limit there to the last digit.
_LEAST = 1e-290


def node_counts_in_time(x: Floats, ratio: Floats, decay: float, parameters: PurchaseParameters) -> NDArray[np.int64]:
    """Gauss-Legendre nodes in time: more where purchases or their present value run out within the horizon."""
    if parameters.limits:
        # At most this share leaves at a purchase.
        dropout = np.full(x.shape, parameters.a / (parameters.a + parameters.b))
    else:
        dropout = parameters.a / (parameters.a + parameters.b + x + parameters.m)
    bend = dropout * (ratio if parameters.equal_rates else (parameters.r + x) * np.log1p(ratio))
    needed = 16 + np.log1p(ratio) + 3.0 * np.sqrt(np.maximum(bend - 1.0, 0.0)) + 0.5 * max(decay - 4.0, 0.0)
    return _NODE_COUNTS[np.minimum(np.searchsorted(_NODE_COUNTS, np.floor(needed)), _NODE_COUNTS.size - 1)]


def mean_over_dropout(x: Floats, ratio: Floats, shares: Floats, parameters: PurchaseParameters) -> Floats:
    """Sum over j of shares[i, j] E_p[(1 - (1 + p ratio[i, j])^-(r + x[i])) / p], p ~ Beta(a, b + x[i] + m).

    With equal rates it is E_p[(1 - e^(-p ratio[i, j])) / p]; p is that of the limit where `parameters` is one.

    Parameters
    ----------
    x : ndarray, shape (n,)
    ratio : ndarray, shape (n, k)
        Horizons over alpha + T, with equal rates over alpha / r.
    shares : ndarray, shape (n, k)
    parameters : PurchaseParameters

    Returns
    -------
    ndarray, shape (n,)
    """
    values = np.empty(x.size)
    shape = None if parameters.equal_rates else parameters.r + x
    if _has_point_masses(parameters):
        for rows, p, weights in _point_masses(x, parameters):
            for part in _parts(rows, ratio.shape[1] * p.size):
                values[part] = _weighted_terms(_of(shape, part), ratio[part], shares[part], p, weights)
        return values
    z = ratio.max(axis=1, initial=0.0)
    counts = node_counts(x, z, parameters)
    few = counts < _STEPS
    for rows in groups(x, counts, np.flatnonzero(few)):
        B = parameters.b + x[rows[0]] + parameters.m
        p, weights = beta_nodes(int(counts[rows[0]]), parameters.a, B)
        for part in _parts(rows, ratio.shape[1] * p.size):
            values[part] = _weighted_terms(_of(shape, part), ratio[part], shares[part], p, weights)
    for part in _parts(np.flatnonzero(~few), ratio.shape[1] * _STEPS):
        p, weights = beta_steps(x[part], z[part], parameters)
        p, weights = p[:, None, :], weights[:, None, :]
        values[part] = _weighted_terms(_of(shape, part), ratio[part], shares[part], p, weights)
    return values


def node_counts(x: Floats, z: Floats, parameters: PurchaseParameters) -> NDArray[np.int64]:
    """Nodes over the dropout chance, of rows with ratios up to z: `_STEPS` where the trapezoid rule takes over."""
    if parameters.equal_rates:
        needed = 16 + np.minimum(4 * np.sqrt(z), 2 * z)
    else:
        needed = (6 + 2 * np.sqrt(parameters.r + x)) * np.sqrt(z)
        # The bound that does not grow with the shape fails beyond, where there is no customer's B to match it.
        if parameters.r <= 30:
            needed = np.minimum(needed, 6 * z)
        needed += 16
    counts: NDArray[np.int64] = np.append(_NODE_COUNTS, _STEPS)[np.searchsorted(_NODE_COUNTS, np.ceil(needed))]
    return counts


def _of(shape: Floats | None, rows: NDArray[np.int64]) -> Floats | None:
    return None if shape is None else shape[rows]


def _has_point_masses(parameters: PurchaseParameters) -> bool:
    return bool({"nobody_leaves", "equal_dropout", "at_once_or_never"}.intersection(parameters.limits))


def _point_masses(x: Floats, parameters: PurchaseParameters) -> Iterator[tuple[NDArray[np.int64], Floats, Floats]]:
    """Yield groups of rows with the dropout chances of their customers, given alive, and the weights of these."""
    rows, share = np.arange(x.size), parameters.a / (parameters.a + parameters.b)
    if "at_once_or_never" not in parameters.limits:
        yield rows, np.array([max(share, _LEAST)]), np.ones(1)
        return
    # Who is alive after a chance to leave never leaves.
    had_chance = x + parameters.m > 0
    yield rows[had_chance], np.array([_LEAST]), np.ones(1)
    yield rows[~had_chance], np.array([_LEAST, 1.0]), np.array([1.0 - share, share])


def _parts(rows: NDArray[np.int64], terms_per_row: int) -> Iterator[NDArray[np.int64]]:
    """Cut rows into parts whose terms fit in a few megabytes."""
    step = max(_TERMS_AT_ONCE // terms_per_row, 1)
    return (rows[start : start + step] for start in range(0, rows.size, step))


def _weighted_terms(shape: Floats | None, ratio: Floats, shares: Floats, p: Floats, weights: Floats) -> Floats:
    """Sum shares * weights * (1 - (1 + p ratio)^-shape) / p over times and nodes, for each row.

    Without a shape, of equal rates, (1 - e^(-p ratio)) / p takes the place of the fraction.
    """
    terms = p * ratio[:, :, None]
    if shape is None:
        np.negative(terms, out=terms)
    else:
        np.log1p(terms, out=terms)
        terms *= -shape[:, None, None]
    np.expm1(terms, out=terms)
    terms *= -(weights / p)
    # Not a matrix product: its rounding may depend on the number of rows beside this one.
    return np.asarray((terms.sum(axis=2) * shares).sum(axis=1))


@lru_cache(maxsize=_MOST_KEPT)
def beta_nodes(count: int, a: float, B: float) -> tuple[Floats, Floats]:
    """Gauss-Jacobi nodes and weights (summing to 1) of Beta(a, B) on (0, 1), by Golub & Welsch (1969), read-only.

    The recurrence is that of the Jacobi polynomials shifted to (0, 1), with its factors arranged so that none
    vanishes at a + B = 1 or 2.
    """
    n = np.arange(1.0, count)
    s = a + B - 2.0
    diagonal = np.empty(count)
    diagonal[0] = a / (a + B)
    diagonal[1:] = (2 * n * (n + s + 1) + a * s) / ((2 * n + s) * (2 * n + s + 2))
    squares = np.empty(count - 1)
    squares[0] = a * B / ((a + B) ** 2 * (a + B + 1))
    k = n[1:]
    squares[1:] = (
        (k / (2 * k + s + 1)) * ((k + a - 1) / (2 * k + s)) * ((k + B - 1) / (2 * k + s)) * ((k + s) / (2 * k + s - 1))
    )
    p, vectors = eigh_tridiagonal(diagonal, np.sqrt(squares))
    weights = vectors[0] ** 2
    # A node may round to 0 or just below.
    found: tuple[Floats, Floats] = np.clip(p, _LEAST, 1.0), weights / weights.sum()
    for each in found:
        each.flags.writeable = False
    return found


def beta_steps(x: Floats, z: Floats, parameters: PurchaseParameters) -> tuple[Floats, Floats]:
    """Nodes and weights of Beta(a, b + x + m), good for (1 - (1 + p s)^-(r + x)) / p at any s <= z.

    The trapezoid rule in logit p, where the integrand is analytic in a strip whose width does not depend on z
    or x, so that the error falls as exp(-pi^2 / step). Both tails beyond the last step, where the integrand
    is a constant times p^a or (1 - p)^B, are geometric series and summed as such.

    Returns
    -------
    (ndarray, ndarray), shape (n, 416)
    """
    a, B = parameters.a, parameters.b + x + parameters.m
    shape = np.ones(x.size) if parameters.equal_rates else parameters.r + x
    peak = np.log(a) - np.log(B)
    spread = np.sqrt(1.0 / a + 1.0 / B)
    rise = np.log(np.maximum(shape * z, a + B))
    depth = 60.0 + rise
    left = np.maximum(-39.0 - rise, peak - 2 * np.sqrt(depth) * spread - 2 * depth / a)
    right = np.minimum(39.0 + np.log(np.maximum(shape, a + B)), peak + 2 * np.sqrt(depth) * spread + 2 * depth / B)
    # So wide that rounding does not reach a step.
    right = np.maximum(right, left + 1e-6)
    step = (right - left) / (_STEPS - 1)
    y = left[:, None] + np.arange(_STEPS) * step[:, None]
    log_density = -a * np.logaddexp(0.0, -y) - B[:, None] * np.logaddexp(0.0, y)
    log_density[:, 0] -= np.log(-np.expm1(-a * step))
    log_density[:, -1] -= np.log(-np.expm1(-B * step))
    weights = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    return np.maximum(expit(y), _LEAST), weights / weights.sum(axis=1, keepdims=True)
