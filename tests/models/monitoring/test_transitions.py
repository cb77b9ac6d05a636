"""Transitions counted one customer at a time, and expected numbers that do not flicker."""

import numpy as np
import pandas as pd
import pytest

from models.monitoring.transitions import count_transitions, expected_categories, moved_by_time
from models.scoring.columns import CATEGORIES


def base(rng, ids):
    return pd.DataFrame(
        rng.dirichlet([1, 1, 1], len(ids)), index=ids, columns=["p_detractor", "p_passive", "p_promoter"]
    )


@pytest.fixture
def dates():
    """70 customers before, of whom 5 are gone, and 30 new ones, in no order."""
    rng = np.random.default_rng(1)
    ids = np.array([f"c{i:03d}" for i in range(100)])
    return base(rng, rng.permutation(ids[:70])), base(rng, rng.permutation(ids[5:]))


def class_of(row):
    names = ("detractor", "passive", "promoter")
    return names[next(k for k in range(3) if sum(row[: k + 1]) >= 0.5)]


def categories_of(probabilities):
    """The median class of each customer; None without a prediction."""
    named = [None if np.isnan(row).any() else class_of(row) for row in probabilities.to_numpy().tolist()]
    return pd.Series(named, index=probabilities.index, dtype=object)


def test_counts_are_those_of_customers_taken_one_by_one(dates):
    before, now = dates
    expected = pd.DataFrame(
        0, index=["detractor", "passive", "promoter", "(new)"], columns=["detractor", "passive", "promoter", "(gone)"]
    )
    for customer in {*before.index, *now.index}:
        then = class_of(before.loc[customer].tolist()) if customer in before.index else "(new)"
        today = class_of(now.loc[customer].tolist()) if customer in now.index else "(gone)"
        expected.loc[then, today] += 1
    was, is_now = categories_of(before), categories_of(now)
    found = count_transitions(was, is_now, CATEGORIES)
    pd.testing.assert_frame_equal(found, expected, check_names=False, check_dtype=False)
    assert found.drop(columns="(gone)").to_numpy().sum() == len(now)
    assert found.drop(index="(new)").to_numpy().sum() == len(before)
    pd.testing.assert_frame_equal(
        found, count_transitions(was.iloc[::-1], is_now.sample(frac=1, random_state=0), CATEGORIES)
    )


def test_expected_numbers_add_up(dates):
    before, now = dates
    found = expected_categories(before, now)
    assert found["before"].to_numpy() == pytest.approx(before.sum().to_numpy())
    assert found["now"].to_numpy() == pytest.approx(now.sum().to_numpy())
    assert found["now"].to_numpy() == pytest.approx(found[["stayed", "changed", "new"]].sum(axis=1).to_numpy())
    # Each probability is rounded to a whole number of 2^-26.
    assert found["changed"].sum() == pytest.approx(0, abs=1e-6)
    assert found["new"].sum() == pytest.approx(35 - 5)
    shared = before.index.intersection(now.index)
    moved = (now.loc[shared] - before.loc[shared]).sum()
    assert found["changed"].to_numpy() == pytest.approx(moved.to_numpy())


