"""Which published prediction belongs to an answer: the newest that did not know it, checked pair by pair."""

import numpy as np
import pandas as pd
import pytest

from models.monitoring.prospective_predictions import PRIORS, predictions_before_answers
from models.scoring.columns import PROBABILITIES

SCORERS = pd.DataFrame(
    [("2024-01-01", 0.3, 0.3, 0.4), ("2024-03-01", 0.25, 0.3, 0.45)],
    columns=["nps_as_of", *PRIORS],
    index=pd.Index([1, 2], name="scorer_version"),
)


def table(as_of, version, customers="ab", **columns):
    constants = {"as_of": pd.Timestamp(as_of), "nps_source": "model", "scorer_version": version, "p_passive": 0.5}
    frame = pd.DataFrame({"customer_id": list(customers)}).assign(**constants | columns)
    frame["p_detractor"] = 0.01 * np.arange(1, len(frame) + 1) + 0.1 * version
    return frame.assign(p_promoter=1 - 0.5 - frame["p_detractor"])


def answer(customer, as_of, answered_at, category=1):
    stamps = {"as_of": pd.Timestamp(as_of), "answered_at": pd.Timestamp(answered_at)}
    return {"customer_id": customer, **stamps, "category": category}


def join(tables, *answers):
    return predictions_before_answers(tables, SCORERS, pd.DataFrame(answers))


def test_the_newest_prediction_at_or_before_the_asking_is_taken():
    tables = [table("2024-01-10", 1), table("2024-02-10", 1), table("2024-02-20", 1)]
    found = join(
        tables,
        answer("b", "2024-02-15", "2024-02-18", 2),
        answer("a", "2024-02-20", "2024-02-20 09:00", 0),
        answer("a", "2024-01-09", "2024-03-09"),
        answer("c", "2024-02-20", "2024-02-21"),
    )
    assert found["predicted_as_of"].dt.date.astype(str).tolist() == ["2024-02-10", "2024-02-20"]
    assert found["customer_id"].tolist() == ["b", "a"]
    assert found["category"].tolist() == [2, 0]
    assert found["p_detractor"].tolist() == pytest.approx([0.12, 0.11])
    assert found["prior_promoter"].tolist() == [0.4, 0.4]


def test_a_prediction_published_after_the_answer_does_not_count():
    late = table("2024-02-10", 1, published_at=pd.Timestamp("2024-02-18 12:00"))
    early = table("2024-01-10", 1, published_at=pd.Timestamp("2024-01-10 06:00"))
    at = [answer("a", "2024-02-15", "2024-02-18 12:00"), answer("a", "2024-02-15", "2024-02-18 12:01")]
    found = join([early, late], *at)
    assert found["predicted_as_of"].dt.month.tolist() == [1, 2]


def test_a_prediction_of_a_model_that_was_trained_on_the_answer_does_not_count():
    # Scorer 2 learned from all answers before March, so a run of it for a past date knows them.
    tables = [table("2024-02-01", 1), table("2024-02-10", 2)]
    found = join(tables, answer("a", "2024-02-15", "2024-02-29 23:59"), answer("a", "2024-02-15", "2024-03-01"))
    assert found["scorer_version"].tolist() == ["1", "2"]


def test_who_has_no_prediction_and_a_second_run_of_one_day():
    no_model = table("2024-02-10", 1, nps_source=None)
    found = join([no_model], answer("a", "2024-02-15", "2024-02-16"))
    assert found.empty and set(PROBABILITIES) <= set(found.columns)
    assert join([], answer("a", "2024-02-15", "2024-02-16")).empty
    again = table("2024-02-10", 1).assign(p_detractor=0.4, p_promoter=0.1)
    found = join([table("2024-02-10", 1), again], answer("a", "2024-02-15", "2024-02-16"))
    assert found["p_detractor"].tolist() == [0.4]
    with pytest.raises(KeyError, match="lacks version 3; it has 1, 2"):
        join([table("2024-02-10", 3)], answer("a", "2024-02-15", "2024-02-16"))


def test_every_answer_gets_what_a_search_pair_by_pair_finds():
    rng = np.random.default_rng(2)

    def day(n):
        return pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 120, n), unit="D")

    tables = []
    for as_of in sorted(day(9)):
        delay = pd.Timedelta(hours=int(rng.integers(0, 900)))
        tables.append(table(as_of, int(rng.integers(1, 3)), "abcdef", published_at=as_of + delay))
    answers = pd.DataFrame({"customer_id": rng.choice(list("abcdefg"), 80), "as_of": day(80), "category": 0})
    answers["answered_at"] = answers["as_of"] + pd.to_timedelta(rng.integers(1, 400, 80), unit="h")
    found = predictions_before_answers(tables, SCORERS, answers)
    expected = []
    for _, row in answers.iterrows():
        best = None
        for t in tables:
            p = t[t["customer_id"] == row["customer_id"]]
            trained = pd.Timestamp(SCORERS.loc[t["scorer_version"][0], "nps_as_of"])
            if p.empty or t["as_of"][0] > row["as_of"] or t["published_at"][0] >= row["answered_at"]:
                continue
            if trained > row["answered_at"]:
                continue
            key = (t["as_of"][0], t["published_at"][0])
            if best is None or key >= best[0]:
                best = (key, row["customer_id"], row["as_of"], p["p_detractor"].iloc[0])
        expected += [(*best[1:3], best[0][0], best[3])] if best else []
    assert 10 < len(expected) < 80
    columns = ["customer_id", "as_of", "predicted_as_of", "p_detractor"]
    assert found[columns].to_numpy().tolist() == [list(row) for row in expected]
