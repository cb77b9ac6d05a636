from datetime import date, datetime, timedelta
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd
import pytest

from features.measures.definition import FIGURES, MeasureOptions
from features.measures.intervals import mean_interval, nps_interval, wilson_interval
from features.measures.survey import ANSWER_MEASURES, answer_measures
from features.measures.windows import Grouping, Windows
from features.tables import Tables

JANUARY = Windows(until=date(2024, 1, 31), days=30, count=1)
TWO = Windows(until=date(2024, 1, 31), days=15)
MEASURES = {measure.name: measure for measure in ANSWER_MEASURES}


def answers_to(question, scores, scale=(0, 10), on="2024-01-10 12:00", **more):
    """One answer each of customers c0, c1, ..."""
    return [
        {"customer_id": f"c{k}", "question": question, "score": score, "answered_at": on}
        | {"scale_low": scale[0], "scale_high": scale[1]}
        | more
        for k, score in enumerate(scores)
    ]


def survey(question, customer, scores, scale, importances=None, on="2024-01-10 12:00"):
    """Answers of one customer to the parts of a question, by attribute."""
    return [
        {"customer_id": customer, "question": question, "score": score, "answered_at": on, "attribute": attribute}
        | {"scale_low": scale[0], "scale_high": scale[1], "importance": (importances or {}).get(attribute)}
        for attribute, score in scores.items()
    ]


def compute(name, tables, windows=JANUARY, grouping=None):
    return MEASURES[name].compute(tables, windows, grouping or Grouping(), MeasureOptions())


@pytest.fixture
def figure(shop):
    """Compute the one figure of a measure from answers."""

    def computed(name, answers, **options):
        figures = compute(name, shop([], answers=answers), **options)
        assert list(figures.columns) == list(FIGURES)
        return figures.iloc[0]

    return computed


def test_nps_by_hand(figure):
    figures = figure("nps", answers_to("nps", [10, 9, 9, 8, 7, 6, 0, 10]))
    # 4 promoters and 2 detractors of 8.
    assert (figures["value"], figures["n"], figures["why"]) == (25.0, 8, None)
    assert (figures["value"], figures["low"], figures["high"]) == tuple(float(x) for x in nps_interval(2, 2, 4))


@pytest.mark.parametrize(
    ("scale", "csat", "net"),
    [
        ((0, 10), 100 * 2 / 11, 100 * (2 - 7) / 11),
        ((1, 5), 40.0, 0.0),
        ((1, 6), 100 * 2 / 6, 0.0),
        ((1, 7), 100 * 2 / 7, 0.0),
        ((1, 10), 20.0, 100 * (2 - 6) / 10),
    ],
)
def test_csat_and_net_satisfaction_of_every_answer_once_by_hand(figure, scale, csat, net):
    answers = answers_to("csat", range(scale[0], scale[1] + 1), scale)
    share, balance = figure("csat", answers), figure("net_satisfaction", answers)
    assert share["value"] == pytest.approx(csat, rel=1e-12)
    assert balance["value"] == pytest.approx(net, rel=1e-12)
    assert share["low"] < csat < share["high"]
    assert -100 <= balance["low"] < net < balance["high"] <= 100


def test_shares_have_wilsons_interval(figure):
    figures = figure("csat", answers_to("csat", [5, 4, 3, 3, 1], (1, 5)))
    assert [figures[x] for x in ("value", "low", "high")] == [100 * float(x) for x in wilson_interval(2, 5)]


def test_effort_by_hand_on_both_forms(figure):
    ease = answers_to("ces", [7, 6, 5, 4, 1], (1, 7))
    assert figure("ces", ease)["value"] == pytest.approx(60)
    figures = figure("ces_mean", ease)
    assert figures["value"] == pytest.approx(23 / 5)
    # Standard deviation sqrt(5.3), Student's quantile of 4 degrees of freedom.
    assert 23 / 5 - figures["low"] == pytest.approx(2.7764451052 * np.sqrt(5.3 / 5))
    # As far above it would be beyond the scale.
    assert figures["high"] == 7
    turned = answers_to("ces", [5, 4, 3], (1, 5))
    assert figure("ces", turned)["value"] == pytest.approx(100 * 2 / 3)
    both = ease + turned
    assert figure("ces", both)["value"] == pytest.approx(100 * 5 / 8)
    several = figure("ces_mean", both)
    assert np.isnan([several["value"], several["low"], several["high"]]).all()
    assert several["n"] == 8
    assert "several scales (1-5, 1-7)" in several["why"]


