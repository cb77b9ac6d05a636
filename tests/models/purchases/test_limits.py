"""BG/NBD and MBG/NBD on their edges: likelihoods beside fifty digits, which edge is taken, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import nbinom

from models.purchases.bg_nbd import BetaGeoModel, ModifiedBetaGeoModel
from models.purchases.bg_nbd_likelihood import SufficientStatistics, count_sufficient_statistics
from models.purchases.limits import find_on_edge, fit_limit
from models.purchases.limits_likelihood import Family, log_likelihood_and_derivatives
from models.scoring.bg_nbd import discounted_purchases, expected_purchases, p_purchase
from models.scoring.parameters import PurchaseParameters
from tests.models.golden import limits
from tests.models.golden.likelihoods import HISTORIES, derivatives
from tests.models.golden.values import read
from tests.models.simulated_purchases import simulate_purchases

EXACT = read("limits")
MODELS = (BetaGeoModel, ModifiedBetaGeoModel)
# Stories of each edge, as numbers that the whole model takes.
NOBODY_LEAVES = PurchaseParameters(2.0, 80.0, 1e-9, 1.0)
ONE_RATE = PurchaseParameters(1e6, 2e7, 0.7, 3.0)
ONE_CHANCE = PurchaseParameters(0.8, 40.0, 1e6, 3e6)
AT_ONCE_OR_NEVER = PurchaseParameters(0.8, 40.0, 0.4e-6, 0.6e-6)


def histories(parameters, days=400.0, customers=800, seed=0):
    shop = simulate_purchases(np.full(customers, days), parameters, np.random.default_rng(seed))
    return shop["frequency"], shop["recency"], shop["T"]


@pytest.mark.parametrize("family", limits.families(), ids=limits.name_of)
def test_likelihood_gradient_and_hessian_equal_fifty_digits(family):
    for history, columns in HISTORIES.items():
        one = SufficientStatistics(*(np.array([value], dtype=float) for value in (*columns, 1.0)))
        ours = log_likelihood_and_derivatives(family, np.array(limits.point_of(family)), one)
        exact = derivatives(EXACT[f"likelihood, {limits.name_of(family)}: {history}"])
        for mine, theirs in zip(ours, exact, strict=True):
            assert_allclose(mine, theirs, rtol=1e-8, atol=1e-9, err_msg=history)


def test_the_whole_model_fits_where_it_is_true():
    for model in MODELS:
        fit = model().fit(*histories(PurchaseParameters(0.8, 40.0, 0.7, 3.0, model._m), customers=4000))
        assert fit.parameters.limits == fit.notes == () and list(fit.params_.index) == ["r", "alpha", "a", "b"]


@pytest.mark.parametrize(("model", "seed"), [(BetaGeoModel, 0), (ModifiedBetaGeoModel, 2)])
def test_where_nobody_leaves_the_fit_is_nbd(model, seed):
    x, t_x, T = histories(NOBODY_LEAVES, seed=seed)
    fit = model().fit(x, t_x, T)
    assert fit.name == "NBD" and fit.parameters.limits == ("nobody_leaves",)

    # NBD by another way: the negative binomial of scipy's form, maximised without derivatives.
    def minus_log_likelihood(logs):
        r, alpha = np.exp(logs)
        return -nbinom.logpmf(x, r, alpha / (alpha + T)).sum()

    peer = minimize(minus_log_likelihood, [0.5, 4.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    assert_allclose(fit.params_, np.exp(peer.x), rtol=1e-5)
    assert (np.abs(np.log(fit.params_ / [2.0, 80.0])) < 4 * fit.standard_errors_ / fit.params_).all()
    assert (fit.log_covariance[2:] == 0).all() and np.linalg.eigvalsh(fit.log_covariance[:2, :2]).min() > 0
    assert fit.dropout_share[:2] == (0.0, 0.0) and 0 < fit.dropout_share[2] < 0.02
    assert fit.notes[0].startswith("The data show nobody leaving: after a purchase at most")


def test_the_bound_of_the_chance_of_leaving_covers_the_truth_where_few_leave():
    # 0.5 % leave after a purchase: small shops often show nobody leaving, and the bound must not deny them.
    truth = PurchaseParameters(2.0, 80.0, 0.005e6, 0.995e6)
    bounds = []
    for seed in range(40):
        fit = BetaGeoModel().fit(*histories(truth, days=300.0, customers=60, seed=seed))
        bounds += [fit.dropout_share[2]] if fit.parameters.nobody_leaves else []
    assert len(bounds) > 5 and np.mean(np.array(bounds) > 0.005) >= 0.9


@pytest.mark.parametrize("m", [0, 1])
def test_each_edge_is_found_in_data_of_its_story(m):
    model = MODELS[m]
    cases = [(ONE_RATE, "equal_rates"), (ONE_CHANCE, "equal_dropout"), (AT_ONCE_OR_NEVER, "at_once_or_never")]
    for truth, limit in cases:
        fits = [model().fit(*histories(replace(truth, m=m), seed=seed)) for seed in range(4)]
        # Half of the samples from an edge have their optimum inside.
        assert any(limit in fit.parameters.limits for fit in fits), limit
        assert all(set(fit.parameters.limits) <= {limit} for fit in fits), limit
        for fit in fits:
            share = truth.a / (truth.a + truth.b)
            low, high = fit.dropout_share[1:]
            assert low - 0.1 < share < high + 0.1
            assert_allclose(fit.parameters.r / fit.parameters.alpha, truth.r / truth.alpha, rtol=0.25)


def test_errors_of_what_remains_are_those_of_repeated_samples():
    truth, family = replace(ONE_CHANCE, r=1e6, alpha=2e7), Family(True, "equal_dropout", 0)
    points, errors = [], []
    for seed in range(80):
        statistics = count_sufficient_statistics(*histories(truth, customers=300, seed=seed)).in_units_of(400.0)
        optimum = find_on_edge(family, statistics)
        points.append(optimum.point)
        errors.append(np.sqrt(np.diag(optimum.log_covariance)))
    points, errors = np.array(points), np.array(errors)
    assert_allclose(errors.mean(axis=0), points.std(axis=0, ddof=1), rtol=0.3)
    deviation = (points - [np.log(0.05 * 400), np.log(0.25 / 0.75)]) / errors
    assert (np.abs(deviation.mean(axis=0)) < 4 / np.sqrt(80)).all()
    assert (np.mean(np.abs(deviation) < 1.96, axis=0) > 0.87).all()
    # What a fit tells is the same on the scale of its parameters.
    fit = next(fit for fit in (BetaGeoModel().fit(*histories(truth, seed=seed)) for seed in range(20)) if fit.notes)
    assert (fit.summary["lower 95% bound"] < fit.params_).all() and (fit.summary["upper 95% bound"] > fit.params_).all()


@pytest.mark.parametrize("m", [0, 1])
def test_no_edge_lies_above_an_inner_optimum_and_none_is_missed(m):
    """The supremum by another way: the whole likelihood, searched far outside the bounds of the fit."""
    rng = np.random.default_rng(4)
    for _ in range(3):
        n = int(rng.integers(5, 40))
        truth = PurchaseParameters(*10 ** rng.uniform([-0.5, 1, -1, -1], [0.5, 2.5, 1, 1]), m)
        shop = simulate_purchases(rng.integers(30, 400, n), truth, rng)
        if not shop["frequency"].any():
            continue
        statistics = count_sufficient_statistics(shop["frequency"], shop["recency"], shop["T"])
        scaled = statistics.in_units_of(float(statistics.T.max()))
        fit = MODELS[m]().fit_sufficient_statistics(statistics)
        of_unit = float(statistics.weights @ statistics.x) * np.log(statistics.T.max())

        def minus(point, scaled=scaled):
            return -log_likelihood_and_derivatives(Family(False, "beta", m), np.clip(point, -25, 25), scaled)[0]

        searched = [
            minimize(minus, start, method="Nelder-Mead", options={"maxiter": 600}).fun
            for start in ([0, 0, 0, 0], [1, 0, 3, 4])
        ]
        held = 1.0 if any("held" in note for note in fit.notes) else 0.02
        assert fit.log_likelihood_ + of_unit >= -min(searched) - held - 1e-6 * abs(min(searched))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "rows",
    [
        ([2, 0], [30, 0], [90, 60]),
        ([1], [1], [1]),
        ([1, 1, 1], [5, 9, 30], [400, 400, 400]),
        ([4] * 300, [80] * 300, [100] * 300),
        ([1000, 0], [700, 0], [700, 700]),
        ([0] * 5000 + [1], [0] * 5000 + [200], [365] * 5001),
    ],
)
def test_any_customers_with_a_repeat_purchase_fit(model, rows):
    fit = model().fit(*rows)
    assert fit.parameters.limits and fit.notes
    assert np.isfinite(fit.summary.to_numpy(float)).all() and np.isfinite(fit.log_covariance).all()
    x, t_x, T = (np.array(column, dtype=float) for column in rows)
    history = (x, t_x, T, fit.parameters)
    chance, expected, present = (
        p_purchase(90, *history),
        expected_purchases(90, *history),
        discounted_purchases(365, 0.1, *history),
    )
    assert ((chance >= 0) & (chance <= 1) & (chance <= expected * (1 + 1e-12))).all()
    assert np.isfinite(present).all() and (present >= 0).all()


def test_what_was_seen_a_few_times_is_not_certain():
    # All three came back once and never again: the likelihood rises towards a chance of leaving of 1.
    fit = BetaGeoModel().fit([1, 1, 1, 0, 0], [5, 9, 30, 0, 0], [400, 400, 400, 300, 200])
    assert_allclose(fit.params_["dropout"], 3.5 / 4)
    assert "held at 87.5 %" in fit.notes[-1]
    assert fit.standard_errors_["dropout"] == 0


def test_order_and_weights_do_not_change_a_fit_on_an_edge():
    x, t_x, T = (np.asarray(column) for column in histories(NOBODY_LEAVES, customers=200))
    order = np.random.default_rng(1).permutation(200)
    fit, other = BetaGeoModel().fit(x, t_x, T), BetaGeoModel().fit(x[order], t_x[order], T[order])
    assert (fit.params_ == other.params_).all() and (fit.log_covariance == other.log_covariance).all()
    twice = BetaGeoModel().fit(x, t_x, T, np.full(200, 2))
    assert_allclose(twice.params_, fit.params_, rtol=1e-7)
    assert_allclose(twice.standard_errors_, fit.standard_errors_ / np.sqrt(2), rtol=1e-5)


def test_the_clock_may_run_in_any_unit():
    x, t_x, T = histories(NOBODY_LEAVES)
    days, clock = BetaGeoModel().fit(x, t_x, T), BetaGeoModel().fit(x, 0.0137 * t_x, 0.0137 * T)
    assert_allclose(clock.params_, days.params_ * [1.0, 0.0137], rtol=1e-7)


def test_edges_are_fitted_with_few_starts_alike():
    statistics = count_sufficient_statistics(*histories(ONE_CHANCE)).in_units_of(400.0)
    fit = fit_limit(statistics, 0)
    gradient = log_likelihood_and_derivatives(fit.family, fit.point, statistics)[1]
    assert np.abs(gradient).max() < 1e-4
    assert 0.2 < expit(fit.point[-1]) < 0.3
