"""Fifty-digit values of BG/NBD and MBG/NBD in their limits: figures of customers, and likelihoods with derivatives."""

from collections.abc import Callable
from functools import partial
from itertools import product

import mpmath

from models.purchases.limits_likelihood import Family
from models.scoring.bg_nbd import DAYS_PER_YEAR
from models.scoring.parameters import PurchaseParameters
from tests.models.golden.likelihoods import HISTORIES, flat

R, ALPHA, RATE, A, B, DROPOUT = 0.6, 45.0, 0.04, 0.8, 2.8, 0.2
DROPOUTS = {
    "beta": (A, B),
    "nobody_leaves": (0.0, 1.0),
    "equal_dropout": (DROPOUT, 1 - DROPOUT),
    "at_once_or_never": (DROPOUT, 1 - DROPOUT),
}
# Horizon, x, t_x, T.
CUSTOMERS = {
    "one-time buyer": (90.0, 0, 0.0, 365.0),
    "came today": (90.0, 0, 0.0, 0.0),
    "came once again": (90.0, 1, 50.0, 200.0),
    "usual": (365.0, 3, 120.0, 300.0),
    "frequent, then silent": (30.0, 400, 350.0, 400.0),
    "just bought": (3650.0, 12, 300.0, 300.0),
    "tiny horizon": (1e-8, 3, 120.0, 300.0),
    "long ahead": (1e6, 2, 10.0, 20.0),
}
ANNUAL_RATE = 0.1


def families() -> list[Family]:
    """Every family but the one of the whole models."""
    kinds = product((False, True), DROPOUTS, (0, 1))
    return [Family(equal, dropout, m) for equal, dropout, m in kinds if equal or dropout != "beta"]


def parameters_of(family: Family) -> PurchaseParameters:
    """Return the parameters that the values are computed at."""
    rates = (1.0, 1.0 / RATE) if family.equal_rates else (R, ALPHA)
    return PurchaseParameters(*rates, *DROPOUTS[family.dropout], family.m, family.limits)


def point_of(family: Family) -> list[float]:
    """Return the logarithms of the same parameters, the log odds of a chance of leaving."""
    values = {"r": R, "alpha": ALPHA, "rate": RATE, "a": A, "b": B, "dropout": DROPOUT / (1 - DROPOUT)}
    return [float(mpmath.log(values[name])) for name in family.names]


def name_of(family: Family) -> str:
    """Name a family in the stored values."""
    return f"{'equal' if family.equal_rates else 'gamma'} rates, {family.dropout}, m {family.m}"


def cases() -> dict[str, Callable[[], list[float]]]:
    """Name every value and say how it is computed."""
    computed: dict[str, Callable[[], list[float]]] = {}
    for family in families():
        for customer, columns in CUSTOMERS.items():
            computed[f"{name_of(family)}: {customer}"] = partial(_figures, family, *columns)
        for history, columns in HISTORIES.items():
            of_point = partial(_log_likelihood, family=family, history=columns)
            computed[f"likelihood, {name_of(family)}: {history}"] = partial(flat, of_point, point_of(family))
    return computed


def _figures(family: Family, h: float, x: int, t_x: float, T: float) -> list[float]:
    """P(alive), P(purchase), expected and discounted purchases; P(none) of a new customer, and their purchases."""
    with mpmath.workdps(30):
        alive = _alive(family, x, t_x, T)
        none, left = mpmath.exp(-_exposure(family, 0, 0, h)), 0
        if family.m:
            left = _prior_mean(family)
        return [
            float(value)
            for value in (
                alive,
                alive * (1 - mpmath.exp(-_exposure(family, x, T, T + mpmath.mpf(h)))),
                alive * _expected(family, x, T, h),
                alive * _discounted(family, x, T, min(h, 3650.0)),
                left + (1 - left) * none,
                _alive(family, 0, 0, 0) * _expected(family, 0, 0, h),
            )
        ]


def _prior_mean(family):
    a, b = map(mpmath.mpf, DROPOUTS[family.dropout])
    return a / (a + b)


def _exposure(family, x, start, end):
    """Minus the logarithm of the probability of no purchase between two ages of one who is alive."""
    if family.equal_rates:
        return mpmath.mpf(RATE) * (mpmath.mpf(end) - mpmath.mpf(start))
    alpha = mpmath.mpf(ALPHA)
    return (mpmath.mpf(R) + x) * mpmath.log((alpha + mpmath.mpf(end)) / (alpha + mpmath.mpf(start)))


