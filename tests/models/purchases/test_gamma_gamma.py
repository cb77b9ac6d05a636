"""Gamma-Gamma: reference fits on CDNOW, a mean that always exists, independence, and what the data may lack."""

import numpy as np
import pytest
from lifetimes import GammaGammaFitter
from numpy.testing import assert_allclose
from scipy.stats import pearsonr

from data.errors import InputError
from models.purchases.gamma_gamma import GammaGammaModel
from models.purchases.gamma_gamma_likelihood import (
    Independence,
    SpendHistories,
    independence,
    log_likelihood_and_derivatives,
)
from models.scoring.parameters import SpendParameters


@pytest.fixture(scope="module")
def sample_fit(cdnow_sample):
    return GammaGammaModel().fit(cdnow_sample["frequency"], cdnow_sample["monetary_value"])


def simulated_spend(p, q, v, n, rng):
    x = 1 + rng.poisson(2, n).astype(float)
    return x, rng.gamma(p * x) / (x * rng.gamma(q, 1 / v, n))


def test_reference_fit_of_the_sample(sample_fit):
    assert list(sample_fit.params_.index) == ["p", "q", "v"]
    assert_allclose(sample_fit.params_, [6.25, 3.74, 15.44], rtol=2e-3)
    assert_allclose(sample_fit.standard_errors_, [1.19, 0.290, 4.16], rtol=2e-3)
    assert_allclose(sample_fit.log_likelihood_, -4055.92, atol=0.005)
    assert not sample_fit.holds_mean and sample_fit.parameters.limits == sample_fit.notes == ()


def test_reference_fit_of_the_master(cdnow_master):
    fit = GammaGammaModel().fit(cdnow_master["frequency"], cdnow_master["monetary_value"])
    assert_allclose(fit.params_, [6.275, 3.624, 14.984], rtol=2e-4)
    assert_allclose(fit.standard_errors_, [0.400, 0.091, 1.344], rtol=6e-3)
    assert_allclose(fit.log_likelihood_, -40763.48, atol=0.005)
    assert fit.independence.customers == 9450


def test_lifetimes_reaches_the_same_optimum(cdnow_sample, sample_fit):
    buyers = cdnow_sample[(cdnow_sample["frequency"] > 0) & (cdnow_sample["monetary_value"] > 0)]
    theirs = GammaGammaFitter().fit(buyers["frequency"], buyers["monetary_value"])
    assert_allclose(sample_fit.params_, theirs.params_, rtol=2e-3)
    assert_allclose(sample_fit.standard_errors_, theirs.standard_errors_, rtol=5e-3)
    # Its intervals are normal in the parameters themselves, ours in their logarithms.
    estimates = ["coef", "se(coef)"]
    assert_allclose(sample_fit.summary[estimates], theirs.summary[estimates], rtol=1e-2)
    assert_allclose(
        sample_fit.predict(cdnow_sample["frequency"], cdnow_sample["monetary_value"]),
        theirs.conditional_expected_average_profit(cdnow_sample["frequency"], cdnow_sample["monetary_value"]),
        rtol=1e-3,
    )


def test_truth_is_recovered_in_any_currency(rng):
    x, m = simulated_spend(4.0, 3.0, 20.0, 5000, rng)
    fit = GammaGammaModel().fit(x, m)
    assert (np.abs(fit.params_ - [4.0, 3.0, 20.0]) < 4 * fit.standard_errors_).all()
    for money in (1e-6, 1e6):
        other = GammaGammaModel().fit(x, m * money)
        assert_allclose(other.params_, fit.params_ * [1, 1, money], rtol=1e-6)
        assert_allclose(other.standard_errors_, fit.standard_errors_ * [1, 1, money], rtol=1e-4)


def test_weights_are_customers(rng):
    x, m = simulated_spend(4.0, 3.0, 20.0, 400, rng)
    weights = rng.integers(1, 4, 400)
    weighted = GammaGammaModel().fit(x, m, weights)
    repeated = GammaGammaModel().fit(np.repeat(x, weights), np.repeat(m, weights))
    assert_allclose(weighted.params_, repeated.params_, rtol=1e-6)
    assert_allclose(weighted.variance_matrix_, repeated.variance_matrix_, rtol=1e-4)
    assert_allclose(weighted.independence.p_value, repeated.independence.p_value, rtol=1e-9)


