"""The formulas of purchases and spend against 50 digits, the models' own story, lifetimes and published figures."""

import mpmath
import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter, GammaGammaFitter
from lifetimes.utils import _customer_lifetime_value
from numpy.testing import assert_allclose

from models.customer_scorer import (
    DAYS_PER_YEAR,
    PurchaseParameters,
    SpendParameters,
    _beta_nodes,
    _beta_steps,
    discounted_purchases,
    expected_purchases,
    expected_spend,
    new_customer_expected_purchases,
    new_customer_p_none,
    p_alive,
    p_purchase,
)

# The published fits of the CDNOW sample, time in weeks.
WEEKS = PurchaseParameters(0.2426, 4.4136, 0.7929, 2.4259)
DAYS = PurchaseParameters(0.2426, 7 * 4.4136, 0.7929, 2.4259)
MODIFIED = PurchaseParameters(0.52484, 7 * 6.18308, 0.89136, 1.6140, m=1)
SPEND = SpendParameters(6.25, 3.74, 15.44)


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


def exact_discounted_purchases(h, annual_rate, x, t_x, T, parameters):
    rate = mpmath.log(1 + mpmath.mpf(annual_rate)) / mpmath.mpf(DAYS_PER_YEAR)

    def present(s):
        return mpmath.exp(-rate * s) * exact_expected_purchases(s, x, t_x, T, parameters)

    with mpmath.workdps(30):
        return present(h) + rate * mpmath.quad(present, [0, h / 1000, h / 50, h / 5, h], maxdegree=4)


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


def test_no_discount_is_the_plain_expectation():
    plain = expected_purchases(365, [0, 5], [0, 60], [100, 90], DAYS)
    assert_allclose(discounted_purchases(365, 0.0, [0, 5], [0, 60], [100, 90], DAYS), plain, rtol=1e-14)
    assert_allclose(discounted_purchases(365, 1e-12, [0, 5], [0, 60], [100, 90], DAYS), plain, rtol=1e-10)


def test_an_endless_horizon_is_a_finite_value():
    values = discounted_purchases(1e9, 0.1, [0.0, 20.0], [0.0, 300.0], [10.0, 310.0], DAYS)
    near = discounted_purchases(2e5, 0.1, [0.0, 20.0], [0.0, 300.0], [10.0, 310.0], DAYS)
    assert_allclose(values, near, rtol=1e-8)


def test_lifetimes_monthly_steps_are_a_coarse_limit():
    x, t_x, T = 4.0, 150.0, 200.0
    month = 365 / 12
    steps = np.diff(expected_purchases(np.arange(13) * month, x, t_x, T, DAYS))
    for parts, error in [(1, 0.005), (30, 0.0002)]:
        fine = np.diff(expected_purchases(np.arange(12 * parts + 1) * month / parts, x, t_x, T, DAYS))
        rate = np.log(1.1) / DAYS_PER_YEAR
        stepped = fine @ np.exp(-rate * (np.arange(12 * parts) + 1) * month / parts)
        ours = float(discounted_purchases(365, 0.1, x, t_x, T, DAYS))
        # Payment at the end of each step is late, so the sum comes out low, ever less with finer steps.
        assert stepped < ours < stepped * (1 + error)
    assert steps.sum() > float(discounted_purchases(365, 0.1, x, t_x, T, DAYS))


def test_lifetimes_own_clv_comes_out_low_by_little():
    fitter = BetaGeoFitter()
    fitter.params_ = pd.Series([DAYS.r, DAYS.alpha, DAYS.a, DAYS.b], index=["r", "alpha", "a", "b"])
    fitter.predict = fitter.conditional_expected_number_of_purchases_up_to_time
    customers = pd.DataFrame({"x": [1, 4, 10], "t_x": [20.0, 150.0, 300.0], "T": [120.0, 200.0, 310.0]})
    monthly = 1.1 ** (30 / DAYS_PER_YEAR) - 1
    theirs = _customer_lifetime_value(
        fitter, customers.x, customers.t_x, customers["T"], pd.Series([1.0] * 3), 12, monthly, "D"
    )
    ours = discounted_purchases(360, 0.1, customers.x, customers.t_x, customers["T"], DAYS)
    assert (theirs < ours).all()
    assert_allclose(theirs, ours, rtol=0.006)


