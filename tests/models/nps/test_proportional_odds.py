"""Ridge proportional odds rest at the maximum, know the truth of a simulation, and do not extrapolate."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from models.nps.proportional_odds import KNOTS, fit_proportional_odds, learn_columns
from models.scoring.nps import latent_scores, proportional_odds_terms

ELEVEN = np.array([0] * 7 + [1] * 2 + [2] * 2)


def draw(n, seed, beta, cuts):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, len(beta)))
    level = np.searchsorted(cuts, Z @ beta + rng.logistic(size=n))
    return Z, level


def log_posterior(beta, cuts, Z, level, of_level, penalty):
    """Written from the definition: the penalised log likelihood, with one answer shared by the levels of a category."""
    edges = np.concatenate([[-np.inf], cuts, [np.inf]])
    of_row = lambda s, k: np.log(expit(edges[k + 1] - s) - expit(edges[k] - s))  # noqa: E731
    levels = np.arange(len(of_level))
    pseudo = of_row(0.0, levels) / np.bincount(of_level)[of_level]
    return of_row(Z @ beta, level).sum() + pseudo.sum() - 0.5 * penalty * np.sum(beta**2)


def test_rests_at_the_maximum_of_the_posterior():
    Z, level = draw(150, 1, [0.8, -0.4, 0.0], [-2.0, -1.0, 0.0, 1.0])
    of_level = np.array([0, 0, 1, 1, 2])
    fit = fit_proportional_odds(Z, level, of_level, penalty=3.0)

    def loss(theta):
        cuts = np.cumsum(np.append(theta[3], np.exp(theta[4:])))
        return -log_posterior(theta[:3], cuts, Z, level, of_level, 3.0)

    start = np.array([0, 0, 0, -2.0, 0, 0, 0])
    optimum = minimize(loss, start, method="BFGS", options={"gtol": 1e-6}).x
    assert fit.coefficients == pytest.approx(optimum[:3], abs=1e-4)
    assert fit.cuts == pytest.approx(np.cumsum(np.append(optimum[3], np.exp(optimum[4:]))), abs=1e-4)


def test_without_columns_the_cuts_are_those_of_the_smoothed_shares():
    level = np.repeat([0, 1, 2], [5, 0, 20])
    fit = fit_proportional_odds(np.empty((25, 0)), level, np.arange(3))
    assert expit(fit.cuts) == pytest.approx([6 / 28, 7 / 28], abs=1e-6)


def test_finds_coefficients_and_cuts_that_made_the_answers():
    beta, cuts = np.array([1.0, -0.5, 0.0]), np.linspace(-2.5, 2, 10)
    fit = fit_proportional_odds(*draw(20_000, 2, beta, cuts), ELEVEN)
    assert fit.coefficients == pytest.approx(beta, abs=0.06)
    assert fit.cuts == pytest.approx(cuts, abs=0.1)


def test_the_precision_of_the_prior_maximises_the_marginal_likelihood():
    Z, level = draw(200, 3, [0.5], [-1.0, 1.0])
    fit = fit_proportional_odds(Z, level, np.arange(3))

    def evidence(penalty):
        # The cuts are nearly at the shares; held fixed, one coefficient is integrated out numerically.
        at = log_posterior(np.zeros(1), fit.cuts, Z, level, np.arange(3), 0.0)
        inside = lambda b: np.exp(log_posterior(np.array([b]), fit.cuts, Z, level, np.arange(3), penalty) - at)  # noqa: E731
        return np.log(quad(inside, -0.5, 1.5)[0]) + 0.5 * np.log(penalty / (2 * np.pi))

    grid = np.exp(np.arange(-1.5, 6.0, 0.25))
    best = grid[np.argmax([evidence(penalty) for penalty in grid])]
    assert np.log(fit.penalty) == pytest.approx(np.log(best), abs=0.4)


def test_noise_is_shrunk_to_nothing_and_signal_is_not():
    Z, level = draw(500, 4, np.r_[0.7, np.zeros(39)], np.linspace(-2.5, 2, 10))
    noise = fit_proportional_odds(Z[:, 1:], level, ELEVEN)
    assert np.std(Z[:, 1:] @ noise.coefficients) < 0.25
    assert fit_proportional_odds(Z, level, ELEVEN).coefficients[0] > 0.4


def test_a_transform_is_monotone_and_level_beyond_what_was_seen():
    rng = np.random.default_rng(5)
    X = np.column_stack([np.exp(3 * rng.normal(size=1000)), rng.poisson(0.3, 1000), rng.random(1000) < 0.01])
    columns = learn_columns(X)
    grid = np.linspace(-1e9, 1e9, 3001)
    for j in range(3):
        line = np.interp(grid, columns.knots[j], columns.scores[j])
        assert (np.diff(line) >= 0).all() and line[0] < line[-1]
    assert np.abs(columns.design(np.full((1, 3), 1e300))).max() < 4
    assert columns.design(X).mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert len(columns.knots[0]) == len(KNOTS)
    # Scaling or stretching a feature monotonically changes nothing.
    stretched = learn_columns(np.log(X[:, :1]))
    assert stretched.scores[0] == pytest.approx(columns.scores[0], abs=0.1)


def test_terms_add_up_to_the_fit_and_have_mean_zero():
    rng = np.random.default_rng(6)
    X = rng.normal(size=(400, 4))
    X[rng.random((400, 4)) < 0.2] = np.nan
    X[:, 3] = np.where(np.isnan(X[:, 2]), np.nan, X[:, 3])
    X[:, 2] = np.where(np.isnan(X[:, 3]), np.nan, X[:, 2])
    columns = learn_columns(X)
    # Features that are missing together share a flag.
    assert columns.flagged.tolist() == [0, 1, 2]
    beta, cuts = rng.normal(size=7), np.array([-1.0, 1.0])
    member = columns.member(beta, cuts)
    terms = proportional_odds_terms(member, X)
    assert terms.sum(axis=1) == pytest.approx(columns.design(X) @ beta)
    assert latent_scores(member, {}, X) == pytest.approx(terms.sum(axis=1))
    assert terms.mean(axis=0) == pytest.approx(0, abs=1e-12)
    empty = learn_columns(np.full((5, 1), np.nan))
    assert empty.design(np.array([[1.0], [np.nan]])).tolist() == [[0.0], [0.0]]


def test_far_apart_answers_do_not_overflow():
    Z, level = draw(300, 7, [0.0], [0.0, 0.001])
    fit = fit_proportional_odds(1e3 * Z, level, np.arange(3))
    assert np.isfinite(fit.cuts).all() and np.isfinite(log_expit(fit.cuts)).all()
