"""The search: to the bottom of a bowl, away from saddles, back from bounds, and honest about where it ended."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from models.stats.newton import blocks, evenly, find_optimum

BOWL = np.array([[2.0, 0.6], [0.6, 0.5]])
BOTTOM = np.array([1.2, -3.0])


def bowl(point):
    away = point - BOTTOM
    return 0.5 * away @ BOWL @ away, BOWL @ away, BOWL


def rosenbrock(point):
    x, y = point
    value = (1 - x) ** 2 + 100 * (y - x**2) ** 2
    gradient = np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])
    return value, gradient, np.array([[2 - 400 * y + 1200 * x**2, -400 * x], [-400 * x, 200.0]])


def two_valleys(point):
    """A saddle at 0, bottoms at +-1 of the first coordinate."""
    x, y = point
    return 0.25 * x**4 - 0.5 * x**2 + 0.5 * y**2, np.array([x**3 - x, y]), np.diag([3 * x**2 - 1, 1.0])


def endless(point):
    """Falls for ever along the first coordinate."""
    fall = np.exp(-point[0])
    return fall + 0.5 * point[1] ** 2, np.array([-fall, point[1]]), np.diag([fall, 1.0])


def test_bottom_of_a_bowl_and_its_errors():
    optimum = find_optimum(bowl, [np.zeros(2)], customers=1000.0)
    assert optimum.determined
    assert_allclose(optimum.point, BOTTOM, atol=1e-12)
    assert np.abs(optimum.gradient).max() < 1e-10
    assert_allclose(optimum.log_covariance, np.linalg.inv(BOWL) / 1000)
    assert (optimum.log_covariance == optimum.log_covariance.T).all()


@pytest.mark.parametrize("start", [(-1.2, 1.0), (3.0, -9.0), (0.0, 0.0), (-14.9, 14.9)])
def test_a_bent_valley_is_followed(start):
    optimum = find_optimum(rosenbrock, [start], customers=1e6)
    assert optimum.determined
    assert_allclose(optimum.point, [1.0, 1.0], rtol=1e-8)


def test_a_saddle_is_left():
    optimum = find_optimum(two_valleys, [(0.001, 2.0)], customers=1e6)
    assert optimum.determined
    assert_allclose(np.abs(optimum.point), [1.0, 0.0], atol=1e-8)


def test_standing_on_a_saddle_is_no_optimum_and_the_next_start_is_tried():
    stuck = find_optimum(two_valleys, [(0.0, 0.0)], customers=1e6)
    assert not stuck.determined and np.isinf(stuck.log_covariance).all()
    assert find_optimum(two_valleys, [(0.0, 0.0), (-3.0, 1.0)], customers=1e6).determined


def test_what_falls_for_ever_is_not_determined():
    optimum = find_optimum(endless, [(0.0, 1.0), (5.0, 2.0)], customers=1e6)
    assert not optimum.determined
    assert optimum.point[0] > 13 and np.abs(optimum.point).max() <= 15


def test_what_lies_beyond_the_bounds_is_not_determined():
    optimum = find_optimum(lambda point: bowl(point - [20.0, 0.0]), [np.zeros(2)], customers=1e6)
    assert not optimum.determined
    assert_allclose(optimum.point[0], 15.0)


def test_a_flat_bottom_is_not_determined_by_few_customers():
    assert find_optimum(bowl, [np.zeros(2)], customers=1.0).determined
    assert not find_optimum(bowl, [np.zeros(2)], customers=0.05).determined


def test_a_start_from_part_of_the_data_saves_steps_and_changes_nothing():
    calls = {"part": 0, "all": 0}

    def counted(name, objective):
        def call(point):
            calls[name] += 1
            return objective(point)

        return call

    alone = find_optimum(counted("all", rosenbrock), [(-1.2, 1.0)], 1e6)
    steps_alone, calls["all"] = calls["all"], 0
    part = counted("part", lambda point: rosenbrock(point - 0.001))
    helped = find_optimum(counted("all", rosenbrock), [(-1.2, 1.0)], 1e6, rough=part)
    assert calls["all"] < steps_alone / 2 and calls["part"] > 0
    assert_allclose(helped.point, alone.point, rtol=1e-9)
    # A part that determines nothing is no start.
    assert find_optimum(rosenbrock, [(-1.2, 1.0)], 1e6, rough=endless).determined


def test_find_optimum_needs_a_start():
    with pytest.raises(ValueError, match="at least one start"):
        find_optimum(bowl, [], 1.0)


def test_blocks_hold_every_row_once():
    for size in (0, 1, 8192, 20_000):
        assert_allclose(np.concatenate([np.arange(size)[part] for part in blocks(size)] or [[]]), np.arange(size))


def test_customers_at_even_distances_stand_for_all(rng):
    weights = rng.integers(1, 50, 3000).astype(float)
    places, standing = evenly(weights, 500)
    assert (np.diff(places) > 0).all() and places.size <= 500
    assert_allclose(standing.sum(), weights.sum())
    # Any stretch of rows keeps its share to within two of the customers taken.
    upto, taken = np.cumsum(weights), np.zeros(3000)
    taken[places] = standing
    assert np.abs(np.cumsum(taken) - upto).max() <= 2 * weights.sum() / 500
