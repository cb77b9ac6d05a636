"""Answers come in the shares that the latent satisfaction implies."""

import numpy as np

from data.simulation.answers import CSAT_SHARES, NPS_SHARES, draw_points, nps_probabilities, point_probabilities


def test_point_probabilities_are_the_shares_drawn():
    random = np.random.default_rng(4)
    satisfaction = np.array([-1.5, 0.0, 2.0])
    expected = point_probabilities(satisfaction, 0.6, NPS_SHARES)
    assert np.allclose(expected.sum(axis=1), 1)
    for level, row in zip(satisfaction, expected, strict=True):
        points = draw_points(np.full(200_000, level), random.standard_normal(200_000), 0.6, NPS_SHARES)
        assert np.allclose(np.bincount(points, minlength=11) / 200_000, row, atol=0.005)
    grouped = np.stack([expected[:, :7].sum(1), expected[:, 7:9].sum(1), expected[:, 9:].sum(1)], axis=1)
    assert np.allclose(nps_probabilities(satisfaction, 0.6), grouped)


def test_a_standard_normal_base_answers_in_the_shares_given():
    random = np.random.default_rng(5)
    for reliability in (0.0, 0.6):
        points = draw_points(*random.standard_normal((2, 200_000)), reliability, CSAT_SHARES)
        assert np.allclose(np.bincount(points) / 200_000, CSAT_SHARES, atol=0.005)
