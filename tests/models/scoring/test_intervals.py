"""The intervals of a customer's figures: calibrated on simulated truth, plain simulation, corners."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from models.scoring.bg_nbd import DAYS_PER_YEAR, discounted_purchases, expected_purchases, p_alive, p_purchase
from models.scoring.gamma_gamma import expected_spend
from models.scoring.intervals.grid import frequency_knots
from models.scoring.intervals.revenue_and_value import clv_interval, revenue_interval
from models.scoring.parameters import PurchaseParameters, SpendParameters

DAYS = PurchaseParameters(0.2426, 30.9, 0.7929, 2.4259)
REGULARS = PurchaseParameters(1.5, 30.0, 0.6, 6.0, m=1)
SPEND = SpendParameters(6.25, 3.74, 15.44)
HORIZON = 90.0


def simulated_shop(parameters, n, seed):
    """Live through the history and the horizon; return x, t_x, T, mean repeat value and realised revenue."""
    rng = np.random.default_rng(seed)
    T = rng.uniform(1, 500, n)
    rate, p = rng.gamma(parameters.r, 1 / parameters.alpha, n), rng.beta(parameters.a, parameters.b, n)
    nu = rng.gamma(SPEND.q, 1 / SPEND.v, n)
    x, t_x, spent, revenue, time = (np.zeros(n) for _ in range(5))
    active = np.flatnonzero(rng.random(n) >= p) if parameters.m else np.arange(n)
    while active.size:
        with np.errstate(divide="ignore"):
            time[active] += rng.exponential(size=active.size) / rate[active]
        active = active[time[active] < T[active] + HORIZON]
        value = rng.gamma(SPEND.p, 1 / nu[active])
        early = time[active] < T[active]
        x[active[early]] += 1
        t_x[active[early]] = time[active[early]]
        spent[active[early]] += value[early]
        revenue[active[~early]] += value[~early]
        active = active[rng.random(active.size) >= p[active]]
    return x, t_x, T, spent / np.maximum(x, 1), revenue


@pytest.mark.parametrize("parameters", [DAYS, REGULARS], ids=["bg", "mbg"])
def test_revenue_interval_is_calibrated_on_simulated_truth(parameters):
    n = 20_000
    x, t_x, T, m, revenue = simulated_shop(parameters, n, seed=21)
    low, high = revenue_interval(HORIZON, x, t_x, T, x, m, parameters, SPEND)
    # The randomised probability integral transform: within the atom at zero, anywhere below its mass.
    none = np.random.default_rng(4).random(n) * (1 - p_purchase(HORIZON, x, t_x, T, parameters))
    below = np.where(revenue > 0, revenue < low, none < 0.05)
    above = np.where(revenue > 0, revenue > high, none > 0.95)
    assert abs(below.mean() - 0.05) < 0.006
    assert abs(above.mean() - 0.05) < 0.006
    assert 0.88 < 1 - below.mean() - above.mean() < 0.92
    # The same among those of whom much is known, where low is more than the atom.
    regular = x >= 8
    assert regular.sum() > 300
    assert abs((below | above)[regular].mean() - 0.1) < 4 * np.sqrt(0.09 / regular.sum())


CUSTOMERS = [  # x, t_x, T, days with a price, their mean
    (0, 0, 100, 0, 0.0),
    (3, 80, 200, 3, 40.0),
    (20, 300, 310, 20, 25.0),
    (5, 140, 150, 0, 0.0),
    (30, 395, 400, 10, 25.0),
    (50, 600, 620, 50, 30.0),
    (47, 600, 620, 30, 30.0),
    (1000, 1030, 1031, 1000, 5.0),
    (1000.0, 1000.0, 3000.0, 1000, 5.0),
]


@pytest.mark.parametrize("customer", CUSTOMERS)
def test_intervals_equal_plain_simulation_of_one_customer(customer):
    x, t_x, T, spend_x, spend_m = customer
    rng = np.random.default_rng(13)
    n = 400_000
    alive = rng.random(n) < float(p_alive(x, t_x, T, DAYS))
    rate = rng.gamma(DAYS.r + x, 1 / (DAYS.alpha + T), n)
    p = rng.beta(DAYS.a, DAYS.b + x, n)
    nu = rng.gamma(SPEND.q + SPEND.p * spend_x, 1 / (SPEND.v + spend_x * spend_m), n)
    last = rng.exponential(size=n) / (rate * p)
    count = rng.poisson(rate * (1 - p) * np.minimum(last, HORIZON)) + (last < HORIZON)
    revenue = np.where(alive, rng.gamma(SPEND.p * count) / nu, 0.0)
    discount = np.log(1.1) / DAYS_PER_YEAR
    fade = discount + rate * p
    worth = np.where(alive, SPEND.p / nu * rate * -np.expm1(-fade * 365) / fade, 0.0)

    columns = (x, t_x, T, spend_x, spend_m, DAYS, SPEND)
    low, high = revenue_interval(HORIZON, *columns, draws=20_000)
    assert_allclose([low[0], high[0]], np.quantile(revenue, [0.05, 0.95]), rtol=0.04, atol=1e-12)
    low, clv, high = clv_interval(365, 0.1, *columns, draws=20_000)
    assert_allclose(high[0], max(np.quantile(worth, 0.95), clv[0]), rtol=0.03)
    assert_allclose(low[0], np.quantile(worth, 0.05), rtol=0.08, atol=1e-3)
    assert abs(worth.mean() - clv[0]) <= 5 * worth.std() / np.sqrt(n)


def test_clv_is_the_product_of_its_parts_and_lies_within():
    x, t_x, T, m, _ = simulated_shop(DAYS, 3000, seed=2)
    low, clv, high = clv_interval(365, 0.1, x, t_x, T, x, m, DAYS, SPEND, margin=0.4)
    product = 0.4 * expected_spend(x, m, SPEND) * discounted_purchases(365, 0.1, x, t_x, T, DAYS)
    assert_allclose(clv, product, rtol=1e-12)
    assert (low >= 0).all() and (low <= clv).all() and (clv <= high).all()
    assert (low < high)[p_alive(x, t_x, T, DAYS) > 0.1].all()


def test_no_discount_and_a_short_horizon_leave_rate_times_time():
    low, clv, high = clv_interval(1e-3, 0.0, 10, 95, 100, 10, 20.0, DAYS, SPEND)
    assert low[0] < clv[0] < high[0]
    expected = float(expected_purchases(1e-3, 10, 95, 100, DAYS)) * float(expected_spend(10, 20.0, SPEND))
    assert_allclose(clv[0], expected, rtol=1e-10)


def test_an_interval_does_not_depend_on_who_is_scored_beside():
    x, t_x, T, m, _ = simulated_shop(REGULARS, 3000, seed=5)
    x[:5] = [33, 40, 61.0, 200, 5000]
    spend_x = np.where(np.arange(3000) % 50 == 0, np.floor(x / 2), x)
    together = revenue_interval(HORIZON, x, t_x, T, spend_x, m, REGULARS, SPEND)
    worth = clv_interval(365, 0.1, x, t_x, T, spend_x, m, REGULARS, SPEND)
    for row in (0, 2, 4, 50, 777):
        one = (x[row], t_x[row], T[row], spend_x[row], m[row], REGULARS, SPEND)
        assert_array_equal(np.ravel(revenue_interval(HORIZON, *one)), [end[row] for end in together])
        assert_array_equal(np.ravel(clv_interval(365, 0.1, *one)), [end[row] for end in worth])


def test_the_seed_decides_and_matters_little():
    x, t_x, T, m, _ = simulated_shop(REGULARS, 500, seed=6)
    columns = (HORIZON, x, t_x, T, x, m, REGULARS, SPEND)
    first, again, other = (revenue_interval(*columns, seed=seed)[1] for seed in (0, 0, 1))
    assert_array_equal(first, again)
    assert (first != other).any()
    some = first > 0
    assert np.median(np.abs(other[some] / first[some] - 1)) < 0.05


def test_a_wider_level_is_wider_and_scales_with_money():
    columns = ([3.0, 20.0], [80.0, 300.0], [90.0, 310.0], [3.0, 20.0])
    narrow = revenue_interval(HORIZON, *columns, [10.0, 20.0], DAYS, SPEND, level=0.5)
    wide = revenue_interval(HORIZON, *columns, [10.0, 20.0], DAYS, SPEND, level=0.98)
    assert (wide[0] <= narrow[0]).all() and (wide[1] > narrow[1]).all()
    cents = revenue_interval(
        HORIZON, *columns, [1000.0, 2000.0], DAYS, SpendParameters(SPEND.p, SPEND.q, 100 * SPEND.v), level=0.98
    )
    assert_allclose(cents, np.multiply(wide, 100), rtol=1e-9)


CORNERS = {
    "no horizon": (0.0, DAYS, SPEND),
    "tiny horizon": (1e-8, DAYS, SPEND),
    "certain to leave": (90.0, PurchaseParameters(0.243, 30.0, 1e4, 1e-3), SPEND),
    "never leaves": (90.0, PurchaseParameters(0.243, 30.0, 1e-3, 1e4), SPEND),
    "rates at zero": (90.0, PurchaseParameters(1e-3, 1e-3, 0.8, 2.4, m=1), SPEND),
    "no spread of value": (90.0, DAYS, SpendParameters(1e6, 1e6, 20.0)),
    "mean barely exists": (90.0, DAYS, SpendParameters(2.0, 1.001, 20.0)),
    "ten years": (3650.0, REGULARS, SPEND),
}


@pytest.mark.parametrize("corner", CORNERS)
def test_corners_are_finite_and_ordered(corner):
    horizon, parameters, spend = CORNERS[corner]
    x = np.array([0, 0, 1, 4, 31, 32, 33, 1000, 20_000.0])
    t_x = np.array([0, 0, 10, 300, 60, 100, 350, 350, 700.0])
    T = np.array([0, 3000, 10, 400, 400, 100, 360, 365, 700.0])
    m = np.where(x > 0, 12.5, 0)
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        low, high = revenue_interval(horizon, x, t_x, T, x, m, parameters, spend, draws=400)
        worst, clv, best = clv_interval(horizon, 0.1, x, t_x, T, x, m, parameters, spend, draws=400)
    for values in (low, high, worst, clv, best):
        assert np.isfinite(values).all() and (values >= 0).all()
    assert (low <= high).all() and (worst <= clv).all() and (clv <= best).all()
    if horizon == 0:
        assert not np.any([high, best])


def test_no_customers_have_no_intervals():
    none = np.empty(0)
    assert [end.size for end in revenue_interval(90, none, none, none, none, none, DAYS, SPEND)] == [0, 0]
    assert [end.size for end in clv_interval(90, 0.1, none, none, none, none, none, DAYS, SPEND)] == [0, 0, 0]


def test_the_grid_stays_small_whatever_the_largest_frequency():
    for largest in (0, 31, 32, 33, 20_000, 1e6):
        knots = frequency_knots(largest)
        assert knots[0] == 0 and (np.diff(knots) > 0).all() and knots[-1] > largest
        assert (np.diff(knots)[33:] <= 0.1 * knots[33:-1]).all()
        assert knots.size < 150
