"""The customers of each list, their order, the thresholds, and why a list is absent."""

import numpy as np
import pandas as pd
import pytest

from models.actions import lists
from models.actions.lists import action_lists
from models.release.release import Release
from models.scoring.columns import CATEGORIES


def release_with(a_scorer, source, **changes):
    nps = {"source": source, "why": "No signal was found.", "features": [], "noise": None, "members": []}
    return Release(a_scorer(nps=nps | changes), {})


def by_name(lists):
    return {each.name: each for each in lists}


@pytest.fixture
def scores() -> pd.DataFrame:
    p_detractor = [0.6, 0.5, 0.2, 0.2, 0.6, 0.0, 0.0, 0.3, 0.3, 0.3]  # 0.30 in the mean
    p_promoter = [0.2, 0.3, 0.6, 0.7, 0.2, 0.5, 1.0, 0.5, 0.5, 0.5]  # 0.50 in the mean: an NPS of +20
    return pd.DataFrame(
        {
            "customer_id": list("jihgfedcba"),
            "segment": ["loyal"] * 5 + ["new"] * 5,
            "frequency": [3, 3, 3, 3, 3, 0, 0, 1, 2, 3],
            "clv": [100.0, 100.0, 100.0, 90.0, 10.0, 20.0, 5.0, 1.0, 0.0, 50.0],
            "p_alive": [0.9, 0.9, 0.05, 0.9, 0.9, 1.0, 1.0, 0.9, 0.9, 0.1],
            "p_churn": [0.1, 0.2, 0.9, 0.5, 0.1, 0.8, 0.8, 0.5, 0.5, 0.6],
            "p_purchase": [0.5, 0.5, 0.5, 0.5, 0.5, 0.1, 0.3, 0.5, 0.5, 0.5],
            "expected_revenue": [9.0, 9.0, 9.0, 9.0, 9.0, 4.0, 4.0, 9.0, 9.0, 9.0],
            "p_detractor": p_detractor,
            "p_promoter": p_promoter,
            # By m cut at 0 and .45, as a version may: detractors i, j and f, promoters d and g.
            "nps_category": np.array(CATEGORIES)[
                np.searchsorted([0.0, 0.45], np.subtract(p_promoter, p_detractor), "right")
            ],
        },
        index=range(20, 30),
    )


@pytest.fixture
def described() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "days_since_last_purchase": [10.0, 10.0, 90.0, 90.0, 10.0, 30.0, 60.0, 300.0, 10.0, 90.0],
            "days_between_purchases": [20.0, 20.0, 30.0, 30.0, 20.0, np.nan, np.nan, 30.0, 20.0, 30.0],
            "total_value": [10.0, 10.0, 800.0, 700.0, 10.0, 10.0, 10.0, 900.0, 10.0, 700.0],
        },
        index=range(20, 30),
    )


def test_likely_detractors_are_beyond_noise_and_valuable(scores, described, a_scorer):
    detractors = by_name(action_lists(scores, described, release_with(a_scorer, "model")))["likely_detractors"]
    # f is as likely a detractor as j, but not valuable; h is as valuable as j, but no likely detractor.
    assert detractors.customers["customer_id"].tolist() == ["j", "i"]
    assert detractors.customers["value"].tolist() == [60.0, 50.0]
    assert detractors.customers.index.tolist() == [20, 21]
    assert detractors.meaning == (
        "In the category of detractors, no likelier promoters than detractors, with an NPS score more than 2.0 points "
        "below the mean prediction of the base, +20.0, and a clv among the top fifth (100.00 or more); the likeliest "
        "detractors first (base: 30 %)."
    )
    # j is 60 points below the base, i 40: with this noise 40 are not beyond it.
    noisy = by_name(action_lists(scores, described, release_with(a_scorer, "model", noise=30.0)))
    assert noisy["likely_detractors"].customers["customer_id"].tolist() == ["j"]