def test_would_miss_us_by_hand(figure):
    assert figure("miss_us", answers_to("miss_us", [10, 9, 8, 1], (1, 10)))["value"] == 50


def test_satisfaction_index_by_hand(figure):
    # (5*3 + 2*1 + 4*3 + 4*2) / (3 + 1 + 3 + 2) = 37/9 of at most 5.
    answers = survey("csi", "a", {"price": 5, "staff": 2}, (1, 5), {"price": 3, "staff": 1})
    answers += survey("csi", "b", {"price": 4, "staff": 4}, (1, 5), {"price": 3, "staff": 2})
    figures = figure("csi", answers)
    assert figures["value"] == pytest.approx(100 * 37 / 9 / 5)
    assert figures["n"] == 2
    # a of 17 and 20, b of 4 and 5: residuals 17 - 4 R = 5/9 and 20 - 5 R = -5/9; one degree of freedom.
    reach = 12.7062047362 * np.sqrt(2 * 2 * (5 / 9) ** 2) / 9
    assert figures["low"] == pytest.approx(max(100 * (37 / 9 - reach) / 5, 20))
    assert figures["high"] == 100
    # What names no importance, or no attribute, does not count.
    lacking = survey("csi", "c", {"price": 1}, (1, 5)) + answers_to("csi", [1], (1, 5), importance=9)
    assert figure("csi", answers + lacking)["value"] == figures["value"]
    assert "attribute and its importance" in figure("csi", lacking)["why"]
    assert "importance of all answers is 0" in figure("csi", survey("csi", "a", {"x": 3}, (1, 5), {"x": 0}))["why"]
    other = survey("csi", "d", {"price": 7}, (1, 7), {"price": 1})
    assert "several scales (1-5, 1-7)" in figure("csi", answers + other)["why"]


def test_loyalty_index_by_hand(figure):
    answers = survey("cli", "a", {"recommend": 6, "buy_again": 5, "try_other": 4}, (1, 6))
    answers += survey("cli", "b", {"Recommend": 2, "buy again": 2, " try-other ": 1}, (1, 6))
    answers += survey("cli", "c", {"recommend": 6, "buy_again": 6}, (1, 6))  # not all three
    # The same customer on another day is another survey, and a later answer of the day replaces the first.
    answers += survey("cli", "a", {"recommend": 1, "buy_again": 4, "try_other": 4}, (1, 6), on="2024-01-12 09:00")
    answers += survey("cli", "a", {"recommend": 4}, (1, 6), on="2024-01-12 10:00")
    figures = figure("cli", answers)
    means = np.array([15, 5, 12]) / 3
    assert figures["n"] == 3
    assert figures["value"] == pytest.approx(means.mean())
    _, low, high = mean_interval(3, means.sum(), (means**2).sum())
    assert (low < 1, high > 6) == (True, True)
    assert (figures["low"], figures["high"]) == (1, 6)
    hundred = figure("cli_100", answers)
    assert [hundred[x] for x in ("value", "low", "high")] == pytest.approx(
        [20 * (figures[x] - 1) for x in ("value", "low", "high")]
    )
    # Another scale: no mean of both, but the form from 0 to 100 judges each on its own.
    answers += survey("cli", "d", {"recommend": 10, "buy_again": 10, "try_other": 10}, (0, 10))
    assert "several scales (0-10, 1-6)" in figure("cli", answers)["why"]
    assert figure("cli_100", answers)["value"] == pytest.approx((3 * hundred["value"] + 100) / 4)
    answers += survey("cli", "e", {"recommend": 10, "buy_again": 10}, (0, 10))
    answers += survey("cli", "e", {"try_other": 6}, (1, 6))
    assert "mixed in one survey" in figure("cli", answers)["why"]
    assert "several scales" in figure("cli_100", answers)["why"]
    assert "recommend, buy_again, try_other" in figure("cli", answers_to("cli", [6], (1, 6)))["why"]


