"""Fifty-digit likelihoods of purchases and of spend, with their gradients and Hessians by the log parameters."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations

import mpmath
import numpy as np

HISTORIES = {
    "frequent, then silent": (1000, 350.0, 365.0),
    "one-time buyer": (0, 0.0, 365.0),
    "came today": (0, 0.0, 0.0),
    "once again at once": (1, 0.0, 30.0),
    "just bought": (1, 30.0, 30.0),
    "usual": (3, 12.5, 30.0),
    "20,000 purchases": (20_000, 700.0, 730.0),
    "hardly any time": (2, 1e-8, 2e-8),
    "silent for ten years": (7, 1.0, 3650.0),
}
PURCHASE_PARAMETERS = {
    "sample": (0.243, 4.414, 0.793, 2.426),
    "a -> 1": (0.6, 45.0, 1.0 + 1e-9, 2.8),
    "a + b = 1": (0.6, 45.0, 0.3, 0.7),
    "a ~ 1e4, b ~ 1e-3": (0.6, 45.0, 1e4, 1e-3),
    "a ~ 1e-3, b ~ 1e4": (0.6, 45.0, 1e-3, 1e4),
    "alike in rate": (1e4, 1e6, 0.8, 2.8),
    "alike in dropout": (0.6, 45.0, 1e6, 3e6),
    "nearly nobody buys": (1e-3, 1e-4, 0.5, 0.5),
}
SPENDS = {
    "once": (1, 12.5),
    "cents": (7, 0.01),
    "frequent": (400, 3000.0),
    "nearly free": (1, 1e-8),
    "a million a time": (1000, 1e6),
    "20,000 purchases": (20_000, 1.0),
}
SPEND_PARAMETERS = {
    "sample": (6.25, 3.74, 15.44),
    "q -> 1": (0.7, 1.0 + 1e-9, 2.0),
    "p large": (1000.0, 3.0, 0.5),
    "q large": (2.0, 1000.0, 500.0),
    "p near 0": (1e-3, 1.5, 1e-3),
    "v near 0": (6.0, 4.0, 1e-6),
    "v large": (6.0, 4.0, 1e6),
}


def purchase_cases() -> dict[str, Callable[[], list[float]]]:
    """Every history under every parameters, for BG/NBD (m = 0) and MBG/NBD (m = 1)."""
    return {
        f"{name}, m {m}, {history}": partial(flat, partial(_purchases, history=columns, m=m), _logs(values))
        for name, values in PURCHASE_PARAMETERS.items()
        for m in (0, 1)
        for history, columns in HISTORIES.items()
    }


def spend_cases() -> dict[str, Callable[[], list[float]]]:
    """Every spend under every parameters of Gamma-Gamma."""
    return {
        f"{name}, {spend}": partial(flat, partial(_spend, x=x, m=m), _logs(values))
        for name, values in SPEND_PARAMETERS.items()
        for spend, (x, m) in SPENDS.items()
    }


def _logs(values: tuple[float, ...]) -> list[mpmath.mpf]:
    with mpmath.workdps(50):
        return [mpmath.log(mpmath.mpf(value)) for value in values]


def derivatives(flat: list[float]) -> tuple[float, np.ndarray, np.ndarray]:
    """Give the value, the gradient and the Hessian back that a case holds one after the other."""
    k = int(np.sqrt(len(flat) - 0.75) - 0.5)
    return flat[0], np.array(flat[1 : k + 1]), np.array(flat[k + 1 :]).reshape(k, k)


def _purchases(logs, history, m):
    """Gamma(r+x) alpha^r / (Gamma(r) Beta(a,b)) times the sum over alive and gone, as it is written in the papers."""
    r, alpha, a, b = map(mpmath.exp, logs)
    x, t_x, T = int(history[0]), mpmath.mpf(history[1]), mpmath.mpf(history[2])
    B, log_gamma = b + x + m, mpmath.loggamma
    value = log_gamma(r + x) - log_gamma(r) + r * mpmath.log(alpha)
    value += log_gamma(a + b) - log_gamma(a) - log_gamma(b) - log_gamma(a + B)
    inside = mpmath.exp(log_gamma(a) + log_gamma(B) - (r + x) * mpmath.log(alpha + T))
    if x + m > 0:
        inside += mpmath.exp(log_gamma(a + 1) + log_gamma(B - 1) - (r + x) * mpmath.log(alpha + t_x))
    return value + mpmath.log(inside)


def _spend(logs, x, m):
    """Eq. 1a of Fader & Hardie (2013) as it is written."""
    p, q, v = map(mpmath.exp, logs)
    x, m = mpmath.mpf(x), mpmath.mpf(m)
    value = mpmath.loggamma(p * x + q) - mpmath.loggamma(p * x) - mpmath.loggamma(q) + q * mpmath.log(v)
    return value + (p * x - 1) * mpmath.log(m) + p * x * mpmath.log(x) - (p * x + q) * mpmath.log(x * m + v)


def flat(log_likelihood: Callable[..., mpmath.mpf], point: Sequence[float]) -> list[float]:
    """Compute a log-likelihood at a point, with its gradient and its Hessian, one after the other."""
    with mpmath.workdps(50):
        value, gradient, hessian = _derivatives(log_likelihood, [mpmath.mpf(each) for each in point])
    return [value, *gradient.tolist(), *hessian.ravel().tolist()]


def _derivatives(function, point):
    """Central differences so fine, at fifty digits, that they are exact to 1e-20 or so."""
    step, k = mpmath.mpf(10) ** -14, len(point)

    def at(*moves):
        moved = list(point)
        for axis, sign in moves:
            moved[axis] += sign * step
        return function(moved)

    here = at()
    ahead, behind = ([at((axis, sign)) for axis in range(k)] for sign in (1, -1))
    gradient = [(ahead[axis] - behind[axis]) / (2 * step) for axis in range(k)]
    hessian = np.diag([float((ahead[axis] - 2 * here + behind[axis]) / step**2) for axis in range(k)])
    for i, j in combinations(range(k), 2):
        # f(+,+) + f(-,-) - 2 f less both second derivatives.
        both = at((i, 1), (j, 1)) + at((i, -1), (j, -1)) - ahead[i] - behind[i] - ahead[j] - behind[j] + 2 * here
        hessian[i, j] = hessian[j, i] = float(both / (2 * step**2))
    return float(here), np.array([float(slope) for slope in gradient]), hessian
