"""The expectation step is the slope of the likelihood by the rate of a day, here taken by differences."""

import numpy as np
import pytest

from models.purchases.bg_nbd_likelihood import SufficientStatistics, log_likelihood_and_derivatives
from models.purchases.season.living import expected_by_day
from models.scoring.parameters import PurchaseParameters

PARAMETERS = [
    PurchaseParameters(0.6, 40.0, 0.5, 2.0, 0),
    PurchaseParameters(0.6, 40.0, 0.5, 2.0, 1),
]
LENGTH = 60


def histories(rates: np.ndarray) -> tuple[SufficientStatistics, SufficientStatistics]:
    """Four customers in days, and by a clock of these daily rates."""
    x, t_x, T = np.array([[0, 0, 59], [0, 0, 20], [3, 30, 50], [5, 44, 45]], dtype=float).T
    days = SufficientStatistics(x, t_x, T, np.array([2.0, 1.0, 3.0, 1.0]))
    passed = np.concatenate([[0.0], np.cumsum(rates)])
    first = LENGTH - T.astype(int)
    clock = SufficientStatistics(
        x, passed[first + t_x.astype(int)] - passed[first], passed[LENGTH] - passed[first], days.weights
    )
    return days, clock


@pytest.mark.parametrize("parameters", PARAMETERS)
def test_slope_of_the_log_likelihood_by_the_rate_of_a_day(parameters: PurchaseParameters):
    rates = 0.5 + np.random.default_rng(1).random(LENGTH)
    days, clock = histories(rates)
    expected = expected_by_day(days, clock, parameters, LENGTH)
    for day in (0, 1, 12, 39, 40, 41, 58, 59):
        step = np.zeros(LENGTH)
        step[day] = 1e-5
        up, down = (
            log_likelihood_and_derivatives(parameters, histories(rates + sign * step)[1])[0] for sign in (1.0, -1.0)
        )
        # The likelihood also has the factor s(t) of each purchase, whose slope is purchases / rate.
        assert -(up - down) / 2e-5 == pytest.approx(expected[day], rel=1e-6, abs=1e-8)
