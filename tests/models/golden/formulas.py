"""Fifty-digit values of the formulas of purchases, for BG/NBD (m = 0) and MBG/NBD (m = 1)."""

from collections.abc import Callable
from functools import partial

import mpmath
import numpy as np

from models.scoring.bg_nbd import DAYS_PER_YEAR
from models.scoring.parameters import PurchaseParameters

DAYS = PurchaseParameters(0.2426, 7 * 4.4136, 0.7929, 2.4259)
MODIFIED = PurchaseParameters(0.52484, 7 * 6.18308, 0.89136, 1.6140, m=1)
MODELS = {"bg": DAYS, "mbg": MODIFIED}
ANNUAL_RATES = (0.01, 0.1, 0.5)
HORIZONS = (1.0, 90.0, 365.0, 3650.0)
NEW_CUSTOMER_HORIZONS = (0.0, 7.0, 90.0, 365.0)
# What peers return NaN, infinity or noise for: horizon, x, t_x, T, parameters.
CDNOW = (0.243, 4.414, 0.793, 2.426)
TRAPS = {
    "many purchases, long silence": (500, 1000, 350, 365, CDNOW),
    "a = 1": (39, 2, 30.43, 38.86, (0.243, 4.414, 1.0, 2.426)),
    "a a hair above 1": (39, 2, 30.43, 38.86, (0.243, 4.414, 1.0 + 1e-13, 2.426)),
    "a a hair below 1": (39, 2, 30.43, 38.86, (0.243, 4.414, 1.0 - 1e-13, 2.426)),
    "a + b = 1 at x = 0": (39, 0, 0, 38.86, (0.243, 4.414, 0.4, 0.6)),
    "a + b = 2 at x = 0": (39, 0, 0, 38.86, (0.243, 4.414, 1.25, 0.75)),
    "a + b = 1 at x = 1": (39, 1, 5, 38.86, (0.243, 4.414, 0.4, 0.6)),
    "tiny horizon": (1e-8, 3, 20, 30, CDNOW),
    "one-time buyer": (39, 0, 0, 38.86, CDNOW),
    "bought today for the first time": (39, 0, 0, 0, CDNOW),
    "bought again today": (39, 4, 30, 30, CDNOW),
    "certain to leave": (39, 0, 0, 38.86, (0.243, 4.414, 1e4, 1e-3)),
    "certain to leave, bought again": (39, 3, 20, 38.86, (0.243, 4.414, 1e4, 1e-3)),
    "hardly ever leaves": (390, 3, 20, 38.86, (0.243, 4.414, 1e-3, 1e4)),
    "x = 20,000": (365, 20_000, 700, 700, (0.243, 30.9, 0.793, 2.426)),
    "x = 20,000 and a week of silence": (365, 20_000, 693, 700, (0.243, 30.9, 5.0, 2.426)),
    "horizon a thousand times the age": (3650, 1, 1, 1, (0.243, 0.5, 0.793, 2.426)),
    "horizon a billion times the age": (1e6, 2, 1e-4, 1e-4, (0.243, 1e-3, 0.793, 2.426)),
    "alike customers": (90, 3, 60, 100, (500.0, 9000.0, 2.0, 8.0)),
    "alike customers sure to leave": (2.8, 0, 0, 3.5, (590.0, 0.003, 1.44, 0.19)),
    "sparse ends": (90, 0, 0, 10, (1e-3, 10.0, 1e-2, 1e-2)),
}
# An age and horizon at which those still alive run out early.
EARLY = (2900.0, 0.01, 220, 1100, 1172, PurchaseParameters(0.13, 5.85, 14.8, 0.06, m=1))


def trap(name: str, m: int) -> tuple[float, float, float, float, PurchaseParameters]:
    """Horizon, x, t_x, T and parameters of a trap."""
    h, x, t_x, T, values = TRAPS[name]
    return h, x, t_x, T, PurchaseParameters(*values, m)


def random_histories() -> list[tuple[float, float, float, float, PurchaseParameters]]:
    """Horizons, histories and parameters of many orders of magnitude, always the same."""
    rng = np.random.default_rng(5)
    histories = []
    for _ in range(250):
        r, alpha, a, b = 10 ** rng.uniform([-1.5, -1, -2, -2], [1.5, 3, 1.5, 2])
        parameters = PurchaseParameters(r, alpha, a, b, int(rng.integers(2)))
        x = float(np.floor(10 ** rng.uniform(0, 3.2) - 1))
        T = max(x, float(np.floor(10 ** rng.uniform(0, 3.5))))
        t_x = T * rng.random() if x else 0.0
        histories.append((10 ** rng.uniform(-8, 3.6), x, t_x, T, parameters))
    return histories


def discounted() -> dict[str, tuple[float, float, float, float, float, PurchaseParameters]]:
    """Horizon, annual rate, x, t_x, T and parameters by name."""
    cases = {"the living run out early": EARLY}
    for model, parameters in MODELS.items():
        for h in HORIZONS:
            for annual_rate in ANNUAL_RATES:
                for x, t_x, T in [(0, 0, 0), (3, 100, 140), (60, 380, 400)]:
                    cases[f"{model}, {h:g} days at {annual_rate:g}, {x} purchases"] = (
                        h, annual_rate, x, t_x, T, parameters
                    )  # fmt: skip
    for name in TRAPS:
        for m in (0, 1):
            h, *history = trap(name, m)
            cases[f"{name}, m {m}"] = (h, 0.1, *history)
    return cases


