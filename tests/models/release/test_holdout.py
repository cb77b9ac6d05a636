"""Before the cutoff there are features, from the cutoff to as_of outcomes, and nothing is both."""

from datetime import date

import pandas as pd
import pytest

from features.describe import feature_names
from features.tables import Tables
from features.vocabulary import learn_vocabulary
from models.purchases.second_stage.cuts import sampled
from models.recipe import Recipe
from models.release.holdout import build_holdout, cutoff_of

AS_OF, CUTOFF = date(2024, 4, 1), date(2024, 3, 2)
RECIPE = Recipe(horizon=30)


@pytest.fixture(scope="module")
def tables(take_frames) -> Tables:
    purchases = [
        ("a", "2024-01-01 10:00", 10),
        ("a", "2024-02-01 10:00", 20),
        ("a", "2024-03-02 00:00", 30),  # at the cutoff: the first instant of the holdout
        ("a", "2024-03-31 23:59", 40),
        ("b", "2024-03-01 23:59", 5),  # the last instant before it
        ("c", "2024-03-10 10:00", 50),
        ("d", "2024-02-10 10:00", 15),
        ("d", "2024-03-20 10:00", -5),
        ("d", "2024-04-01 00:00", 60),
    ]
    answers = [
        ("a", "2024-01-10", "2024-01-12", 3),
        ("a", "2024-02-20", "2024-03-01 23:59", 0),
        ("d", "2024-02-28", "2024-03-02 00:00", 7),
        ("a", "2024-03-05", "2024-03-06", 9),
        ("c", "2024-03-09", "2024-03-15", 10),  # asked before the first purchase
        ("b", "2024-03-20", "2024-04-01 00:00", 1),
        ("b", "2024-03-20", None, None),
    ]
    return take_frames(
        transactions=pd.DataFrame(purchases, columns=["customer_id", "ts", "amount"]),
        answers=pd.DataFrame(answers, columns=["customer_id", "invited_at", "answered_at", "score"]),
    )


@pytest.mark.parametrize(("horizon", "cutoff"), [(30, CUTOFF), (1, date(2024, 3, 31)), (366, date(2023, 4, 1))])
def test_the_horizon_of_the_cutoff_ends_at_as_of(horizon, cutoff):
    assert cutoff_of(AS_OF, horizon) == cutoff


def test_customers_are_described_at_the_cutoff_beside_what_they_did_then(tables):
    holdout = build_holdout(tables, AS_OF, RECIPE, learn_vocabulary(tables, CUTOFF))
    customers = holdout.customers.set_index("customer_id")
    columns = ["frequency", "recency", "T", "spend_frequency", "spend_value", "purchases", "revenue"]
    assert customers[columns].to_dict("index") == {
        "a": dict(zip(columns, (1, 31, 60, 1, 20, 2, 70), strict=True)),
        "b": dict(zip(columns, (0, 0, 0, 0, 0, 0, 0), strict=True)),
        "d": dict(zip(columns, (0, 0, 20, 0, 0, 0, 0), strict=True)),  # a day with only a return is no purchase
    }


def test_answers_of_the_holdout_are_described_as_of_when_they_were_asked_for(tables):
    holdout = build_holdout(tables, AS_OF, RECIPE, learn_vocabulary(tables, CUTOFF))
    answers = holdout.answers[["customer_id", "as_of", "category", "frequency", "T"]]
    assert answers.to_dict("records") == [
        {"customer_id": "a", "as_of": pd.Timestamp("2024-03-05"), "category": 2, "frequency": 2, "T": 63},
        {"customer_id": "d", "as_of": pd.Timestamp("2024-02-28"), "category": 1, "frequency": 0, "T": 17},
    ]


def test_another_vocabulary_describes_the_same_answers_row_for_row(tables):
    ours = build_holdout(tables, AS_OF, RECIPE, learn_vocabulary(tables, AS_OF)).answers
    theirs = build_holdout(tables, AS_OF, RECIPE, learn_vocabulary(tables, date(2024, 1, 2))).answers
    keys = ["customer_id", "answered_at", "category"]
    assert ours[keys].equals(theirs[keys])


