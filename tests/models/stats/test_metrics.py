"""Each score is computed a second way: by hand, by its definition over pairs, or by simulation."""

import math

import numpy as np
import pytest

from models.stats import metrics


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(5)
    p = rng.dirichlet([2.0, 1.5, 3.0], size=4000)
    category = (rng.random(4000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    return category, p


def test_log_loss_is_the_mean_negative_log_of_the_probability_of_what_happened(predictions):
    category, p = predictions
    by_hand = -np.mean([math.log(row[k]) for row, k in zip(p, category, strict=True)])
    assert metrics.log_loss(category, p) == pytest.approx(by_hand, rel=1e-12)
    assert metrics.log_loss([1, 0], [0.8, 0.4]) == pytest.approx(-(math.log(0.8) + math.log(0.6)) / 2)


def test_log_loss_of_a_class_nobody_had_is_still_defined():
    assert metrics.log_loss([0, 0], [[0.5, 0.2, 0.3]] * 2) == pytest.approx(math.log(2))


def test_rps_by_hand_and_by_the_mean_of_the_brier_scores_of_the_cuts(predictions):
    assert metrics.ranked_probability_scores([0], [[0.2, 0.3, 0.5]])[0] == pytest.approx((0.8**2 + 0.5**2) / 2)
    category, p = predictions
    of_cuts = [metrics.brier(category <= 0, p[:, 0]), metrics.brier(category <= 1, p[:, 0] + p[:, 1])]
    assert metrics.ranked_probability_score(category, p) == pytest.approx(np.mean(of_cuts), rel=1e-12)


def test_rps_punishes_distance_and_rewards_certainty():
    far, near = [[1.0, 0, 0]], [[0, 1.0, 0]]
    assert metrics.ranked_probability_score([2], far) == 1.0
    assert metrics.ranked_probability_score([2], near) == 0.5
    assert metrics.ranked_probability_score([0], far) == 0.0


def test_auc_counts_pairs_with_ties_half():
    outcome, score = np.array([0, 1, 1, 0, 1]), np.array([0.1, 0.1, 0.4, 0.3, 0.3])
    pairs = [(a > b) + 0.5 * (a == b) for a in score[outcome == 1] for b in score[outcome == 0]]
    assert metrics.auc(outcome, score) == pytest.approx(np.mean(pairs))
    assert math.isnan(metrics.auc([1, 1], [0.2, 0.3]))


def test_calibration_error_is_small_for_true_probabilities_and_equals_a_constant_shift(predictions):
    category, p = predictions
    assert metrics.expected_calibration_error(category, p) < 0.025
    happened = np.repeat([0, 1], 500)
    assert metrics.expected_calibration_error(happened, np.full(1000, 0.3)) == pytest.approx(0.2)
    shifted = np.clip(p[:, 0] * 0.5, 0, 1)
    expected = np.mean(p[:, 0] - shifted)
    assert metrics.expected_calibration_error(category == 0, shifted) == pytest.approx(expected, abs=0.015)


def test_calibration_bins_hold_every_row_and_keep_equal_probabilities_together():
    p = np.array([0.1] * 50 + [0.2] * 30 + [0.9] * 20)
    of_row, count, mean_p, mean_y = metrics.calibration_bins(p > 0.5, p)
    assert count.tolist() == [50, 30, 20]
    assert mean_p == pytest.approx([0.1, 0.2, 0.9])
    assert mean_y.tolist() == [0, 0, 1]
    assert (np.diff(of_row) >= 0).all()


def test_quadratic_kappa_from_its_definition(predictions):
    category, p = predictions
    guess = p.argmax(axis=1)
    observed = np.mean((category - guess) ** 2)
    by_chance = np.mean((category[:, None] - guess[None, :]) ** 2)
    assert metrics.quadratic_kappa(category, guess) == pytest.approx(1 - observed / by_chance)
    assert metrics.quadratic_kappa(category, category) == 1.0
    assert metrics.quadratic_kappa(category, np.ones_like(category)) == 0.0
    assert math.isnan(metrics.quadratic_kappa([1, 1], [1, 1]))


def test_gini_from_the_lorenz_curve_of_random_orders_of_the_ties():
    rng = np.random.default_rng(3)
    y, score = rng.gamma(0.3, 10, 300) * (rng.random(300) < 0.5), rng.integers(0, 12, 300)

    def area(order):
        return np.sum(np.cumsum(y[order]) / y.sum() - np.arange(1, y.size + 1) / y.size)

    shuffled = [area(np.lexsort((rng.random(y.size), -score))) for _ in range(3000)]
    perfect = area(np.argsort(-y, kind="stable"))
    assert metrics.normalised_gini(y, score) == pytest.approx(np.mean(shuffled) / perfect, abs=0.005)
    assert metrics.normalised_gini(y, y) == pytest.approx(1)
    assert metrics.normalised_gini(y, -y) == pytest.approx(-1)
    assert metrics.normalised_gini(y, np.zeros(y.size)) == pytest.approx(0, abs=1e-12)
    assert math.isnan(metrics.normalised_gini([2, 2, 2], [1, 2, 3]))


def test_clustered_error_equals_the_plain_one_without_clusters_and_that_of_cluster_means_with_copies():
    rng = np.random.default_rng(4)
    v = rng.normal(size=80)
    plain = v.std(ddof=1) / math.sqrt(80)
    assert metrics.clustered_standard_error(v, np.arange(80)) == pytest.approx(plain)
    copies = np.repeat(v, 3)
    assert metrics.clustered_standard_error(copies, np.repeat(np.arange(80), 3)) == pytest.approx(plain)
    assert math.isnan(metrics.clustered_standard_error([1.0, 2.0], ["a", "a"]))


def test_clustered_error_is_the_spread_of_the_mean_over_repeated_samples():
    rng = np.random.default_rng(6)
    means, errors = [], []
    for _ in range(800):
        cluster = np.repeat(np.arange(60), rng.integers(1, 6, 60))
        v = rng.normal(size=60)[cluster] + 0.5 * rng.normal(size=cluster.size)
        means.append(v.mean())
        errors.append(metrics.clustered_standard_error(v, cluster))
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.08)


def test_nps_sums_probabilities_and_does_not_count_labels():
    p = np.array([[0.4, 0.2, 0.4], [0.1, 0.3, 0.6]])
    assert metrics.nps_of(p) == pytest.approx(25.0)
    assert metrics.nps_of([[0, 0, 1.0]]) == 100.0


def test_log_losses_are_finite_for_certain_predictions():
    assert metrics.log_losses([1, 0, 1], [0.25, 0.25, 0.0]) == pytest.approx(
        [np.log(4), np.log(4 / 3), 15 * np.log(10)]
    )
