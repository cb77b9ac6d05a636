"""The likelihood of BG/NBD and MBG/NBD and a new customer's purchases beside fifty digits and the model's own story."""

from functools import partial
from itertools import combinations

import mpmath
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from models.purchases.bg_nbd_likelihood import (
    SufficientStatistics,
    count_sufficient_statistics,
    log_likelihood,
    log_likelihood_and_derivatives,
    log_likelihood_and_gradient,
    new_customer_p_purchases,
    simulate_purchases,
)
from models.scoring.bg_nbd import new_customer_p_none
from models.scoring.parameters import PurchaseParameters

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
PARAMETERS = {
    "sample": (0.243, 4.414, 0.793, 2.426),
    "a -> 1": (0.6, 45.0, 1.0 + 1e-9, 2.8),
    "a + b = 1": (0.6, 45.0, 0.3, 0.7),
    "a ~ 1e4, b ~ 1e-3": (0.6, 45.0, 1e4, 1e-3),
    "a ~ 1e-3, b ~ 1e4": (0.6, 45.0, 1e-3, 1e4),
    "alike in rate": (1e4, 1e6, 0.8, 2.8),
    "alike in dropout": (0.6, 45.0, 1e6, 3e6),
    "nearly nobody buys": (1e-3, 1e-4, 0.5, 0.5),
}


def exact_log_likelihood(logs, history, m):
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


def exact_derivatives(function, point):
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


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("name", PARAMETERS)
def test_likelihood_gradient_and_hessian_equal_fifty_digits(name, m):
    values = PARAMETERS[name]
    for history in HISTORIES.values():
        ours = log_likelihood_and_derivatives(
            PurchaseParameters(*values, m), count_sufficient_statistics(*zip(history))
        )
        with mpmath.workdps(50):
            logs = [mpmath.log(mpmath.mpf(value)) for value in values]
            exact = exact_derivatives(partial(exact_log_likelihood, history=history, m=m), logs)
        # Parts of order one may cancel: what is left of them is good to the last digit of the parts.
        for mine, expected in zip(ours, exact, strict=True):
            assert_allclose(mine, expected, rtol=1e-8, atol=1e-14, err_msg=str(history))


@pytest.mark.parametrize("m", [0, 1])
def test_gradient_by_the_parameters_themselves(m):
    parameters = PurchaseParameters(0.243, 4.414, 0.793, 2.426, m)
    patterns = count_sufficient_statistics([0, 3, 3], [0, 12.5, 12.5], [20, 30, 30])
    value, by_logs, _ = log_likelihood_and_derivatives(parameters, patterns)
    assert_allclose(log_likelihood_and_gradient(parameters, patterns)[1], by_logs / [0.243, 4.414, 0.793, 2.426])
    assert value == log_likelihood(parameters, [3, 0], [12.5, 0], [30, 20], [2, 1])


@pytest.mark.parametrize("m", [0, 1])
def test_sums_over_customers_however_many(m):
    """More patterns than fit in one block, and each customer on their own."""
    rng = np.random.default_rng(4)
    parameters = PurchaseParameters(0.8, 40.0, 0.7, 3.0, m)
    shop = simulate_purchases(rng.uniform(1, 700, 20_000), parameters, rng)
    x, t_x, T = (shop[name].to_numpy() for name in ("frequency", "recency", "T"))
    total = log_likelihood_and_derivatives(parameters, count_sufficient_statistics(x, t_x, T))
    parts = [
        log_likelihood_and_derivatives(parameters, count_sufficient_statistics(x[i::10], t_x[i::10], T[i::10]))
        for i in range(10)
    ]
    for whole, pieces in zip(total, zip(*parts, strict=True), strict=True):
        assert_allclose(whole, sum(pieces), rtol=1e-11)


@pytest.mark.parametrize("m", [0, 1])
def test_no_finite_input_gives_nan_or_infinity(m):
    rng = np.random.default_rng(0)
    patterns = count_sufficient_statistics(*zip(*HISTORIES.values(), strict=True))
    for values in np.exp(rng.uniform(-15, 15, (300, 4))):
        for part in log_likelihood_and_derivatives(PurchaseParameters(*values, m), patterns):
            assert np.isfinite(part).all()


# --- Counting ---


def test_counting_is_a_group_by(rng):
    rows = pd.DataFrame(rng.integers(0, 4, (500, 3)).astype(float), columns=["x", "t_x", "T"])
    rows["weights"] = rng.integers(1, 5, 500)
    columns = [rows[name] for name in rows]
    expected = rows.groupby(["x", "t_x", "T"], as_index=False)["weights"].sum()
    patterns = count_sufficient_statistics(*columns)
    assert patterns.in_order
    assert_allclose(np.stack([patterns.x, patterns.t_x, patterns.T, patterns.weights], axis=1), expected)
    once = count_sufficient_statistics(*columns[:3])
    assert_allclose(once.weights, rows.groupby(["x", "t_x", "T"]).size())