def _dropout_moments(family, n):
    """P(stayed n times), and P(left at the n-th chance)."""
    if n == 0:
        return mpmath.mpf(1), mpmath.mpf(0)
    a, b = map(mpmath.mpf, DROPOUTS[family.dropout])
    if family.dropout == "nobody_leaves":
        return mpmath.mpf(1), mpmath.mpf(0)
    if family.dropout == "equal_dropout":
        return (1 - a) ** n, a * (1 - a) ** (n - 1)
    if family.dropout == "at_once_or_never":
        return 1 - a, a if n == 1 else mpmath.mpf(0)
    return mpmath.beta(a, b + n) / mpmath.beta(a, b), mpmath.beta(a + 1, b + n - 1) / mpmath.beta(a, b)


def _alive(family, x, t_x, T):
    stayed, left = _dropout_moments(family, x + family.m)
    return stayed / (stayed + left * mpmath.exp(_exposure(family, x, t_x, T)))


def _points(family, n):
    """Chances of leaving of one alive after n chances, with their probabilities."""
    if family.dropout == "nobody_leaves" or (family.dropout == "at_once_or_never" and n):
        return [(mpmath.mpf(0), mpmath.mpf(1))]
    a = mpmath.mpf(DROPOUT)
    if family.dropout == "equal_dropout":
        return [(a, mpmath.mpf(1))]
    return [(mpmath.mpf(0), 1 - a), (mpmath.mpf(1), a)]


def _expected(family, x, T, h):
    """Purchases expected of the living within h."""
    k, h = mpmath.mpf(R) + x, mpmath.mpf(h)
    z = mpmath.mpf(RATE) * h if family.equal_rates else h / (mpmath.mpf(ALPHA) + mpmath.mpf(T))
    if family.dropout == "beta":
        # Off its removable pole at a = 1, as for the whole models.
        a, c = mpmath.mpf(A) + mpmath.mpf(10) ** -18, mpmath.mpf(A + B + x + family.m) + mpmath.mpf(10) ** -18
        return (c - 1) / (a - 1) * (1 - mpmath.hyp1f1(a - 1, c - 1, -z))

    def of_one(p):
        if family.equal_rates:
            return z if p == 0 else (1 - mpmath.exp(-p * z)) / p
        return k * z if p == 0 else (1 - (1 + p * z) ** -k) / p

    return sum(weight * of_one(p) for p, weight in _points(family, x + family.m))


def _discounted(family, x, T, h):
    """Integral over time of the discounted rate of purchase of the living: not the form that is served."""
    discount = mpmath.log(1 + mpmath.mpf(ANNUAL_RATE)) / mpmath.mpf(DAYS_PER_YEAR)
    k, age, rate = mpmath.mpf(R) + x, mpmath.mpf(ALPHA) + mpmath.mpf(T), mpmath.mpf(RATE)

    def present(s):
        if family.dropout == "beta":
            now = rate * mpmath.hyp1f1(A, A + B + x + family.m, -rate * s)
        elif family.equal_rates:
            now = sum(w * rate * mpmath.exp(-p * rate * s) for p, w in _points(family, x + family.m))
        else:
            now = sum(w * k / age * (1 + p * s / age) ** (-k - 1) for p, w in _points(family, x + family.m))
        return mpmath.exp(-discount * s) * now

    return mpmath.quad(present, [mpmath.mpf(h) * part for part in (0, 1 / 64, 1 / 16, 1 / 4, 1 / 2, 1)])


def _log_likelihood(point, family, history):
    """As the story has it: purchases of one who stayed, and of one who left right after the last."""
    x, t_x, T = int(history[0]), mpmath.mpf(history[1]), mpmath.mpf(history[2])
    values = dict(zip(family.names, map(mpmath.exp, point), strict=True))
    n = x + family.m
    if family.equal_rates:
        rate = values["rate"]
        bought = x * mpmath.log(rate)

        def none(until):
            return -rate * until
    else:
        r, alpha = values["r"], values["alpha"]
        bought = mpmath.loggamma(r + x) - mpmath.loggamma(r) + r * mpmath.log(alpha)

        def none(until):
            return -(r + x) * mpmath.log(alpha + until)

    if family.dropout == "beta":
        a, b = values["a"], values["b"]
        stayed = mpmath.beta(a, b + n) / mpmath.beta(a, b)
        left = mpmath.beta(a + 1, b + n - 1) / mpmath.beta(a, b) if n else mpmath.mpf(0)
    elif family.dropout == "nobody_leaves" or n == 0:
        stayed, left = mpmath.mpf(1), mpmath.mpf(0)
    else:
        p = values["dropout"] / (1 + values["dropout"])
        at_once = family.dropout == "at_once_or_never"
        stayed = 1 - p if at_once else (1 - p) ** n
        left = (p if n == 1 else mpmath.mpf(0)) if at_once else p * (1 - p) ** (n - 1)
    return bought + mpmath.log(stayed * mpmath.exp(none(T)) + left * mpmath.exp(none(t_x)))
