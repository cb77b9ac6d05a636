"""Weeks hold the repeat purchases of the cut's customers, and the models' expectation of new customers."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.recipe import Recipe
from models.release.rolling import BG, MBG, CutoffResult, backtest_at
from models.release.weekly import weekly_repeat_purchases
from models.scoring.bg_nbd import new_customer_expected_purchases

CUT, RECIPE = date(1997, 10, 1), Recipe(horizon=273)


@pytest.fixture(scope="module")
def result(cdnow_transactions, take_frames) -> tuple[pd.DataFrame, CutoffResult]:
    tables = take_frames(transactions=cdnow_transactions.rename(columns={"date": "ts", "value": "amount"}))
    cut = backtest_at(tables, CUT, RECIPE, with_second_stage=False)
    return weekly_repeat_purchases(tables, cut), cut


def test_weeks_are_those_of_the_file(result, cdnow_transactions):
    weekly, _ = result
    days = cdnow_transactions.drop_duplicates(["customer_id", "date"]).sort_values(["customer_id", "date"])
    repeats = days[days.duplicated("customer_id")]
    assert weekly["until"].iloc[[0, -1]].tolist() == [
        pd.Timestamp("1997-01-01") + pd.Timedelta(weeks=1),
        pd.Timestamp("1998-07-01"),
    ]
    assert (weekly["until"].diff().dropna() == pd.Timedelta(weeks=1)).all()
    for until, count in zip(weekly["until"], weekly["actual"], strict=True):
        assert count == repeats["date"].between(until - pd.Timedelta(weeks=1), until, inclusive="left").sum()


def test_weeks_before_the_cut_add_up_to_the_frequencies_and_after_it_to_the_outcomes(result):
    weekly, cut = result
    before = weekly["until"] <= pd.Timestamp(CUT)
    assert weekly.loc[before, "actual"].sum() == cut.customers["frequency"].sum()
    assert weekly.loc[~before, "actual"].sum() == cut.customers["purchases"].sum()


def test_the_expectation_is_the_sum_over_new_customers(result):
    weekly, cut = result
    before = weekly["until"] <= pd.Timestamp(CUT)
    ages = cut.customers["T"].to_numpy(float)
    for model in (BG, MBG):
        parameters = cut.fits[model].purchases
        assert weekly.loc[before, model].sum() == pytest.approx(new_customer_expected_purchases(ages, parameters).sum())
        total = new_customer_expected_purchases(ages + 273, parameters).sum()
        assert weekly[model].sum() == pytest.approx(total)
        assert (weekly[model] >= 0).all()
    # Fitted by likelihood, BG/NBD follows the period it was fitted on.
    assert weekly.loc[before, BG].sum() == pytest.approx(weekly.loc[before, "actual"].sum(), rel=0.05)


def test_a_horizon_under_a_week_ends_at_the_cut_and_the_first_week_may_be_short(take_frames):
    days = [*pd.date_range("2024-01-01", periods=30), *pd.date_range("2024-01-02", periods=30)]
    customers = [f"c{i}" for i in range(30)] * 2
    tables = take_frames(transactions=pd.DataFrame({"customer_id": customers, "ts": days, "amount": 1.0}))
    cut = backtest_at(tables, date(2024, 1, 11), Recipe(horizon=5), with_second_stage=False)
    weekly = weekly_repeat_purchases(tables, cut)
    assert weekly["until"].tolist() == [pd.Timestamp("2024-01-04"), pd.Timestamp("2024-01-11")]
    assert np.array_equal(weekly["actual"], [2, 7])
