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
from features.describe import describe, describe_everyone, materialise
from features.measures.orders import sales
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import open_tables
from models.purchases.fit import fit_purchases_at
from models.purchases.second_stage import training
from models.purchases.second_stage.comparison import compare_stages
from models.purchases.second_stage.cuts import sampled
from models.purchases.second_stage.members import OBJECTIVES
from models.purchases.second_stage.training import train_second_stage
from models.release.rolling import backtest_at
from models.scoring.columns import PURCHASE_COLUMNS
from models.scoring.parameters import LogisticParameters, SecondStageParameters
from models.scoring.second_stage.first import FIRST_STAGE
from tests.models.purchases.second_stage_shop import CUTOFF, DAYS, PREDICTED, RECIPE, START

# --- Training ---


def test_where_deliveries_drive_dropout_behaviour_counts_and_ranks_better(shop, stage):
    m = compare_stages([backtest_at(shop.tables, CUTOFF, RECIPE)], "BG/NBD").metrics
    assert m["auc_second"] > m["auc_first"] + 0.05
    assert m["gini_second"] > m["gini_first"] + 0.05
    assert m["log_loss_second"] < m["log_loss_first"] - 0.03
    assert m["buyers_bias_second"] < m["buyers_bias_first"] + 0.03
    assert stage.weights["buys"] + stage.weights["logistic"] > 0.8
    assert stage.metrics["log_loss_second"] < stage.metrics["log_loss_first"] - 0.03
    assert stage.metrics["cuts"] == 3
    assert f"trees with {stage.weights['buys']:.2f} and by a logistic regression with" in stage.why
    newest = CUTOFF - timedelta(days=90)
    assert f"stacked by log loss at {newest} and {newest - timedelta(days=90)}, from members" in stage.why


def test_where_bg_nbd_is_exactly_true_behaviour_counts_next_to_nothing(tmp_path):
    files = write_shop(tmp_path / "raw", 4000, seed=11, days=DAYS, start=START, settings=textbook())
    take_in({"transactions": Source((str(files["transactions"]),))}, tmp_path / "clean")
    tables = open_tables(tmp_path / "clean")
    m = compare_stages([backtest_at(tables, CUTOFF, RECIPE)], "BG/NBD").metrics
    assert m["log_loss_second"] < m["log_loss_first"] + 0.002
    stage = train_second_stage(tables, CUTOFF, RECIPE)
    assert stage.weights["buys"] + stage.weights["logistic"] < 0.3


def test_it_is_the_same_from_shuffled_rows_and_sees_nothing_from_the_cutoff_on(shop, stage, take_frames):
    bought, happened = shop.raw["transactions"], shop.raw["events"]
    late = bought["ts"] >= pd.Timestamp(CUTOFF)
    assert late.sum() > 500
    # From the cutoff on everything is dearer and other people come; nothing happens to anybody.
    new = bought[late].assign(customer_id=lambda rows: "new-" + rows["customer_id"], amount=999, order_id=None)
    other = pd.concat([bought[~late], new]).sample(frac=1.0, random_state=1)
    events = happened[happened["ts"] < pd.Timestamp(CUTOFF)].sample(frac=1.0, random_state=2)
    again = train_second_stage(take_frames(transactions=other, events=events), CUTOFF, RECIPE)
    assert again == stage


def test_it_says_what_it_was_trained_on(shop, stage):
    trained_at = CUTOFF - timedelta(days=90)
    assert stage.trained_at == trained_at
    # Purchases are sales that had not come back in full by the date at which they are counted.
    before, later = (sales(shop.tables, day).to_pandas() for day in (trained_at, CUTOFF))
    customers, during = set(before["customer_id"]), later[later["ts"] >= pd.Timestamp(trained_at)]
    assert stage.metrics["customers"] == len(customers)
    assert stage.metrics["buyers"] == len(customers & set(during["customer_id"]))
    assert {"buys", "purchases"} <= set(stage.boosters)
    assert set(stage.boosters) == {part for part in OBJECTIVES if stage.weights[part] > 0}
    assert (stage.logistic is not None) == (stage.weights["logistic"] > 0)
    stored = json.loads(json.dumps(stage.parameters.to_dict()))
    assert SecondStageParameters.from_dict(stored) == stage.parameters
    assert stored["features"] == list(stage.features)
    assert stored["trained_at"] == trained_at.isoformat()
    assert set(stored["levels"]) == {"buys", "purchases", "revenue", "churn", "clv"}


def test_of_a_larger_base_more_customers_are_learned_from_within_bounds():
    customers = (1_000, 500_000, 550_001, 4_000_000, 10_000_000)
    assert [training.largest_sample(each) for each in customers] == [16_000, 16_000, 17_188, 125_000, 128_000]


