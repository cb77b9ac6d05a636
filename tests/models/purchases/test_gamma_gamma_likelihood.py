"""The likelihood of Gamma-Gamma beside fifty digits, held parameters, and sums that do not depend on the order."""

from functools import partial
from itertools import combinations

import mpmath
import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.purchases.gamma_gamma_likelihood import (
    HELD_AT,
    SpendHistories,
    log_likelihood_and_derivatives,
    log_likelihood_and_gradient,
    log_parameters,
)
from models.scoring.parameters import SpendParameters

HISTORIES = {
    "once": (1, 12.5),
    "cents": (7, 0.01),
    "frequent": (400, 3000.0),
    "nearly free": (1, 1e-8),
    "a million a time": (1000, 1e6),
    "20,000 purchases": (20_000, 1.0),
}
PARAMETERS = {
    "sample": (6.25, 3.74, 15.44),
    "q -> 1": (0.7, 1.0 + 1e-9, 2.0),
    "p held": (HELD_AT, 3.0, 0.5),
    "q held": (2.0, HELD_AT, 500.0),
    "p near 0": (1e-3, 1.5, 1e-3),
    "v near 0": (6.0, 4.0, 1e-6),
    "v large": (6.0, 4.0, 1e6),
}


def exact_log_likelihood(logs, x, m):
    """Eq. 1a of Fader & Hardie (2013) as it is written."""
    p, q, v = map(mpmath.exp, logs)
    x, m = mpmath.mpf(x), mpmath.mpf(m)
    value = mpmath.loggamma(p * x + q) - mpmath.loggamma(p * x) - mpmath.loggamma(q) + q * mpmath.log(v)
    return value + (p * x - 1) * mpmath.log(m) + p * x * mpmath.log(x) - (p * x + q) * mpmath.log(x * m + v)


def exact_derivatives(function, point):
    """Central differences so fine, at fifty digits, that they are exact to 1e-20 or so."""
    step = mpmath.mpf(10) ** -14

    def at(*moves):
        return function(
            [value + step * sum(sign for axis, sign in moves if axis == k) for k, value in enumerate(point)]
        )

    slopes = [(at((k, 1)) - at((k, -1))) / (2 * step) for k in range(3)]
    hessian = np.diag([float((at((k, 1)) - 2 * at() + at((k, -1))) / step**2) for k in range(3)])
    for i, j in combinations(range(3), 2):
        corners = [sign * other * at((i, sign), (j, other)) for sign in (1, -1) for other in (1, -1)]
        hessian[i, j] = hessian[j, i] = float(sum(corners) / (4 * step**2))
    return float(at()), np.array([float(slope) for slope in slopes]), hessian


@pytest.mark.parametrize("name", PARAMETERS)
def test_likelihood_gradient_and_hessian_equal_fifty_digits(name):
    values = PARAMETERS[name]
    for x, m in HISTORIES.values():
        history = SpendHistories(np.array([float(x)]), np.array([m]), np.ones(1))
        ours = log_likelihood_and_derivatives(SpendParameters(*values), history)
        with mpmath.workdps(50):
            logs = [mpmath.log(mpmath.mpf(value)) for value in values]
            exact = exact_derivatives(partial(exact_log_likelihood, x=x, m=m), logs)
        # Parts of up to p x cancel: what is left of them is good to the last digit of the parts.
        digit = 1e-15 * max(values[0] * x, values[1], 10.0)
        for mine, expected in zip(ours, exact, strict=True):
            assert_allclose(mine, expected, rtol=1e-8, atol=digit, err_msg=f"{x} of {m}")


def some_histories(rng, size=20_000):
    x = 1 + rng.poisson(2, size).astype(float)
    m = np.round(rng.gamma(6 * x) / (x * rng.gamma(3.0, 1 / 20, size)), 2) + 0.01
    return SpendHistories(x, m, rng.integers(1, 4, size).astype(float))


def test_sums_over_customers_however_many(rng):
    shop, parameters = some_histories(rng), SpendParameters(6.25, 3.74, 15.44)
    total = log_likelihood_and_derivatives(parameters, shop)
    parts = [
        log_likelihood_and_derivatives(parameters, SpendHistories(shop.x[i::9], shop.m[i::9], shop.weights[i::9]))
        for i in range(9)
    ]
    for whole, pieces in zip(total, zip(*parts, strict=True), strict=True):
        assert_allclose(whole, sum(pieces), rtol=1e-11)
    natural = log_likelihood_and_gradient(parameters, shop)
    assert_allclose(natural[1], total[1] / [6.25, 3.74, 15.44])


def test_order_of_rows_does_not_change_a_bit(rng):
    shop, order = some_histories(rng), rng.permutation(20_000)
    other = SpendHistories(shop.x[order], shop.m[order], shop.weights[order])
    one, two = shop.in_order(), other.in_order()
    for name in ("x", "m", "weights"):
        assert (getattr(one, name) == getattr(two, name)).all()
    assert one.mean == two.mean and one.log_sums == two.log_sums
    assert one.frequencies[0].size == np.unique(shop.x).size
    distinct = SpendHistories(np.array([1.0, 1, 2]), np.array([3.0, 4, 1]), np.ones(3))
    assert distinct.in_order() is distinct


def test_no_finite_input_gives_nan_or_infinity():
    rng = np.random.default_rng(0)
    x, m = (np.array(column, dtype=float) for column in zip(*HISTORIES.values(), strict=True))
    histories = SpendHistories(x, m, np.ones(len(x)))
    for values in np.exp(rng.uniform(-15, 15, (300, 3))):
        for part in log_likelihood_and_derivatives(SpendParameters(*values), histories):
            assert np.isfinite(part).all()


@pytest.mark.parametrize("held", [(), ("mean",), ("p",), ("q",), ("mean", "p"), ("mean", "q")])
def test_derivatives_by_what_is_free(held, rng):
    shop = some_histories(rng, 200).in_units_of(30.0)
    point = np.array([0.7, 0.9, -0.2])[: 3 - len(held)]

    def objective(at):
        free = log_parameters(at, held)
        return free.derivatives(log_likelihood_and_derivatives(SpendParameters(*np.exp(free.logs)), shop))

    value, gradient, hessian = objective(point)
    steps = 1e-5 * np.eye(point.size)
    ahead, behind = ([objective(point + sign * step) for step in steps] for sign in (1, -1))
    assert_allclose(gradient, [(a[0] - b[0]) / 2e-5 for a, b in zip(ahead, behind, strict=True)], rtol=1e-5)
    assert_allclose(hessian, [(a[1] - b[1]) / 2e-5 for a, b in zip(ahead, behind, strict=True)], rtol=1e-5)
    p, q, v = np.exp(log_parameters(point, held).logs)
    assert np.isfinite(value) and q > 1
    if "mean" in held:
        assert_allclose(p * v / (q - 1), 1.0)
    for name, number in (("p", p), ("q", q)):
        assert name not in held or number == pytest.approx(HELD_AT)
