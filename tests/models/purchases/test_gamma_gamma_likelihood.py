"""The likelihood of Gamma-Gamma beside fifty digits, a held mean, and sums that do not depend on the order."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import pearsonr

from models.purchases.gamma_gamma_likelihood import (
    SpendHistories,
    independence,
    log_likelihood_and_derivatives,
    log_parameters,
)
from models.scoring.parameters import SpendParameters
from tests.models.golden.likelihoods import SPEND_PARAMETERS, SPENDS, derivatives
from tests.models.golden.values import read

EXACT = read("spend_likelihood")


@pytest.mark.parametrize("name", SPEND_PARAMETERS)
def test_likelihood_gradient_and_hessian_equal_fifty_digits(name):
    values = SPEND_PARAMETERS[name]
    for spend, (x, m) in SPENDS.items():
        history = SpendHistories(np.array([float(x)]), np.array([m]), np.ones(1))
        ours = log_likelihood_and_derivatives(SpendParameters(*values), history)
        # Parts of up to p x cancel: what is left of them is good to the last digit of the parts.
        digit = 1e-15 * max(values[0] * x, values[1], 10.0)
        for mine, exact in zip(ours, derivatives(EXACT[f"{name}, {spend}"]), strict=True):
            assert_allclose(mine, exact, rtol=1e-8, atol=digit, err_msg=spend)


def some_histories(rng, size=20_000):
    x = 1 + rng.poisson(2, size).astype(float)
    m = np.round(rng.gamma(6 * x) / (x * rng.gamma(3.0, 1 / 20, size)), 2) + 0.01
    return SpendHistories(x, m, rng.integers(1, 4, size).astype(float))


def test_sums_by_hand_and_the_correlation_of_customers_counted_one_by_one():
    shop = SpendHistories(np.array([1.0, 1, 3]), np.array([2.0, 4, 8]), np.array([3.0, 1, 2]))
    assert (shop.customers, shop.mean) == (6.0, (6 + 4 + 16) / 6)
    assert shop.frequencies[0].tolist() == [1, 3] and shop.frequencies[1].tolist() == [4, 2]
    assert_allclose(shop.log_sums, [11 * np.log(2), 11 * np.log(2) + 2 * np.log(3)])
    halves = shop.in_units_of(2.0)
    assert (halves.x.tolist(), halves.m.tolist(), halves.weights.tolist()) == ([1, 1, 3], [1, 2, 4], [3, 1, 2])
    x, m = (np.repeat(values, shop.weights.astype(int)) for values in (shop.x, shop.m))
    peer, found = pearsonr(x, m), independence(shop)
    assert_allclose([found.correlation, found.p_value, found.customers], [peer.statistic, peer.pvalue, 6.0])
    assert np.isnan(independence(SpendHistories(np.ones(3), shop.m, shop.weights)).correlation)
    two = SpendHistories(np.array([1.0, 2]), np.array([2.0, 3]), np.ones(2))
    assert np.isnan(independence(two).p_value) and independence(two).warning is None


def test_sums_over_customers_however_many(rng):
    shop, parameters = some_histories(rng), SpendParameters(6.25, 3.74, 15.44)
    total = log_likelihood_and_derivatives(parameters, shop)
    parts = [
        log_likelihood_and_derivatives(parameters, SpendHistories(shop.x[i::9], shop.m[i::9], shop.weights[i::9]))
        for i in range(9)
    ]
    for whole, pieces in zip(total, zip(*parts, strict=True), strict=True):
        assert_allclose(whole, sum(pieces), rtol=1e-11)


def test_order_of_rows_does_not_change_a_bit(rng):
    shop, order = some_histories(rng), rng.permutation(20_000)
    other = SpendHistories(shop.x[order], shop.m[order], shop.weights[order])
    one, two = shop.in_order(), other.in_order()
    for name in ("x", "m", "weights"):
        assert (getattr(one, name) == getattr(two, name)).all()
    assert one.mean == two.mean and one.log_sums == two.log_sums
    assert one.frequencies[0].size == np.unique(shop.x).size
    falling = SpendHistories(np.array([2.0, 1]), np.array([3.0, 4]), np.ones(2)).in_order()
    assert (falling.x.tolist(), falling.m.tolist()) == ([1, 2], [4, 3])
    distinct = SpendHistories(np.array([1.0, 1, 2]), np.array([3.0, 4, 1]), np.ones(3))
    assert distinct.in_order() is distinct


def test_no_finite_input_gives_nan_or_infinity():
    rng = np.random.default_rng(0)
    x, m = (np.array(column, dtype=float) for column in zip(*SPENDS.values(), strict=True))
    histories = SpendHistories(x, m, np.ones(len(x)))
    for values in np.exp(rng.uniform(-15, 15, (300, 3))):
        for part in log_likelihood_and_derivatives(SpendParameters(*values), histories):
            assert np.isfinite(part).all()


@pytest.mark.parametrize("holds_mean", [False, True])
def test_derivatives_by_what_is_free(holds_mean, rng):
    shop = some_histories(rng, 200).in_units_of(30.0)
    point = np.array([0.7, 0.9, -0.2])[: 3 - holds_mean]

    def objective(at):
        free = log_parameters(at, holds_mean=holds_mean)
        return free.derivatives(log_likelihood_and_derivatives(SpendParameters(*np.exp(free.logs)), shop))

    value, gradient, hessian = objective(point)
    steps = 1e-5 * np.eye(point.size)
    ahead, behind = ([objective(point + sign * step) for step in steps] for sign in (1, -1))
    assert_allclose(gradient, [(a[0] - b[0]) / 2e-5 for a, b in zip(ahead, behind, strict=True)], rtol=1e-5)
    assert_allclose(hessian, [(a[1] - b[1]) / 2e-5 for a, b in zip(ahead, behind, strict=True)], rtol=1e-5)
    p, q, v = np.exp(log_parameters(point, holds_mean=holds_mean).logs)
    assert np.isfinite(value) and q > 1
    if holds_mean:
        assert_allclose(p * v / (q - 1), 1.0)
