"""Whom to call, in which order, and that the reasons are what a reader of JSON expects."""

import json

import numpy as np
import pandas as pd
import pytest

from models.assembly import assemble_scores
from models.call_list import base_rates, call_list, explain
from models.release import Release


@pytest.fixture
def scores() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "customer_id": ["a", "b", "c", "d", "e", "f"],
            "clv": [100.0, 10.0, 300.0, 50.0, 0.0, 1000.0],
            "p_detractor": [0.5, 0.9, 0.2, 1.0, 0.9, 0.1],  # 0.6 in the mean
            "p_churn": [0.5, 0.1, 0.0, 1.0, 0.9, 0.04],
        },
        index=[10, 11, 12, 13, 14, 15],
    )


def release_with(a_scorer, source) -> Release:
    return Release(a_scorer(nps={"source": source, "why": "", "features": []}), {})


def test_likelier_detractors_than_the_base_by_value_at_stake(scores, a_scorer):
    calls = call_list(scores, release_with(a_scorer, "model"))
    # Nobody at or below the base's 0.6, nor anybody without value: not even f, the most valuable.
    assert calls["customer_id"].tolist() == ["d", "b"]
    assert calls["at_stake"].tolist() == [50.0, 9.0]
    assert calls.index.tolist() == [13, 11]


@pytest.mark.parametrize("source", ["prior", None])
def test_without_a_model_by_the_value_that_may_not_come_back(scores, a_scorer, source):
    calls = call_list(scores.assign(p_detractor=np.nan), release_with(a_scorer, source))
    assert calls["customer_id"].tolist() == ["a", "d", "f", "b"]  # a and d tie: by customer_id
    assert calls["at_stake"].tolist() == [50.0, 50.0, 40.0, 1.0]
    assert call_list(scores, release_with(a_scorer, source), longest=2)["customer_id"].tolist() == ["a", "d"]


def test_the_order_of_rows_does_not_matter(scores, a_scorer):
    release = release_with(a_scorer, None)
    pd.testing.assert_frame_equal(call_list(scores[::-1], release), call_list(scores, release))


def test_base_rates_are_means_and_nan_without_a_model(predicted):
    rates = base_rates(predicted)
    assert rates.sum() == pytest.approx(1.0)
    assert rates[0] == pytest.approx(np.mean([float(p) for p in predicted["p_detractor"]]))
    columns = {name: [None, None] for name in ("p_detractor", "p_passive", "p_promoter")}
    assert np.isnan(base_rates(pd.DataFrame(columns))).all()


def test_nobody_below_the_base_is_called_and_everybody_is_told_why(described, predicted, release):
    scores = assemble_scores(described, predicted, release, None)
    rates = base_rates(scores)
    calls = call_list(scores, release, longest=40)
    assert len(calls) == 40
    assert calls["p_detractor"].min() > rates[0]
    stakes = calls["clv"] * calls["p_detractor"]
    assert stakes.is_monotonic_decreasing
    left_out = scores[(scores["p_detractor"] > rates[0]) & ~scores.index.isin(calls.index)]
    assert (left_out["clv"] * left_out["p_detractor"]).max() <= stakes.min()

    texts = explain(calls, described, release, rates)
    assert texts.index.equals(calls.index)
    groups = set()
    for index, text in texts.items():
        reasons = json.loads(text)
        call, row = calls.loc[index], described.loc[index]
        assert all(set(reason) == {"group", "text"} and reason["text"] for reason in reasons)
        assert reasons[0] == {
            "group": "value",
            "text": f"{call['at_stake']:,.0f} of {call['clv']:,.0f} lifetime value at stake",
        }
        silent = [reason["text"] for reason in reasons if reason["text"].startswith("silent for")]
        since, usual = row["days_since_last_purchase"], row["days_between_purchases"]
        assert silent == (
            [f"silent for {since:,.0f} days; a purchase every {usual:,.0f} days before"] if since > usual else []
        )
        groups |= {reason["group"] for reason in reasons}
    assert len(groups) > 3


def test_without_trees_value_and_rhythm_are_the_reasons(a_scorer):
    release = release_with(a_scorer, None)
    calls = pd.DataFrame({"at_stake": [1234.4, 5.0], "clv": [2000.0, 5.0]}, index=["x", "y"])
    described = pd.DataFrame(
        {"days_between_purchases": [10.0, np.nan], "days_since_last_purchase": [30.0, 400.0]}, index=["x", "y"]
    )
    texts = explain(calls, described, release, np.full(3, np.nan))
    assert [json.loads(text) for text in texts] == [
        [
            {"group": "value", "text": "1,234 of 2,000 lifetime value at stake"},
            {"group": "purchase rhythm", "text": "silent for 30 days; a purchase every 10 days before"},
        ],
        [{"group": "value", "text": "5 of 5 lifetime value at stake"}],
    ]


def test_an_empty_list_has_no_reasons(described, release):
    calls = pd.DataFrame({"at_stake": [], "clv": []}, index=described.index[:0])
    assert explain(calls, described, release, np.full(3, 1 / 3)).empty
