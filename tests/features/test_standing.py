"""A store is judged by the earlier answers of its other customers."""

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.describe import describe, materialise
from features.spine import everyone, pairs
from features.standing import ANSWERS_TO_TRUST, standing_features
from features.vocabulary import Vocabulary, learn_vocabulary

AS_OF = date(2024, 7, 1)


def standing(tables, spine):
    frame = materialise(standing_features(tables, tables.answers, spine, "nps"))
    if "as_of" in frame:
        frame["as_of"] = frame.as_of.dt.date
    return frame.set_index(list(spine.keys)).store_satisfaction


def sale(customer, day, store, **more):
    return {"customer_id": customer, "ts": day, "amount": 1, "store": store, **more}


def answer(customer, day, score, **more):
    return {"customer_id": customer, "answered_at": day, "score": score, **more}


def test_others_answers_about_the_last_store_count(shop):
    sales = [
        *(sale(name, "2024-01-01 10:00", "near") for name in "abc"),
        *(sale(name, "2024-01-01 11:00", "far") for name in "de"),
        sale("new", "2024-05-01", "near"),
        sale("moved", "2024-05-01", "near"),
        sale("moved", "2024-05-02", "far"),
        sale("moved", "2024-05-03", "near", amount="-0.5"),  # a return is no visit to judge by
        sale("elsewhere", "2024-05-01", "beyond"),
        sale("nowhere", "2024-05-01", None),
    ]
    answers = [answer("a", "2024-02-01", 10), answer("b", "2024-02-01", 8), answer("d", "2024-02-01", 3)]
    answers += [answer("e", "2024-02-02", None), answer("c", "2024-02-01", 0, question="csat")]
    answers.append(answer("nobody", "2024-02-01", 0))  # bought nowhere before
    tables = shop(sales, answers=answers)
    satisfaction = standing(tables, everyone(tables.transactions, AS_OF))
    usual, trust = (1.0 + 0.8 + 0.3) / 3, ANSWERS_TO_TRUST
    expected = {
        "new": (1.0 + 0.8 + trust * usual) / (2 + trust),
        "moved": (0.3 + trust * usual) / (1 + trust),
        "elsewhere": usual,
        # Not by their own answer, in the mean of all stores neither.
        "a": (0.8 + trust * (0.8 + 0.3) / 2) / (1 + trust),
        "d": (1.0 + 0.8) / 2,
    }
    assert satisfaction[list(expected)].to_dict() == pytest.approx(expected)
    assert "nowhere" not in satisfaction.index


def test_the_only_answer_says_nothing_of_who_gave_it(shop):
    sales = [sale(name, "2024-01-01", "near") for name in "ab"]
    tables = shop(sales, answers=[answer("a", "2024-02-01", 7)])
    satisfaction = standing(tables, everyone(tables.transactions, AS_OF))
    assert np.isnan(satisfaction["a"])
    assert satisfaction["b"] == pytest.approx(0.7)


def test_another_own_answer_changes_that_of_others_only(shop):
    sales = [sale(name, "2024-01-01", store) for name, store in (("a", "near"), ("b", "near"), ("c", "far"))]
    satisfaction = {}
    for own in (0, 10):
        answers = [answer("a", "2024-02-01", own), answer("b", "2024-02-01", 8), answer("c", "2024-02-01", 2)]
        tables = shop(sales, answers=answers)
        satisfaction[own] = standing(tables, everyone(tables.transactions, AS_OF)).to_dict()
    # The mean of b and c is 0.5; b tells of near: (0.8 + 10 * 0.5) / 11.
    assert satisfaction[0]["a"] == satisfaction[10]["a"] == pytest.approx(5.8 / 11)
    # Of b: a and c have the mean 0.1 or 0.6, and a tells of near.
    assert [satisfaction[own]["b"] for own in (0, 10)] == pytest.approx([1.0 / 11, 7.0 / 11])
    # Of c: nobody else tells of far, so it is the mean of a and b.
    assert [satisfaction[own]["c"] for own in (0, 10)] == pytest.approx([0.4, 0.9])


