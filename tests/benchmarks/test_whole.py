"""The bench of the whole job notes of each step what was used in it, and nothing of the others."""

import logging
import time
from collections.abc import Iterator

import numpy as np
import pytest

from benchmarks.whole import steps
from benchmarks.whole.steps import REST, Meter
from flows.steps.progress import step


@pytest.fixture
def meter() -> Iterator[Meter]:
    logger, meter = logging.getLogger("revealed"), Meter()
    logger.addHandler(meter)
    yield meter
    logger.removeHandler(meter)


def test_each_step_has_its_own_seconds_and_its_own_peak(meter):
    with step("of little"):
        pass
    with step("of 240 MB"):
        memory = np.ones(30_000_000)
    del memory
    with step("of little again"):
        pass
    meter.note(REST)
    assert list(meter.steps) == [REST, "of little", "of 240 MB", "of little again"]
    assert sum(of["seconds"] for of in meter.steps.values()) == pytest.approx(time.process_time(), abs=0.5)
    peaks = {name: of["peak"] for name, of in meter.steps.items()}
    assert peaks["of 240 MB"] - peaks["of little"] > 200e6
    if steps._CLEAR.exists():
        assert peaks["of 240 MB"] - peaks["of little again"] > 200e6
