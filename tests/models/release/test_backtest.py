"""The backtest gives the published figures on CDNOW, and says where simple rules win."""

import math
from pathlib import Path

import lifetimes
import numpy as np
import pandas as pd
import pytest

from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.gamma_gamma import GammaGammaModel
from models.release.backtest import (
    BASELINES,
    backtest,
    expected_cumulative_purchases,
    own_average_rate,
    wins,
)
from models.scoring.bg_nbd import expected_purchases, p_purchase
from models.scoring.gamma_gamma import expected_spend
from models.scoring.parameters import PurchaseParameters

CUTOFF, END = pd.Timestamp("1997-10-01"), pd.Timestamp("1998-06-30")
HORIZON = (END - CUTOFF).days + 1
DATASETS = Path(lifetimes.__file__).parent / "datasets"


def cdnow_days(name):
    """One row per customer and purchase day."""
    rows = pd.read_csv(DATASETS / f"CDNOW_{name}.txt", sep=r"\s+", header=None, skiprows=1 if name == "master" else 0)
    days = pd.DataFrame(
        {
            "customer_id": rows[0].astype(str),
            "day": pd.to_datetime(rows.iloc[:, -3].astype(str), format="%Y%m%d"),
            "value": rows.iloc[:, -1].astype(float),
        }
    )
    return days.groupby(["customer_id", "day"], as_index=False)["value"].sum()


def at_the_cut(days):
    """Customers with predictions, outcomes and the fitted purchase parameters, with pandas alone."""
    before = days[days["day"] < CUTOFF]
    dates = before.groupby("customer_id").agg(
        first=("day", "min"), last=("day", "max"), count=("day", "size"), total_value=("value", "sum")
    )
    repeats = before.merge(dates["first"], left_on="customer_id", right_index=True).query("day > first")
    positive = repeats[repeats["value"] > 0].groupby("customer_id")["value"]
    frame = pd.DataFrame(
        {
            "frequency": dates["count"] - 1,
            "recency": (dates["last"] - dates["first"]).dt.days,
            "T": (CUTOFF - pd.Timedelta(days=1) - dates["first"]).dt.days,
            "total_value": dates["total_value"],
            "spend_frequency": positive.size(),
            "spend_value": positive.mean(),
        }
    ).fillna(0.0)
    history = (frame["frequency"], frame["recency"], frame["T"])
    purchases = BetaGeoModel().fit(*history).parameters
    buyers = frame[frame["spend_frequency"] > 0]
    spend = GammaGammaModel().fit(buyers["spend_frequency"], buyers["spend_value"]).parameters
    frame["p_purchase"] = p_purchase(HORIZON, *history, purchases)
    frame["expected_purchases"] = expected_purchases(HORIZON, *history, purchases)
    value = expected_spend(frame["spend_frequency"], frame["spend_value"], spend)
    frame["expected_revenue"] = frame["expected_purchases"] * value
    after = days[(days["day"] >= CUTOFF) & (days["day"] <= END)].groupby("customer_id")["value"]
    realised = pd.DataFrame({"purchases": after.size(), "revenue": after.sum()})
    outcomes = realised.reindex(frame.index, fill_value=0).reset_index()
    return frame.reset_index(), outcomes, purchases


@pytest.fixture(scope="module")
def sample():
    return at_the_cut(cdnow_days("sample"))


PUBLISHED = {
    "sample": {
        "purchases": (0.7855, 1.6080, 0.6256, 0.6624, -0.1215),
        "revenue": (30.41, 72.30, 0.5647, 0.6379, -0.1556),
        "auc": (0.7569, 0.7714),
        "zero_mae": 0.7985,
        "own_revenue_bias": 0.628,
    },
    "master": {
        "purchases": (0.8187, 1.7329, 0.6688, 0.6626, -0.1428),
        "revenue": (32.68, 92.94, 0.6687, 0.6722, -0.1733),
        "auc": (0.7466, 0.7594),
        "zero_mae": 0.8351,
        "own_revenue_bias": 0.456,
    },
}


@pytest.mark.parametrize("name", ["sample", "master"])
def test_reference_figures_of_cdnow(name, request):
    customers, outcomes, _ = request.getfixturevalue("sample") if name == "sample" else at_the_cut(cdnow_days("master"))
    table, published = backtest(customers, outcomes, HORIZON), PUBLISHED[name]
    for what in ("purchases", "revenue"):
        mae, rmse, correlation, gini, bias = published[what]
        model = table.loc["model"]
        assert model[f"{what}_mae"] == pytest.approx(mae, rel=2e-4)
        assert model[f"{what}_rmse"] == pytest.approx(rmse, rel=2e-4)
        assert model[f"{what}_correlation"] == pytest.approx(correlation, abs=1e-4)
        # The reference broke ties by the order of rows; here they share their rank.
        assert model[f"{what}_gini"] == pytest.approx(gini, abs=3e-4)
        assert model[f"{what}_bias"] == pytest.approx(bias, abs=2e-4)
    assert table.loc["model", "p_purchase_auc"] == pytest.approx(published["auc"][0], abs=1e-4)
    assert table.loc["days since last purchase", "p_purchase_auc"] == pytest.approx(published["auc"][1], abs=1e-4)
    assert table.loc["always zero", "purchases_mae"] == pytest.approx(published["zero_mae"], abs=1e-4)
    assert table.loc["own average rate", "revenue_bias"] == pytest.approx(published["own_revenue_bias"], abs=1e-3)

    sentences = wins(table)
    assert any("AUC of p_purchase: days since last purchase beats the model" in sentence for sentence in sentences)
    assert any("normalised Gini of revenue: own average rate beats the model" in sentence for sentence in sentences)
    assert not any("root mean squared error" in sentence for sentence in sentences)


