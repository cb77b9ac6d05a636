"""The same fits by us and by lifetimes: one likelihood, one optimum, on real, example and simulated purchases.

lifetimes stops where its optimiser says so, a little short of the optimum: ours must never be lower, and must have the
smaller gradient.
"""

import warnings

import lifetimes
import numpy as np
import pytest
from lifetimes.datasets import load_transaction_data
from lifetimes.utils import summary_data_from_transaction_data
from numpy.testing import assert_allclose

from models.purchases.bg_nbd import BetaGeoModel, ModifiedBetaGeoModel
from models.purchases.bg_nbd_likelihood import count_sufficient_statistics, log_likelihood_and_derivatives
from models.purchases.gamma_gamma import GammaGammaModel
from models.purchases.gamma_gamma_likelihood import SpendHistories
from models.purchases.gamma_gamma_likelihood import log_likelihood_and_derivatives as spend_derivatives
from models.scoring.parameters import PurchaseParameters, SpendParameters
from tests.models.simulated_purchases import simulate_purchases


@pytest.fixture(scope="module")
def example():
    """The example transactions of lifetimes, up to the end of 2014."""
    transactions = load_transaction_data()
    return summary_data_from_transaction_data(transactions, "id", "date", observation_period_end="2014-12-31")


@pytest.fixture(scope="module")
def simulated():
    """5,000 customers of two years in days, with spend."""
    rng = np.random.default_rng(11)
    shop = simulate_purchases(rng.integers(100, 730, 5000), PurchaseParameters(0.6, 45.0, 0.8, 2.8), rng)
    shop["recency"] = np.ceil(shop["recency"])
    x = np.maximum(shop["frequency"], 1)
    shop["monetary_value"] = np.where(shop["frequency"] > 0, rng.gamma(6 * x) / (x * rng.gamma(4, 1 / 15, 5000)), 0.0)
    return shop


def slope(parameters, statistics):
    """Largest entry of the gradient of the mean log-likelihood by the log parameters."""
    return np.abs(log_likelihood_and_derivatives(parameters, statistics)[1]).max() / statistics.customers


@pytest.mark.parametrize("source", ["cdnow_sample", "cdnow_master", "example", "simulated"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(BetaGeoModel, lifetimes.BetaGeoFitter), (ModifiedBetaGeoModel, lifetimes.ModifiedBetaGeoFitter)],
)
def test_purchases(request, source, ours, theirs):
    summary = request.getfixturevalue(source)
    columns = [summary[name] for name in ("frequency", "recency", "T")]
    statistics = count_sufficient_statistics(*columns)
    mine = ours().fit(*columns)
    # lifetimes fits sufficient statistics too, in a fraction of the time.
    peer = theirs().fit(statistics.x, statistics.t_x, statistics.T, statistics.weights)
    there = PurchaseParameters(*peer.params_[["r", "alpha", "a", "b"]], mine.parameters.m)
    reached = log_likelihood_and_derivatives(there, statistics)[0]
    assert_allclose(mine.log_likelihood_, reached, rtol=1e-6)
    assert mine.log_likelihood_ >= reached - 1e-9 * abs(reached)
    # One likelihood: what lifetimes says of its own optimum, in its unit of time.
    scaled = -peer._negative_log_likelihood_ * statistics.customers + statistics.weights @ statistics.x * np.log(
        peer._scale
    )
    assert_allclose(reached, scaled, rtol=1e-9)
    assert slope(mine.parameters, statistics) < 1e-9
    assert slope(mine.parameters, statistics) < slope(there, statistics)
    assert_allclose(mine.params_, peer.params_, rtol=1e-3)


@pytest.mark.parametrize("source", ["cdnow_sample", "cdnow_master", "simulated"])
def test_spend(request, source):
    summary = request.getfixturevalue(source)
    priced = summary[(summary["frequency"] > 0) & (summary["monetary_value"] > 0)]
    x, m = priced["frequency"].to_numpy(float), priced["monetary_value"].to_numpy()
    mine = GammaGammaModel().fit(x, m)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = lifetimes.GammaGammaFitter().fit(x, m)
    histories = SpendHistories(x, m, np.ones(x.size))
    reached, their_slopes, _ = spend_derivatives(SpendParameters(*peer.params_[["p", "q", "v"]]), histories)
    assert_allclose(mine.log_likelihood_, reached, rtol=1e-6)
    assert mine.log_likelihood_ >= reached - 1e-9 * abs(reached)
    our_slopes = spend_derivatives(mine.parameters, histories)[1]
    assert np.abs(our_slopes).max() < np.abs(their_slopes).max()
    assert np.abs(our_slopes).max() / x.size < 1e-9
    assert_allclose(mine.params_, peer.params_, rtol=1e-3)
