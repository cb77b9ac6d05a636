"""Calibrated weights reach the means, stay as near as they can, and are left alone where they cannot."""

import numpy as np
import pytest
from scipy.optimize import minimize

from models.stats.calibrated_weights import calibrated


def test_they_reach_the_means_and_no_others_are_nearer():
    rng = np.random.default_rng(0)
    z, w = rng.normal(size=(12, 2)), rng.uniform(0.5, 2.0, 12)
    target = np.array([-0.1, 0.1])
    found = calibrated(w, z, target)
    assert found.sum() == pytest.approx(w.sum())
    assert found @ z / found.sum() == pytest.approx(target, abs=1e-8)

    def divergence(h):
        return np.sum(h * np.log(h / (w / w.sum())))

    constraints = [
        {"type": "eq", "fun": lambda h: h.sum() - 1.0},
        {"type": "eq", "fun": lambda h: h @ z - target},
    ]
    peer = minimize(divergence, w / w.sum(), bounds=[(1e-9, 1)] * 12, constraints=constraints, method="SLSQP")
    assert found / found.sum() == pytest.approx(peer.x, abs=1e-3)


def test_columns_that_say_the_same_are_no_obstacle():
    z = np.repeat([0.0, 1.0], 10)
    found = calibrated(np.ones(20), np.column_stack([z, 2.0 * z]), np.array([0.7, 1.4]))
    assert found == pytest.approx(np.where(z == 1, 1.4, 0.6))


@pytest.mark.parametrize("target", [2.0, np.nan])
def test_what_cannot_be_reached_leaves_the_weights(target):
    w = np.array([1.0, 2.0, 3.0])
    assert calibrated(w, np.array([[0.0], [0.5], [1.0]]), np.array([target])) is w
    assert calibrated(w, np.ones((3, 1)), np.array([target])) is w
    assert calibrated(w, np.empty((3, 0)), np.empty(0)) is w