def test_the_order_of_customers_and_the_parts_they_are_counted_in_change_no_bit(dates):
    before, now = dates
    found = expected_categories(before, now)
    pd.testing.assert_frame_equal(expected_categories(before[::-1], now[::-1]), found, check_exact=True)
    first = before.index[: len(before) // 3]
    parts = [
        expected_categories(before[before.index.isin(first) == is_first], now[now.index.isin(first) == is_first])
        for is_first in (True, False)
    ]
    pd.testing.assert_frame_equal(parts[0] + parts[1], found, check_exact=True)


def test_classes_flicker_and_expected_numbers_do_not():
    before = pd.DataFrame({"p_detractor": 0.499, "p_passive": 0.2, "p_promoter": 0.301}, index=range(1000))
    now = before.assign(p_detractor=0.501, p_promoter=0.299)
    was, is_now = categories_of(before), categories_of(now)
    assert count_transitions(was, is_now, CATEGORIES).loc["passive", "detractor"] == 1000
    assert expected_categories(before, now)["changed"].tolist() == pytest.approx([2, 0, -2], abs=1e-5)


def test_who_has_no_prediction_is_left_out(dates):
    before, now = dates
    incomplete = before.copy()
    incomplete.iloc[:10] = np.nan

    def counted(before, now):
        return count_transitions(categories_of(before), categories_of(now), CATEGORIES)

    found, complete = counted(incomplete, now), counted(before, now)
    assert found.to_numpy().sum() == complete.to_numpy().sum() - 10
    # A customer without an earlier class is not a new customer.
    assert found.loc["(new)"].tolist() == complete.loc["(new)"].tolist()
    assert counted(before * np.nan, now).drop(index="(new)").to_numpy().sum() == 0
    assert counted(before, now * np.nan).drop(columns="(gone)").to_numpy().sum() == 0
    first = counted(before[:0], now)
    assert first.loc["(new)"].sum() == len(now) == first.to_numpy().sum()
    assert expected_categories(before[:0], now)["new"].sum() == pytest.approx(len(now))
    assert expected_categories(incomplete, now)["before"].sum() == pytest.approx(60)


def test_mistakes_are_told(dates):
    before, now = dates
    with pytest.raises(ValueError, match="missing: p_passive"):
        expected_categories(before.drop(columns="p_passive"), now)
    with pytest.raises(ValueError, match="must have one row, got c"):
        expected_categories(before, pd.concat([now, now[:1]]))
    with pytest.raises(ValueError, match="of 95 customers"):
        expected_categories(before, now * 2)


def test_moves_between_segments_by_hand():
    before = pd.Series({"a": "loyal", "b": "loyal", "c": "lost", "d": "lost", "e": None, "f": "lost"}, dtype=object)
    now = pd.Series({"d": "lost", "c": "loyal", "b": "loyal", "x": "new ones", "e": "lost", "a": "lost"}, dtype=object)
    found = count_transitions(before, now, ["loyal", "new ones", "lost"])
    assert found.index.tolist() == ["loyal", "new ones", "lost", "(new)"]
    assert found.columns.tolist() == ["loyal", "new ones", "lost", "(gone)"]
    # e had no segment; f is gone; x came.
    assert found.to_numpy().tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 1], [0, 1, 0, 0]]


def test_who_moved_by_time_alone_by_hand():
    before = pd.DataFrame(
        {
            "segment_before": ["champion", "champion", "champion", "loyal", "loyal"],
            "segment_if_silent": ["loyal", "loyal", "champion", "lost", "lost"],
            "days_since_before": [5.0, 5.0, 1.0, 60.0, 60.0],
            "p_silent": [0.2, 0.3, 0.9, 0.7, 0.5],
        },
        index=list("abcde"),
    )
    now = pd.DataFrame(
        {
            # a is silent; b bought and fell all the same; c stayed; d bought and rose; e's purchases were returned.
            "segment": ["loyal", "lost", "champion", "champion"],
            "T": [100, 100, 100, 100],
            "recency": [65, 90, 69, 98],
        },
        index=list("abcd"),
    )
    found = moved_by_time(before, now, ["champion", "loyal", "lost"], 30)
    assert found["then"].tolist() == [3, 2, 0]
    assert found["left"].tolist() == [2, 1, 0]
    assert found["left_by_time"].tolist() == [1, 0, 0]
    assert found["expected_by_time"].tolist() == pytest.approx([0.5, 1.2, 0.0])


def test_under_unchanged_behaviour_as_many_move_by_time_as_are_expected():
    """Customers who buy at constant rates: those seen within 20 days are champions, all others are not."""
    rng, n, days = np.random.default_rng(3), 20_000, 30
    rate = rng.gamma(2.0, 0.02, n)
    since = rng.exponential(1.0 / rate)
    bought = rng.exponential(1.0 / rate) < days
    since_now = np.where(bought, days * rng.random(n), since + days)
    names = ["champion", "other"]

    def segment(age):
        return np.where(age < 20, *names)

    before = pd.DataFrame(
        {
            "segment_before": segment(since),
            "segment_if_silent": segment(since + days),
            "days_since_before": since,
            "p_silent": np.exp(-rate * days),
        }
    )
    now = pd.DataFrame({"segment": segment(since_now), "T": 1e4, "recency": 1e4 - since_now})
    # In whole days the comparison is exact; here the differences of doubles are not.
    now["T"], now["recency"] = since_now, 0.0
    found = moved_by_time(before, now, names, days).loc["champion"]
    assert found["left_by_time"] / found["then"] > 0.15
    assert found["left_by_time"] == pytest.approx(found["expected_by_time"], abs=3 * np.sqrt(found["expected_by_time"]))
