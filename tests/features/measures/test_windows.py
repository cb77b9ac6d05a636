from datetime import date

import pytest

from data.errors import InputError
from features.measures.windows import Windows


def test_each_window_ends_where_the_one_before_it_begins():
    windows = Windows(date(2024, 3, 1), days=2, count=3)
    assert [windows.start(k) for k in range(3)] == [date(2024, 2, 28), date(2024, 2, 26), date(2024, 2, 24)]
    assert [windows.end(k + 1) for k in range(2)] == [windows.start(k) for k in range(2)]


@pytest.mark.parametrize(
    ("days", "count", "message"),
    [(0, 2, "at least one day each"), (5, 0, "at least one day each"), (800_000, 2, "begin before the year 1")],
)
def test_windows_that_cannot_be_are_refused(days, count, message):
    with pytest.raises(InputError, match=message):
        Windows(date(2024, 3, 1), days, count)


def test_the_oldest_window_there_can_be_begins_with_the_year_1():
    assert Windows(date(1, 1, 21), days=10, count=2).start(1) == date(1, 1, 1)
