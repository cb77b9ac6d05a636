"""The formulas against the models' own story, lifetimes, published figures and one another."""

import numpy as np
import pandas as pd
import pytest
from lifetimes import BetaGeoFitter, GammaGammaFitter
from lifetimes.utils import _customer_lifetime_value
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
from models.scoring.gamma_gamma import expected_spend
from models.scoring.parameters import PurchaseParameters, SpendParameters

# The published fits of the CDNOW sample.
WEEKS = PurchaseParameters(0.2426, 4.4136, 0.7929, 2.4259)
DAYS = PurchaseParameters(0.2426, 7 * 4.4136, 0.7929, 2.4259)
MODIFIED = PurchaseParameters(0.52484, 7 * 6.18308, 0.89136, 1.6140, m=1)
SPEND = SpendParameters(6.25, 3.74, 15.44)


@pytest.mark.parametrize("parameters", [DAYS, MODIFIED], ids=["bg", "mbg"])
def test_the_story_told_forward_gives_the_same_figures(parameters):
    """Simulate from birth, keep those with so many repeat purchases and little silence, and watch the horizon."""
    rng = np.random.default_rng(11)
    n, T, h = 500_000, 60.0, 120.0
    discount = np.log(1.5) / DAYS_PER_YEAR
    rate = rng.gamma(parameters.r, 1 / parameters.alpha, n)
    p = rng.beta(parameters.a, parameters.b, n)
    alive = rng.random(n) >= p if parameters.m else np.ones(n, bool)
    time, x, last, later, present = (np.zeros(n) for _ in range(5))
    alive_at_T, active = alive.copy(), np.flatnonzero(alive)
    while active.size:
        with np.errstate(divide="ignore"):
            time[active] += rng.exponential(size=active.size) / rate[active]
        active = active[time[active] <= T + h]
        early, late = active[time[active] <= T], active[time[active] > T]
        x[early] += 1
        last[early] = time[early]
        later[late] += 1
        present[late] += np.exp(-discount * (time[late] - T))
        stays = rng.random(active.size) >= p[active]
        alive_at_T[early] = stays[time[active] <= T]
        active = active[stays]

    def agree(seen, expected):
        assert abs(seen.mean() - np.mean(expected)) < 4 * max(seen.std() / np.sqrt(seen.size), 1e-12)

    agree(x == 0, new_customer_p_none(T, parameters))
    agree(x, new_customer_expected_purchases(T, parameters))
    for frequency, least, most in [(0, 0, 0), (2, 20, 40)]:
        chosen = (x == frequency) & (last >= least) & (last <= most)
        history = (frequency, last[chosen], T, parameters)
        agree(alive_at_T[chosen], p_alive(*history))
        agree(later[chosen] > 0, p_purchase(h, *history))
        agree(later[chosen], expected_purchases(h, *history))
        agree(present[chosen], discounted_purchases(h, 0.5, *history))


def test_published_expectation_and_share_without_repeat():
    assert_allclose(float(expected_purchases(39, 2, 30.43, 38.86, WEEKS)), 1.2259, atol=5e-5)
    assert_allclose(float(new_customer_p_none(39, WEEKS)), 0.5743, atol=5e-5)


def test_lifetimes_agrees_where_it_is_sound():
    fitter = BetaGeoFitter()
    fitter.params_ = pd.Series([DAYS.r, DAYS.alpha, DAYS.a, DAYS.b], index=["r", "alpha", "a", "b"])
    x, t_x, T = np.array([0, 1, 3, 20]), np.array([0.0, 20.0, 90.0, 300.0]), np.array([50.0, 90.0, 100.0, 310.0])
    assert_allclose(p_alive(x, t_x, T, DAYS), fitter.conditional_probability_alive(x, t_x, T), rtol=1e-12)
    theirs = fitter.conditional_expected_number_of_purchases_up_to_time(90.0, x, t_x, T)
    assert_allclose(expected_purchases(90, x, t_x, T, DAYS), theirs, rtol=1e-9)


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


def test_no_discount_is_the_plain_expectation():
    plain = expected_purchases(365, [0, 5], [0, 60], [100, 90], DAYS)
    assert_allclose(discounted_purchases(365, 0.0, [0, 5], [0, 60], [100, 90], DAYS), plain, rtol=1e-14)
    assert_allclose(discounted_purchases(365, 1e-12, [0, 5], [0, 60], [100, 90], DAYS), plain, rtol=1e-10)


def test_an_endless_horizon_is_a_finite_value():
    values = discounted_purchases(1e9, 0.1, [0.0, 20.0], [0.0, 300.0], [10.0, 310.0], DAYS)
    near = discounted_purchases(2e5, 0.1, [0.0, 20.0], [0.0, 300.0], [10.0, 310.0], DAYS)
    assert_allclose(values, near, rtol=1e-8)


def test_nothing_within_no_time_and_never_less_with_more():
    horizons = np.array([0.0, 1e-8, 1.0, 30.0, 365.0, 3650.0])
    values = expected_purchases(horizons, 3, 60, 90, DAYS)
    assert values[0] == 0 and (np.diff(values) > 0).all()
    assert float(p_purchase(0, 3, 60, 90, DAYS)) == 0
    assert float(discounted_purchases(0, 0.1, 3, 60, 90, DAYS)) == 0


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
