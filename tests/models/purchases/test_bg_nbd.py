"""BG/NBD: reference fits on CDNOW, the interface of lifetimes, and what is said where the data lack something."""

import matplotlib

matplotlib.use("Agg")

import lifetimes.plotting
import matplotlib.pyplot as plt
import numpy as np
import pytest
from lifetimes import BetaGeoFitter
from numpy.testing import assert_allclose

from data.errors import InputError
from models.purchases.bg_nbd import BetaGeoModel, SufficientStatistics, count_sufficient_statistics, simulate_purchases
from models.purchases.bg_nbd_likelihood import log_likelihood
from models.scoring.bg_nbd import new_customer_p_none
from models.scoring.parameters import PurchaseParameters

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
    assert sample_fit._negative_log_likelihood_ <= theirs._negative_log_likelihood_ + 1e-12
    assert list(sample_fit.summary.columns) == list(theirs.summary.columns)
    assert_allclose(sample_fit.summary, theirs.summary, rtol=5e-3)


def test_time_may_be_in_days(cdnow_sample, sample_fit):
    x, t_x, T = histories(cdnow_sample)
    days = BetaGeoModel().fit(x, t_x * 7, T * 7)
    assert_allclose(days.params_, sample_fit.params_ * [1, 7, 1, 1], rtol=1e-6)
    assert_allclose(days.log_likelihood_, sample_fit.log_likelihood_ - x.sum() * np.log(7), rtol=1e-10)


def test_patterns_hold_every_customer_once(cdnow_sample):
    patterns = count_sufficient_statistics(*histories(cdnow_sample))
    assert patterns.customers == 2357
    assert patterns.weights @ patterns.x == cdnow_sample["frequency"].sum()
    assert patterns.x.size < 2357
    assert patterns.frequencies[1].sum() == 2357


def test_order_and_counting_do_not_change_a_bit(cdnow_sample, sample_fit):
    shuffled = cdnow_sample.sample(frac=1, random_state=3)
    assert (BetaGeoModel().fit(*histories(shuffled)).params_ == sample_fit.params_).all()
    patterns = count_sufficient_statistics(*histories(cdnow_sample))
    counted = BetaGeoModel().fit(patterns.x, patterns.t_x, patterns.T, patterns.weights)
    assert (counted.params_ == sample_fit.params_).all()
    assert_allclose(counted.variance_matrix_, sample_fit.variance_matrix_, rtol=1e-12)


def test_patterns_are_fitted_like_the_customers_they_stand_for(cdnow_sample, sample_fit):
    patterns = count_sufficient_statistics(*histories(cdnow_sample))
    fit = BetaGeoModel().fit_patterns(patterns)
    assert (fit.params_ == sample_fit.params_).all() and fit.log_likelihood_ == sample_fit.log_likelihood_
    assert (fit.variance_matrix_ == sample_fit.variance_matrix_).all(axis=None)
    assert fit.data["weights"].sum() == 2357 and len(fit.data) == patterns.x.size
    # Out of order and with one pattern in two rows.
    columns = [np.append(column, column[:1])[::-1] for column in (patterns.x, patterns.t_x, patterns.T)]
    weights = np.append(patterns.weights, 1.0)[::-1]
    weights[-1] -= 1.0
    untidy = BetaGeoModel().fit_patterns(SufficientStatistics(*columns, weights))
    assert (untidy.params_ == fit.params_).all() and len(untidy.data) == len(fit.data) + 1
    with pytest.raises(InputError, match="recency must lie between 0 and T"):
        BetaGeoModel().fit_patterns(SufficientStatistics(patterns.x, patterns.T, patterns.t_x, patterns.weights))


def test_many_patterns_begin_with_some_and_end_at_the_optimum_of_all():
    rng = np.random.default_rng(2)
    shop = simulate_purchases(rng.uniform(100, 700, 90_000), SHOP, rng)
    patterns = count_sufficient_statistics(*histories(shop))
    assert patterns.x.size > 50_000
    fit = BetaGeoModel().fit_patterns(patterns)
    assert (np.abs(fit.params_ - [0.8, 40.0, 0.7, 3.0]) < 4 * fit.standard_errors_).all()
    assert_allclose(fit.log_likelihood_, log_likelihood(fit.parameters, *histories(shop)), rtol=1e-12)
    shuffled = shop.sample(frac=1, random_state=1)
    assert (BetaGeoModel().fit(*histories(shuffled)).params_ == fit.params_).all()
    step = np.linalg.cholesky(fit.log_covariance)
    near = [PurchaseParameters(*np.exp(np.log(fit.params_) + sign * move)) for move in step.T for sign in (1, -1)]
    # A standard error away along any axis costs half a unit of log-likelihood: a bowl, and its bottom.
    costs = [fit.log_likelihood_ - log_likelihood(at, *histories(shop)) for at in near]
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
    half = 1.96 * sample_fit.standard_errors_
    assert_allclose(sample_fit.confidence_intervals_["upper 95% bound"], sample_fit.params_ + half)


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


def test_given_start_and_verbose(cdnow_sample, sample_fit, capsys):
    fit = BetaGeoModel().fit(*histories(cdnow_sample), initial_params=np.zeros(4), verbose=True)
    assert_allclose(fit.params_, sample_fit.params_, rtol=1e-6)
    assert "determined=True" in capsys.readouterr().out


