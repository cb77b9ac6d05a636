"""The formulas of purchases against 50-digit arithmetic, for BG/NBD (m = 0) and MBG/NBD (m = 1)."""

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.scoring.bg_nbd import (
    DAYS_PER_YEAR,
    discounted_purchases,
    expected_purchases,
    new_customer_expected_purchases,
    new_customer_p_none,
    p_alive,
    p_purchase,
)
from models.scoring.parameters import PurchaseParameters
from models.scoring.quadrature import beta_nodes, beta_steps

DAYS = PurchaseParameters(0.2426, 7 * 4.4136, 0.7929, 2.4259)
MODIFIED = PurchaseParameters(0.52484, 7 * 6.18308, 0.89136, 1.6140, m=1)


def exact_p_alive(x, t_x, T, parameters):
    r, alpha, a, b = map(mpmath.mpf, (parameters.r, parameters.alpha, parameters.a, parameters.b))
    if x + parameters.m == 0:
        return mpmath.mpf(1)
    return 1 / (1 + a / (b + x + parameters.m - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x))


def exact_p_purchase(h, x, t_x, T, parameters):
    r, alpha = mpmath.mpf(parameters.r), mpmath.mpf(parameters.alpha)
    none = ((alpha + T) / (alpha + T + mpmath.mpf(h))) ** (r + x)
    return exact_p_alive(x, t_x, T, parameters) * (1 - none)


def exact_expected_purchases(h, x, t_x, T, parameters):
    """E_p[1/p] - E_p[(1 + p z)^-k / p] in closed form, off its removable pole at a = 1 by 1e-18."""
    r, alpha = mpmath.mpf(parameters.r), mpmath.mpf(parameters.alpha)
    a = mpmath.mpf(parameters.a) + mpmath.mpf(10) ** -18
    B = mpmath.mpf(parameters.b) + x + parameters.m
    z = mpmath.mpf(h) / (alpha + T)
    given_alive = (a + B - 1) / (a - 1) * (1 - mpmath.hyp2f1(r + x, a - 1, a - 1 + B, -z))
    return exact_p_alive(x, t_x, T, parameters) * given_alive


def exact_growth(k, a, B, z):
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


def exact_discounted_purchases(h, annual_rate, x, t_x, T, parameters):
    """P(alive) times the integral of e^(-d s) dE/ds, in y = ln(1 + s / (alpha + T)): not the form that is served."""
    with mpmath.workdps(20):
        rate = mpmath.log(1 + mpmath.mpf(annual_rate)) / mpmath.mpf(DAYS_PER_YEAR)
        r, alpha, a = mpmath.mpf(parameters.r), mpmath.mpf(parameters.alpha), mpmath.mpf(parameters.a)
        k, B, age = r + x, mpmath.mpf(parameters.b) + x + parameters.m, alpha + T

        def present(y):
            z = mpmath.expm1(y)
            return mpmath.exp(y - rate * age * z) * k * exact_growth(k, a, B, z)

        end = mpmath.log1p(mpmath.mpf(h) / age)
        pieces = [end * part for part in ((0, 1 / 64, 1 / 8, 1 / 2, 1) if end < 6 else (0, *np.arange(1, 9) / 8))]
        value = mpmath.quad(present, pieces, maxdegree=4, method="gauss-legendre")
        return exact_p_alive(x, t_x, T, parameters) * value


@pytest.fixture(autouse=True)
def digits():
    with mpmath.workdps(50):
        yield


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


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("trap", TRAPS)
def test_traps_hold_to_ten_digits(trap, m):
    h, x, t_x, T, (r, alpha, a, b) = TRAPS[trap]
    parameters = PurchaseParameters(r, alpha, a, b, m)
    history = (x, t_x, T, parameters)
    assert_allclose(float(p_alive(*history)), float(exact_p_alive(*history)), rtol=1e-10)
    assert_allclose(float(p_purchase(h, *history)), float(exact_p_purchase(h, *history)), rtol=1e-10)
    assert_allclose(float(expected_purchases(h, *history)), float(exact_expected_purchases(h, *history)), rtol=1e-9)


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("trap", TRAPS)
def test_traps_hold_to_eight_digits_when_discounted(trap, m):
    h, x, t_x, T, (r, alpha, a, b) = TRAPS[trap]
    history = (x, t_x, T, PurchaseParameters(r, alpha, a, b, m))
    exact = float(exact_discounted_purchases(h, 0.1, *history))
    assert_allclose(float(discounted_purchases(h, 0.1, *history)), exact, rtol=1e-8)


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("trap", TRAPS)
def test_traps_hold_to_ten_digits_for_a_new_customer(trap, m):
    h, _, _, _, (r, alpha, a, b) = TRAPS[trap]
    parameters = PurchaseParameters(r, alpha, a, b, m)
    left_at_once = mpmath.mpf(a) / (mpmath.mpf(a) + mpmath.mpf(b)) if m else mpmath.mpf(0)
    none = left_at_once + (1 - left_at_once) * (mpmath.mpf(alpha) / (mpmath.mpf(alpha) + mpmath.mpf(h))) ** r
    assert_allclose(float(new_customer_p_none(h, parameters)), float(none), rtol=1e-10)
    exact = float(exact_expected_purchases(h, 0, 0, 0, parameters))
    assert_allclose(float(new_customer_expected_purchases(h, parameters)), exact, rtol=1e-9)


