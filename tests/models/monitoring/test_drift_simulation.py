"""Histories at two dates: their likelihood, the model's own story, and samples of a base."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.monitoring.drift_simulation import Change, Histories, log_likelihoods, log_scores, simulate_two_dates
from models.purchases.bg_nbd_likelihood import count_sufficient_statistics, log_likelihood_and_derivatives
from models.scoring.bg_nbd import expected_purchases, new_customer_expected_purchases
from models.scoring.parameters import PurchaseParameters

SHOPS = [PurchaseParameters(0.8, 40.0, 0.7, 3.0), PurchaseParameters(0.5, 30.0, 0.9, 1.6, m=1)]
shops = pytest.mark.parametrize("parameters", SHOPS, ids=["BG/NBD", "MBG/NBD"])


@pytest.fixture
def sample(cdnow_sample):
    return Histories(*(cdnow_sample[name].to_numpy(float) for name in ("frequency", "recency", "T")))


@shops
def test_log_likelihoods_and_scores_are_the_parts_of_the_sum_and_of_its_gradient(sample, parameters):
    each = log_likelihoods(sample, parameters)
    assert each.shape == (2357,)
    statistics = count_sufficient_statistics(sample.x, sample.t_x, sample.T)
    total, gradient, _ = log_likelihood_and_derivatives(parameters, statistics)
    assert_allclose(each.sum(), total, rtol=1e-12)
    assert_allclose(log_scores(sample, parameters).sum(axis=0), gradient, rtol=1e-5)


@shops
def test_the_story_has_the_purchases_that_the_formulas_expect_at_both_dates(parameters, rng):
    then, now = np.repeat([0.0, 60.0, 200.0], 30_000), np.repeat([45.0, 150.0, 230.0], 30_000)
    story = simulate_two_dates(then, now, parameters, rng)
    for history, ages in ((story.then, then), (story.now, now)):
        error = history.x - new_customer_expected_purchases(ages, parameters)
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(error.size)
        assert ((history.t_x <= ages) & ((history.x == 0) == (history.t_x == 0))).all()
    surprise = story.surprise
    assert abs(surprise.mean()) < 4 * surprise.std() / np.sqrt(surprise.size)
    # The mean of later purchases is their expectation given the history at the first date.
    came = story.now.x - story.then.x
    assert (came >= 0).all()
    error = came - expected_purchases(now - then, story.then.x, story.then.t_x, then, parameters)
    for group in (then == 0, story.then.x == 0, story.then.x > 2):
        assert abs(error[group].mean()) < 4 * error[group].std() / np.sqrt(group.sum())


@shops
def test_scores_of_the_story_have_mean_zero(parameters, rng):
    ages = np.full(50_000, 180.0)
    scores = log_scores(simulate_two_dates(ages / 2, ages, parameters, rng).now, parameters)
    assert (abs(scores.mean(axis=0)) < 4 * scores.std(axis=0) / np.sqrt(ages.size)).all()


@pytest.mark.filterwarnings("error")
def test_who_hardly_ever_buys_waits_without_a_warning(rng):
    # Rates of so small a shape lie next to 0, and some waiting times are beyond all numbers.
    hardly = PurchaseParameters(0.013, 20.0, 0.1, 0.3)
    story = simulate_two_dates(np.full(20_000, 30.0), np.full(20_000, 90.0), hardly, rng)
    assert np.isfinite(story.surprise).all()
    assert (story.now.t_x <= 90.0).all()
    assert (story.now.x == 0).mean() > 0.9


def test_a_sample_stands_for_the_base():
    # 300 existing customers, 100 new ones; ages in no order.
    existing = np.array([True, False, True, True, False])
    T = np.array([90.0, 10.0, 40.0, 60.0, 5.0])
    customers = np.array([100.0, 60.0, 150.0, 50.0, 40.0])
    now = Histories(np.arange(5.0), np.arange(5.0), T)
    then = Histories(*(np.where(existing, column, 0.0) for column in (now.x, now.t_x, T - 30)))
    base = Change(then, now, existing, customers)
    drawn = base.sample(4000, np.random.default_rng(0))
    assert (base.total, base.total_existing) == (400, 300)
    assert_allclose([drawn.total, drawn.total_existing], [400, 300])
    for age, number in zip(T, customers, strict=True):
        assert_allclose(drawn.customers[age == drawn.now.T].sum(), number)
    for stratum in (drawn.existing, ~drawn.existing):
        assert (np.diff(drawn.now.T[stratum]) >= 0).all()