def test_with_behaviour_the_same_customers_have_every_feature(tables):
    vocabulary = learn_vocabulary(tables, CUTOFF)
    plain = build_holdout(tables, AS_OF, RECIPE, vocabulary).customers
    full = build_holdout(tables, AS_OF, RECIPE, vocabulary, behaviour=True).customers
    assert set(feature_names(vocabulary)) <= set(full)
    pd.testing.assert_frame_equal(full[list(plain)], plain)


def test_the_gap_moves_the_day_that_describes_an_answer(tables):
    recipe = Recipe(horizon=30, label_gap_days=10)
    answers = build_holdout(tables, AS_OF, recipe, learn_vocabulary(tables, CUTOFF)).answers.set_index("customer_id")
    assert answers["as_of"].to_dict() == {"a": pd.Timestamp("2024-02-24"), "d": pd.Timestamp("2024-02-18")}
    assert answers["frequency"].to_dict() == {"a": 1, "d": 0}


def test_without_answers_there_are_none(tables):
    without = Tables(tables.transactions, None, None, None)
    assert build_holdout(without, AS_OF, RECIPE, learn_vocabulary(without, CUTOFF)).answers is None


def test_nobody_is_in_the_holdout_of_a_history_that_begins_after_the_cutoff(tables):
    holdout = build_holdout(tables, AS_OF, Recipe(horizon=120), learn_vocabulary(tables, AS_OF))
    assert holdout.customers.empty


@pytest.fixture(scope="module")
def large(take_frames):
    """Four hundred customers, of whom about a half buy in the holdout, with rows in some order."""

    def taken(seed):
        days = [f"2024-02-{day:02d}" for day in range(1, 29)]
        rows = [(f"c{i}", f"{days[i % 28]} 10:00", 5 + i % 7) for i in range(400)]
        rows += [(f"c{i}", f"2024-03-{3 + i % 25:02d} 10:00", 1 + i % 11) for i in range(0, 400, 2)]
        frame = pd.DataFrame(rows, columns=["customer_id", "ts", "amount"]).sample(frac=1.0, random_state=seed)
        visits = pd.DataFrame([(f"c{i}", "2024-02-20", "visit") for i in range(0, 400, 3)])
        return take_frames(transactions=frame, events=visits.set_axis(["customer_id", "ts", "kind"], axis=1))

    return taken(1), taken(2)


@pytest.mark.parametrize("behaviour", [False, True])
def test_of_a_large_base_a_sample_is_judged_the_same_for_any_order_of_rows(large, behaviour, monkeypatch):
    tables, shuffled = large
    vocabulary = learn_vocabulary(tables, CUTOFF)
    whole = build_holdout(tables, AS_OF, RECIPE, vocabulary, behaviour=behaviour)
    assert (len(whole.customers), whole.base, whole.weight) == (400, 400, 1.0)
    monkeypatch.setattr("models.release.holdout.LARGEST_SAMPLE", 200)
    some = build_holdout(tables, AS_OF, RECIPE, vocabulary, behaviour=behaviour)
    assert some.base == 400
    # A half of them, give or take four standard deviations of 10.
    assert abs(len(some.customers) - 200) <= 40
    assert some.weight == 400 / len(some.customers)
    is_drawn = whole.customers["customer_id"].isin(some.customers["customer_id"])
    expected = whole.customers[is_drawn].reset_index(drop=True)
    pd.testing.assert_frame_equal(some.customers, expected, check_exact=True)
    again = build_holdout(shuffled, AS_OF, RECIPE, vocabulary, behaviour=behaviour)
    pd.testing.assert_frame_equal(again.customers, some.customers, check_exact=True)
    # They are not those whom the second stage learns from.
    learned = sampled(tables, CUTOFF, RECIPE.seed, 200).transactions.customer_id.to_pyarrow().to_pylist()
    assert 60 <= len(set(learned) & set(some.customers["customer_id"])) <= 140