def test_covariance_is_symmetric(sample_fit):
    covariance = sample_fit.variance_matrix_
    assert_allclose(covariance, covariance.T, rtol=1e-12)
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_covariance_of_the_logarithms(sample_fit):
    logs = sample_fit.log_covariance
    assert_allclose(logs * np.outer(sample_fit.params_, sample_fit.params_), sample_fit.variance_matrix_)
    assert_allclose(np.sqrt(np.diag(logs)), sample_fit.standard_errors_ / sample_fit.params_)


def test_covariance_where_the_mean_is_held():
    rng = np.random.default_rng(2)
    unequal = GammaGammaModel().fit(*simulated_spend(2.0, 0.7, 10.0, 3000, rng))
    assert unequal.holds_mean
    # ln v = ln(q - 1) - ln p leaves one direction in which nothing varies.
    q = unequal.params_["q"]
    along = np.array([1.0, -q / (q - 1), 1.0])
    assert_allclose(unequal.log_covariance @ along, 0.0, atol=1e-8 * unequal.log_covariance.max() * q / (q - 1))


def test_many_customers_begin_with_some_and_end_at_the_optimum_of_all():
    rng = np.random.default_rng(3)
    x, m = simulated_spend(4.0, 3.0, 20.0, 60_000, rng)
    fit = GammaGammaModel().fit(x, m)
    assert (np.abs(fit.params_ - [4.0, 3.0, 20.0]) < 4 * fit.standard_errors_).all()
    value, gradient, _ = log_likelihood_and_derivatives(fit.parameters, SpendHistories(x, m, np.ones(60_000)))
    assert np.abs(gradient).max() / 60_000 < 1e-9
    assert_allclose(fit.log_likelihood_, value, rtol=1e-12)
    order = rng.permutation(60_000)
    assert (GammaGammaModel().fit(x[order], m[order]).params_ == fit.params_).all()


def test_where_the_mean_does_not_exist_it_is_held_at_the_observed_one(rng):
    x, m = simulated_spend(2.0, 0.7, 10.0, 3000, rng)
    free = GammaGammaFitter().fit(x, m / m.mean())
    assert free.params_["q"] < 1
    fit = GammaGammaModel().fit(x, m)
    assert fit.holds_mean and "held at the observed one" in fit.notes[0]
    assert fit.params_["q"] > 1
    p, q, v = fit.params_
    assert_allclose(p * v / (q - 1), m.mean(), rtol=1e-9)
    assert (fit.predict(np.array([0, 1, 30]), np.array([0.0, 1.0, 500.0])) > 0).all()
    assert (fit.standard_errors_ > 0).all()
    assert_allclose(fit.variance_matrix_, fit.variance_matrix_.T)


def test_held_mean_is_the_best_of_its_kind(rng):
    x, m = simulated_spend(2.0, 0.7, 10.0, 2000, rng)
    fit = GammaGammaModel().fit(x, m)
    shop = SpendHistories(x, m, np.ones(2000))
    p, q, _ = fit.params_
    for p_factor, q_excess_factor in [(1.02, 1), (0.98, 1), (1, 1.02), (1, 0.98)]:
        p_near, q_near = p * p_factor, 1 + (q - 1) * q_excess_factor
        near = SpendParameters(p_near, q_near, m.mean() * (q_near - 1) / p_near)
        assert log_likelihood_and_derivatives(near, shop)[0] < fit.log_likelihood_


def test_predictions_keep_the_index(cdnow_sample, sample_fit):
    predicted = sample_fit.predict(cdnow_sample["frequency"], cdnow_sample["monetary_value"])
    assert predicted.index.equals(cdnow_sample.index) and (predicted > 0).all()
    assert isinstance(sample_fit.predict([1, 2], [10.0, 20.0]), np.ndarray)
    assert repr(sample_fit).startswith("<GammaGammaModel: p 6.25")


# --- Independence of frequency and value ---


def test_correlation_is_the_published_one(cdnow_sample, sample_fit):
    buyers = cdnow_sample[(cdnow_sample["frequency"] > 0) & (cdnow_sample["monetary_value"] > 0)]
    expected = pearsonr(buyers["frequency"], buyers["monetary_value"])
    assert_allclose(sample_fit.independence.correlation, 0.114, atol=5e-4)
    assert_allclose(sample_fit.independence.correlation, expected.statistic, rtol=1e-10)
    assert_allclose(sample_fit.independence.p_value, expected.pvalue, rtol=1e-8)
    assert sample_fit.independence.customers == 946
    assert sample_fit.independence.warning is None