def test_a_large_base_is_sampled_by_customer_alike_at_all_dates(shop, monkeypatch):
    monkeypatch.setattr(training, "LARGEST_SAMPLE", 1000)
    tables = replace(shop.tables)
    now, then = (sampled(tables, day, seed=1, largest=1000) for day in (CUTOFF, CUTOFF - timedelta(days=30)))
    assert now is then
    samples = {seed: sampled(tables, CUTOFF, seed, largest=1000).transactions for seed in (1, 2)}
    ids = {seed: set(rows.customer_id.to_pyarrow().to_pylist()) for seed, rows in samples.items()}
    everybody = tables.transactions.customer_id.nunique().to_pyarrow().as_py()
    # A quarter of them, so that no more than 1,000 are left.
    for chosen in ids.values():
        assert len(chosen) == pytest.approx(everybody / 4, rel=0.2)
    assert len(ids[1] & ids[2]) < 0.4 * len(ids[1])
    stage = train_second_stage(tables, CUTOFF, replace(RECIPE, seed=1))
    assert stage.metrics["customers"] <= len(ids[1])


def test_with_one_past_cut_customers_judge_each_other_and_that_counts_half(shop):
    short = train_second_stage(shop.tables, START + timedelta(days=200), replace(RECIPE, purchase_model="mbg_nbd"))
    assert short.metrics["cuts"] == 1
    assert 0.2 < short.weights["buys"] + short.weights["logistic"] <= 0.5
    assert "the only past cut, and halved" in short.why


def test_thirty_buyers_are_enough_and_fewer_are_told(shop, take_frames):
    few = shop.raw["transactions"]
    everybody = sorted(set(few["customer_id"]))
    tables = take_frames(transactions=few[few["customer_id"].isin(everybody[:150])])
    stage = train_second_stage(tables, CUTOFF, RECIPE)
    assert 30 <= stage.metrics["buyers"] < 100
    described = describe_everyone(tables, CUTOFF, stage.vocabulary)
    first = fit_purchases_at(tables, CUTOFF, "bg_nbd").predict(described, 90)
    moved = logit(stage.predict(described, first)["p_purchase"]) - logit(first["p_purchase"])
    assert moved.std() < 0.7
    with pytest.raises(InputError, match=r"needs 30 customers who bought in the horizon .* \d+ of \d+ bought"):
        train_second_stage(take_frames(transactions=few[few["customer_id"].isin(everybody[:60])]), CUTOFF, RECIPE)


def test_it_says_what_history_the_data_lack(shop):
    early = START + timedelta(days=179)
    with pytest.raises(InputError, match="there are only 179 days of purchases before 2023-06-29"):
        train_second_stage(shop.tables, early, RECIPE)


# --- Predicting ---


def test_the_parts_are_those_of_the_hurdle_model(stage, at_cutoff):
    # A regression stands beside the trees whether it counted here or not.
    line = LogisticParameters(("frequency", "gap_ratio"), (0.0, 1.0, 1.0), (1.0, 0.5, 2.0), (0.1, 0.3, -0.2))
    stage = replace(stage, logistic=line, weights=stage.weights | {"buys": 0.7, "logistic": 0.25})
    predicted = stage.predict(at_cutoff.described, at_cutoff.first)
    first, described = at_cutoff.first, at_cutoff.described
    X = np.column_stack([first[list(FIRST_STAGE)], described[list(stage.features)]])
    raw = {name: lightgbm.Booster(model_str=text).predict(X, raw_score=True) for name, text in stage.boosters.items()}
    raw = {name: stage.weights[name] * raw.get(name, 0.0) + stage.levels[name] for name in OBJECTIVES}
    odds = logit(first["p_purchase"])
    z = (odds, (np.log1p(described["frequency"]) - 1) / 0.5, (np.log1p(described["gap_ratio"]) - 1) / 2)
    added = sum(c * column.clip(-4, 4).fillna(0.0) for c, column in zip(line.coefficients, z, strict=True))
    p = expit(odds + raw["buys"] + 0.25 * added)
    further = (first["expected_purchases"] / first["p_purchase"] - 1) * np.exp(raw["purchases"])
    spend = first["expected_spend"] * np.exp(raw["revenue"])
    # The formula divides what the scorer need not: only here do the smallest probabilities lose digits.
    likely = first["p_purchase"] > 1e-9
    assert likely.mean() > 0.99
    expected = pd.DataFrame(dict(zip(PREDICTED, (p, p * (1 + further), spend, p * (1 + further) * spend), strict=True)))
    pd.testing.assert_frame_equal(predicted[likely], expected[likely], rtol=1e-6)
    assert (predicted["expected_purchases"] >= predicted["p_purchase"]).all()


def test_without_trees_it_is_the_first_stage(stage, at_cutoff):
    bare = replace(stage, boosters={}, levels={}, logistic=None)
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
