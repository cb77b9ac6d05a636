"""Quintiles, ties and segment names, by hand."""

import pandas as pd
import pytest

from models.rfm import SEGMENTS, rfm_cuts, rfm_scores, segment_names


def scored(days_since, purchases, value, cuts=None):
    columns = [pd.Series(column) for column in (days_since, purchases, value)]
    return rfm_scores(*columns, cuts or rfm_cuts(*columns))


def test_ten_customers_fall_into_five_pairs():
    ten = list(range(1, 11))
    cuts = rfm_cuts(pd.Series(ten), pd.Series(ten), pd.Series(ten))
    assert cuts == {"recency": [2, 4, 6, 8], "frequency": [2, 4, 6, 8], "monetary": [2, 4, 6, 8]}
    # Recency is best where the days since are few; the other two where there is much.
    assert scored(ten, ten, ten)["rfm"].tolist() == [
        *["511"] * 2,
        *["422"] * 2,
        *["333"] * 2,
        *["244"] * 2,
        *["155"] * 2,
    ]


def test_equal_customers_get_equal_scores_whatever_their_order():
    purchases = [1, 1, 1, 1, 1, 1, 2, 2, 3, 9]
    found = scored([5] * 10, purchases, [7.5] * 10)
    # Six of ten bought once: the quintiles are 1, 1, 1, 2, and a cut belongs to what lies below it.
    assert found["rfm"].tolist() == [*["511"] * 6, "541", "541", "551", "551"]
    backwards = scored([5] * 10, purchases[::-1], [7.5] * 10)
    assert backwards["rfm"].tolist() == found["rfm"].tolist()[::-1]


def test_scores_move_only_when_the_customer_moves():
    cuts = {"recency": [10.0, 20.0, 30.0, 40.0], "frequency": [1.0, 2.0, 3.0, 4.0], "monetary": [5.0, 6.0, 7.0, 8.0]}
    alone = scored([20], [3], [8.5], cuts)
    among = scored([20, 0, 400], [3, 90, 1], [8.5, 1e6, -3.0], cuts)
    assert alone["rfm"].tolist() == ["435"]
    assert among["rfm"].tolist() == ["435", "555", "111"]


def test_values_on_beside_and_beyond_the_cuts():
    cuts = {"recency": [10.0, 20.0, 30.0, 40.0], "frequency": [1.0, 2.0, 3.0, 4.0], "monetary": [5.0, 6.0, 7.0, 8.0]}
    days = [0, 10, 10.5, 20, 30, 40, 41]
    assert scored(days, [1] * 7, [5] * 7, cuts)["rfm"].str[0].tolist() == ["5", "5", "4", "4", "3", "2", "1"]
    assert scored([0] * 4, [1, 2, 4, 5], [5] * 4, cuts)["rfm"].str[1].tolist() == ["1", "2", "4", "5"]
    assert scored([0] * 4, [1] * 4, [-9.0, 5.0, 8.0, 8.01], cuts)["rfm"].str[2].tolist() == ["1", "1", "4", "5"]


@pytest.mark.parametrize(
    ("rfm", "segment"),
    [
        ("555", "champions"),
        ("545", "champions"),  # 4.5 rounds up to 5
        ("544", "champions"),
        ("543", "champions"),  # 3.5 rounds up to 4
        ("533", "potential loyalists"),
        ("433", "potential loyalists"),
        ("455", "loyal"),
        ("344", "loyal"),
        ("511", "new"),
        ("522", "new"),
        ("411", "promising"),
        ("333", "need attention"),
        ("322", "about to sleep"),
        ("255", "cannot lose them"),
        ("154", "cannot lose them"),
        ("244", "at risk"),
        ("133", "at risk"),
        ("212", "hibernating"),
        ("111", "lost"),
        ("121", "lost"),
    ],
)
def test_segments(rfm, segment):
    recency, frequency, monetary = map(int, rfm)
    cuts = {"recency": [1.0, 2.0, 3.0, 4.0], "frequency": [1.0, 2.0, 3.0, 4.0], "monetary": [1.0, 2.0, 3.0, 4.0]}
    found = scored([6 - recency], [frequency], [monetary], cuts)
    assert found["rfm"].tolist() == [rfm]
    assert found["segment"].tolist() == [segment]


def test_every_pair_of_scores_has_exactly_one_name():
    cells = [
        (r, w)
        for (r_low, r_high), (w_low, w_high) in SEGMENTS.values()
        for r in range(r_low, r_high + 1)
        for w in range(w_low, w_high + 1)
    ]
    assert sorted(cells) == [(r, w) for r in range(1, 6) for w in range(1, 6)]
    assert set(segment_names().ravel()) == set(SEGMENTS)


def test_the_index_is_kept():
    found = rfm_scores(
        pd.Series([1, 2], index=["b", "a"]),
        pd.Series([1, 1], index=["b", "a"]),
        pd.Series([1, 1], index=["b", "a"]),
        rfm_cuts(*[pd.Series([1, 2, 3, 4, 5])] * 3),
    )
    assert found.index.tolist() == ["b", "a"]