def test_published_value_of_the_worst_trap():
    value = expected_purchases(500, 1000, 350, 365, PurchaseParameters(*CDNOW))
    assert_allclose(float(value), 1.16490e-12, rtol=1e-5)


def test_random_histories_hold_to_ten_digits():
    rng = np.random.default_rng(5)
    for _ in range(250):
        r, alpha, a, b = 10 ** rng.uniform([-1.5, -1, -2, -2], [1.5, 3, 1.5, 2])
        parameters = PurchaseParameters(r, alpha, a, b, int(rng.integers(2)))
        x = float(np.floor(10 ** rng.uniform(0, 3.2) - 1))
        T = max(x, float(np.floor(10 ** rng.uniform(0, 3.5))))
        t_x = T * rng.random() if x else 0.0
        h = 10 ** rng.uniform(-8, 3.6)
        exact = float(exact_expected_purchases(h, x, t_x, T, parameters))
        if exact > 1e-290:
            assert_allclose(float(expected_purchases(h, x, t_x, T, parameters)), exact, rtol=1e-10)


@pytest.mark.parametrize("parameters", [DAYS, MODIFIED], ids=["bg", "mbg"])
@pytest.mark.parametrize("annual_rate", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("h", [1.0, 90.0, 365.0, 3650.0])
def test_discounted_purchases_hold_to_eight_digits(h, annual_rate, parameters):
    for x, t_x, T in [(0, 0, 0), (3, 100, 140), (60, 380, 400)]:
        exact = float(exact_discounted_purchases(h, annual_rate, x, t_x, T, parameters))
        assert_allclose(float(discounted_purchases(h, annual_rate, x, t_x, T, parameters)), exact, rtol=1e-8)


def test_discounted_purchases_where_the_living_run_out_early():
    parameters = PurchaseParameters(0.13, 5.85, 14.8, 0.06, m=1)
    exact = float(exact_discounted_purchases(2900.0, 0.01, 220, 1100, 1172, parameters))
    assert_allclose(float(discounted_purchases(2900.0, 0.01, 220, 1100, 1172, parameters)), exact, rtol=1e-8)


@pytest.mark.parametrize("parameters", [DAYS, MODIFIED], ids=["bg", "mbg"])
def test_a_new_customer_is_one_of_no_age(parameters):
    horizons = np.array([0.0, 7.0, 90.0, 365.0])
    assert_allclose(new_customer_p_none(horizons, parameters), 1 - p_purchase(horizons, 0, 0, 0, parameters))
    exact = [float(exact_expected_purchases(h, 0, 0, 0, parameters)) for h in horizons]
    assert_allclose(new_customer_expected_purchases(horizons, parameters), exact, rtol=1e-10)


def test_both_quadratures_hold_the_moments_of_beta():
    for a, B in [(0.793, 2.426), (1e-2, 50.0), (3.0, 1e-3), (40.0, 20_000.0)]:
        nodes, weights = beta_nodes(24, a, B)
        assert_allclose([weights @ nodes, weights @ nodes**2], [a / (a + B), a * (a + 1) / (a + B) / (a + B + 1)])
        parameters = PurchaseParameters(1.0, 1.0, a, B)
        nodes, weights = (column[0] for column in beta_steps(np.zeros(1), np.ones(1), parameters))
        assert_allclose([weights @ nodes, weights @ nodes**2], [a / (a + B), a * (a + 1) / (a + B) / (a + B + 1)])
