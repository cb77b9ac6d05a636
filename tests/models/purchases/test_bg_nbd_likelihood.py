"""The likelihood of BG/NBD and MBG/NBD beside fifty digits, sums over customers, and the counting of histories."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from models.purchases.bg_nbd_likelihood import (
    SufficientStatistics,
    count_sufficient_statistics,
    log_likelihood_and_derivatives,
)
from models.scoring.bg_nbd import new_customer_p_none
from models.scoring.parameters import PurchaseParameters
from tests.models.golden.likelihoods import HISTORIES, PURCHASE_PARAMETERS, derivatives
from tests.models.golden.values import read
from tests.models.simulated_purchases import simulate_purchases

EXACT = read("purchase_likelihood")


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("name", PURCHASE_PARAMETERS)
def test_likelihood_gradient_and_hessian_equal_fifty_digits(name, m):
    parameters = PurchaseParameters(*PURCHASE_PARAMETERS[name], m)
    for history, columns in HISTORIES.items():
        ours = log_likelihood_and_derivatives(parameters, count_sufficient_statistics(*zip(columns)))
        # Parts of order one may cancel: what is left of them is good to the last digit of the parts.
        for mine, exact in zip(ours, derivatives(EXACT[f"{name}, m {m}, {history}"]), strict=True):
            assert_allclose(mine, exact, rtol=1e-8, atol=1e-14, err_msg=history)


@pytest.mark.parametrize("m", [0, 1])
def test_sums_over_customers_however_many(m):
    """More statistics than fit in one block, and each customer on their own."""
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
    statistics = count_sufficient_statistics(*zip(*HISTORIES.values(), strict=True))
    for values in np.exp(rng.uniform(-15, 15, (300, 4))):
        for part in log_likelihood_and_derivatives(PurchaseParameters(*values, m), statistics):
            assert np.isfinite(part).all()


# --- Counting ---


def test_counting_is_a_group_by(rng):
    rows = pd.DataFrame(rng.integers(0, 4, (500, 3)).astype(float), columns=["x", "t_x", "T"])
    rows["weights"] = rng.integers(1, 5, 500)
    columns = [rows[name] for name in rows]
    expected = rows.groupby(["x", "t_x", "T"], as_index=False)["weights"].sum()
    statistics = count_sufficient_statistics(*columns)
    assert statistics.in_order
    assert_allclose(np.stack([statistics.x, statistics.t_x, statistics.T, statistics.weights], axis=1), expected)
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


def test_no_customers_are_no_histories():
    assert count_sufficient_statistics([], [], []).x.size == 0


@pytest.mark.parametrize("m", [0, 1])
def test_likelihood_of_staying_away_is_its_probability(m):
    """A history without repeat purchases is an event, so its density is its probability."""
    parameters = PurchaseParameters(0.8, 40.0, 0.7, 3.0, m)
    nobody_again = log_likelihood_and_derivatives(parameters, count_sufficient_statistics([0], [0], [180.0]))[0]
    assert_allclose(np.exp(nobody_again), new_customer_p_none(180.0, parameters))
