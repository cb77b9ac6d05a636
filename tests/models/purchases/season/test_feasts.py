"""Feasts that move are known, those that stay are left to the index, and a wrong country is told."""

from datetime import date

import numpy as np
import pytest

from data.errors import InputError
from models.purchases.season.feasts import DAYS_BEFORE, as_stored, movable_feasts
from models.scoring.clock.clock import Clock, day_number
from models.scoring.clock.parameters import ClockParameters


def test_easter_moves_and_christmas_does_not():
    feasts = movable_feasts("DE", date(2022, 5, 1), date(2024, 5, 1))
    assert [feast.name for feast in feasts] == ["Good Friday", "Ascension Day", "Pentecost Monday"]
    assert date(2024, 3, 29) in feasts[0].dates
    assert feasts[0].dates[-1].year == 2035
    assert movable_feasts(None, date(2022, 5, 1), date(2024, 5, 1)) == ()


def test_a_country_that_is_not_known_is_refused():
    with pytest.raises(InputError, match=r"country must be a code of ISO 3166.*a text of 2 characters"):
        movable_feasts("ZZ", date(2022, 5, 1), date(2024, 5, 1))


def test_the_days_before_a_feast_run_by_its_factor():
    easter = movable_feasts("DE", date(2022, 5, 1), date(2024, 5, 1))[:1]
    stored = as_stored(easter, np.array([np.log(2.0)]))
    clock = Clock(ClockParameters("2024-05-01", (1.0,) * 52, feasts=stored))
    friday = day_number("2025-04-18")
    assert clock.rates(np.array([friday - DAYS_BEFORE - 1, friday - DAYS_BEFORE, friday, friday + 1])) == pytest.approx(
        [1.0, 2.0, 2.0, 1.0]
    )
    share = easter[0].share(friday - 20, 4, 7)
    assert share == pytest.approx([1 / 7, 1.0, 1.0, 0.0])