# --- The interface of lifetimes ---


def test_predictions_keep_the_index_and_equal_lifetimes(cdnow_sample, sample_fit):
    theirs = BetaGeoFitter()
    theirs.params_ = sample_fit.params_
    some = cdnow_sample.head(200)
    predicted = sample_fit.predict(39, *histories(some))
    assert predicted.index.equals(some.index)
    expected = theirs.conditional_expected_number_of_purchases_up_to_time(39, *histories(some))
    assert_allclose(predicted, expected, rtol=1e-8)
    assert_allclose(
        sample_fit.conditional_probability_alive(*histories(some)),
        theirs.conditional_probability_alive(*histories(some)),
        rtol=1e-12,
    )
    assert_allclose(sample_fit.predict(39, 2, 30.43, 38.86), 1.2259, atol=1e-4)
    times = np.linspace(1, 80, 5)
    assert_allclose(
        sample_fit.expected_number_of_purchases_up_to_time(times),
        theirs.expected_number_of_purchases_up_to_time(times),
        rtol=1e-9,
    )
    data = cdnow_sample.assign(weights=1)[["frequency", "recency", "T", "weights"]]
    assert_allclose(sample_fit.data, data)
    assert "BetaGeoModel" in repr(sample_fit)


def test_counts_of_purchases_are_a_distribution(sample_fit):
    theirs = BetaGeoFitter()
    theirs.params_ = sample_fit.params_
    ours = np.array([sample_fit.probability_of_n_purchases_up_to_time(39, n) for n in range(400)])
    assert_allclose(ours[:20], [theirs.probability_of_n_purchases_up_to_time(39, n) for n in range(20)], rtol=1e-6)
    assert_allclose(ours.sum(), 1.0, rtol=1e-6)
    assert_allclose(ours[0], new_customer_p_none(39, sample_fit.parameters), rtol=1e-12)
    mean = sample_fit.expected_number_of_purchases_up_to_time(39.0)
    assert_allclose(ours @ np.arange(400), mean, rtol=1e-5)


def test_generated_customers_follow_the_model(sample_fit):
    new = sample_fit.generate_new_data(size=20_000)
    assert new.equals(sample_fit.generate_new_data(size=20_000))
    assert not new.equals(sample_fit.generate_new_data(size=20_000, seed=1))
    assert ((new["recency"] <= new["T"]) & ((new["frequency"] > 0) == (new["recency"] > 0))).all()
    expected = sample_fit.expected_number_of_purchases_up_to_time(new["T"])
    error = new["frequency"].std() / np.sqrt(20_000)
    assert abs(new["frequency"].mean() - expected.mean()) < 4 * error
    alive = sample_fit.conditional_probability_alive(*histories(new))
    assert abs(new["alive"].mean() - alive.mean()) < 4 * np.sqrt(0.25 / 20_000)


def test_modified_customers_may_leave_at_once(rng):
    parameters = PurchaseParameters(0.8, 40.0, 2.0, 2.0, m=1)
    shop = simulate_purchases(np.full(20_000, 1e6), parameters, rng)
    assert abs((shop["frequency"] == 0).mean() - 0.5) < 0.02


@pytest.fixture(scope="module")
def small_fit(sample_fit):
    """The sample's fit on few and young customers, so that matrices stay small."""
    young = sample_fit.data[(sample_fit.data["T"] < 30) & (sample_fit.data["frequency"] < 6)]
    fit = BetaGeoModel()
    fit.__dict__.update(sample_fit.__dict__)
    fit.data = young
    return fit


def plot_of(name, model, transactions):
    plot = getattr(lifetimes.plotting, name)
    if name == "plot_calibration_purchases_vs_holdout_purchases":
        # lifetimes' own splitter fails on today's pandas; the plot reads the columns only.
        split = model.data.add_suffix("_cal").assign(frequency_holdout=1.0, duration_holdout=39.0)
        return plot(model, split)
    if name in ("plot_cumulative_transactions", "plot_incremental_transactions"):
        return plot(model, transactions, "date", "customer_id", 60, 40, freq="W")
    return plot(model)


@pytest.mark.parametrize(
    "name",
    [
        "plot_period_transactions",
        "plot_calibration_purchases_vs_holdout_purchases",
        "plot_frequency_recency_matrix",
        "plot_probability_alive_matrix",
        "plot_cumulative_transactions",
        "plot_incremental_transactions",
        "plot_transaction_rate_heterogeneity",
        "plot_dropout_rate_heterogeneity",
    ],
)
def test_plots_of_lifetimes_run(name, small_fit, cdnow_transactions):
    axes = plot_of(name, small_fit, cdnow_transactions)
    assert axes.get_title() or axes.figure.get_suptitle()
    assert axes.lines or axes.images or axes.patches
    plt.close("all")


def test_options_of_the_minimiser_are_refused(cdnow_sample):
    with pytest.raises(TypeError, match="maxiter"):
        BetaGeoModel().fit(*histories(cdnow_sample), maxiter=3)


def test_a_model_not_fitted_says_so():
    with pytest.raises(ValueError, match="not been fit"):
        BetaGeoModel().predict(10, 1, 5, 10)