def test_a_scale_without_a_cut_has_no_share_where_it_was_used(shop):
    answers = answers_to("csat", [80], (0, 100)) + answers_to("csat", [5], (1, 5))
    answers += answers_to("csat", [5], (1, 5), on="2024-01-20")
    figures = compute("csat", shop([], answers=answers), windows=TWO)
    assert figures["value"][0] == 100
    assert np.isnan(figures["value"][1])
    assert figures["why"][1].startswith("answers on the scale 0-100, which has no cut points")
    assert "on one of 0-10, 1-5" in figures["why"][1]


def test_windows_begin_at_midnight_and_end_before_the_next(shop):
    answers = answers_to("nps", [10], on="2024-01-16 00:00") + answers_to("nps", [0], on="2024-01-15 23:59:59")
    answers += answers_to("nps", [0], on="2024-01-31 00:00") + answers_to("nps", [0], on="2023-12-31 23:59:59")
    figures = compute("nps", shop([], answers=answers), windows=TWO)
    assert figures["value"].tolist() == [100, -100]
    assert figures["n"].tolist() == [1, 1]


def test_by_touchpoint_and_by_segment(shop):
    answers = (
        answers_to("nps", [10, 10, 0], touchpoint="shop")
        + answers_to("nps", [0], touchpoint="web")
        + answers_to("nps", [9])
    )
    tables = shop([], answers=answers)
    by_touchpoint = compute("nps", tables, grouping=Grouping("touchpoint", column="touchpoint"))
    assert by_touchpoint.set_index("group")["value"].round(6).to_dict() == {
        "shop": 33.333333,
        "web": -100,
        "not known": 100,
    }
    segments = ibis.memtable(pd.DataFrame({"customer_id": ["c0", "c1"], "group": ["loyal", "new"]}))
    connected = tables.answers.get_backend().create_table("segments", segments.to_pyarrow())
    by_segment = compute("nps", tables, windows=TWO, grouping=Grouping("segment", customers=connected))
    assert by_segment["group"].tolist() == ["loyal"] * 2 + ["new"] * 2 + ["not known"] * 2
    # c0: 10, 0 and 9; c1: 10; c2: 0. All in the older window.
    assert by_segment["value"].fillna(-1000).round(6).tolist() == [-1000, 33.333333, -1000, 100, -1000, -100]
    assert by_segment["why"].tolist()[0] == "no answers to the question nps in this window"


@pytest.mark.parametrize("name", MEASURES)
def test_what_is_not_there_is_said(name, shop):
    question = {"net_satisfaction": "csat", "ces_mean": "ces", "cli_100": "cli", "response_rate": "nps"}.get(name, name)
    without = compute(name, shop([]), windows=TWO)
    assert without["why"].tolist() == ["no table of answers was given"] * 2
    by_store = compute(name, shop([], answers=answers_to("nps", [9])), grouping=Grouping("store", column="store"))
    assert by_store["why"][0] == "answers have no column store"
    empty = compute(name, shop([], answers=[]))
    assert question in empty["why"][0]
    other = compute(name, shop([], answers=answers_to("taste", [9])))
    assert question in other["why"][0]
    for figures in (without, by_store, empty, other):
        assert figures[["value", "low", "high"]].isna().all(axis=None)
        assert figures["n"].eq(0).all()