def test_published_expectation_and_share_without_repeat():
    assert_allclose(float(expected_purchases(39, 2, 30.43, 38.86, WEEKS)), 1.2259, atol=5e-5)
    assert_allclose(float(new_customer_p_none(39, WEEKS)), 0.5743, atol=5e-5)


@pytest.mark.parametrize("parameters", [DAYS, MODIFIED], ids=["bg", "mbg"])
def test_a_new_customer_is_one_of_no_age(parameters):
    horizons = np.array([0.0, 7.0, 90.0, 365.0])
    assert_allclose(new_customer_p_none(horizons, parameters), 1 - p_purchase(horizons, 0, 0, 0, parameters))
    exact = [float(exact_expected_purchases(h, 0, 0, 0, parameters)) for h in horizons]
    assert_allclose(new_customer_expected_purchases(horizons, parameters), exact, rtol=1e-10)


def test_lifetimes_agrees_where_it_is_sound():
    fitter = BetaGeoFitter()
    fitter.params_ = pd.Series([DAYS.r, DAYS.alpha, DAYS.a, DAYS.b], index=["r", "alpha", "a", "b"])
    x, t_x, T = np.array([0, 1, 3, 20]), np.array([0.0, 20.0, 90.0, 300.0]), np.array([50.0, 90.0, 100.0, 310.0])
    assert_allclose(p_alive(x, t_x, T, DAYS), fitter.conditional_probability_alive(x, t_x, T), rtol=1e-12)
    theirs = fitter.conditional_expected_number_of_purchases_up_to_time(90.0, x, t_x, T)
    assert_allclose(expected_purchases(90, x, t_x, T, DAYS), theirs, rtol=1e-9)


@pytest.mark.parametrize("parameters", [DAYS, MODIFIED], ids=["bg", "mbg"])
def test_the_story_told_forward_gives_the_same_figures(parameters):
    """Simulate from birth, keep those with two repeat purchases and little silence, and watch the horizon."""
    rng = np.random.default_rng(11)
    n, T, h = 1_500_000, 60.0, 120.0
    rate = rng.gamma(parameters.r, 1 / parameters.alpha, n)
    p = rng.beta(parameters.a, parameters.b, n)
    alive = rng.random(n) >= p if parameters.m else np.ones(n, bool)
    time, x, last, later = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    alive_at_T, active = alive.copy(), alive.copy()
    while active.any():
        who = np.flatnonzero(active)
        with np.errstate(divide="ignore"):
            time[who] += rng.exponential(size=who.size) / rate[who]
        early, late = time[who] <= T, (time[who] > T) & (time[who] <= T + h)
        x[who[early]] += 1
        last[who[early]] = time[who[early]]
        later[who[late]] += 1
        stays = rng.random(who.size) >= p[who]
        alive_at_T[who[early]] = stays[early]
        active[who] = stays & (early | late)
    for frequency, least, most in [(0, 0, 0), (2, 20, 40)]:
        chosen = (x == frequency) & (last >= least) & (last <= most)
        t_x = last[chosen]
        for seen, expected in [
            (alive_at_T[chosen], p_alive(frequency, t_x, T, parameters)),
            (later[chosen] > 0, p_purchase(h, frequency, t_x, T, parameters)),
            (later[chosen], expected_purchases(h, frequency, t_x, T, parameters)),
        ]:
            error = max(seen.std() / np.sqrt(chosen.sum()), 1e-12)
            assert abs(seen.mean() - expected.mean()) < 4 * error


def test_nothing_within_no_time_and_never_less_with_more():
    horizons = np.array([0.0, 1e-8, 1.0, 30.0, 365.0, 3650.0])
    values = expected_purchases(horizons, 3, 60, 90, DAYS)
    assert values[0] == 0 and (np.diff(values) > 0).all()
    assert float(p_purchase(0, 3, 60, 90, DAYS)) == 0
    assert float(discounted_purchases(0, 0.1, 3, 60, 90, DAYS)) == 0


