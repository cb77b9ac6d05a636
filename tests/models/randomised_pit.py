"""The randomised probability integral transform: whether predictive intervals hold the outcomes that they should."""

import numpy as np
import numpy.typing as npt

from models.stats.typing import Flags


def randomised_pit_misses(
    realised: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    p_zero: npt.ArrayLike,
    rng: np.random.Generator,
    level: float = 0.9,
) -> tuple[Flags, Flags]:
    """Tell whether each outcome lies below or above its predictive interval, by the randomised PIT.

    PIT is the probability integral transform.

    Of an outcome that is 0 with probability `p_zero` the plain interval covers too much: where 0 is likely, low is 0
    and nothing can lie below it. A realised 0 is therefore placed at random within the mass of zero (Smith 1985,
    J. Forecasting 4; Czado, Gneiting & Held 2009, Biometrics 65): at u p_zero, u uniform, in the distribution, which
    is below where it is less than (1 - level) / 2 and above where it is more than (1 + level) / 2. Of a calibrated
    forecast each flag is then true with probability (1 - level) / 2.

    Parameters
    ----------
    realised
        (n,) outcomes, 0 or more.
    low, high
        (n,) quantiles at (1 - level) / 2 and (1 + level) / 2.
    p_zero
        (n,) predicted probability that the outcome is 0.
    rng
        Draws u.
    level
        What the interval should hold.

    Returns
    -------
    tuple
        (n,) flags below and (n,) flags above.
    """
    y = np.asarray(realised, dtype=float)
    place = rng.random(y.shape) * np.asarray(p_zero, dtype=float)
    tail = 0.5 * (1.0 - level)
    below = np.where(y > 0, y < np.asarray(low, dtype=float), place < tail)
    above = np.where(y > 0, y > np.asarray(high, dtype=float), place > 1.0 - tail)
    return below, above


def randomised_pit_coverage(
    realised: npt.ArrayLike,
    low: npt.ArrayLike,
    high: npt.ArrayLike,
    p_zero: npt.ArrayLike,
    rng: np.random.Generator,
    level: float = 0.9,
) -> float:
    """Share of outcomes within their predictive interval, see `randomised_pit_misses`: `level` where calibrated."""
    below, above = randomised_pit_misses(realised, low, high, p_zero, rng, level)
    return float(1.0 - np.mean(below | above))
