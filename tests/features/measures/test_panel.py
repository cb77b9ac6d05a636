from datetime import date

import ibis
import pandas as pd
import pytest

from features.measures import answer_sums, profitability
from features.measures.definition import FIGURES, Measure, MeasureOptions, shared, sharing
from features.measures.intervals import change_interval, nps_interval
from features.measures.panel import MEASURE_COLUMNS, MEASURES, measure
from features.measures.windows import Grouping, Windows

WINDOWS = Windows(until=date(2024, 1, 31), days=10, count=3)
SALES = [
    {"customer_id": customer, "ts": f"2024-01-{day:02}", "amount": amount, "channel": channel}
    for customer, day, amount, channel in [
        ("a", 1, 10, "web"),
        ("a", 14, 30, "web"),
        ("a", 22, 10, "web"),
        ("b", 12, 10, "web"),
        ("b", 23, 40, "shop"),
        ("b", 24, 10, "shop"),
    ]
]
ANSWERS = [
    {"customer_id": customer, "score": score, "answered_at": f"2024-01-{day:02}", "touchpoint": "email"}
    for customer, score, day in [("a", 10, 15), ("b", 9, 16), ("a", 0, 25), ("b", 10, 26)]
]


def named(*names):
    return [one for one in MEASURES if one.name in names]


def test_each_row_of_the_methods_is_there_once():
    names = [one.name for one in MEASURES]
    assert len(set(names)) == len(names)
    assert {"csat", "ces", "csi", "cli", "net_satisfaction", "miss_us", "nps"} < set(names)
    assert {"repurchase_ratio", "upselling_ratio", "retention", "churn", "arpu"} < set(names)
    assert {"customer_profitability", "activity_time", "visit_frequency", "core_user_actions"} < set(names)
    for one in MEASURES:
        assert one.title
        assert len(one.definition) > 20
        assert one.unit in ("%", "points", "ratio", "money", "days", "seconds", "")


def test_each_window_is_compared_with_the_one_before(shop):
    figures = measure(shop(SALES, answers=ANSWERS), WINDOWS, measures=named("nps", "arpu", "repeat_share"))
    assert tuple(figures.columns) == MEASURE_COLUMNS
    assert figures["measure"].tolist() == ["nps"] * 3 + ["repeat_share"] * 3 + ["arpu"] * 3
    assert figures["window"].tolist() == [0, 1, 2] * 3
    assert figures["start"].tolist()[:3] == [date(2024, 1, 21), date(2024, 1, 11), date(2024, 1, 1)]
    assert figures["end"].tolist()[:3] == [date(2024, 1, 31), date(2024, 1, 21), date(2024, 1, 11)]
    nps = figures[figures["measure"] == "nps"]
    assert nps["value"].tolist()[:2] == [0, 100]
    assert (nps["before"][0], nps["change"][0]) == (100, -100)
    assert nps[["before", "change"]].isna().all(axis=1).tolist() == [False, True, True]
    assert nps["n_before"].tolist() == [2, 0, 0]
    _, low, high = change_interval(nps_interval([1], [0], [1]), nps_interval([0], [0], [2]))
    assert (nps["change_low"][0], nps["change_high"][0]) == (pytest.approx(low[0]), pytest.approx(high[0]))
    assert nps["change_low"].isna().tolist() == [False, True, True]
    share = figures[figures["measure"] == "repeat_share"].set_index("window")
    # Mostly the same customers are in both windows: their shares are not independent.
    assert share["change_low"].isna().all()
    assert share["value"].tolist() == [50, 0, 0]
    assert share["before"].tolist()[:2] == [0, 0]
    assert share["change"].tolist()[:2] == [50, 0]
    # 60 by two at both ends, and 40 by one at the start and two at the end.
    assert figures[figures["measure"] == "arpu"]["value"].tolist()[:2] == [60 / 2, 40 / 1.5]


def test_a_figure_of_few_answers_is_cautioned_and_one_of_ten_is_not(shop):
    def answers(n):
        return [{"customer_id": f"c{i}", "score": 9, "answered_at": "2024-01-25"} for i in range(n)]

    for n, caution in (
        (1, "of fewer than 10, which tells no level"),
        (9, "of fewer than 10, which tells no level"),
        (10, None),
    ):
        sales = [{"customer_id": f"c{i}", "ts": "2024-01-22", "amount": 5} for i in range(n)]
        figures = measure(shop(sales, answers=answers(n)), WINDOWS, measures=named("nps", "repeat_share"))
        newest = figures[figures["window"] == 0].set_index("measure")
        assert newest["value"]["nps"] == 100
        assert newest["why"]["nps"] == caution
    assert newest["value"].notna().all()


