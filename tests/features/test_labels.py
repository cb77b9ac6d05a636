from datetime import date

import pytest

from data.errors import InputError
from features.describe import materialise
from features.labels import CATEGORY_CUTS, SATISFACTION_CUTS, commented_answers, invitations, labelled_answers

BEFORE = date(2024, 3, 1)


def label(shop, answers, question="nps", **options):
    table = shop([], answers=answers).answers
    return materialise(labelled_answers(table, question, before=BEFORE, **options)).to_dict("records")


@pytest.mark.parametrize(
    ("scale", "detractors", "passives", "promoters"),
    [
        ((0, 10), range(7), (7, 8), (9, 10)),
        ((1, 5), (1, 2), (3, 4), (5,)),
        ((1, 6), (1, 2, 3), (4, 5), (6,)),
        ((1, 7), (1, 2, 3, 4), (5, 6), (7,)),
        ((1, 10), range(1, 7), (7, 8), (9, 10)),
    ],
)
def test_every_score_of_every_scale_has_its_category(shop, scale, detractors, passives, promoters):
    expected = dict.fromkeys(detractors, 0) | dict.fromkeys(passives, 1) | dict.fromkeys(promoters, 2)
    assert list(expected) == list(range(scale[0], scale[1] + 1))
    answers = [
        {"customer_id": "a", "score": s, "scale_low": scale[0], "scale_high": scale[1], "answered_at": "2024-01-05"}
        for s in expected
    ]
    assert {row["score"]: row["category"] for row in label(shop, answers)} == expected


def test_the_scales_of_the_test_are_all_there_are():
    assert set(CATEGORY_CUTS) == set(SATISFACTION_CUTS) == {(0, 10), (1, 5), (1, 6), (1, 7), (1, 10)}


def test_the_satisfied_are_the_top_answers_of_each_scale(shop):
    top = {(0, 10): {9, 10}, (1, 5): {4, 5}, (1, 6): {5, 6}, (1, 7): {6, 7}, (1, 10): {9, 10}}
    answers = [
        {"customer_id": f"{low}-{high}", "score": score, "scale_low": low, "scale_high": high, "question": "csat"}
        | {"answered_at": "2024-01-05"}
        for low, high in top
        for score in range(low, high + 1)
    ]
    rows = label(shop, answers, question="csat", cuts=SATISFACTION_CUTS)
    satisfied = [(row["scale_low"], row["scale_high"], row["score"]) for row in rows if row["category"] == 2]
    assert sorted(satisfied) == sorted((*scale, score) for scale, scores in top.items() for score in scores)


def test_as_of_is_the_invitation_or_the_day_before_the_answer_minus_the_gap(shop):
    answers = [
        {"customer_id": "a", "score": 9, "invited_at": "2024-01-10 15:00", "answered_at": "2024-01-20 10:00"},
        {"customer_id": "b", "score": 9, "answered_at": "2024-01-20 10:00"},
        # An invitation dated after the answer would look past it.
        {"customer_id": "c", "score": 9, "invited_at": "2024-01-25", "answered_at": "2024-01-20"},
    ]
    dates = [row["as_of"].date().isoformat() for row in label(shop, answers)]
    assert dates == ["2024-01-10", "2024-01-19", "2024-01-19"]
    dates = [row["as_of"].date().isoformat() for row in label(shop, answers, gap_days=12)]
    assert dates == ["2023-12-29", "2024-01-07", "2024-01-07"]


def test_only_answers_to_the_question_known_before_are_labels_in_a_fixed_order(shop):
    def answer(customer, score, answered_at, **more):
        return {"customer_id": customer, "score": score, "answered_at": answered_at, **more}

    answers = [
        answer("z", 9, "2024-01-02"),
        answer("b", 8, "2024-02-29 23:59:59"),
        answer("b", 3, "2024-01-02 09:00"),
        answer("b", 5, "2024-01-02 08:00"),
        answer("c", 9, "2024-03-01"),  # answered too late
        answer("d", None, None, invited_at="2024-01-01"),  # not answered
        answer("e", 9, None, invited_at="2024-01-01"),  # nobody knows when
        answer("f", 1, "2024-01-02", question="csat"),
    ]
    got = [(row["customer_id"], row["score"]) for row in label(shop, answers)]
    assert got == [("b", 5), ("b", 3), ("b", 8), ("z", 9)]
    assert [row["customer_id"] for row in label(shop, answers, since=date(2024, 2, 1))] == ["b"]
    assert label(shop, answers, question="ces") == []


