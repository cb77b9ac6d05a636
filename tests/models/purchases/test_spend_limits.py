"""Gamma-Gamma where each customer spends the same every time, and where all customers spend alike."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.stats import gamma, invgamma

from models.purchases.gamma_gamma import GammaGammaModel
from models.purchases.gamma_gamma_likelihood import SpendHistories, log_likelihood_and_derivatives
from models.purchases.spend_limits import _equal_purchases, equal_means, equal_purchases
from models.scoring.parameters import SpendParameters


@pytest.mark.parametrize("seed", [2, 3, 6])
def test_where_each_has_a_price_of_their_own_it_is_expected_again(seed):
    rng = np.random.default_rng(seed)
    x = 1 + rng.poisson(3, 400).astype(float)
    m = 20.0 / rng.gamma(3.0, 1.0, 400)
    fit = GammaGammaModel().fit(x, m)
    assert fit.parameters.limits == ("equal_purchases",) and "same every time" in fit.notes[0]
    assert (fit.predict(x, m) == m).all()
    # v / m is Gamma(q): scipy fits the same by another way.
    shape, _, scale = invgamma.fit(m, floc=0)
    assert_allclose(fit.params_, [shape, scale], rtol=1e-4)
    assert_allclose(fit.log_likelihood_, invgamma.logpdf(m, shape, scale=scale).sum(), rtol=1e-8)
    assert (np.abs(fit.params_ - [3.0, 20.0]) < 4 * fit.standard_errors_).all()
    assert (fit.log_covariance[0] == 0).all() and np.linalg.eigvalsh(fit.log_covariance[1:, 1:]).min() > 0


def test_where_customers_do_not_differ_the_base_is_expected(rng):
    x = 1 + rng.poisson(5, 500).astype(float)
    m = rng.gamma(0.5 * x) / (0.5 * x) * 30.0
    fit = GammaGammaModel().fit(x, m)
    assert fit.parameters.limits == ("equal_means",) and "do not differ" in fit.notes[0]
    # The estimate of the mean is that of all purchases, whatever p.
    assert_allclose(fit.predict(x, m), (x @ m) / x.sum(), rtol=1e-9)
    p, v = fit.params_
    assert_allclose(fit.log_likelihood_, gamma.logpdf(m, p * x, scale=v / x).sum(), rtol=1e-9)
    assert (np.abs(fit.params_ - [0.5, 60.0]) < 4 * fit.standard_errors_).all()
    assert (fit.log_covariance[1] == 0).all()


@pytest.mark.parametrize("of_data", [equal_purchases, equal_means])
def test_derivatives_in_the_limits(of_data, rng):
    shop, point = SpendHistories(1.0 + rng.poisson(2, 50), rng.gamma(2.0, 0.5, 50), np.ones(50)), np.array([0.7, -0.3])
    value, gradient, hessian = of_data(point, shop)
    ahead, behind = ([of_data(point + sign * step, shop) for step in 1e-5 * np.eye(2)] for sign in (1, -1))
    assert_allclose(gradient, [(a[0] - b[0]) / 2e-5 for a, b in zip(ahead, behind, strict=True)], rtol=1e-6)
    assert_allclose(hessian, [(a[1] - b[1]) / 2e-5 for a, b in zip(ahead, behind, strict=True)], rtol=1e-6)
    whole = (
        (1e8, np.exp(0.7), np.exp(-0.3) / 1e8) if of_data is equal_purchases else (np.exp(0.7), 1e8, np.exp(-0.3) * 1e8)
    )
    assert_allclose(value, log_likelihood_and_derivatives(SpendParameters(*whole), shop)[0], rtol=1e-5)


def test_own_prices_without_a_mean_hold_the_observed_one(rng):
    m = 20.0 / rng.gamma(0.8, 1.0, 400)
    shop = SpendHistories(np.ones(400), m / m.mean(), np.ones(400))
    fit = _equal_purchases(shop, 3.0)
    q = fit.parameters.q
    assert fit.holds_mean and q > 1
    assert_allclose(fit.parameters.v, q - 1.0)

    def log_likelihood(q):
        return equal_purchases(np.log([q, q - 1.0]), shop)[0]

    assert_allclose(fit.log_likelihood, log_likelihood(q), rtol=1e-12)
    assert fit.log_likelihood > max(log_likelihood(1.0 + factor * (q - 1.0)) for factor in (0.97, 1.03))
    # The error of ln(q - 1), by a second difference.
    step, at = 1e-4, np.log(q - 1.0)
    bend = sum(w * log_likelihood(1.0 + np.exp(at + k * step)) for k, w in ((-1, 1), (0, -2), (1, 1))) / step**2
    assert_allclose(fit.log_covariance[2, 2], -1.0 / bend, rtol=1e-3)