def test_groups_are_compared_with_themselves(shop):
    tables = shop(SALES, answers=ANSWERS)
    segments = ibis.memtable({"customer_id": ["a", "b"], "group": ["old", "new"]})
    figures = measure(tables, WINDOWS, Grouping("segment", customers=segments), measures=named("nps", "repeat_share"))
    keys = ["measure", "group", "window"]
    nps = figures[figures["measure"] == "nps"].set_index(["group", "window"])["change"]
    assert (nps["new", 0], nps["old", 0]) == (0, -200)
    assert figures[keys].duplicated().sum() == 0
    by_channel = measure(tables, WINDOWS, Grouping("channel", column="channel"), measures=named("nps", "repeat_share"))
    assert by_channel.groupby("measure")["group"].unique().map(list).to_dict() == {
        "nps": ["everyone"],
        "repeat_share": ["shop", "web"],
    }
    assert by_channel.loc[0, "why"] == "answers have no column channel"


def test_a_shared_query_runs_once_while_measures_are_taken_and_is_then_forgotten():
    asked = []
    query = shared(lambda *arguments: asked.append(arguments) or len(asked))
    with sharing():
        with sharing():
            assert [query(1, "a"), query(1, "a"), query(2, "a")] == [1, 1, 2]
        assert query(1, "a") == 1
    assert [query(1, "a"), query(1, "a")] == [3, 4]


def test_measures_that_are_views_of_one_count_take_it_once(shop, monkeypatch):
    taken = []

    def count(module, name):
        real = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *arguments: taken.append(name) or real(*arguments))

    count(profitability, "active_customers")
    count(answer_sums, "sums_by_scale")
    tables = shop(SALES, answers=[row | {"question": "csat"} for row in ANSWERS])
    together = named(
        "retention", "churn", "arpu", "customer_profitability", "csat", "net_satisfaction", "ces", "miss_us"
    )
    figures = measure(tables, WINDOWS, measures=together)
    # Nobody answered ces or miss_us, so nothing is added up for them.
    assert sorted(taken) == ["active_customers", "sums_by_scale"]
    each = pd.concat([measure(tables, WINDOWS, measures=[one]) for one in together], ignore_index=True)
    pd.testing.assert_frame_equal(figures, each, check_exact=True)


@pytest.mark.parametrize("present", ["nothing", "transactions", "answers", "events"])
def test_no_measure_fails_where_its_input_is_absent(shop, present):
    event = {"customer_id": "a", "ts": "2024-01-25", "kind": "visit"}
    tables = shop(
        SALES if present == "transactions" else [],
        answers=ANSWERS if present == "answers" else None,
        events=[event] if present == "events" else None,
        customers=[] if present == "nothing" else None,
    )
    figures = measure(tables, Windows(WINDOWS.until, 10))
    assert set(figures["measure"]) == {one.name for one in MEASURES}
    without = figures[figures["value"].isna()]
    assert without["why"].map(lambda why: isinstance(why, str) and len(why) > 10).all()
    valued = set(figures.dropna(subset="value")["measure"])
    assert ("repeat_share" in valued, "nps" in valued, "visit_frequency" in valued) == tuple(
        present == table for table in ("transactions", "answers", "events")
    )


def test_a_measure_of_ones_own_is_taken_and_none_give_no_rows(shop):
    def compute(tables, windows, grouping, options):
        rows = [
            (window, "all", float(window), 0.0, 9.0, options.inactivity_days, None) for window in range(windows.count)
        ]
        return pd.DataFrame(rows[::-1], columns=list(FIGURES))

    own = Measure("own", "My own", "", "the number of the window", compute)
    figures = measure(shop([]), WINDOWS, options=MeasureOptions(inactivity_days=7), measures=[own])
    assert figures["value"].tolist() == [0, 1, 2]
    assert figures["change"].tolist()[:2] == [-1, -1]
    assert figures["n"].tolist() == [7, 7, 7]
    empty = measure(shop([]), WINDOWS, measures=[])
    assert (len(empty), tuple(empty.columns)) == (0, MEASURE_COLUMNS)
