"""The formulas in the limits of the purchase and spend models: beside fifty digits, and by Monte Carlo."""

from dataclasses import replace

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
    p_alive_if_judged,
    p_purchase,
)
from models.scoring.gamma_gamma import expected_share, expected_spend
from models.scoring.intervals.revenue_and_value import clv_interval, revenue_interval
from models.scoring.parameters import PurchaseParameters, SpendParameters, Uncertainty
from tests.models.golden import limits
from tests.models.golden.values import read

EXACT = read("limits")


@pytest.mark.parametrize("family", limits.families(), ids=limits.name_of)
def test_figures_equal_fifty_digits(family):
    parameters = limits.parameters_of(family)
    for customer, (h, x, t_x, T) in limits.CUSTOMERS.items():
        ours = [
            p_alive(x, t_x, T, parameters),
            p_purchase(h, x, t_x, T, parameters),
            expected_purchases(h, x, t_x, T, parameters),
            discounted_purchases(min(h, 3650.0), limits.ANNUAL_RATE, x, t_x, T, parameters),
            new_customer_p_none(h, parameters),
            new_customer_expected_purchases(h, parameters),
        ]
        exact = EXACT[f"{limits.name_of(family)}: {customer}"]
        assert_allclose(np.array(ours, dtype=float).ravel(), exact, rtol=1e-8, atol=1e-300, err_msg=customer)


def live(family, n, until, rng):
    """Live customers from their first purchase: rates, chances of leaving, and each one's purchases and departure.

    Yields the times of the next purchases of those who still buy, with their rows; `left` is filled on the way.
    """
    parameters = limits.parameters_of(family)
    mean_rate = parameters.r / parameters.alpha
    rate = np.full(n, mean_rate) if family.equal_rates else rng.gamma(parameters.r, 1 / parameters.alpha, n)
    share = parameters.a / (parameters.a + parameters.b)
    p = {
        "beta": lambda: rng.beta(parameters.a, parameters.b, n),
        "nobody_leaves": lambda: np.zeros(n),
        "equal_dropout": lambda: np.full(n, share),
        "at_once_or_never": lambda: (rng.random(n) < share).astype(float),
    }[family.dropout]()
    left, time = np.full(n, np.inf), np.zeros(n)
    if family.m:
        left[rng.random(n) < p] = 0.0
    rows, bought = np.flatnonzero(left > 0), []
    while rows.size:
        with np.errstate(divide="ignore"):
            time[rows] += rng.standard_exponential(rows.size) / rate[rows]
        rows = rows[time[rows] <= until]
        bought.append((rows, time[rows]))
        leaves = rng.random(rows.size) < p[rows]
        left[rows[leaves]] = time[rows[leaves]]
        rows = rows[~leaves]
    return left, np.concatenate([rows for rows, _ in bought]), np.concatenate([when for _, when in bought])


@pytest.mark.parametrize("family", limits.families(), ids=limits.name_of)
def test_the_story_told_forward_gives_the_same_figures(family):
    rng, n, T, h = np.random.default_rng(3), 120_000, 60.0, 120.0
    parameters = limits.parameters_of(family)
    left, rows, when = live(family, n, T + h, rng)
    before = when <= T
    x = np.bincount(rows[before], minlength=n)
    last = np.zeros(n)
    np.maximum.at(last, rows[before], when[before])
    later = np.bincount(rows[~before], minlength=n)
    discounted = np.bincount(rows[~before], np.exp(-np.log(1.5) / DAYS_PER_YEAR * (when[~before] - T)), minlength=n)

    def agree(seen, expected):
        assert abs(seen.mean() - np.mean(expected)) < 4 * max(seen.std() / np.sqrt(seen.size), 1e-12)

    agree(x == 0, new_customer_p_none(T, parameters))
    agree(x, new_customer_expected_purchases(T, parameters))
    for frequency, least, most in [(0, 0, 0), (1, 1, 40), (2, 20, 40)]:
        chosen = (x == frequency) & (last >= least) & (last <= most)
        history = (frequency, last[chosen], T, parameters)
        agree(left[chosen] > T, p_alive(*history))
        agree(later[chosen] > 0, p_purchase(h, *history))
        agree(later[chosen], expected_purchases(h, *history))
        agree(discounted[chosen], discounted_purchases(h, 0.5, *history))


SPENDS = {
    "equal purchases": SpendParameters(1.0, 4.0, 90.0, limits=("equal_purchases",)),
    "equal means": SpendParameters(2.0, 1.0, 15.0, limits=("equal_means",)),
    "one price": SpendParameters(1.0, 1.0, 30.0, individual=False, limits=("equal_purchases", "equal_means")),
}
CERTAIN = Uncertainty([[0.0] * 4] * 4, [[0.0] * 3] * 3)


def values_of(spend, spend_x, spend_m, count, rng):
    """Draw the value of so many purchases of each of many customers, and each one's mean value."""
    if spend.limits == ("equal_means",):
        return rng.gamma(spend.p * count) * spend.v, np.full(count.size, spend.p * spend.v)
    if spend.individual:
        own = np.full(count.size, spend_m) if spend_x else spend.v / rng.gamma(spend.q, size=count.size)
        return own * count, own
    return spend.v * count, np.full(count.size, spend.v)