def test_likely_detractors_are_ranked_by_chance_and_never_likelier_promoters(scores, described, a_scorer):
    # i is worth ten times as much as j, and less likely a detractor; h would be cut as one, and is likelier a promoter.
    scores.loc[21, "clv"], scores.loc[22, "nps_category"] = 1000.0, "detractor"
    scores.loc[23:, "clv"] = 1.0
    described = described.assign(total_value=1.0)
    found = by_name(action_lists(scores, described, release_with(a_scorer, "model")))["likely_detractors"].customers
    assert found["customer_id"].tolist() == ["j", "i"]
    assert found["value"].tolist() == [60.0, 500.0]
    assert found.columns.tolist() == ["customer_id", "segment", "value", "why"]


def test_lapsing_customers_exceed_their_own_usual_gap_and_have_not_lapsed(scores, described, a_scorer):
    lapsing = by_name(action_lists(scores, described, release_with(a_scorer, "model")))["lapsing"]
    # The top fifth are c, who has only one gap, and h, who has lapsed.
    assert lapsing.customers["customer_id"].tolist() == []
    described.loc[22, "total_value"] = 10.0
    lapsing = by_name(action_lists(scores, described, release_with(a_scorer, "model")))["lapsing"]
    assert lapsing.customers["customer_id"].tolist() == ["g", "a"]  # ties with the last of the top fifth count
    assert lapsing.customers["value"].tolist() == [45.0, 30.0]
    assert lapsing.customers["why"].iloc[0] == (
        "silent for 90 days; a purchase every 30 days before; 700.00 bought so far"
    )
    described.loc[23, "days_since_last_purchase"] = 60.0  # twice the gap is not more than twice
    lapsing = by_name(action_lists(scores, described, release_with(a_scorer, "model")))["lapsing"]
    assert lapsing.customers["customer_id"].tolist() == ["a"]


def test_promoters_to_ask_are_not_lapsing(scores, described, a_scorer):
    asked = by_name(action_lists(scores, described, release_with(a_scorer, "model")))["promoters"]
    # g and h are promoters too, but lapsing; e is not likelier to be a promoter than the base.
    assert asked.customers["customer_id"].tolist() == ["d"]
    assert asked.customers["value"].tolist() == [5.0]
    assert asked.value_definition.startswith("clv x p_promoter: ") and asked.value_definition.endswith(" In EUR.")


def test_second_purchases_tie_by_customer_id(scores, described, a_scorer, monkeypatch):
    second = by_name(action_lists(scores, described, release_with(a_scorer, "model")))["second_purchase"]
    assert second.customers["customer_id"].tolist() == ["d", "e"]
    assert second.customers["why"].tolist() == [
        "bought once, 60 days ago; 30 % likely to buy again within 90 days; base of one-time buyers 20 %",
        "bought once, 30 days ago; 10 % likely to buy again within 90 days; base of one-time buyers 20 %",
    ]
    assert second.meaning == "Bought on one day only; 20 % of them buy again within 90 days."
    monkeypatch.setattr(lists, "LONGEST_LIST", 1)
    (*_, short) = action_lists(scores, described, release_with(a_scorer, "model"))
    assert short.customers["customer_id"].tolist() == ["d"]


@pytest.mark.parametrize(
    ("source", "problem"), [("prior", "Everyone has the same probabilities"), (None, "The scorer holds no NPS model")]
)
def test_without_a_model_the_lists_that_nps_makes_are_absent_and_say_why(scores, described, a_scorer, source, problem):
    nothing = scores.assign(p_detractor=None, p_promoter=None, nps_category=None)
    all_lists = action_lists(nothing, described, release_with(a_scorer, source))
    assert [each.absent for each in all_lists] == [f"{problem}: No signal was found.", None] * 2
    assert [len(each.customers) for each in all_lists] == [0, 0, 0, 2]


def test_the_order_of_rows_does_not_matter(scores, described, a_scorer):
    release = release_with(a_scorer, "model")
    backwards = action_lists(scores[::-1], described[::-1], release)
    for one, other in zip(action_lists(scores, described, release), backwards, strict=True):
        pd.testing.assert_frame_equal(one.customers, other.customers)
        assert one.meaning == other.meaning


def test_a_base_of_nobody_who_bought_once_has_an_empty_list(scores, described, a_scorer):
    (*_, second) = action_lists(scores.assign(frequency=2), described, release_with(a_scorer, None))
    assert second.customers.empty and second.absent is None and second.meaning == "Bought on one day only."
