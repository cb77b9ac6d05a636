"""Weights are the minimum of the RPS on the simplex; candidates and trees are scored by what never saw the row."""

import lightgbm
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import logistic

from data.simulation.behaviour import simulate_behaviour
from models.nps.candidates import ordinal_link
from models.nps.pool import blend_weights
from models.nps.trees import ROUNDS, FoldedRows, grow, grow_out_of_fold, ridits
from models.scoring.members import RiditTreesMember
from models.scoring.nps import cumulative_log_probabilities, latent_probabilities
from models.stats.metrics import ranked_probability_score


def test_weights_are_the_least_rps_on_the_simplex():
    rng = np.random.default_rng(0)
    for trial in range(20):
        true = rng.dirichlet([2, 2, 3], 300)
        category = (rng.random(300)[:, None] > np.cumsum(true, axis=1)[:, :2]).sum(axis=1)
        noisy = [true**sharp * rng.gamma(shape, size=(300, 3)) for sharp, shape in ((1, 9), (0.3, 50), (2, 4), (0, 99))]
        pool = np.array([p / p.sum(axis=1, keepdims=True) for p in noisy])
        weights = blend_weights(pool, category)
        assert weights.sum() == pytest.approx(1) and weights.min() >= 0
        score = lambda w: ranked_probability_score(category, np.tensordot(w, pool, 1))  # noqa: B023, E731
        optimum = minimize(
            score, np.full(4, 0.25), bounds=[(0, 1)] * 4, constraints={"type": "eq", "fun": lambda w: w.sum() - 1}
        )
        assert score(weights) <= optimum.fun + 1e-8, trial


def test_candidates_that_say_the_same_share_the_weight():
    p = np.tile([0.2, 0.3, 0.5], (50, 1))
    assert blend_weights(np.array([p, p]), np.arange(50) % 3) == pytest.approx([0.5, 0.5])


def test_ridits_are_shares_below_and_half_of_those_equal():
    level = np.array([3, 1, 3, 9])
    assert ridits(level) == pytest.approx([np.mean(level < v) + np.mean(level == v) / 2 for v in level])


def test_the_link_finds_slope_and_cuts_and_never_turns_the_score_around():
    rng = np.random.default_rng(1)
    score = rng.normal(0.5, 0.05, 30_000)
    category = np.searchsorted([9.0, 10.5], 20 * score + logistic.rvs(size=30_000, random_state=2))
    slope, cuts = ordinal_link(score, category)
    assert slope == pytest.approx(20, rel=0.05)
    assert cuts == pytest.approx([9.0, 10.5], rel=0.05)
    slope, cuts = ordinal_link(-score, category)
    assert slope == 0.0
    shares = latent_probabilities(RiditTreesMember("ridit", slope, cuts), score[:2])
    assert shares[0] == pytest.approx((np.bincount(category) + 1) / 30_003, abs=1e-6)


def test_cuts_that_cross_leave_no_passive_and_no_negative_share():
    p = np.exp(cumulative_log_probabilities(np.array([[0.3, 1.2], [2.0, -1.0], [-60.0, -60.0]])))
    assert p[0, [0, 2]] == pytest.approx([expit(-0.3), expit(0.3)], abs=1e-4)
    assert p[1] == pytest.approx([expit(-2), expit(2) - expit(-1), expit(-1)])
    assert (p > 0).all()


@pytest.mark.parametrize("objective", ["regression", "binary"])
def test_each_fold_is_scored_by_trees_of_the_other_folds(objective):
    behaviour = simulate_behaviour(260, 8, 0.4)
    level = behaviour.draw_scores(np.random.default_rng(8))
    X, fold = behaviour.features.to_numpy(), np.arange(260) % 2
    target = ridits(level) if objective == "regression" else (level >= 9).astype(float)
    rows = FoldedRows(X, fold, 0)
    # What was grown before of the same rows leaves nothing behind.
    grow_out_of_fold(rows, 1.0 - target, objective)
    grown = grow_out_of_fold(rows, target, objective)
    assert grown.rounds in ROUNDS
    for k in (0, 1):
        held_out = fold == k
        booster = lightgbm.Booster(model_str=grown.of_fold[k])
        assert booster.num_trees() in ROUNDS
        anew = grow(X[~held_out], target[~held_out], objective, booster.num_trees(), 0)
        scores = lightgbm.Booster(model_str=anew).predict(X[held_out], raw_score=True)
        assert scores == pytest.approx(grown.raw[held_out], abs=1e-9)
        assert booster.predict(X[held_out], raw_score=True) == pytest.approx(scores, abs=1e-9)
