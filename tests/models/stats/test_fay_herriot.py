"""Shrinkage beside brute-force Bayes, simulated errors, its closed forms at both ends, and Prasad and Rao."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from models.stats.fay_herriot import posterior_of_between, shrink


def test_groups_of_equal_error_have_the_posterior_of_brute_force():
    direct, D, scale = np.array([-6.0, 1.0, 2.5, 14.0]), 16.0, 10.0
    deviation = scale * np.tan(np.pi / 2 * (np.arange(1000) + 0.5) / 1000)  # quantiles of the prior
    mu = np.linspace(-150, 160, 601)
    B = np.minimum(deviation**2, 1e8)[:, None, None]
    likelihood = norm.logpdf(direct, mu[None, :, None], np.sqrt(B + D)).sum(axis=2)
    weight = np.exp(likelihood - likelihood.max())
    weight /= weight.sum()
    gamma = B / (B + D)
    conditional_means = gamma * direct + (1 - gamma) * mu[None, :, None]
    mean = np.einsum("am,amg->g", weight, conditional_means)
    variance = np.einsum("am,amg->g", weight, (conditional_means - mean) ** 2 + gamma * D)

    shrunk = shrink(direct, np.full(4, D), np.full(4, 0.25), np.zeros(4), scale)
    assert shrunk.estimates == pytest.approx(mean, abs=0.01)
    assert shrunk.variances == pytest.approx(variance, rel=0.01)


def test_with_the_variance_known_the_error_is_that_of_simulation():
    rng = np.random.default_rng(1)
    D, B = np.array([4.0, 25.0, 60.0, 9.0, np.inf]), np.array([20.0, 10.0, 15.0, 5.0, 30.0])
    shares = np.array([0.5, 0.1, 0.1, 0.3, 0.0])
    shrunk = shrink(np.zeros(5), D, shares, B, scale=1e-9)
    u = 7.0 + np.sqrt(B) * rng.standard_normal((200_000, 5))
    direct = u + np.sqrt(np.where(np.isfinite(D), D, 0.0)) * rng.standard_normal(u.shape)
    gamma = B / (B + D)
    estimates = gamma * direct + (1 - gamma) * (direct[:, :4] @ shares[:4])[:, None]
    assert shrunk.own == pytest.approx(gamma, abs=1e-9)
    assert shrunk.variances == pytest.approx(np.mean((estimates - u) ** 2, axis=0), rel=0.02)
    one = shrink(direct[0], D, shares, B, scale=1e-9)
    assert one.estimates == pytest.approx(estimates[0], abs=1e-6)


def test_at_both_ends_the_centre_and_the_own_figure_stand_alone():
    direct, D, shares = np.array([10.0, -30.0, 55.0]), np.array([4.0, 1.0, 9.0]), np.array([0.2, 0.5, 0.3])
    none = shrink(direct, D, shares, np.zeros(3), scale=1e-9)
    assert none.estimates == pytest.approx(np.full(3, shares @ direct), abs=1e-9)
    assert none.variances == pytest.approx(np.full(3, shares**2 @ D))
    all_own = shrink(direct, D, shares, np.full(3, 1e12), scale=1.0)
    assert all_own.estimates == pytest.approx(direct, abs=1e-6)
    assert all_own.variances == pytest.approx(D, rel=1e-6)
    alone = shrink(direct[:1], D[:1], np.ones(1), np.zeros(1), scale=20.0)
    assert alone.estimates == pytest.approx([10.0])
    assert alone.variances == pytest.approx([4.0])


def test_with_many_groups_it_is_prasad_and_rao():
    rng = np.random.default_rng(2)
    D = rng.choice([9.0, 25.0, 64.0], 400)
    direct = 3.0 + 5.0 * rng.standard_normal(400) + np.sqrt(D) * rng.standard_normal(400)

    def loss(A):
        V = A + D
        mu = np.sum(direct / V) / np.sum(1 / V)
        return np.sum(np.log(V)) + np.log(np.sum(1 / V)) + np.sum((direct - mu) ** 2 / V)

    A = minimize_scalar(loss, bounds=(0, 400), method="bounded").x
    V = A + D
    g3 = D**2 / V**3 * 2 / np.sum(V**-2.0)
    mse = A * D / V + (D / V) ** 2 / np.sum(1 / V) + 2 * g3

    shrunk = shrink(direct, D, (1 / V) / np.sum(1 / V), np.zeros(400), scale=20.0)
    assert shrunk.own == pytest.approx(A / V, abs=0.02)
    assert shrunk.variances.mean() == pytest.approx(mse.mean(), rel=0.02)
    between, weight = posterior_of_between(direct, D, 20.0)
    assert weight @ between == pytest.approx(A, rel=0.05)
    assert np.sqrt(weight @ (between - weight @ between) ** 2) == pytest.approx(np.sqrt(2 / np.sum(V**-2.0)), rel=0.1)
