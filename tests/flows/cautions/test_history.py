"""A short history is told with what to set; a long one is not."""

from datetime import date, timedelta

import pytest

from flows.cautions.history import short_history

AS_OF = date(2024, 7, 1)


def told(days, horizon=90, churn_horizon=365, clv_horizon=365):
    return short_history(AS_OF - timedelta(days=days), AS_OF, horizon, churn_horizon, clv_horizon)


@pytest.mark.parametrize("days", [92, 365, 4000])
def test_a_quarter_of_the_longest_horizon_is_enough(days):
    assert told(days) == ()


def test_less_than_a_quarter_of_the_value_horizon_says_what_to_set():
    (sentence,) = told(91)
    assert sentence == (
        "The history is 91 days long, from 2024-04-01 to the day before 2024-07-01: less than a quarter of the "
        "clv_horizon of 365 and churn_horizon of 365 days. Take clv and p_churn as a guess, or set clv_horizon = 364 "
        "and churn_horizon = 364."
    )
    (only_clv,) = told(91, clv_horizon=730, churn_horizon=180)
    assert only_clv.endswith("the clv_horizon of 730 days. Take clv as a guess, or set clv_horizon = 364.")


def test_less_than_the_horizon_says_which_one_can_be_judged():
    first, second = told(41)
    assert "less than the horizon of 90 days" in first
    assert first.endswith("set horizon = 20.")
    assert second.endswith("set clv_horizon = 164 and churn_horizon = 164.")
    # What is proposed is not complained about again.
    assert told(41, 20, 164, 164) == ()
    assert "take a longer history" in told(1)[0]