def cases() -> dict[str, Callable[[], list[float]]]:
    """Name every value and say how it is computed."""
    computed: dict[str, Callable[[], list[float]]] = {}
    for name in TRAPS:
        for m in (0, 1):
            computed[f"trap: {name}, m {m}"] = partial(_of_trap, *trap(name, m))
    for number, arguments in enumerate(random_histories()):
        computed[f"random history {number}"] = partial(_one, _exact_expected_purchases, *arguments)
    for name, arguments in discounted().items():
        computed[f"discounted: {name}"] = partial(_one, _exact_discounted_purchases, *arguments)
    for model, parameters in MODELS.items():
        computed[f"new customer: {model}"] = partial(_new_customer, parameters)
    return computed


def _one(function: Callable[..., mpmath.mpf], *arguments: object) -> list[float]:
    with mpmath.workdps(50):
        return [float(function(*arguments))]


def _of_trap(h: float, x: float, t_x: float, T: float, parameters: PurchaseParameters) -> list[float]:
    """P(alive), P(purchase), expected purchases; of a new customer P(none) and expected purchases."""
    with mpmath.workdps(50):
        history = (x, t_x, T, parameters)
        r, alpha, a, b = map(mpmath.mpf, (parameters.r, parameters.alpha, parameters.a, parameters.b))
        left_at_once = a / (a + b) if parameters.m else mpmath.mpf(0)
        values = [
            _exact_p_alive(*history),
            _exact_p_purchase(h, *history),
            _exact_expected_purchases(h, *history),
            left_at_once + (1 - left_at_once) * (alpha / (alpha + mpmath.mpf(h))) ** r,
            _exact_expected_purchases(h, 0, 0, 0, parameters),
        ]
    return [float(value) for value in values]


def _new_customer(parameters: PurchaseParameters) -> list[float]:
    with mpmath.workdps(50):
        return [float(_exact_expected_purchases(h, 0, 0, 0, parameters)) for h in NEW_CUSTOMER_HORIZONS]


def _exact_p_alive(x, t_x, T, parameters):
    r, alpha, a, b = map(mpmath.mpf, (parameters.r, parameters.alpha, parameters.a, parameters.b))
    if x + parameters.m == 0:
        return mpmath.mpf(1)
    return 1 / (1 + a / (b + x + parameters.m - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))


def _exact_p_purchase(h, x, t_x, T, parameters):
    r, alpha = mpmath.mpf(parameters.r), mpmath.mpf(parameters.alpha)
    none = ((alpha + T) / (alpha + T + mpmath.mpf(h))) ** (r + x)
    return _exact_p_alive(x, t_x, T, parameters) * (1 - none)


def _exact_expected_purchases(h, x, t_x, T, parameters):
    """E_p[1/p] - E_p[(1 + p z)^-k / p] in closed form, off its removable pole at a = 1 by 1e-18."""
    r, alpha = mpmath.mpf(parameters.r), mpmath.mpf(parameters.alpha)
    a = mpmath.mpf(parameters.a) + mpmath.mpf(10) ** -18
    B = mpmath.mpf(parameters.b) + x + parameters.m
    z = mpmath.mpf(h) / (alpha + T)
    given_alive = (a + B - 1) / (a - 1) * (1 - mpmath.hyp2f1(r + x, a - 1, a - 1 + B, -z))
    return _exact_p_alive(x, t_x, T, parameters) * given_alive


def _exact_growth(k, a, B, z):
    """2F1(k + 1, a; a + B; -z) = E_p[(1 + p z)^-(k + 1)], p ~ Beta(a, B)."""
    c = a + B - k - 1
    if max(k, B / a) < 500 or z > 20 or c < -5:
        return mpmath.hyp2f1(k + 1, a, a + B, -z)
    # mpmath takes minutes, or gives up, where k or B is large: Pfaff's transformation, summed term by term.
    w = z / (1 + z)
    total = term = mpmath.mpf(1)
    n = 0
    while abs(term) > mpmath.eps * abs(total):
        term *= (a + n) * (c + n) * w / ((a + B + n) * (n + 1))
        total += term
        n += 1
    return total * (1 + z) ** -a


def _exact_discounted_purchases(h, annual_rate, x, t_x, T, parameters):
    """P(alive) times the integral of e^(-d s) dE/ds, in y = ln(1 + s / (alpha + T)): not the form that is served."""
    with mpmath.workdps(20):
        rate = mpmath.log(1 + mpmath.mpf(annual_rate)) / mpmath.mpf(DAYS_PER_YEAR)
        r, alpha, a = mpmath.mpf(parameters.r), mpmath.mpf(parameters.alpha), mpmath.mpf(parameters.a)
        k, B, age = r + x, mpmath.mpf(parameters.b) + x + parameters.m, alpha + T

        def present(y):
            z = mpmath.expm1(y)
            return mpmath.exp(y - rate * age * z) * k * _exact_growth(k, a, B, z)

        end = mpmath.log1p(mpmath.mpf(h) / age)
        pieces = [end * part for part in ((0, 1 / 64, 1 / 8, 1 / 2, 1) if end < 6 else (0, *np.arange(1, 9) / 8))]
        value = mpmath.quad(present, pieces, maxdegree=4, method="gauss-legendre")
        return _exact_p_alive(x, t_x, T, parameters) * value