def test_order_of_rows_does_not_change_a_bit(rng):
    rows = rng.integers(0, 4, (500, 3))
    weights = rng.uniform(0.1, 9.0, 500)
    one, order = count_sufficient_statistics(*rows.T, weights), rng.permutation(500)
    other = count_sufficient_statistics(*rows[order].T, weights[order])
    assert (one.weights == other.weights).all() and (one.x == other.x).all()


def test_out_of_order_and_twice_is_seen():
    one = np.ones(2)
    assert SufficientStatistics(np.array([0.0, 1]), np.array([0.0, 3]), np.array([9.0, 5]), one).in_order
    assert not SufficientStatistics(np.array([1.0, 0]), np.array([3.0, 0]), np.array([5.0, 9]), one).in_order
    assert not SufficientStatistics(one, one, one, one).in_order


def test_no_customers_are_no_patterns():
    assert count_sufficient_statistics([], [], []).x.size == 0


# --- Purchases of a new customer ---


def exact_p_purchases(n, horizon, values, m):
    """Eq. 8 of Fader, Hardie & Lee (2005): alive after n purchases, or gone after the last of them."""
    r, alpha, a, b = map(mpmath.mpf, values)
    horizon, chances = mpmath.mpf(horizon), n + m
    share = horizon / (alpha + horizon)
    negative_binomial = mpmath.exp(mpmath.loggamma(r + n) - mpmath.loggamma(r) - mpmath.loggamma(n + 1))
    negative_binomial *= (alpha / (alpha + horizon)) ** r * share**n
    stayed = mpmath.beta(a, b + chances) / mpmath.beta(a, b) * negative_binomial
    if not chances:
        return stayed
    in_time = mpmath.betainc(n, r, 0, share, regularized=True) if n else mpmath.mpf(1)
    return stayed + mpmath.beta(a + 1, b + chances - 1) / mpmath.beta(a, b) * in_time


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("name", PARAMETERS)
def test_purchases_of_a_new_customer_equal_fifty_digits(name, m):
    values = PARAMETERS[name]
    asked = [(0, 39.0), (3, 39.0), (0, 1e-8), (1, 1e-8), (0, 0.0), (2, 0.0), (1000, 500.0), (20_000, 730.0), (2, 1e6)]
    n, horizon = np.array(asked).T
    ours = new_customer_p_purchases(n, horizon, PurchaseParameters(*values, m))
    with mpmath.workdps(50):
        exact = [float(exact_p_purchases(int(k), h, values, m)) for k, h in asked]
    assert_allclose(ours, exact, rtol=1e-8, atol=1e-300)
    assert ((ours >= 0) & (ours <= 1)).all()
    assert_allclose(ours[:1], new_customer_p_none(39.0, PurchaseParameters(*values, m)), rtol=1e-12)


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("values", [(0.243, 4.414, 0.793, 2.426), (0.8, 40.0, 0.3, 0.7), (3.0, 2.0, 1.0, 30.0)])
def test_purchases_of_a_new_customer_sum_to_one(values, m):
    shares = new_customer_p_purchases(np.arange(20_000), 39.0, PurchaseParameters(*values, m))
    assert_allclose(shares.sum(), 1.0, rtol=1e-9)


@pytest.mark.parametrize("m", [0, 1])
def test_purchases_of_a_new_customer_are_those_of_the_story(m, rng):
    parameters, size = PurchaseParameters(0.8, 40.0, 0.7, 3.0, m), 200_000
    shop = simulate_purchases(np.full(size, 180.0), parameters, rng)
    seen = np.bincount(shop["frequency"].astype(int), minlength=15)[:15] / size
    expected = new_customer_p_purchases(np.arange(15), 180.0, parameters)
    error = np.sqrt(expected * (1 - expected) / size)
    assert (np.abs(seen - expected) < 4 * error).all()


@pytest.mark.parametrize("m", [0, 1])
def test_likelihood_of_staying_away_is_that_of_the_story(m):
    """A history without repeat purchases is an event, so its density is its probability."""
    parameters = PurchaseParameters(0.8, 40.0, 0.7, 3.0, m)
    assert_allclose(
        np.exp(log_likelihood(parameters, [0], [0], [180.0])), new_customer_p_purchases(0, 180.0, parameters)
    )
