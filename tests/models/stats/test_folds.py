"""Folds keep customers together; the last wave is what came after the last long pause."""

import numpy as np
import pandas as pd

from models.stats.folds import customer_folds, last_wave


def test_folds_keep_customers_together_and_no_fold_is_empty():
    customer = np.random.default_rng(1).integers(0, 40, 300).astype(str)
    fold = customer_folds(customer, 0)
    assert pd.Series(fold).groupby(customer).nunique().max() == 1
    assert sorted(set(fold)) == [0, 1, 2, 3, 4]
    assert sorted(set(customer_folds(np.array(["a", "b", "b"]), 0))) == [0, 1]


def days(*numbers):
    return np.datetime64("2024-01-01") + np.array(numbers, dtype=int)


def test_a_long_pause_begins_the_last_wave():
    assert last_wave(days(91, 0, 1, 90, 2, 90)).tolist() == [True, False, False, True, False, True]
    # Weekends are no pauses; the second pause is the last.
    assert last_wave(days(0, 3, 4, 60, 61, 64, 130, 133)).tolist() == [False] * 6 + [True] * 2


def test_stragglers_are_no_wave_and_a_slow_start_ends_none():
    steady = [0, 60, *range(100, 199), 400]
    assert np.flatnonzero(last_wave(days(*steady))).tolist() == list(range(102 - 20, 102))


def test_without_a_pause_the_newest_fifth_of_days_counts():
    assert np.flatnonzero(last_wave(days(*range(20)))).tolist() == [16, 17, 18, 19]
    # Four quarters of a day each: the last of them.
    assert last_wave(days(0, 90, 180, 270)).tolist() == [False, False, False, True]
    assert not last_wave(days(5, 5)).any()
    assert len(last_wave(days())) == 0