def test_hindsight_constant_is_the_spread_and_the_entropy_of_the_outcomes(sample):
    customers, outcomes, _ = sample
    constant = backtest(customers, outcomes, HORIZON).loc["best constant in hindsight"]
    share = (outcomes["purchases"] > 0).mean()
    assert constant["purchases_rmse"] == pytest.approx(outcomes["purchases"].std(ddof=0))
    assert constant["p_purchase_log_loss"] == pytest.approx(
        -share * math.log(share) - (1 - share) * math.log(1 - share)
    )
    assert constant["p_purchase_brier"] == pytest.approx(share * (1 - share))
    assert constant["purchases_bias"] == pytest.approx(0, abs=1e-12)


def test_order_of_rows_does_not_count(sample):
    customers, outcomes, _ = sample
    shuffled = backtest(customers.sample(frac=1, random_state=1), outcomes.sample(frac=1, random_state=2), HORIZON)
    pd.testing.assert_frame_equal(shuffled, backtest(customers, outcomes, HORIZON), rtol=1e-12)


def test_nobody_bought_and_customers_of_today_give_no_infinity(sample):
    customers, outcomes, _ = sample
    new = customers.assign(frequency=0.0, recency=0.0, T=0.0)
    table = backtest(new, outcomes.assign(purchases=0.0, revenue=0.0), HORIZON)
    assert not np.isinf(table.to_numpy()).any()
    assert math.isnan(table.loc["model", "purchases_bias"])
    assert math.isnan(table.loc["model", "p_purchase_auc"])
    assert table.loc["own average rate", "purchases_mae"] == 0.0


def test_customers_twice_or_without_outcome_are_refused(sample):
    customers, outcomes, _ = sample
    with pytest.raises(ValueError, match="each customer once"):
        backtest(pd.concat([customers, customers.head(1)]), outcomes, HORIZON)
    with pytest.raises(ValueError, match="2 customers have no outcome"):
        backtest(customers, outcomes.iloc[2:], HORIZON)


def test_expected_cumulative_purchases_are_the_sum_over_customers(sample):
    customers, _, parameters = sample
    x, t_x, T = (customers[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    days = [1.0, 30.0, 273.0]
    one_by_one = [expected_purchases(day, x, t_x, T, parameters).sum() for day in days]
    assert expected_cumulative_purchases(days, x, t_x, T, parameters) == pytest.approx(one_by_one, rel=1e-9)


def test_expected_cumulative_purchases_agree_with_a_simulated_base():
    rng = np.random.default_rng(8)
    parameters = PurchaseParameters(r=1.2, alpha=30.0, a=0.8, b=4.0)
    n, age, ahead = 60_000, 200.0, 100.0
    rate, dropout = rng.gamma(1.2, 1 / 30.0, n), rng.beta(0.8, 4.0, n)
    x, t_x, later, clock, alive = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n), np.ones(n, bool)
    while alive.any():
        clock[alive] += rng.exponential(1 / rate[alive])
        in_time = alive & (clock <= age)
        x[in_time] += 1
        t_x[in_time] = clock[in_time]
        later[alive & (clock > age) & (clock <= age + ahead)] += 1
        alive &= (clock <= age + ahead) & (rng.random(n) >= dropout)
    total = expected_cumulative_purchases([ahead], x, t_x, np.full(n, age), parameters)[0]
    assert total == pytest.approx(later.sum(), rel=0.02)


def test_several_models_stand_before_the_baselines_and_the_last_period_is_one_of_those(sample):
    customers, outcomes, _ = sample
    predictions = customers[["p_purchase", "expected_purchases", "expected_revenue"]]
    before = customers.drop(columns=predictions.columns).assign(
        purchases_before=outcomes["purchases"], revenue_before=1.0
    )
    table = backtest(before, outcomes, HORIZON, {"good": predictions, "half": predictions / 2})
    assert table.index.tolist() == ["good", "half", *BASELINES]
    alone = backtest(customers, outcomes, HORIZON).loc["model"]
    pd.testing.assert_series_equal(table.loc["good"], alone, check_names=False)
    assert table.loc["half", "purchases_bias"] == pytest.approx((1 + alone["purchases_bias"]) / 2 - 1)
    # Here the last period is what came: nothing ranks or counts better.
    last = table.loc["last period repeated"]
    assert last[["purchases_mae", "purchases_bias", "purchases_calibration", "p_purchase_brier"]].tolist() == [0.0] * 4
    assert last[["purchases_gini", "p_purchase_auc"]].tolist() == [1.0, 1.0]
    assert math.isnan(last["p_purchase_log_loss"])
    assert table.loc["always zero", "p_purchase_brier"] == (outcomes["purchases"] > 0).mean()
    sentences = wins(table)
    for model in ("good", "half"):
        assert f"mean absolute error of purchases: last period repeated beats {model}, 0 against" in "\n".join(
            sentences
        )
    assert not [sentence for sentence in wins(table.drop(index="half")) if "half" in sentence]


def test_own_average_rate_goes_on_as_before():
    customers = pd.DataFrame({"frequency": [2.0, 0.0], "T": [60.0, 0.0], "total_value": [30.0, 7.0]})
    rates = own_average_rate(customers, 90)
    assert rates["purchases"].tolist() == [3.0, 0.0]
    assert rates["revenue"].tolist() == [30.0, 0.0]
