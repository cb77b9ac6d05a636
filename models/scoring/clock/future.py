"""What lies ahead of one date, in the time of the purchase model: lengths of horizons, their errors, discounting."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import Floats
from .clock import Clock

_DAYS_PER_YEAR = 365.25
# Days of a piece of the discount integral, with two nodes each.
_PIECE = 28.0


@dataclass(frozen=True)
class Discounting:
    """Nodes of discounting: the sum of E(length) times weight is e^(-d h) E(h) + d integral_0^h e^(-d s) E(s) ds.

    Attributes
    ----------
    lengths, weights : ndarray, shape (k,)
        Lengths of time from the date on by the clock, and what E at each counts.
    """

    lengths: Floats
    weights: Floats


@dataclass(frozen=True)
class Future:
    """Horizons from one date on.

    Attributes
    ----------
    clock : Clock or None
        None where a day is a day.
    as_of : int
        Numbered day, not read without a clock.
    """

    clock: Clock | None = None
    as_of: int = 0

    def length(self, horizon: float) -> float:
        """Return the length of ``horizon`` days in the time of the purchase model."""
        return horizon if self.clock is None else float(self.clock.ahead(self.as_of, horizon))

    def error(self, horizon: int) -> float:
        """Return the standard error of the logarithm of `length`."""
        return 0.0 if self.clock is None else self.clock.ahead_error(self.as_of, horizon)

    def discounting(self, horizon: float, annual_rate: float) -> Discounting | None:
        """Return the nodes of discounting over ``horizon`` days, None without a clock, or without a rate.

        Gauss-Legendre with two nodes in each piece of four weeks. The part that discounting takes off is a few percent
        of the value, and is right to a thousandth of itself.
        """
        if self.clock is None or annual_rate == 0.0:
            return None
        rate = np.log1p(annual_rate) / _DAYS_PER_YEAR
        edges = np.linspace(0.0, horizon, max(int(np.ceil(horizon / _PIECE)), 4) + 1)
        width = edges[1] - edges[0]
        nodes, weights = np.polynomial.legendre.leggauss(2)
        days = (edges[:-1, None] + 0.5 * (nodes + 1.0) * width).ravel()
        shares = np.tile(0.5 * weights * width, edges.size - 1) * rate * np.exp(-rate * days)
        lengths = self.clock.ahead(self.as_of, np.append(days, horizon))
        return Discounting(lengths, np.append(shares, np.exp(-rate * horizon)))