@pytest.mark.parametrize(("sign", "words"), [(1, "spend more"), (-1, "spend less")])
def test_a_notable_correlation_is_said_in_words(rng, sign, words):
    x, m = simulated_spend(4.0, 3.0, 20.0, 1000, rng)
    correlated = GammaGammaModel().fit(x, m * x ** (0.6 * sign)).independence
    assert correlated.correlation * sign > 0.2
    assert words in correlated.warning and "apart" in correlated.warning


def test_chance_is_no_warning():
    assert Independence(0.5, 0.3, 6.0).warning is None


def test_no_correlation_where_one_side_is_constant_or_customers_are_two():
    for x, m in [([2.0, 2, 2], [1.0, 5, 9]), ([1.0, 2], [3.0, 4])]:
        correlated = independence(SpendHistories(np.array(x), np.array(m), np.ones(len(x))))
        assert np.isnan(correlated.correlation) and np.isnan(correlated.p_value) and correlated.warning is None


def test_a_perfect_correlation_has_no_doubt():
    correlated = independence(SpendHistories(np.array([1.0, 2, 3, 4]), np.array([2.0, 4, 6, 8]), np.ones(4)))
    assert correlated.correlation == pytest.approx(1.0) and correlated.p_value < 1e-6


# --- What the data lack ---


def refused(*columns, **kwargs):
    with pytest.raises(InputError) as caught:
        GammaGammaModel().fit(*columns, **kwargs)
    return str(caught.value)


def test_nobody_came_back():
    message = refused(np.zeros(40), np.zeros(40))
    assert "None of the 40 customers has a repeat purchase of positive value" in message


def test_all_were_free():
    assert "None of the 3 customers" in refused([1, 2, 3], [0.0, 0.0, -4.0])


def test_one_price_for_all():
    assert "All 39 customers" in refused(np.arange(1, 40), np.full(39, 9.99))
    nearly = 9.99 + np.random.default_rng(0).normal(0, 1e-3, 39)
    assert "spend the same, or nearly" in refused(np.arange(1, 40), nearly)


def small_shop(seed):
    """From 10 to 39 buyers whose spend is lognormal, alike, one price each, or without a mean."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(10, 40))
    x = 1.0 + rng.poisson(1, n)
    kinds = [rng.lognormal(3, 0.5, n), rng.gamma(2 * x) / x, 20 / rng.gamma(3, 1, n), rng.pareto(1, n)]
    return x, kinds[seed % 4]


def test_small_shops_get_a_credible_figure():
    for seed in [*range(12), 295]:
        x, m = small_shop(seed)
        fit = GammaGammaModel().fit(x, m)
        assert 0 < fit.predict([0.0], [0.0])[0] <= 3 * m.mean() * (1 + 1e-9)
        assert np.isfinite(fit.summary).all(axis=None) and np.isfinite(fit.log_covariance).all()
        assert len(fit.notes) >= fit.holds_mean + len(fit.parameters.limits)


def test_two_customers_lack():
    assert "Only 2 customers" in refused([3, 1], [20.0, 30.0])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (([1, np.nan], [2.0, 3.0]), "row 1"),
        (([1, 2], [2.0, np.inf]), "row 1"),
        (([1, -2], [2.0, 3.0]), "row 1"),
        (([1, 2], [2.0, 3.0], [1, 0]), "weights positive"),
        (([1, 2], [2.0]), "one length"),
    ],
)
def test_what_is_no_spend_is_named(columns, words):
    assert words in refused(*columns)


def test_customers_without_priced_repeats_are_left_out():
    x, m = np.tile([0, 2, 3, 1, 4, 2], 4), np.array([0.0, 20, 31, 14, 0, 55] * 2 + [0.0, 9, 37, 21, 0, 40] * 2)
    priced = (x > 0) & (m > 0)
    everyone, buyers = (GammaGammaModel().fit(x[rows], m[rows]) for rows in (x >= 0, priced))
    assert everyone.independence.customers == 16
    assert (everyone.params_ == buyers.params_).all()