def test_answers_speak_of_what_was_bought_before_the_invitation_and_are_known_the_day_after(shop):
    sales = [sale("a", "2024-01-01", "near"), sale("a", "2024-02-02", "far")]
    sales += [sale(name, "2024-01-01", name) for name in ("near", "far")]
    own_answer = answer("a", "2024-02-03 12:00", 10, invited_at="2024-02-02 09:00")
    for more, judged in ((own_answer, "near"), ({**own_answer, "invited_at": None}, "far")):
        tables = shop(sales, answers=[more, answer("far", "2024-01-09", 0), answer("near", "2024-01-09", 0)])
        spine = pairs(
            ibis.memtable({"customer_id": ["near", "far"] * 2, "as_of": [date(2024, 2, d) for d in (3, 3, 4, 4)]})
        )
        satisfaction = standing(tables, spine)
        before = {name: satisfaction[name, date(2024, 2, 3)] for name in ("near", "far")}
        after = {name: satisfaction[name, date(2024, 2, 4)] for name in ("near", "far")}
        assert before == {"near": 0.0, "far": 0.0}
        assert max(after, key=after.get) == judged


def test_it_is_what_a_loop_over_the_rows_finds(shop):
    rng = np.random.default_rng(3)
    start, stores, people = date(2024, 1, 1), ["n", "s", "w"], [f"p{n:02d}" for n in range(25)]

    def day():
        return start + timedelta(days=int(rng.integers(0, 120)))

    sales = [sale(rng.choice(people), day().isoformat(), rng.choice([*stores, None])) for _ in range(120)]
    answers = []
    for _ in range(60):
        invited = day()
        replied = invited + timedelta(days=int(rng.integers(0, 9)))
        asked = invited.isoformat() if rng.random() < 0.7 else None
        low, high = ((0, 10), (1, 5))[int(rng.integers(0, 2))]
        score = int(rng.integers(low, high + 1))
        answers.append(
            answer(rng.choice(people), replied.isoformat(), score, invited_at=asked, scale_low=low, scale_high=high)
        )
    tables = shop(sales, answers=answers)
    asked_of = pd.DataFrame({"customer_id": people * 2, "as_of": [date(2024, 3, 1)] * 25 + [date(2024, 6, 1)] * 25})
    satisfaction = standing(tables, pairs(ibis.memtable(asked_of)))

    def stores_of(customer, before):
        own = [s for s in sales if s["customer_id"] == customer and s["store"] and s["ts"] < before.isoformat()]
        return {s["store"] for s in own if s["ts"] == max(own, key=lambda s: s["ts"])["ts"]}

    spoken = []
    for one in answers:
        asked = min(one["invited_at"] or one["answered_at"], one["answered_at"])
        level = (one["score"] - one["scale_low"]) / (one["scale_high"] - one["scale_low"])
        spoken += [
            (one["customer_id"], store, one["answered_at"], level)
            for store in stores_of(one["customer_id"], date.fromisoformat(asked))
        ]
    expected = {}
    for customer, as_of in asked_of.itertuples(index=False):
        mine = stores_of(customer, as_of)
        earlier = [row for row in spoken if row[2] < as_of.isoformat()]
        levels = [level for who, store, _, level in earlier if store in mine and who != customer]
        if mine:
            others = [level for who, *_, level in earlier if who != customer]
            usual = ANSWERS_TO_TRUST * np.mean(others)
            expected[customer, as_of] = (sum(levels) + usual) / (len(levels) + ANSWERS_TO_TRUST)
    assert len(expected) > 40
    assert satisfaction.to_dict() == pytest.approx(expected)


def test_the_feature_is_there_where_stores_are_named_and_somebody_answered(shop):
    sales = [sale("a", "2024-01-01", "near"), sale("b", "2024-01-01", "near")]
    answers = [answer("a", "2024-02-01", 7), answer("a", "2024-02-01", 1, question="ces"), answer("b", "2024-03-01", 2)]
    tables = shop(sales, answers=answers)
    assert learn_vocabulary(tables, AS_OF).question == "nps"
    assert learn_vocabulary(tables, date(2024, 2, 1)).question is None
    assert learn_vocabulary(shop([sale("a", "2024-01-01", None)], answers=answers), AS_OF).question is None
    assert learn_vocabulary(shop(sales), AS_OF).question is None
    # Described without the answers, it is unknown.
    without = shop(sales)
    vocabulary = Vocabulary(question="nps")
    assert (
        materialise(describe(without, everyone(without.transactions, AS_OF), vocabulary))
        .store_satisfaction.isna()
        .all()
    )