@pytest.mark.parametrize("spend", SPENDS)
@pytest.mark.parametrize("family", limits.families()[::2], ids=limits.name_of)
def test_intervals_equal_plain_simulation_of_one_customer(family, spend):
    rng, n, h, year = np.random.default_rng(5), 100_000, 90.0, 365.0
    parameters, of_spend = limits.parameters_of(family), SPENDS[spend]
    x, t_x, T, m = (0, 0.0, 40.0, 0.0) if family.m else (2, 60.0, 90.0, 25.0)
    alive = rng.random(n) < float(p_alive(x, t_x, T, parameters))
    if family.equal_rates:
        rate = np.full(n, parameters.r / parameters.alpha)
    else:
        rate = rng.gamma(parameters.r + x, 1 / (parameters.alpha + T), n)
    chances, share = x + family.m, parameters.a / (parameters.a + parameters.b)
    p = {
        "beta": lambda: rng.beta(parameters.a, parameters.b + chances, n),
        "nobody_leaves": lambda: np.zeros(n),
        "equal_dropout": lambda: np.full(n, share),
        "at_once_or_never": lambda: np.zeros(n) if chances else (rng.random(n) < share).astype(float),
    }[family.dropout]()
    with np.errstate(divide="ignore"):
        leaves = rng.standard_exponential(n) / (rate * p)
    count = alive * (rng.poisson(rate * (1 - p) * np.minimum(leaves, h)) + (leaves < h))
    revenue, mean_value = values_of(of_spend, x, m, count, rng)
    fade = np.log(1.1) / DAYS_PER_YEAR + rate * p
    worth = alive * mean_value * rate * -np.expm1(-fade * year) / fade
    columns = (x, t_x, T, x, m, parameters, of_spend)
    for uncertainty in (None, CERTAIN):
        low, high = revenue_interval(h, *columns, draws=20_000, uncertainty=uncertainty)
        # A sum of equal prices has steps: its quantile may lie anywhere between the shares at both of its sides.
        for end, tail in ((low[0], 0.05), (high[0], 0.95)):
            assert (revenue < 0.96 * end).mean() <= tail + 0.005
            assert (revenue <= 1.04 * end + 1e-9).mean() >= tail - 0.005
        low, clv, high = clv_interval(year, 0.1, *columns, draws=20_000, uncertainty=uncertainty)
        assert abs(worth.mean() - clv[0]) <= 5 * worth.std() / np.sqrt(n) + 1e-9
        assert_allclose(high[0], max(np.quantile(worth, 0.95), clv[0]), rtol=0.04)
        assert_allclose(low[0], min(np.quantile(worth, 0.05), clv[0]), rtol=0.06, atol=1e-3)


@pytest.mark.parametrize("spend", SPENDS)
def test_expected_spend_is_the_mean_of_its_story(spend):
    rng, parameters = np.random.default_rng(7), SPENDS[spend]
    for x, m in ((0, 0.0), (3, 25.0)):
        mean_value = values_of(parameters, x, m, np.ones(200_000), rng)[1]
        error = 5 * mean_value.std() / np.sqrt(mean_value.size) + 1e-9
        assert abs(float(expected_spend(x, m, parameters)) - mean_value.mean()) < error


@pytest.mark.parametrize("spend", [*SPENDS.values(), SpendParameters(6.25, 3.74, 15.44)], ids=[*SPENDS, "no limit"])
def test_the_share_times_what_was_spent_is_what_is_expected(spend):
    for x, m in ((0, 0.0), (1, 25.0), (7, 12.0)):
        spent = (
            m if x and spend.limits == ("equal_purchases",) else spend.v + ("equal_means" not in spend.limits) * x * m
        )
        assert expected_share(x, spend) * spent == pytest.approx(float(expected_spend(x, m, spend)), rel=1e-14)


@pytest.mark.parametrize(("limit", "near"), [("equal purchases", (1e9, 4.0, 90e-9)), ("equal means", (2.0, 1e9, 15e9))])
def test_the_limits_of_spend_are_those_of_the_whole_model(limit, near):
    x, m = np.array([0, 1, 8]), np.array([0.0, 12.0, 60.0])
    assert_allclose(expected_spend(x, m, SPENDS[limit]), expected_spend(x, m, SpendParameters(*near)), rtol=1e-6)


def test_nobody_is_published_as_alive_by_assumption():
    x, t_x, T = np.array([0.0, 1, 5, 2000]), np.array([0.0, 20, 90, 99]), np.full(4, 100.0)
    inner = PurchaseParameters(0.6, 45.0, 0.8, 2.8)
    assert np.isnan(p_alive_if_judged(x, t_x, T, inner)).tolist() == [True, False, False, False]
    assert_allclose(p_alive_if_judged(x, t_x, T, inner)[1:], p_alive(x, t_x, T, inner)[1:], rtol=1e-15)
    assert not np.isnan(p_alive_if_judged(x, t_x, T, replace(inner, m=1))).any()
    assert np.isnan(p_alive_if_judged(x, t_x, T, PurchaseParameters(0.6, 45.0, 0.0, 1.0, 1, ("nobody_leaves",)))).all()
