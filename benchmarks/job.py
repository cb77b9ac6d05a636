"""The job that every side does, a clock for its steps, and its report.

Only the standard library: this also runs in the environments of the peers.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

START, DAYS = date(2023, 1, 1), 730
AS_OF = START + timedelta(days=DAYS)
LAST_DAY = AS_OF - timedelta(days=1)
HORIZON, YEAR = 90, 365
ANNUAL_RATE = 0.1
MONTHLY_RATE = (1 + ANNUAL_RATE) ** (1 / 12) - 1
WEEKLY_RATE = (1 + ANNUAL_RATE) ** (7 / 365.25) - 1

SUMMARY, PURCHASES, SPEND = "summary from transactions", "BG/NBD fit", "Gamma-Gamma fit"
ALIVE, EXPECTED, VALUE = "P(alive)", "expected purchases", "value of 12 months"
STEPS = (SUMMARY, PURCHASES, SPEND, ALIVE, EXPECTED, VALUE)


class Clock:
    """Seconds by step, and by part of a step where it has parts."""

    def __init__(self) -> None:
        self.parts: dict[tuple[str, str], float] = {}

    @contextmanager
    def time(self, step: str, part: str = "") -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.parts[step, part] = self.parts.get((step, part), 0.0) + time.perf_counter() - start

    def report(self, purchases: Any, expected: float, value: float) -> None:
        """Print what was measured as one line of JSON.

        Parameters
        ----------
        purchases
            r, alpha (days), a, b as fitted, so that the table can say whether all sides agree.
        expected, value
            Sums over the customers of the expected purchases in the horizon and of the value of 12 months.
        """
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
        estimates = {name: float(purchases[name]) for name in ("r", "alpha", "a", "b")}
        estimates |= {"expected purchases": float(expected), "value of 12 months": float(value)}
        parts = [[step, part, seconds] for (step, part), seconds in self.parts.items()]
        print(json.dumps({"parts": parts, "peak": peak, "estimates": estimates}))
