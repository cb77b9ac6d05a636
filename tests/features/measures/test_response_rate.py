from datetime import date

import pytest

from features.measures.definition import MeasureOptions
from features.measures.intervals import wilson_interval
from features.measures.response_rate import response_rate
from features.measures.windows import Grouping, Windows


def rate(tables, windows):
    return response_rate("nps")(tables, windows, Grouping(), MeasureOptions())


def test_response_rate_by_hand(shop):
    def asked(customer, invited, answered=None, score=None):
        return {"customer_id": customer, "invited_at": invited, "answered_at": answered, "score": score}

    answers = [
        asked("a", "2024-01-20", "2024-01-21", 9),
        asked("b", "2024-01-20"),
        asked("c", "2024-01-29", "2024-01-31", 9),  # answered when the window is over: not known
        asked("e", None, "2024-01-22", 9),  # of how many who were asked is not known
        asked("f", "2024-01-10", "2024-01-20", 9),  # answered after the end of its window
        asked("g", "2024-01-10", "2024-01-11", 9),
        asked("h", "2024-01-14"),
        asked("i", "2023-12-30", "2023-12-30", 9),  # before the first that is known not to have answered
    ]
    windows = Windows(until=date(2024, 1, 31), days=15, count=3)
    figures = rate(shop([], answers=answers), windows)
    assert figures["value"].tolist()[:2] == pytest.approx([100 / 3, 100 / 3])
    assert figures["n"].tolist() == [3, 3, 0]
    assert "only answered ones" in figures["why"][2]
    assert figures["low"][0] == pytest.approx(100 * float(wilson_interval(1, 3)[1]))
    without = [row for row in answers if row["score"]]
    assert "not answered: give rows with invited_at" in rate(shop([], answers=without), windows)["why"][0]
    later = rate(shop([], answers=answers), Windows(date(2024, 3, 1), 15))
    assert later["value"].isna().all()


def test_by_touchpoint_only_where_unanswered_invitations_name_one(shop):
    answered = {"customer_id": "a", "invited_at": "2024-01-20", "answered_at": "2024-01-21", "score": 9}
    silent = {"customer_id": "b", "invited_at": "2024-01-20"}
    by_touchpoint = Grouping("touchpoint", column="touchpoint")
    windows = Windows(date(2024, 1, 31), 15)

    def figures(*answers):
        return response_rate("nps")(shop([], answers=answers), windows, by_touchpoint, MeasureOptions())

    nameless = figures(answered | {"touchpoint": "checkout"}, silent)
    assert nameless["value"].isna().all()
    assert "give rows with invited_at, touchpoint and without a score" in nameless["why"][0]
    named = figures(*(row | {"touchpoint": "checkout"} for row in (answered, silent)))
    assert named[named["window"] == 0]["value"].tolist() == [50]
