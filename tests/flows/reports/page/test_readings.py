"""The usual readings of an NPS."""

import pytest

from data.errors import InputError
from flows.reports.page.readings import nps_reading


def test_the_usual_reading_of_an_nps():
    levels = [-100, 0, 0.1, 20, 20.1, 50, 50.1, 80, 80.1, 100]
    readings = ["needs improvement"] * 2 + ["good"] * 2 + ["favourable"] * 2 + ["excellent"] * 2 + ["world class"] * 2
    assert [nps_reading(level) for level in levels] == readings
    assert nps_reading(float("nan")) == "not known"
    with pytest.raises(InputError, match="from -100 to 100, got 101"):
        nps_reading(101)
