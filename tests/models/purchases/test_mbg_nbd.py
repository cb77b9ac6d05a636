"""MBG/NBD: reference fits on CDNOW, formulas with m = 1, and errors that name it."""

import numpy as np
import pytest
from lifetimes import ModifiedBetaGeoFitter
from numpy.testing import assert_allclose

from data.errors import InputError
from models.purchases.bg_nbd import BetaGeoModel, ModifiedBetaGeoModel
from models.scoring.bg_nbd import new_customer_expected_purchases, p_alive
from models.scoring.parameters import PurchaseParameters
from tests.models.simulated_purchases import simulate_purchases


def histories(summary):
    return summary["frequency"], summary["recency"], summary["T"]


@pytest.fixture(scope="module")
def sample_fit(cdnow_sample):
    return ModifiedBetaGeoModel().fit(*histories(cdnow_sample))


def test_reference_fit_of_the_sample(sample_fit):
    assert_allclose(sample_fit.params_, [0.52484, 6.18308, 0.89136, 1.6140], rtol=5e-5)
    assert_allclose(sample_fit.standard_errors_, [0.0833, 0.696, 0.155, 0.538], rtol=2e-3)
    assert_allclose(sample_fit.log_likelihood_, -9582.136, atol=0.001)
    assert sample_fit.parameters.m == 1


def test_reference_fit_of_the_master(cdnow_master):
    fit = ModifiedBetaGeoModel().fit(*histories(cdnow_master))
    assert_allclose(fit.params_, [0.63714, 7.31029, 0.80747, 1.22839], rtol=1e-5)
    assert_allclose(fit.standard_errors_, [0.036, 0.293, 0.038, 0.112], rtol=2e-2)
    assert_allclose(fit.log_likelihood_, -95336.96, atol=0.005)


def test_formulas_equal_lifetimes(cdnow_sample, sample_fit):
    theirs = ModifiedBetaGeoFitter()
    theirs.params_ = sample_fit.params_
    first_customers = cdnow_sample.head(200)
    expected = theirs.conditional_expected_number_of_purchases_up_to_time(39, *histories(first_customers))
    assert_allclose(sample_fit.predict(39, *histories(first_customers)), expected, rtol=1e-8)
    alive = theirs.conditional_probability_alive(*histories(first_customers))
    assert_allclose(p_alive(*histories(first_customers), sample_fit.parameters), alive, rtol=1e-12)
    times = np.linspace(1, 80, 5)
    expected = theirs.expected_number_of_purchases_up_to_time(times)
    assert_allclose(new_customer_expected_purchases(times, sample_fit.parameters), expected, rtol=1e-9)


def test_a_one_time_buyer_may_have_left(sample_fit):
    alive = p_alive([0, 0], [0, 0], [1, 38], sample_fit.parameters)
    assert 1 > alive[0] > alive[1] > 0


def test_simulated_customers_follow_the_model(cdnow_sample, sample_fit, rng):
    new = simulate_purchases(np.resize(cdnow_sample["T"], 20_000), sample_fit.parameters, rng)
    expected = new_customer_expected_purchases(new["T"], sample_fit.parameters)
    assert abs(new["frequency"].mean() - expected.mean()) < 4 * new["frequency"].std() / np.sqrt(20_000)
    alive = p_alive(*histories(new), sample_fit.parameters)
    assert abs(new["alive"].mean() - alive.mean()) < 4 * np.sqrt(0.25 / 20_000)


def test_customers_who_may_leave_at_once_do(rng):
    shop = simulate_purchases(np.full(20_000, 1e6), PurchaseParameters(0.8, 40.0, 2.0, 2.0, m=1), rng)
    assert abs((shop["frequency"] == 0).mean() - 0.5) < 0.02


def test_truth_is_recovered(rng):
    truth = PurchaseParameters(0.8, 40.0, 0.7, 3.0, m=1)
    shop = simulate_purchases(rng.uniform(100, 700, 20_000), truth, rng)
    modified = ModifiedBetaGeoModel().fit(*histories(shop))
    assert (np.abs(modified.params_ - [0.8, 40.0, 0.7, 3.0]) < 4 * modified.standard_errors_).all()
    assert modified.log_likelihood_ > BetaGeoModel().fit(*histories(shop)).log_likelihood_


def test_errors_name_the_model():
    for columns in ((np.zeros(50), np.zeros(50), np.arange(50)), ([], [], [])):
        with pytest.raises(InputError, match="MBG/NBD"):
            ModifiedBetaGeoModel().fit(*columns)
    assert "ModifiedBetaGeoModel" in repr(ModifiedBetaGeoModel())
