"""The picture of the season shows the index and the band that its errors make."""

import numpy as np
import pytest

from models.charts.season import index_with_band
from models.scoring.clock.parameters import ClockParameters

CLOCK = ClockParameters("2024-01-01", (0.5, 1.0, 1.5), index_errors=((0.1, 0.0, 0.3), (0.0, 0.2, 0.4)))


def test_the_band_is_that_of_the_errors():
    index, low, high = index_with_band(CLOCK)
    assert np.log(high / index) == pytest.approx(1.96 * np.array([0.1, 0.2, 0.5]), rel=1e-3)
    assert low * high == pytest.approx(index**2)
