"""The work of the quadratures: how many nodes they take, and where they end; and that these hold ten digits."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.scoring.bg_nbd import discounted_purchases
from models.scoring.parameters import PurchaseParameters
from models.scoring.quadrature import beta_steps, mean_over_dropout, node_counts, node_counts_in_time

MODELS = {
    "usual": PurchaseParameters(0.25, 30.0, 0.8, 2.4),
    "all leave": PurchaseParameters(0.6, 45.0, 4.0, 0.5, 1),
    "rates are much alike": PurchaseParameters(30.5, 900.0, 0.5, 1.0),
    "equal rates": PurchaseParameters(1.0, 25.0, 0.8, 2.4, 0, ("equal_rates",)),
    "equal dropout": PurchaseParameters(0.6, 45.0, 0.3, 0.7, 0, ("equal_dropout",)),
}
# Ratios of a horizon to alpha + T.
RATIOS = np.geomspace(0.01, 3000.0, 1000)


@pytest.mark.parametrize(
    ("model", "x", "nodes"),
    [
        ("usual", 0, 102_048),
        ("usual", 4, 124_304),
        ("usual", 100, 174_800),
        ("all leave", 1, 114_016),
        ("rates are much alike", 0, 157_336),
        ("equal rates", 4, 67_240),
    ],
)
def test_the_chance_of_leaving_takes_no_more_nodes_than_it_did_and_these_hold_ten_digits(model, x, nodes):
    frequency, parameters = np.full(RATIOS.size, float(x)), MODELS[model]
    found = mean_over_dropout(frequency, RATIOS[:, None], np.ones((RATIOS.size, 1)), parameters)
    p, weights = beta_steps(frequency, RATIOS, parameters)
    terms = p * RATIOS[:, None] if parameters.equal_rates else np.log1p(p * RATIOS[:, None]) * (parameters.r + x)
    assert_allclose(found, (weights * -np.expm1(-terms) / p).sum(axis=1), rtol=2e-11)
    # Most of a scoring's time goes by this number. Who makes the rule a better one renews it.
    assert node_counts(frequency, RATIOS, parameters).sum() == nodes


@pytest.mark.parametrize(
    ("model", "nodes"),
    [("usual", 373_144), ("all leave", 423_384), ("equal rates", 534_312), ("equal dropout", 457_984)],
)
def test_discounting_takes_no_more_nodes_in_time_than_it_did(model, nodes):
    taken = 0
    for x in (0.0, 5.0, 60.0):
        for decay in (0.0, 4.3, 8.0, 60.0):
            taken += node_counts_in_time(np.full(RATIOS.size, x), RATIOS, decay, MODELS[model]).sum()
    assert taken == nodes


def test_discounting_takes_as_many_nodes_as_its_longest_ratio_and_its_rate_need(monkeypatch):
    taken, leggauss = [], np.polynomial.legendre.leggauss
    monkeypatch.setattr(np.polynomial.legendre, "leggauss", lambda count: (taken.append(count), leggauss(count))[1])
    for horizon, annual_rate, T in ((365.0, 0.1, 500.0), (365.0, 0.1, 0.0), (3650.0, 0.1, 0.0), (3650.0, 9.0, 500.0)):
        discounted_purchases(horizon, annual_rate, 4.0, 0.0, T, MODELS["usual"])
    assert taken == [16, 24, 24, 32]


# Beyond e^-39 no term that is added to 1 changes it, and what has e^-60 of the density adds nothing.
SEEN, DEPTH = 39.0, 60.0


@pytest.mark.parametrize(
    ("x", "z", "parameters", "left", "right"),
    [
        (3, 100.0, MODELS["usual"], -SEEN - np.log(325.0), SEEN + np.log(6.2)),
        (1, 1e5, MODELS["equal rates"], -SEEN - np.log(1e5), SEEN + np.log(4.2)),
        (0, 1.0, PurchaseParameters(1.0, 1.0, 1e4, 1e-3), -SEEN - np.log(1e4), SEEN + np.log(1e4)),
        (9, 1e-3, PurchaseParameters(1.0, 1.0, 1e-3, 1e-3), -SEEN - np.log(9.002), SEEN + np.log(10.0)),
        # Where the density ends before: half of it Gauss, half of it an exponential tail.
        (400, 1e4, MODELS["usual"], -SEEN - np.log(400.25e4), None),
        (0, 1.0, PurchaseParameters(1.0, 1.0, 50.0, 5e3), None, None),
        # All alike.
        (0, 1.0, PurchaseParameters(1.0, 1.0, 1e8, 1e8), None, None),
    ],
)
def test_steps_end_where_no_digit_is_left(x, z, parameters, left, right):
    p, weights = (column[0] for column in beta_steps(np.array([float(x)]), np.array([z]), parameters))
    first, second = (np.log(each) - np.log1p(-each) for each in p[:2])
    last = first + (p.size - 1) * (second - first)
    a, B = parameters.a, parameters.b + x + parameters.m
    depth = DEPTH + np.log(max(z * (parameters.r + x), a + B))
    within, middle = 2 * np.sqrt(depth * (1 / a + 1 / B)), np.log(a / B)
    assert first == pytest.approx(middle - within - 2 * depth / a if left is None else left, rel=1e-6)
    assert last == pytest.approx(middle + within + 2 * depth / B if right is None else right, rel=1e-6)
    assert weights.sum() == pytest.approx(1.0, rel=1e-14)
    assert weights @ p == pytest.approx(a / (a + B), rel=1e-11)
    assert weights @ p**2 == pytest.approx(a / (a + B) * (a + 1) / (a + B + 1), rel=1e-11)


def test_a_chance_of_leaving_that_hardly_varies_is_that_of_the_limit_however_narrow():
    limit = MODELS["equal dropout"]
    for size in (1e8, 1e16):
        near = replace(limit, a=limit.a * size, b=limit.b * size, limits=())
        # So long ahead that the steps are taken: beyond their end rounding leaves eight digits.
        x, ratio = np.array([5.0]), np.array([[1000.0]])
        found, expected = (mean_over_dropout(x, ratio, np.ones((1, 1)), each) for each in (near, limit))
        assert node_counts(x, ratio[0], near) == 416
        assert found == pytest.approx(expected, rel=1e-7)
