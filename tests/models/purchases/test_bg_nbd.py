"""BG/NBD: reference fits on CDNOW, the same from customers and from sufficient statistics, and lifetimes beside it."""

import matplotlib

matplotlib.use("Agg")

import lifetimes.plotting
import numpy as np
import pytest
from lifetimes import BetaGeoFitter
from numpy.testing import assert_allclose

from data.errors import InputError
from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.bg_nbd_likelihood import (
    SufficientStatistics,
    count_sufficient_statistics,
    log_likelihood_and_derivatives,
)
from models.scoring.bg_nbd import p_alive
from models.scoring.parameters import PurchaseParameters
from tests.models.simulated_purchases import simulate_purchases

SAMPLE = PurchaseParameters(0.242595, 4.413602, 0.792922, 2.425907)
# Simulated shops in days.
SHOP = PurchaseParameters(0.8, 40.0, 0.7, 3.0)


def histories(summary):
    return summary["frequency"], summary["recency"], summary["T"]


@pytest.fixture(scope="module")
def sample_fit(cdnow_sample):
    return BetaGeoModel().fit(*histories(cdnow_sample))


def test_reference_fit_of_the_sample(sample_fit):
    assert list(sample_fit.params_.index) == ["r", "alpha", "a", "b"]
    assert_allclose(sample_fit.params_, [0.2426, 4.4136, 0.7929, 2.4259], rtol=2e-4)
    assert_allclose(sample_fit.standard_errors_, [0.0126, 0.378, 0.186, 0.705], rtol=5e-3)
    assert_allclose(sample_fit.log_likelihood_, -9582.43, atol=0.005)


def test_reference_fit_of_the_master(cdnow_master):
    fit = BetaGeoModel().fit(*histories(cdnow_master))
    assert_allclose(fit.params_, [0.25162, 4.78894, 0.72343, 2.16109], rtol=2e-5)
    assert_allclose(fit.standard_errors_, [0.0042, 0.131, 0.054, 0.199], rtol=5e-3)
    assert_allclose(fit.log_likelihood_, -95368.44, atol=0.005)


def test_lifetimes_reaches_the_same_optimum(cdnow_sample, sample_fit):
    theirs = BetaGeoFitter().fit(*histories(cdnow_sample))
    assert_allclose(sample_fit.params_, theirs.params_, rtol=1e-3)
    assert_allclose(sample_fit.standard_errors_, theirs.standard_errors_, rtol=2e-3)
    assert list(sample_fit.summary.columns) == list(theirs.summary.columns)
    # Its intervals are normal in the parameters themselves, ours in their logarithms.
    estimates = ["coef", "se(coef)"]
    assert_allclose(sample_fit.summary[estimates], theirs.summary[estimates], rtol=5e-3)


def test_time_may_be_in_days(cdnow_sample, sample_fit):
    x, t_x, T = histories(cdnow_sample)
    days = BetaGeoModel().fit(x, t_x * 7, T * 7)
    assert_allclose(days.params_, sample_fit.params_ * [1, 7, 1, 1], rtol=1e-6)
    assert_allclose(days.log_likelihood_, sample_fit.log_likelihood_ - x.sum() * np.log(7), rtol=1e-10)


def test_sufficient_statistics_hold_every_customer_once(cdnow_sample):
    statistics = count_sufficient_statistics(*histories(cdnow_sample))
    assert statistics.customers == 2357
    assert statistics.weights @ statistics.x == cdnow_sample["frequency"].sum()
    assert statistics.x.size < 2357
    assert statistics.frequencies[1].sum() == 2357


def test_order_and_counting_do_not_change_a_bit(cdnow_sample, sample_fit):
    shuffled = cdnow_sample.sample(frac=1, random_state=3)
    assert (BetaGeoModel().fit(*histories(shuffled)).params_ == sample_fit.params_).all()
    statistics = count_sufficient_statistics(*histories(cdnow_sample))
    counted = BetaGeoModel().fit(statistics.x, statistics.t_x, statistics.T, statistics.weights)
    assert (counted.params_ == sample_fit.params_).all()
    assert_allclose(counted.variance_matrix_, sample_fit.variance_matrix_, rtol=1e-12)


def test_sufficient_statistics_are_fitted_like_the_customers_they_stand_for(cdnow_sample, sample_fit):
    statistics = count_sufficient_statistics(*histories(cdnow_sample))
    fit = BetaGeoModel().fit_sufficient_statistics(statistics)
    assert (fit.params_ == sample_fit.params_).all() and fit.log_likelihood_ == sample_fit.log_likelihood_
    assert (fit.variance_matrix_ == sample_fit.variance_matrix_).all(axis=None)
    # Out of order and with one history in two rows.
    columns = [np.append(column, column[:1])[::-1] for column in (statistics.x, statistics.t_x, statistics.T)]
    weights = np.append(statistics.weights, 1.0)[::-1]
    weights[-1] -= 1.0
    untidy = BetaGeoModel().fit_sufficient_statistics(SufficientStatistics(*columns, weights))
    assert (untidy.params_ == fit.params_).all()
    with pytest.raises(InputError, match="recency must lie between 0 and T"):
        BetaGeoModel().fit_sufficient_statistics(
            SufficientStatistics(statistics.x, statistics.T, statistics.t_x, statistics.weights)
        )


