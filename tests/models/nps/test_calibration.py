"""The calibration map finds a known distortion, changes nothing without evidence, and is a maximum."""

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from models.nps.calibration import fit_dirichlet_map
from models.scoring.nps import bounded_log_probabilities, calibrated_probabilities
from models.stats.metrics import expected_calibration_error, log_loss


def draw(n, seed, weights, bias):
    """Predictions and categories whose true probabilities are softmax(W ln p + c) of the predictions."""
    rng = np.random.default_rng(seed)
    log_p = log_softmax(rng.normal(size=(n, 3)), axis=1)
    true = softmax(log_p @ np.asarray(weights).T + bias, axis=1)
    return log_p, (rng.random(n)[:, None] > np.cumsum(true, axis=1)[:, :2]).sum(axis=1), true


def test_finds_the_map_that_made_the_labels():
    log_p, category, true = draw(10_000, 1, [[1.8, 0.2, 0], [0, 1.2, 0], [0, 0.1, 0.9]], [0.3, 0.0, -0.4])
    calibrated = calibrated_probabilities(log_p, *fit_dirichlet_map(log_p, category).arrays())
    assert np.abs(calibrated - true).mean() < 0.01
    assert expected_calibration_error(category, calibrated) < 0.02
    assert expected_calibration_error(category, np.exp(log_p)) > 0.04


def test_overconfident_predictions_are_tamed_with_a_few_hundred_labels():
    log_p, category, _ = draw(400, 2, 0.3 * np.eye(3), np.zeros(3))
    new_log_p, new_category, true = draw(20_000, 3, 0.3 * np.eye(3), np.zeros(3))
    calibrated = calibrated_probabilities(new_log_p, *fit_dirichlet_map(log_p, category).arrays())
    best, before = log_loss(new_category, true), log_loss(new_category, np.exp(new_log_p))
    # Eight free parameters cost about 8 / (2 * 400) = 0.01 of log loss.
    assert log_loss(new_category, calibrated) - best < min(0.02, 0.2 * (before - best))


def test_with_little_evidence_it_stays_near_the_identity():
    log_p, category, _ = draw(4, 4, np.eye(3), np.zeros(3))
    # Four answers move it by less than one standard deviation of its prior.
    weights, bias = fit_dirichlet_map(log_p, category).arrays()
    assert np.abs(weights - np.eye(3)).max() < 0.5 and np.abs(bias).max() < 0.25
    assert calibrated_probabilities(log_p, np.eye(3), np.zeros(3)) == pytest.approx(np.exp(log_p))


def test_rests_at_a_maximum_of_the_penalised_likelihood():
    log_p, category, _ = draw(300, 5, 1.5 * np.eye(3), [0.2, 0, 0])
    fitted = fit_dirichlet_map(log_p, category)
    sd = np.where(np.eye(3, dtype=bool), 0.5, 0.25)

    def penalised(weights, bias):
        p = calibrated_probabilities(log_p, weights, bias)
        fit = np.log(p[np.arange(300), category]).sum()
        return fit - 0.5 * np.sum(((weights - np.eye(3)) / sd) ** 2) - 0.5 * np.sum((bias / 0.25) ** 2)

    weights, bias = fitted.arrays()
    best, rng = penalised(weights, bias), np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1):
        for _ in range(50):
            assert penalised(weights + size * rng.normal(size=(3, 3)), bias + size * rng.normal(size=3)) < best


def test_a_category_that_trees_never_saw_carries_nothing_away():
    raw = np.array([[0.2, -35.0, 0.1], [-1.0, -35.0, 1.0]])
    log_p = bounded_log_probabilities(raw)
    assert log_p.min() == -10.0
    calibrated = calibrated_probabilities(raw, np.array([[1, 0, 0], [0.1, 1, 0], [0, 0, 1.0]]), np.zeros(3))
    assert np.isfinite(calibrated).all()
    assert calibrated.sum(axis=1) == pytest.approx(1)
