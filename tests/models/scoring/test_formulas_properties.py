"""What holds for any input: finite, never negative, in order, and one row's figures are its own."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.scoring.bg_nbd import (
    discounted_purchases,
    expected_purchases,
    new_customer_expected_purchases,
    new_customer_p_none,
    p_alive,
    p_purchase,
)
from models.scoring.gamma_gamma import expected_spend
from models.scoring.intervals.revenue_and_value import clv_interval, revenue_interval
from models.scoring.parameters import PurchaseParameters, SpendParameters, Uncertainty

DAYS = PurchaseParameters(0.2426, 7 * 4.4136, 0.7929, 2.4259)


def powers_of_ten(least: float, most: float) -> st.SearchStrategy[float]:
    return st.floats(least, most).map(lambda power: float(10.0**power))


purchase_parameters = st.builds(
    PurchaseParameters, *[powers_of_ten(-4, 5) for _ in range(4)], m=st.sampled_from([0, 1])
)
spend_parameters = st.builds(
    SpendParameters,
    powers_of_ten(-4, 5),
    powers_of_ten(-9, 5).map(lambda excess: 1.0 + excess),
    powers_of_ten(-4, 5),
)
horizons = st.one_of(st.just(0.0), powers_of_ten(-8, 5))
annual_rates = st.one_of(st.just(0.0), powers_of_ten(-6, 1))


@st.composite
def histories(draw: st.DrawFn) -> tuple[float, float, float, float, float]:
    """x, t_x, T, days with a price and their mean value."""
    T = draw(st.one_of(st.just(0.0), powers_of_ten(-3, 5)))
    x = draw(st.one_of(st.just(0), st.integers(1, 10), st.integers(1, 20_000))) if T else 0
    t_x = T * draw(st.sampled_from([1e-9, 0.5, 1.0]) | st.floats(1e-6, 1.0)) if x else 0.0
    spend_x = draw(st.one_of(st.just(x), st.integers(0, x)))
    return x, t_x, T, spend_x, draw(powers_of_ten(-4, 6)) if spend_x else 0.0


def check(*figures: np.ndarray) -> None:
    for figure in figures:
        assert np.isfinite(figure).all() and (np.asarray(figure) >= 0).all()


@settings(max_examples=150, deadline=None, derandomize=True)
@given(purchase_parameters, histories(), horizons, annual_rates)
def test_any_purchase_history_has_finite_figures_in_order(parameters, history, horizon, annual_rate):
    x, t_x, T = history[:3]
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        alive = p_alive(x, t_x, T, parameters)
        buys = p_purchase(horizon, x, t_x, T, parameters)
        purchases = expected_purchases(horizon, x, t_x, T, parameters)
        discounted = discounted_purchases(horizon, annual_rate, x, t_x, T, parameters)
        none = new_customer_p_none(horizon, parameters)
        first = new_customer_expected_purchases(horizon, parameters)
    check(alive, buys, purchases, discounted, none, first)
    slack = 1 + 1e-8
    assert max(alive, none) <= 1 and buys <= alive * slack
    assert buys <= purchases * slack and discounted <= purchases * slack
    assert 1 - none <= first * slack + 1e-15


@settings(max_examples=100, deadline=None, derandomize=True)
@given(spend_parameters, histories())
def test_any_spend_is_finite_and_positive(parameters, history):
    value = expected_spend(*history[3:], parameters)
    assert np.isfinite(value) and value > 0


@st.composite
def covariances(draw: st.DrawFn, size: int) -> np.ndarray:
    """Of any correlation, singular or nearly so, standard errors up to 5, some of them 0 as of what is held."""
    errors = [draw(st.one_of(st.just(0.0), powers_of_ten(-3, 0.7))) for _ in range(size)]
    rank = draw(st.integers(1, size))
    factor = np.random.default_rng(draw(st.integers(0, 9))).standard_normal((size, rank))
    factor /= np.sqrt((factor**2).sum(axis=1, keepdims=True))
    return (factor @ factor.T) * np.outer(errors, errors)


uncertainties = st.none() | st.builds(Uncertainty, st.none() | covariances(4), st.none() | covariances(3))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(purchase_parameters, spend_parameters, histories(), horizons, annual_rates, uncertainties)
def test_any_customer_has_finite_intervals_in_order(purchase, spend, history, horizon, annual_rate, uncertainty):
    options = {"draws": 256, "uncertainty": uncertainty}
    with np.errstate(over="raise", divide="raise", invalid="raise"):
        low, high = revenue_interval(horizon, *history, purchase, spend, **options)
        worst, clv, best = clv_interval(horizon, annual_rate, *history, purchase, spend, **options)
    check(low, high, worst, clv, best)
    assert low <= high and worst <= clv <= best
    if horizon == 0:
        assert not np.any([high, best])


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
