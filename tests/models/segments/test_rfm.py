"""Quintiles, ties and segment names, by hand."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from flows.reports.segments import segment_transitions_section
from models.monitoring.stability import Transitions
from models.monitoring.transitions import GONE, NEW, count_transitions
from models.segments.rfm import RfmCuts, quintile_query, rfm_cuts, rfm_scores
from models.segments.segment_names import SEGMENTS, segment_names


@pytest.fixture(scope="module")
def find_cuts():
    """Give the engine a summary with these days since the last purchase, purchase days and values; find the cuts."""
    connection = ibis.duckdb.connect()

    def find(days_since, purchases, value):
        frame = pd.DataFrame({"days": days_since, "purchases": purchases, "total_value": value}).astype(float)
        summary = frame.assign(T=frame.days + 7.0, recency=7.0, frequency=frame.purchases - 1.0)
        return rfm_cuts(connection.create_table("summary", summary, overwrite=True))

    return find


@pytest.fixture(scope="module")
def scored(find_cuts):
    def score(days_since, purchases, value, cuts=None):
        columns = [pd.Series(column) for column in (days_since, purchases, value)]
        return rfm_scores(*columns, cuts or find_cuts(*columns))

    return score


def test_ten_customers_fall_into_five_pairs(find_cuts, scored):
    ten = list(range(1, 11))
    cuts = find_cuts(ten, ten, ten)
    assert cuts == RfmCuts((2, 4, 6, 8), (2, 4, 6, 8), (2, 4, 6, 8))
    # The recency score is best where the days since are few, the other scores where the values are high.
    assert scored(ten, ten, ten)["rfm"].tolist() == [
        *["511"] * 2,
        *["422"] * 2,
        *["333"] * 2,
        *["244"] * 2,
        *["155"] * 2,
    ]


def test_equal_customers_get_equal_scores_whatever_their_order(scored):
    purchases = [1, 1, 1, 1, 1, 1, 2, 2, 3, 9]
    scores = scored([5] * 10, purchases, [7.5] * 10)
    # Six of ten bought once: the quintiles are 1, 1, 1, 2, and a value equal to a cut point counts as below it.
    assert scores["rfm"].tolist() == [*["511"] * 6, "541", "541", "551", "551"]
    backwards = scored([5] * 10, purchases[::-1], [7.5] * 10)
    assert backwards["rfm"].tolist() == scores["rfm"].tolist()[::-1]


@pytest.mark.parametrize("customers", [1, 2, 3, 4, 5, 6, 24, 25, 26, 99, 100, 1_000, 7_777])
def test_cuts_are_the_quantiles_that_numpy_finds(find_cuts, customers):
    random = np.random.default_rng(customers)
    days = random.integers(0, 60, customers)
    purchases = random.geometric(0.4, customers)
    value = random.normal(20, 30, customers)  # no two alike, some below zero
    cuts = find_cuts(days, purchases, value)
    for measure, values in (("recency", days), ("frequency", purchases), ("monetary", value)):
        quintiles = np.quantile(values, [0.2, 0.4, 0.6, 0.8], method="inverted_cdf")
        assert getattr(cuts, measure) == tuple(quintiles)


def test_a_base_without_customers_has_no_cuts(find_cuts):
    with pytest.raises(InputError, match="at least one customer"):
        find_cuts([], [], [])


def test_the_quintiles_can_be_queried_in_postgres():
    values = ibis.table({"value": "float64"}, name="summary")
    sql = ibis.to_sql(quintile_query(values), dialect="postgres")
    assert "OVER (ORDER BY" in sql and "GROUP BY" in sql and "QUANTILE" not in sql.upper()


CUTS = RfmCuts((10.0, 20.0, 30.0, 40.0), (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0))


def test_scores_move_only_when_the_customer_moves(scored):
    alone = scored([20], [3], [8.5], CUTS)
    among = scored([20, 0, 400], [3, 90, 1], [8.5, 1e6, -3.0], CUTS)
    assert alone["rfm"].tolist() == ["435"]
    assert among["rfm"].tolist() == ["435", "555", "111"]


def test_values_on_beside_and_beyond_the_cuts(scored):
    days = [0, 10, 10.5, 20, 30, 40, 41]
    assert scored(days, [1] * 7, [5] * 7, CUTS)["rfm"].str[0].tolist() == ["5", "5", "4", "4", "3", "2", "1"]
    assert scored([0] * 4, [1, 2, 4, 5], [5] * 4, CUTS)["rfm"].str[1].tolist() == ["1", "2", "4", "5"]
    assert scored([0] * 4, [1] * 4, [-9.0, 5.0, 8.0, 8.01], CUTS)["rfm"].str[2].tolist() == ["1", "1", "4", "5"]


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
def test_segments(scored, rfm, segment):
    recency, frequency, monetary = map(int, rfm)
    scores = scored([6 - recency], [frequency], [monetary], RfmCuts(*[(1.0, 2.0, 3.0, 4.0)] * 3))
    assert scores["rfm"].tolist() == [rfm]
    assert scores["segment"].tolist() == [segment]


def test_every_pair_of_scores_has_exactly_one_name():
    cells = [
        (r, w)
        for (r_low, r_high), (w_low, w_high) in SEGMENTS.values()
        for r in range(r_low, r_high + 1)
        for w in range(w_low, w_high + 1)
    ]
    assert sorted(cells) == [(r, w) for r in range(1, 6) for w in range(1, 6)]
    assert set(segment_names().ravel()) == set(SEGMENTS)


def test_names_of_the_settings_are_used(find_cuts):
    columns = [pd.Series([1, 2, 3, 4, 5])] * 3
    own = {"recent": ((4, 5), (1, 5)), "rich": ((1, 3), (3, 5)), "others": ((1, 3), (1, 2))}
    scores = rfm_scores(*columns, find_cuts(*[[1, 2, 3, 4, 5]] * 3), own)
    assert scores["rfm"].tolist() == ["511", "422", "333", "244", "155"]
    assert scores["segment"].tolist() == ["recent", "recent", "rich", "rich", "rich"]


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ({"all": ((1, 5), (1, 4))}, "recency 1 with 5, .* has no name"),
        ({"all": ((1, 5), (1, 5)), "best": ((5, 5), (5, 5))}, "must name each pair of scores once; 'best' and 'all'"),
        ({"all": ((0, 5), (1, 5))}, "those of 'all' are not"),
        ({"all": ((5, 1), (1, 5))}, "those of 'all' are not"),
    ],
)
def test_names_that_leave_a_score_out_or_name_it_twice_are_refused(segments, message):
    with pytest.raises(ValueError, match=message):
        segment_names(segments)


@pytest.mark.parametrize("name", ["", " ", "best ", "two\nlines", "before", NEW, GONE])
def test_names_that_cannot_be_told_from_words_of_a_table_are_refused(name):
    with pytest.raises(ValueError, match="must have names of one line"):
        segment_names({name: ((1, 5), (1, 5))})


@pytest.mark.parametrize("name", ["new", "now", "best | rest", "[bold]", "Чемпионы 🏆", "segment", "customers"])
def test_segments_of_any_other_name_are_reported_with_their_transitions(name):
    segments = {name: ((5, 5), (1, 5)), "others": ((1, 4), (1, 5))}
    assert set(segment_names(segments).ravel()) == set(segments)
    before, now = pd.Series([name, name, "others"], index=list("abc")), pd.Series(["others", name], index=list("ad"))
    transitions = count_transitions(before, now, tuple(segments))
    assert transitions.to_numpy().sum() == 4
    by_time = pd.DataFrame(0, list(segments), ["then", "left", "left_by_time", "expected_by_time"])
    section = segment_transitions_section(Transitions(date(2024, 1, 1), transitions, by_time))
    assert section.sentences[1] == f"Largest transitions: {name} to others 1."
    assert section.table["now"].tolist() == ["1", "1"]
    assert len(transitions.reset_index().columns) == 4


def test_the_index_is_kept(find_cuts):
    scores = rfm_scores(
        pd.Series([1, 2], index=["b", "a"]),
        pd.Series([1, 1], index=["b", "a"]),
        pd.Series([1, 1], index=["b", "a"]),
        find_cuts(*[[1, 2, 3, 4, 5]] * 3),
    )
    assert scores.index.tolist() == ["b", "a"]