def test_two_cuts_share_no_answer_and_lose_none(shop):
    answers = [
        {"customer_id": "a", "score": 9, "invited_at": "2024-01-20", "answered_at": f"2024-{month:02d}-01"}
        for month in (1, 2)
    ]
    table = shop([], answers=answers).answers
    cut = date(2024, 2, 1)
    early = labelled_answers(table, "nps", before=cut).count().to_pyarrow().as_py()
    late = labelled_answers(table, "nps", before=BEFORE, since=cut).count().to_pyarrow().as_py()
    assert (early, late) == (1, 1)


def test_invitations_say_who_answered_as_far_as_was_known(shop):
    answers = [
        {"customer_id": "a", "score": 9, "invited_at": "2024-01-10", "answered_at": "2024-01-11"},
        {"customer_id": "b", "score": 9, "invited_at": "2024-02-10", "answered_at": "2024-03-01"},
        {"customer_id": "c", "invited_at": "2024-01-10"},
        {"customer_id": "d", "invited_at": "2024-03-01"},  # not invited yet
        {"customer_id": "e", "score": 2, "answered_at": "2024-02-20"},
        {"customer_id": "f", "score": 2, "answered_at": "2024-03-01"},  # not there yet, as far as is known
    ]
    table = shop([], answers=answers).answers
    got = materialise(invitations(table, "nps", before=BEFORE))
    assert dict(zip(got.customer_id, got.answered, strict=True)) == {"a": True, "b": False, "c": False, "e": True}
    assert got.answered_at.isna().tolist() == [False, True, True, False]
    assert [str(day.date()) for day in got.as_of] == ["2024-01-10", "2024-02-10", "2024-01-10", "2024-02-19"]
    recent = materialise(invitations(table, "nps", before=BEFORE, since=date(2024, 2, 1)))
    assert recent.customer_id.tolist() == ["b", "e"]


def test_an_invitation_carries_its_answer_and_its_category(shop):
    own = {"invited_at": "2024-02-01"}
    answers = [
        {**own, "customer_id": "unanswered"},
        {**own, "customer_id": "answered later", "answered_at": "2024-03-01", "score": 9},
        {**own, "customer_id": "answered", "answered_at": "2024-02-02", "score": 9},
        {**own, "customer_id": "on 0-9", "answered_at": "2024-02-02", "score": 9, "scale_high": 9},
    ]
    rows = materialise(invitations(shop([], answers=answers).answers, "nps", before=BEFORE)).set_index("customer_id")
    assert rows.index[rows["answered"]].tolist() == ["answered", "on 0-9"]
    assert rows.loc["answered", ["score", "scale_low", "scale_high", "category"]].tolist() == [9, 0, 10, 2]
    # A scale without cut points leaves the score, and no category.
    assert rows.loc["on 0-9", ["score", "scale_high"]].tolist() == [9, 9]
    assert rows.index[rows["category"].notna()].tolist() == ["answered"]
    assert rows.loc[["answered later", "unanswered"], ["answered_at", "score", "scale_low"]].isna().all(axis=None)
    (answer,) = label(shop, answers[:3])
    assert answer == {"customer_id": "answered", **rows.loc["answered"].drop("answered").to_dict()}


def test_an_unknown_scale_and_a_negative_gap_say_what_to_do(shop):
    odd = [{"customer_id": "a", "score": 3, "scale_low": 0, "scale_high": 5, "answered_at": "2024-01-01"}]
    with pytest.raises(InputError, match=r"scale 0-5, .* expected one of 0-10, 1-5, 1-6, 1-7, 1-10\. Correct"):
        label(shop, odd)
    with pytest.raises(InputError, match="gap_days must be 0 or more, got -1"):
        label(shop, odd, gap_days=-1)


def comments(shop, answers, question="nps"):
    table = shop([], answers=answers).answers
    return materialise(commented_answers(table, question, before=BEFORE))


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
        {"customer_id": "no score", "answered_at": "2024-02-02", "comment": "x"},
        {"customer_id": "never answered", "score": 9, "comment": "x"},
        {"customer_id": "no comment", "score": 9, "answered_at": "2024-02-02"},
        {"customer_id": "spaces", "score": 9, "answered_at": "2024-02-02", "comment": " \t\n "},
        {"customer_id": "hard spaces", "score": 9, "answered_at": "2024-02-02", "comment": "\u00a0\u3000\u200b"},
        {"customer_id": "other question", "question": "ces", "score": 5, "answered_at": "2024-02-02", "comment": "x"},
    ]
    assert comments(shop, answers).customer_id.tolist() == ["on the last day"]
    assert comments(shop, answers, question="csi").empty


def test_a_comment_on_a_scale_without_cut_points_is_refused(shop):
    answer = {"customer_id": "a", "score": 9, "scale_high": 9, "answered_at": "2024-02-02"}
    with pytest.raises(InputError, match="0-9"):
        comments(shop, [{**answer, "comment": "x"}])
    assert comments(shop, [answer]).empty
