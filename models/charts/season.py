"""The index of the season: how much more or less often customers buy over the year, with what is not known of it."""

import numpy as np

from models.scoring.clock.parameters import ClockParameters
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats


def index_with_band(clock: ClockParameters) -> tuple[Floats, Floats, Floats]:
    """Return the index over the year and the ends of its 95 % interval, normal in the logarithm."""
    index = np.asarray(clock.index)
    errors = np.asarray(clock.index_errors).reshape(-1, index.size)
    factor = np.exp(NORMAL_95 * np.sqrt((errors**2).sum(axis=0)))
    return index, index / factor, index * factor
