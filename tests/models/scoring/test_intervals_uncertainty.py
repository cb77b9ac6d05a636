"""What the parameters' own uncertainty adds to a customer's intervals, beside plain simulation of both."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.gamma_gamma import GammaGammaModel
from models.scoring.bg_nbd import DAYS_PER_YEAR, p_alive
from models.scoring.columns import PURCHASE_COLUMNS
from models.scoring.intervals.revenue_and_value import clv_interval, revenue_interval
from models.scoring.intervals.traits import ParameterSets, _even_normal_draws
from models.scoring.parameters import PurchaseParameters, SpendParameters, Uncertainty
from models.scoring.scorer import Scorer
from tests.models.simulated_purchases import simulate_purchases

HORIZON, YEAR = 90.0, 365.0


@pytest.fixture(scope="module")
def fitted():
    """Both models fitted on so many simulated customers: parameters, spend and what they are uncertain by."""

    def fit(customers):
        rng = np.random.default_rng(0)
        T = rng.integers(100, 731, customers).astype(float)
        lived = simulate_purchases(T, PurchaseParameters(0.9, 60.0, 0.8, 3.0), rng)
        x = lived["frequency"].to_numpy()
        nu = rng.gamma(3.74, 1 / 15.44, customers)
        m = np.where(x > 0, rng.gamma(6.25 * np.maximum(x, 1)) / np.maximum(x, 1) / nu, 0.0)
        purchases, spend = BetaGeoModel().fit(x, lived["recency"], T), GammaGammaModel().fit(x, m)
        uncertainty = Uncertainty(purchases.log_covariance, spend.log_covariance)
        return purchases.parameters, spend.parameters, uncertainty

    return {customers: fit(customers) for customers in (60, 300)}


def simulated(x, t_x, T, spend_x, spend_m, purchase, spend, uncertainty, n=400_000):
    """Draw parameters for each of n lives of one customer, then the lives: revenue and worth, 0 where they left."""
    rng = np.random.default_rng(3)
    by_purchases = rng.multivariate_normal(np.zeros(4), uncertainty.purchases, n).T
    by_spend = rng.multivariate_normal(np.zeros(3), uncertainty.spend, n).T
    r, alpha, a, b = np.exp(np.log([[purchase.r], [purchase.alpha], [purchase.a], [purchase.b]]) + by_purchases)
    p, q, v = np.exp(np.log([[spend.p], [spend.q], [spend.v]]) + by_spend)
    odds = a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x) if x else 0.0
    alive = rng.random(n) < 1 / (1 + odds)
    rate, dropout = rng.gamma(r + x) / (alpha + T), rng.beta(a, b + x)
    nu = rng.gamma(np.maximum(q, 1.0) + p * spend_x) / (v + spend_x * spend_m)
    leaves = rng.exponential(size=n) / np.maximum(rate * dropout, 1e-300)
    count = rng.poisson(rate * (1 - dropout) * np.minimum(leaves, HORIZON)) + (leaves < HORIZON)
    fade = np.log(1.1) / DAYS_PER_YEAR + rate * dropout
    return alive * rng.gamma(p * count) / nu, alive * p / nu * rate * -np.expm1(-fade * YEAR) / fade


CUSTOMERS = {  # x, t_x, T, days with a price, their mean
    "one-time buyer": (0, 0, 600, 0, 0.0),
    "small spender": (1, 40, 300, 1, 10.0),
    "probably left": (3, 120, 400, 3, 40.0),
    "large spender": (6, 300, 330, 6, 100.0),
    "regular": (20, 300, 310, 20, 25.0),
    "between frequencies": (47, 600, 620, 47, 25.0),
    "some days without a price": (30, 395, 400, 10, 25.0),
    "no price known": (5, 140, 150, 0, 0.0),
}


@pytest.mark.parametrize("customers", [60, 300])
@pytest.mark.parametrize("name", CUSTOMERS)
def test_intervals_equal_plain_simulation_over_parameters_and_lives(name, customers, fitted):
    purchase, spend, uncertainty = fitted[customers]
    revenue, worth = simulated(*CUSTOMERS[name], purchase, spend, uncertainty)
    options = {"uncertainty": uncertainty, "draws": 20_000}
    low, high = revenue_interval(HORIZON, *CUSTOMERS[name], purchase, spend, **options)
    assert_allclose([low[0], high[0]], np.quantile(revenue, [0.05, 0.95]), rtol=0.05, atol=0.5)
    low, clv, high = clv_interval(YEAR, 0.1, *CUSTOMERS[name], purchase, spend, **options)
    lowest, highest = np.quantile(worth, [0.05, 0.95])
    assert_allclose(high[0], max(highest, clv[0]), rtol=0.05)
    assert_allclose(low[0], lowest, rtol=0.08, atol=2e-3 * clv[0])


def test_parameters_known_better_widen_less(fitted):
    x, t_x, T = np.array([0, 1, 4, 12, 40.0]), np.array([0, 90, 280, 290, 299.0]), np.full(5, 300.0)
    purchase, spend, uncertainty = fitted[60]
    columns = (YEAR, 0.1, x, t_x, T, x, np.where(x > 0, 30.0, 0.0), purchase, spend)

    def width(factor):
        shrunk = Uncertainty(factor * uncertainty.purchases, factor * uncertainty.spend)
        low, clv, high = clv_interval(*columns, uncertainty=shrunk)
        return (high - low) / clv

    known = clv_interval(*columns)
    widths = np.array([width(factor) for factor in (0.0, 0.005, 1.0)])
    # Of 60 customers a good deal; of 12,000 nothing that matters.
    assert_allclose(widths[0], (known[2] - known[0]) / known[1], rtol=0.01)
    assert_allclose(widths[1], widths[0], rtol=0.05)
    assert (widths[2] > 1.02 * widths[0]).all()


def test_an_interval_does_not_depend_on_who_is_scored_beside(fitted):
    purchase, spend, uncertainty = fitted[300]
    lived = simulate_purchases(np.full(300, 400.0), purchase, np.random.default_rng(1))
    x, t_x, T = (lived[name].to_numpy(copy=True) for name in ("frequency", "recency", "T"))
    x[:3] = 33, 61, 5000
    spend_x, m = np.where(np.arange(300) % 5 == 0, np.floor(x / 2), x), np.where(x > 0, 20.0, 0.0)
    together = revenue_interval(HORIZON, x, t_x, T, spend_x, m, purchase, spend, uncertainty=uncertainty)
    worth = clv_interval(YEAR, 0.1, x, t_x, T, spend_x, m, purchase, spend, uncertainty=uncertainty)
    for row in (0, 2, 5, 100):
        one = (x[row], t_x[row], T[row], spend_x[row], m[row], purchase, spend)
        alone = revenue_interval(HORIZON, *one, uncertainty=uncertainty)
        assert_array_equal(np.ravel(alone), [end[row] for end in together])
        alone = clv_interval(YEAR, 0.1, *one, uncertainty=uncertainty)
        assert_array_equal(np.ravel(alone), [end[row] for end in worth])


def test_a_scorer_passes_on_what_its_parameters_are_uncertain_by(a_scorer, fitted):
    covariances = fitted[60][2]
    features = pd.DataFrame([(4.0, 280.0, 300.0, 4.0, 30.0), (0.0, 0.0, 50.0, 0.0, 0.0)], columns=PURCHASE_COLUMNS)
    stored = {"purchases": covariances.purchases.tolist(), "spend": covariances.spend.tolist()}
    scorer = Scorer(a_scorer(uncertainty=stored))
    scores = scorer.score(features)
    columns = (*(features[name].to_numpy() for name in PURCHASE_COLUMNS), scorer.purchases, scorer.spend)
    low, clv, high = clv_interval(YEAR, 0.1, *columns, uncertainty=covariances)
    assert_array_equal(scores[["clv_low", "clv", "clv_high"]], np.column_stack([low, clv, high]))
    low, high = revenue_interval(HORIZON, *columns, uncertainty=covariances)
    assert_array_equal(scores[["revenue_low", "revenue_high"]], np.column_stack([low, high]))
    known = Scorer(a_scorer(uncertainty=None)).score(features)
    assert (scores["clv_high"] != known["clv_high"]).all()


def test_what_is_hardly_known_at_all_still_gives_an_interval():
    purchase, spend = PurchaseParameters(0.5, 60.0, 0.8, 2.5), SpendParameters(6.0, 1.0001, 15.0)
    held = np.diag([25.0, 0.0, 25.0])
    x, t_x, T = np.array([0, 0, 2, 40, 20_000.0]), np.array([0, 0, 30, 100, 700.0]), np.array([0, 900, 300, 101, 700.0])
    columns = (x, t_x, T, x, np.where(x > 0, 20.0, 0.0), purchase, spend)
    for uncertainty in (Uncertainty(25 * np.eye(4), held), Uncertainty(), Uncertainty(spend=1e6 * held)):
        low, high = revenue_interval(HORIZON, *columns, uncertainty=uncertainty)
        worst, clv, best = clv_interval(YEAR, 0.1, *columns, uncertainty=uncertainty)
        assert np.isfinite([low, high, worst, clv, best]).all()
        assert (low >= 0).all() and (low <= high).all()
        assert (worst >= 0).all() and (worst <= clv).all() and (clv <= best).all()
    sets = ParameterSets.of(purchase, spend, Uncertainty(25 * np.eye(4), np.diag([0.0, 1.0, 0.0])))
    assert sets.q.min() > 1 and np.ptp(sets.p) < 1e-12 and sets.r.std() > sets.r.mean()


def test_parameter_draws_have_the_moments_and_the_shape_of_a_normal():
    draws = _even_normal_draws(7)
    assert_allclose(draws.mean(axis=0), 0, atol=1e-12)
    assert_allclose(draws.T @ draws / len(draws), np.eye(7), atol=1e-12)
    assert all(kstest(column, "norm").statistic < 0.03 for column in draws.T)
    covariance = np.array([[0.04, 0.01, 0, 0], [0.01, 0.09, 0.02, 0], [0, 0.02, 0.25, 0.1], [0, 0, 0.1, 0.16]])
    uncertainty = Uncertainty(purchases=covariance)
    sets = ParameterSets.of(PurchaseParameters(0.5, 60.0, 0.8, 2.5), SpendParameters(6.0, 4.0, 15.0), uncertainty)
    drawn = np.log([sets.r, sets.alpha, sets.a, sets.b])
    assert_allclose(drawn.mean(axis=1), np.log([0.5, 60.0, 0.8, 2.5]), atol=1e-12)
    assert_allclose(np.cov(drawn, bias=True), covariance, atol=1e-12)
    assert np.ptp(sets.v) == 0


def test_the_atom_at_zero_counts_the_chance_of_having_left_under_all_parameters(fitted):
    """Where the fitted P(alive) is below the tail but its mean over parameters is above, the upper end is not zero."""
    purchase, spend, uncertainty = fitted[60]
    uncertainty = Uncertainty(4 * uncertainty.purchases, 4 * uncertainty.spend)
    customer = (3, 80, 400, 3, 40.0)
    _, worth = simulated(*customer, purchase, spend, uncertainty)
    assert float(p_alive(*customer[:3], purchase)) < 0.05 < (worth > 0).mean()
    columns = (YEAR, 0.1, *customer, purchase, spend)
    _, clv, high = clv_interval(*columns, uncertainty=uncertainty, draws=20_000)
    assert clv_interval(*columns)[2][0] == clv[0]
    assert_allclose(high[0], np.quantile(worth, 0.95), rtol=0.08)


def test_odds_of_having_left_from_elsewhere_count_whoever_the_customer_is():
    """With nothing uncertain the weighted reading is the plain one, for one-time buyers as for others."""
    purchase, spend = PurchaseParameters(0.5, 60.0, 0.8, 2.5), SpendParameters(6.0, 4.0, 15.0)
    columns = (np.array([0, 0, 4.0]), np.array([0, 0, 100.0]), np.full(3, 200.0), [0, 0, 4], [0.0, 0.0, 30.0])
    odds = np.array([0.0, 2.0, 1.0])
    known, weighted = (
        clv_interval(YEAR, 0.1, *columns, purchase, spend, uncertainty=uncertainty, log_odds_left=odds)
        for uncertainty in (None, Uncertainty(purchases=np.zeros((4, 4))))
    )
    assert_allclose(weighted, known, rtol=0.02)
    assert (known[2] > known[1]).all() and known[2][0] > known[2][1]