def test_a_question_never_asked_one_asked_earlier_and_a_missing_column_are_told_apart(shop):
    tables = shop([], answers=answers_to("taste", [9]) + answers_to("csat", [5], (1, 5), on="2022-01-01"))
    assert "the questions answered are csat, taste; name another" in compute("nps", tables)["why"][0]
    assert compute("csat", tables)["why"][0] == "no answers to the question csat in these windows"
    narrow = Tables(tables.transactions, answers=tables.answers.drop("attribute", "importance"))
    assert "answers have no column attribute and no column importance" in compute("csi", narrow)["why"][0]
    assert "no column attribute" in compute("cli", narrow)["why"][0]


def test_questions_may_have_names_of_their_own(shop):
    own = {measure.name: measure for measure in answer_measures("would_tell", "happy")}
    tables = shop([], answers=answers_to("would_tell", [10, 8]) + answers_to("happy", [5, 1, 4], (1, 5)))
    values = {
        name: own[name].compute(tables, JANUARY, Grouping(), MeasureOptions())["value"][0]
        for name in ("nps", "csat", "net_satisfaction")
    }
    assert values == pytest.approx({"nps": 50, "csat": 200 / 3, "net_satisfaction": 100 / 3})
    assert "would_tell" in own["nps"].definition


def test_definitions_state_the_cuts_of_the_scales():
    assert "4-5 on 1-5" in MEASURES["csat"].definition
    assert "9-10 against 0-6 on 0-10" in MEASURES["net_satisfaction"].definition
    assert "5-7 on 1-7, 4-5 on 1-5" in MEASURES["ces"].definition
    assert "5 against 1-2 on 1-5" in MEASURES["nps"].definition
    assert "9-10 on 1-10" in MEASURES["miss_us"].definition


def test_figures_of_many_answers_are_those_of_plain_loops_whatever_the_order_of_rows_and_threads(shop):
    rng = np.random.default_rng(3)
    scales = {"nps": (0, 10), "csat": (1, 5), "csi": (1, 5)}
    answers = []
    for _ in range(3000):
        question = str(rng.choice(list(scales)))
        at = datetime(2023, 12, 1) + timedelta(minutes=int(rng.integers(0, 70 * 1440)))
        answers += answers_to(
            question, [int(rng.integers(scales[question][0], scales[question][1] + 1))], scales[question]
        )
        answers[-1] |= {"customer_id": f"c{rng.integers(0, 400)}", "answered_at": at.isoformat(" ")}
        answers[-1] |= {
            "touchpoint": str(rng.choice(["shop", "web"])),
            "attribute": str(rng.choice(["price", "staff"])),
        }
        answers[-1] |= {"importance": round(float(rng.gamma(2, 1)), 4)}
    windows, by = Windows(date(2024, 1, 31), 10, count=5), Grouping("touchpoint", column="touchpoint")
    shuffled = [answers[k] for k in rng.permutation(len(answers))]
    one, two = shop([], answers=answers), shop([], answers=shuffled, threads=4)
    for name in ("nps", "csat", "csi"):
        figures = compute(name, one, windows=windows, grouping=by)
        pd.testing.assert_frame_equal(figures, compute(name, two, windows=windows, grouping=by), check_exact=True)
        assert len(figures) == 10
        for row in figures.itertuples():
            day = [date(2024, 1, 31) - timedelta(days=10 * k) for k in (row.window + 1, row.window)]
            kept = [
                answer
                for answer in answers
                if answer["question"] == name
                and answer["touchpoint"] == row.group
                and day[0] <= datetime.fromisoformat(answer["answered_at"]).date() < day[1]
            ]
            scores = np.array([answer["score"] for answer in kept])
            if name == "csi":
                weights = [Decimal(str(answer["importance"])) for answer in kept]
                total = sum(weight * answer["score"] for weight, answer in zip(weights, kept, strict=True))
                expected = 100 * float(total / sum(weights)) / 5
            elif name == "nps":
                expected = 100 * ((scores >= 9).mean() - (scores <= 6).mean())
            else:
                expected = 100 * (scores >= 4).mean()
            assert row.value == pytest.approx(expected, rel=1e-12)
            assert row.n == (
                len({(a["customer_id"], a["answered_at"][:10]) for a in kept}) if name == "csi" else len(kept)
            )