def test_any_valid_input_gives_a_finite_figure():
    rng = np.random.default_rng(2)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        for _ in range(100):
            r, alpha, a, b = 10 ** rng.uniform([-3, -4, -4, -4], [3, 5, 5, 5])
            parameters = PurchaseParameters(r, alpha, a, b, int(rng.integers(2)))
            x = np.floor(10 ** rng.uniform(0, 4.5, 4) - 1) * (rng.random(4) < 0.7)
            T = 10 ** rng.uniform(-2, 4, 4)
            t_x = np.where(x > 0, T * rng.random(4), 0.0)
            h = 10 ** rng.uniform(-9, 6)
            purchases = expected_purchases(h, x, t_x, T, parameters)
            discounted = discounted_purchases(h, 0.1, x, t_x, T, parameters)
            once = p_purchase(h, x, t_x, T, parameters)
            for values in (purchases, discounted, once):
                assert np.isfinite(values).all() and (values >= 0).all()
            slack = 1 + 1e-9
            assert (once <= purchases * slack).all() and (discounted <= purchases * slack).all()


def test_both_quadratures_hold_the_moments_of_beta():
    for a, B in [(0.793, 2.426), (1e-2, 50.0), (3.0, 1e-3), (40.0, 20_000.0)]:
        nodes, weights = _beta_nodes(24, a, B)
        assert_allclose([weights @ nodes, weights @ nodes**2], [a / (a + B), a * (a + 1) / (a + B) / (a + B + 1)])
        parameters = PurchaseParameters(1.0, 1.0, a, B)
        nodes, weights = (column[0] for column in _beta_steps(np.zeros(1), np.ones(1), parameters))
        assert_allclose([weights @ nodes, weights @ nodes**2], [a / (a + B), a * (a + 1) / (a + B) / (a + B + 1)])


def test_a_row_scored_alone_or_among_others_is_the_same_to_the_bit():
    rng = np.random.default_rng(3)
    T = rng.integers(0, 700, 2000).astype(float)
    x = np.minimum(rng.poisson(3, 2000), T)
    t_x = np.where(x > 0, np.floor(T * rng.random(2000)), 0)
    purchases = expected_purchases(90, x, t_x, T, DAYS)
    discounted = discounted_purchases(365, 0.1, x, t_x, T, DAYS)
    for row in (0, 7, 1999):
        assert expected_purchases(90, x[row], t_x[row], T[row], DAYS) == purchases[row]
        assert discounted_purchases(365, 0.1, x[row], t_x[row], T[row], DAYS) == discounted[row]


def test_shapes_broadcast_and_no_rows_are_no_rows():
    assert expected_purchases([[30.0], [90.0]], [0, 1, 2], [0, 5, 9], 40, DAYS).shape == (2, 3)
    assert expected_purchases(90, [], [], [], DAYS).shape == (0,)
    assert discounted_purchases(90, 0.1, [], [], [], DAYS).shape == (0,)


def test_expected_spend_is_the_mean_of_the_posterior():
    rng = np.random.default_rng(8)
    for x, m in [(0, 0.0), (1, 20.0), (7, 55.0)]:
        nu = rng.gamma(SPEND.q + SPEND.p * x, 1 / (SPEND.v + x * m), 400_000)
        drawn = SPEND.p / nu
        error = drawn.std() / np.sqrt(drawn.size)
        assert abs(drawn.mean() - float(expected_spend(x, m, SPEND))) < 4 * error


def test_expected_spend_is_that_of_lifetimes():
    fitter = GammaGammaFitter()
    fitter.params_ = pd.Series([SPEND.p, SPEND.q, SPEND.v], index=["p", "q", "v"])
    x, m = np.array([0, 1, 5, 40]), np.array([0.0, 12.5, 80.0, 33.0])
    assert_allclose(expected_spend(x, m, SPEND), fitter.conditional_expected_average_profit(x, m), rtol=1e-12)


def test_expected_spend_does_not_read_a_value_that_is_not_there():
    assert_allclose(float(expected_spend(0, np.nan, SPEND)), SPEND.p * SPEND.v / (SPEND.q - 1))