def test_many_distinct_histories_begin_with_some_and_end_at_the_optimum_of_all():
    rng = np.random.default_rng(2)
    shop = simulate_purchases(rng.uniform(100, 700, 90_000), SHOP, rng)
    statistics = count_sufficient_statistics(*histories(shop))
    assert statistics.x.size > 50_000
    fit = BetaGeoModel().fit_sufficient_statistics(statistics)
    assert (np.abs(fit.params_ - [0.8, 40.0, 0.7, 3.0]) < 4 * fit.standard_errors_).all()
    assert_allclose(fit.log_likelihood_, log_likelihood_and_derivatives(fit.parameters, statistics)[0], rtol=1e-12)
    shuffled = shop.sample(frac=1, random_state=1)
    assert (BetaGeoModel().fit(*histories(shuffled)).params_ == fit.params_).all()
    step = np.linalg.cholesky(fit.log_covariance)
    near = [PurchaseParameters(*np.exp(np.log(fit.params_) + sign * move)) for move in step.T for sign in (1, -1)]
    # A standard error away along any axis costs half a unit of log-likelihood: a bowl, and its bottom.
    costs = [fit.log_likelihood_ - log_likelihood_and_derivatives(at, statistics)[0] for at in near]
    assert_allclose(costs, 0.5, rtol=0.05)


def test_dropout_share_and_its_interval(sample_fit):
    a, b = sample_fit.params_[["a", "b"]]
    share, low, high = sample_fit.dropout_share
    assert_allclose(share, a / (a + b))
    draws = np.random.default_rng(0).multivariate_normal(np.log(sample_fit.params_), sample_fit.log_covariance, 400_000)
    shares = 1 / (1 + np.exp(draws[:, 3] - draws[:, 2]))
    assert_allclose([low, high], np.quantile(shares, [0.025, 0.975]), rtol=5e-3)


def test_covariance_is_symmetric_and_explains_the_intervals(sample_fit):
    covariance = sample_fit.variance_matrix_
    assert list(covariance.columns) == list(covariance.index) == ["r", "alpha", "a", "b"]
    assert_allclose(covariance, covariance.T, rtol=1e-12)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert_allclose(covariance / np.outer(sample_fit.params_, sample_fit.params_), sample_fit.log_covariance)
    assert_allclose(np.sqrt(np.diag(covariance)), sample_fit.standard_errors_)
    draws = np.random.default_rng(1).multivariate_normal(np.log(sample_fit.params_), sample_fit.log_covariance, 400_000)
    bounds = np.quantile(np.exp(draws), [0.025, 0.975], axis=0)
    assert_allclose(sample_fit.confidence_intervals_.to_numpy().T, bounds, rtol=5e-3)


def test_a_parameter_that_the_data_hardly_determine_still_has_positive_bounds(cdnow_sample):
    fit = BetaGeoModel().fit(*histories(cdnow_sample.iloc[:150]))
    assert (fit.params_ < 1.96 * fit.standard_errors_).any()
    assert (fit.confidence_intervals_["lower 95% bound"] > 0).all()


def test_covariance_is_that_of_lifetimes_second_derivatives(cdnow_sample, sample_fit):
    theirs = BetaGeoFitter().fit(*histories(cdnow_sample))
    scale = np.diag(sample_fit.params_)
    # Their Hessian comes from autograd; their own product with the parameters leaves out one side.
    covariance = scale @ np.linalg.inv(theirs._hessian_) @ scale / 2357
    errors = np.sqrt(np.diag(covariance))
    assert_allclose(
        sample_fit.variance_matrix_ / np.outer(errors, errors), covariance / np.outer(errors, errors), atol=2e-3
    )


def test_customers_of_one_age_are_enough(rng):
    shop = simulate_purchases(np.full(4000, 365.0), SHOP, rng)
    fit = BetaGeoModel().fit(*histories(shop))
    assert (np.abs(fit.params_ - [0.8, 40.0, 0.7, 3.0]) < 4 * fit.standard_errors_).all()


# --- lifetimes beside it ---


def test_predictions_keep_the_index_and_equal_lifetimes(cdnow_sample, sample_fit):
    theirs = BetaGeoFitter()
    theirs.params_ = sample_fit.params_
    first_customers = cdnow_sample.head(200)
    predicted = sample_fit.predict(39, *histories(first_customers))
    assert predicted.index.equals(first_customers.index)
    expected = theirs.conditional_expected_number_of_purchases_up_to_time(39, *histories(first_customers))
    assert_allclose(predicted, expected, rtol=1e-8)
    alive = p_alive(*histories(first_customers), sample_fit.parameters)
    assert_allclose(alive, theirs.conditional_probability_alive(*histories(first_customers)), rtol=1e-12)
    assert_allclose(sample_fit.predict(39, 2, 30.43, 38.86), 1.2259, atol=1e-4)
    assert repr(sample_fit).startswith("<BetaGeoModel: r 0.2426, alpha 4.414")


def test_plots_of_lifetimes_take_our_parameters(cdnow_sample, sample_fit):
    theirs = BetaGeoFitter()
    theirs.params_ = sample_fit.params_
    theirs.data = cdnow_sample[(cdnow_sample["T"] < 30) & (cdnow_sample["frequency"] < 6)]
    axes = lifetimes.plotting.plot_probability_alive_matrix(theirs)
    assert axes.images


def test_a_model_not_fitted_says_so():
    with pytest.raises(ValueError, match="BetaGeoModel has not been fitted"):
        BetaGeoModel().predict(10, 1, 5, 10)
    assert repr(BetaGeoModel()) == "<BetaGeoModel>"
