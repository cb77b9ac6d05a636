from datetime import date

import pytest

from data.errors import InputError
from features.describe import materialise
from features.labels import SATISFACTION_CUTS, commented_answers

BEFORE = date(2024, 3, 1)


def comments(shop, answers, question="nps", **options):
    table = shop([], answers=answers).answers
    return materialise(commented_answers(table, question, before=BEFORE, **options))


def test_a_comment_stands_beside_its_category(shop):
    answers = [
        {"customer_id": "b", "score": 7, "answered_at": "2024-02-03", "comment": "так себе", "touchpoint": "web"},
        {"customer_id": "a", "score": 10, "answered_at": "2024-02-02 10:00", "comment": "  Great! "},
        {"customer_id": "c", "score": 0, "answered_at": "2024-02-01", "comment": "?"},
    ]
    rows = comments(shop, answers)
    assert list(rows.columns) == ["customer_id", "answered_at", "category", "comment", "touchpoint"]
    assert rows[["customer_id", "category", "comment"]].to_numpy().tolist() == [
        ["a", 2, "  Great! "],
        ["b", 1, "так себе"],
        ["c", 0, "?"],
    ]
    assert rows.touchpoint[1] == "web"
    assert str(rows.answered_at[0]) == "2024-02-02 10:00:00"


def test_only_answers_in_time_with_a_score_and_words_are_comments(shop):
    answers = [
        {"customer_id": "on the last day", "score": 9, "answered_at": "2024-02-29 23:59", "comment": "x"},
        {"customer_id": "too late", "score": 9, "answered_at": "2024-03-01", "comment": "x"},
        {"customer_id": "on the first day", "score": 9, "answered_at": "2024-02-01", "comment": "x"},
        {"customer_id": "too early", "score": 9, "answered_at": "2024-01-31 23:59", "comment": "x"},
        {"customer_id": "no score", "answered_at": "2024-02-02", "comment": "x"},
        {"customer_id": "never answered", "score": 9, "comment": "x"},
        {"customer_id": "no comment", "score": 9, "answered_at": "2024-02-02"},
        {"customer_id": "spaces", "score": 9, "answered_at": "2024-02-02", "comment": " \t\n "},
        {"customer_id": "hard spaces", "score": 9, "answered_at": "2024-02-02", "comment": "\u00a0\u3000\u200b"},
        {"customer_id": "other question", "question": "ces", "score": 5, "answered_at": "2024-02-02", "comment": "x"},
    ]
    found = comments(shop, answers, since=date(2024, 2, 1))
    assert found.customer_id.tolist() == ["on the first day", "on the last day"]
    assert "too early" in comments(shop, answers).customer_id.tolist()
    assert comments(shop, answers, question="csi").empty


def test_a_scale_is_cut_as_its_question_is(shop):
    scale = {"question": "csat", "scale_low": 1, "scale_high": 5, "answered_at": "2024-02-02", "comment": "x"}
    answers = [scale | {"customer_id": str(score), "score": score} for score in range(1, 6)]
    by_satisfaction = comments(shop, answers, question="csat", cuts=SATISFACTION_CUTS)
    assert by_satisfaction.category.tolist() == [0, 0, 1, 2, 2]
    assert comments(shop, answers, question="csat").category.tolist() == [0, 0, 1, 1, 2]
    with pytest.raises(InputError, match="1-9"):
        comments(shop, [scale | {"customer_id": "a", "score": 9, "scale_high": 9}], question="csat")
