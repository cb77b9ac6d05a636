"""The second stage learns out of time what purchases do not tell, and is the first stage where there is nothing."""

import json
from dataclasses import replace
from datetime import timedelta

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from data.errors import InputError
from data.intake.pipeline import Source, take_in
from data.simulation.shop import textbook, write_shop
from features.describe import describe, materialise
from features.measures.orders import sales
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import open_tables
from models.purchases import second_stage as training
from models.purchases.fit import fit_purchases_at
from models.purchases.second_stage import train_second_stage
from models.purchases.second_stage_gate import judge_second_stage
from models.release.rolling import SECOND_STAGE, backtest_at
from models.scoring.columns import PURCHASE_COLUMNS
from models.scoring.second_stage import FIRST_STAGE
from tests.models.purchases.second_stage_shop import CUTOFF, DAYS, PREDICTED, RECIPE, START

# --- Training ---


def test_where_deliveries_drive_dropout_it_wins_on_ranking_and_calibration(shop):
    verdict = judge_second_stage([backtest_at(shop.tables, CUTOFF, RECIPE)], "BG/NBD")
    assert verdict.used, verdict.why
    assert verdict.metrics["auc_second"] > verdict.metrics["auc_first"] + 0.05
    assert verdict.metrics["gini_second"] > verdict.metrics["gini_first"] + 0.05
    assert verdict.metrics["calibration_second"] < 0.6 * verdict.metrics["calibration_first"]


def test_where_bg_nbd_is_exactly_true_it_stays_out(tmp_path):
    files = write_shop(tmp_path / "raw", 4000, seed=11, days=DAYS, start=START, settings=textbook())
    take_in({"transactions": Source((str(files["transactions"]),))}, tmp_path / "clean")
    result = backtest_at(open_tables(tmp_path / "clean"), CUTOFF, RECIPE)
    verdict = judge_second_stage([result], "BG/NBD")
    assert not verdict.used, verdict.why
    bought = result.customers["purchases"] > 0
    loss = [
        -np.mean(np.where(bought, np.log(p), np.log1p(-p)))
        for p in (result.predictions[name]["p_purchase"] for name in ("BG/NBD", SECOND_STAGE))
    ]
    assert loss[1] < 1.002 * loss[0]


def test_it_is_the_same_from_shuffled_rows_and_sees_nothing_from_the_cutoff_on(shop, stage, take_frames):
    bought, happened = shop.raw["transactions"], shop.raw["events"]
    late = bought["ts"] >= pd.Timestamp(CUTOFF)
    assert late.sum() > 500
    # From the cutoff on everything is dearer and other people come; nothing happens to anybody.
    new = bought[late].assign(customer_id=lambda rows: "new-" + rows["customer_id"], amount=999, order_id=None)
    other = pd.concat([bought[~late], new]).sample(frac=1.0, random_state=1)
    events = happened[happened["ts"] < pd.Timestamp(CUTOFF)].sample(frac=1.0, random_state=2)
    again = train_second_stage(take_frames(transactions=other, events=events), CUTOFF, RECIPE, "bg_nbd")
    assert again == stage


def test_it_says_what_it_was_trained_on(shop, stage):
    trained_at = CUTOFF - timedelta(days=90)
    assert stage.trained_at == trained_at
    # Purchases are sales that had not come back in full by the date at which they are counted.
    before, later = (sales(shop.tables, day).to_pandas() for day in (trained_at, CUTOFF))
    customers, during = set(before["customer_id"]), later[later["ts"] >= pd.Timestamp(trained_at)]
    assert stage.metrics["customers"] == len(customers)
    assert stage.metrics["buyers"] == len(customers & set(during["customer_id"]))
    assert set(stage.boosters) == {"buys", "purchases", "revenue"}
    for name, text in stage.boosters.items():
        assert lightgbm.Booster(model_str=text).num_trees() == stage.metrics[f"{name}_trees"] > 0
        assert stage.metrics[f"{name}_loss"] < stage.metrics[f"{name}_loss_first"]
    stored = json.loads(json.dumps(stage.parameters("it wins").to_dict()))
    assert set(stored) == {"used", "why", "features", "needed", "levels", "metrics", "trained_at"}
    assert stored["features"] == list(stage.features)
    assert stored["trained_at"] == trained_at.isoformat()
    assert stored["levels"] == stage.recalibration


def test_a_large_base_is_sampled_by_customer(shop, monkeypatch):
    monkeypatch.setattr(training, "LARGEST_SAMPLE", 1000)
    stages = [train_second_stage(shop.tables, CUTOFF, replace(RECIPE, seed=seed), "bg_nbd") for seed in (1, 2)]
    # A few of the sample have given back all that they bought.
    assert all(950 < stage.metrics["customers"] <= 1000 for stage in stages)
    assert stages[0].metrics["buyers"] != stages[1].metrics["buyers"]


