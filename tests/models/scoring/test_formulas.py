"""The formulas of purchases against 50-digit arithmetic, for BG/NBD (m = 0) and MBG/NBD (m = 1)."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.scoring.bg_nbd import (
    discounted_purchases,
    expected_purchases,
    new_customer_expected_purchases,
    new_customer_p_none,
    p_alive,
    p_purchase,
)
from models.scoring.parameters import PurchaseParameters
from models.scoring.quadrature import beta_nodes
from tests.models.golden import formulas
from tests.models.golden.values import read

EXACT = read("formulas")


@pytest.mark.parametrize("m", [0, 1])
@pytest.mark.parametrize("trap", formulas.TRAPS)
def test_traps_hold_to_ten_digits(trap, m):
    h, x, t_x, T, parameters = formulas.trap(trap, m)
    history = (x, t_x, T, parameters)
    alive, purchase, purchases, new_none, new_purchases = EXACT[f"trap: {trap}, m {m}"]
    assert_allclose(float(p_alive(*history)), alive, rtol=1e-10)
    assert_allclose(float(p_purchase(h, *history)), purchase, rtol=1e-10)
    assert_allclose(float(expected_purchases(h, *history)), purchases, rtol=1e-9)
    assert_allclose(float(new_customer_p_none(h, parameters)), new_none, rtol=1e-10)
    assert_allclose(float(new_customer_expected_purchases(h, parameters)), new_purchases, rtol=1e-9)


def test_published_value_of_the_worst_trap():
    value = expected_purchases(500, 1000, 350, 365, PurchaseParameters(*formulas.CDNOW))
    assert_allclose(float(value), 1.16490e-12, rtol=1e-5)


def test_random_histories_hold_to_ten_digits():
    for number, arguments in enumerate(formulas.random_histories()):
        exact = EXACT[f"random history {number}"][0]
        if exact > 1e-290:
            assert_allclose(float(expected_purchases(*arguments)), exact, rtol=1e-10)


@pytest.mark.parametrize("name", formulas.discounted())
def test_discounted_purchases_hold_to_eight_digits(name):
    exact = EXACT[f"discounted: {name}"][0]
    assert_allclose(float(discounted_purchases(*formulas.discounted()[name])), exact, rtol=1e-8)


@pytest.mark.parametrize("model", formulas.MODELS)
def test_a_new_customer_is_one_of_no_age(model):
    parameters, horizons = formulas.MODELS[model], np.array(formulas.NEW_CUSTOMER_HORIZONS)
    assert_allclose(new_customer_p_none(horizons, parameters), 1 - p_purchase(horizons, 0, 0, 0, parameters))
    exact = EXACT[f"new customer: {model}"]
    assert_allclose(new_customer_expected_purchases(horizons, parameters), exact, rtol=1e-10)


def test_nodes_hold_the_moments_of_beta():
    for a, B in [(0.793, 2.426), (1e-2, 50.0), (3.0, 1e-3), (40.0, 20_000.0)]:
        nodes, weights = beta_nodes(24, a, B)
        assert_allclose([weights @ nodes, weights @ nodes**2], [a / (a + B), a * (a + 1) / (a + B) / (a + B + 1)])