def test_a_bias_is_not_carried_on_where_one_horizon_is_all_that_is_known(shop):
    short = train_second_stage(shop.tables, START + timedelta(days=200), RECIPE, "mbg_nbd")
    spine = everyone(shop.tables.transactions, short.trained_at)
    described = materialise(describe(shop.tables, spine, short.vocabulary))
    first = fit_purchases_at(shop.tables, short.trained_at, "mbg_nbd").predict(described, 90)
    assert "buys" in short.boosters
    total = short.predict(described, first)["p_purchase"].sum()
    assert total == pytest.approx(first["p_purchase"].sum())


def test_it_says_what_the_data_lack(shop, take_frames):
    early = START + timedelta(days=179)
    with pytest.raises(InputError, match="there are only 179 days of purchases before 2023-06-29"):
        train_second_stage(shop.tables, early, RECIPE, "bg_nbd")
    few = shop.raw["transactions"]
    few = few[few["customer_id"].isin(sorted(set(few["customer_id"]))[:300])]
    with pytest.raises(InputError, match=r"needs 100 customers who bought in the horizon .* \d+ of \d+ bought"):
        train_second_stage(take_frames(transactions=few), CUTOFF, RECIPE, "bg_nbd")


# --- Predicting ---


def test_the_parts_are_those_of_the_hurdle_model(stage, at_cutoff):
    predicted = stage.predict(at_cutoff.described, at_cutoff.first)
    names = list(stage.features)
    X = np.column_stack([at_cutoff.first[list(FIRST_STAGE)], at_cutoff.described[names]])
    raw = {name: lightgbm.Booster(model_str=text).predict(X, raw_score=True) for name, text in stage.boosters.items()}
    raw = {name: score + stage.recalibration[name] for name, score in raw.items()}
    first = at_cutoff.first
    p = expit(logit(first["p_purchase"]) + raw["buys"])
    further = (first["expected_purchases"] / first["p_purchase"] - 1) * np.exp(raw["purchases"])
    spend = first["expected_spend"] * np.exp(raw["revenue"])
    # The formula divides what the scorer need not: only here do the smallest probabilities lose digits.
    likely = first["p_purchase"] > 1e-9
    assert likely.mean() > 0.99
    expected = pd.DataFrame(dict(zip(PREDICTED, (p, p * (1 + further), spend, p * (1 + further) * spend), strict=True)))
    pd.testing.assert_frame_equal(predicted[likely], expected[likely], rtol=1e-6)
    assert (predicted["expected_purchases"] >= predicted["p_purchase"]).all()


def test_without_trees_it_is_the_first_stage(stage, at_cutoff):
    bare = replace(stage, boosters={}, recalibration={})
    predicted = bare.predict(at_cutoff.described, at_cutoff.first)
    pd.testing.assert_frame_equal(predicted, at_cutoff.first[PREDICTED], rtol=1e-9, atol=1e-11)


def test_who_has_no_known_behaviour_keeps_the_first_stage(stage, at_cutoff):
    blank = at_cutoff.described.copy()
    blank.loc[::2, [name for name in stage.features if name not in PURCHASE_COLUMNS]] = np.nan
    predicted = stage.predict(blank, at_cutoff.first)
    pd.testing.assert_frame_equal(predicted[::2], at_cutoff.first[::2][PREDICTED], check_exact=True)
    full = stage.predict(at_cutoff.described, at_cutoff.first)
    pd.testing.assert_frame_equal(predicted[1::2], full[1::2], check_exact=True)


def test_who_lacks_a_table_that_everybody_had_keeps_the_first_stage(shop, stage, at_cutoff):
    assert {"orders_30d", "events_90d_of_visit"} <= set(stage.needed)
    # Where all tables are given nobody lacks any of it, be they silent for longer than the training is old.
    assert at_cutoff.described[list(stage.needed)].notna().all(axis=None)
    # A run that forgets the events, and a consumer who gives the summary of purchases.
    tables, spine = shop.tables, everyone(shop.tables.transactions, CUTOFF)
    no_events = materialise(describe(replace(tables, events=None), spine, stage.vocabulary))
    summary = materialise(summarise_purchases(tables.transactions, spine))
    for incomplete in (no_events, summary):
        predicted = stage.predict(incomplete, at_cutoff.first)
        pd.testing.assert_frame_equal(predicted, at_cutoff.first[PREDICTED], check_exact=True)
