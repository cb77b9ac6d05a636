"""The second stage learns out of time what purchases do not tell, and is the first stage where there is nothing."""

import json
from dataclasses import dataclass, replace
from datetime import date, timedelta

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from data.errors import InputError
from data.intake.pipeline import Source, take_in
from data.simulation.shop import textbook, write_shop
from features.describe import describe, materialise
from features.outcomes import outcomes
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import Tables, open_tables
from models.purchases import second_stage as training
from models.purchases.fit import PurchaseFit, fit_purchase_models
from models.purchases.second_stage import SecondStage, train_second_stage
from models.purchases.second_stage_gate import judge_second_stage
from models.recipe import Recipe
from models.release.release import stored_and_read
from models.release.rolling import SECOND_STAGE, backtest_at
from models.scoring.columns import PURCHASE_COLUMNS
from models.scoring.scorer import Scorer
from models.scoring.second_stage import FIRST_STAGE, Evidence

START, DAYS, RECIPE = date(2023, 1, 1), 500, Recipe(horizon=90, seed=3)
CUT = START + timedelta(days=DAYS - 90)
PREDICTED = ["p_purchase", "expected_purchases", "expected_spend", "expected_revenue"]


@dataclass(frozen=True)
class Shop:
    """A shop whose late deliveries drive customers away: its raw frames and its clean tables."""

    raw: dict[str, pd.DataFrame]
    tables: Tables


@dataclass(frozen=True)
class AtCut:
    """Everyone at the cut: features, the first stage, what they did afterwards."""

    described: pd.DataFrame
    fit: PurchaseFit
    first: pd.DataFrame
    realised: pd.DataFrame


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Shop:
    folder = tmp_path_factory.mktemp("driven")
    files = write_shop(folder / "raw", 5000, seed=5, days=DAYS, start=START)
    names = ("transactions", "events")
    take_in({name: Source((str(files[name]),)) for name in names}, folder / "clean")
    return Shop({name: pd.read_parquet(files[name]) for name in names}, open_tables(folder / "clean"))


@pytest.fixture(scope="module")
def stage(shop) -> SecondStage:
    return train_second_stage(shop.tables, CUT, RECIPE, "bg_nbd")


@pytest.fixture(scope="module")
def at_cut(shop, stage) -> AtCut:
    spine = everyone(shop.tables.transactions, CUT)
    described = materialise(describe(shop.tables, spine, stage.vocabulary))
    fit = fit_purchase_models(summarise_purchases(shop.tables.transactions, spine), "bg_nbd")
    realised = materialise(outcomes(shop.tables.transactions, spine, 90, CUT + timedelta(days=90)))
    return AtCut(described, fit, fit.predict(described, 90), realised)


@pytest.fixture(scope="module")
def scorer(stage, at_cut, a_scorer) -> Scorer:
    fit, trained = at_cut.fit, stage.parameters("it wins")
    parameters = a_scorer(purchases=fit.purchases, spend=fit.spend, uncertainty=fit.uncertainty, second_stage=trained)
    return Scorer(stored_and_read(parameters), stage.boosters)


# --- Training ---


def test_where_deliveries_drive_dropout_it_wins_on_ranking_and_calibration(shop):
    verdict = judge_second_stage([backtest_at(shop.tables, CUT, RECIPE)], "BG/NBD")
    assert verdict.used, verdict.why
    assert verdict.metrics["auc_second"] > verdict.metrics["auc_first"] + 0.05
    assert verdict.metrics["gini_second"] > verdict.metrics["gini_first"] + 0.05
    assert verdict.metrics["calibration_second"] < 0.6 * verdict.metrics["calibration_first"]


def test_where_bg_nbd_is_exactly_true_it_stays_out(tmp_path):
    files = write_shop(tmp_path / "raw", 4000, seed=11, days=DAYS, start=START, settings=textbook())
    take_in({"transactions": Source((str(files["transactions"]),))}, tmp_path / "clean")
    result = backtest_at(open_tables(tmp_path / "clean"), CUT, RECIPE)
    verdict = judge_second_stage([result], "BG/NBD")
    assert not verdict.used, verdict.why
    bought = result.customers["purchases"] > 0
    loss = [
        -np.mean(np.where(bought, np.log(p), np.log1p(-p)))
        for p in (result.predictions[name]["p_purchase"] for name in ("BG/NBD", SECOND_STAGE))
    ]
    assert loss[1] < 1.002 * loss[0]


def test_it_is_the_same_from_shuffled_rows_and_sees_nothing_from_the_cut_on(shop, stage, take_frames):
    bought, happened = shop.raw["transactions"], shop.raw["events"]
    late = bought["ts"] >= pd.Timestamp(CUT)
    assert late.sum() > 500
    # From the cut on everything is dearer and other people come; nothing happens to anybody.
    new = bought[late].assign(customer_id=lambda rows: "new-" + rows["customer_id"], amount=999, order_id=None)
    other = pd.concat([bought[~late], new]).sample(frac=1.0, random_state=1)
    events = happened[happened["ts"] < pd.Timestamp(CUT)].sample(frac=1.0, random_state=2)
    again = train_second_stage(take_frames(transactions=other, events=events), CUT, RECIPE, "bg_nbd")
    assert again == stage


def test_it_says_what_it_was_trained_on(shop, stage):
    trained_at = CUT - timedelta(days=90)
    assert stage.trained_at == trained_at
    bought = shop.raw["transactions"]
    bought = bought[bought["amount"] >= 0].assign(day=lambda rows: rows["ts"].dt.normalize())
    known = set(bought.loc[bought["ts"] < pd.Timestamp(trained_at), "customer_id"])
    during = bought[(bought["ts"] >= pd.Timestamp(trained_at)) & (bought["ts"] < pd.Timestamp(CUT))]
    assert stage.metrics["customers"] == len(known)
    assert stage.metrics["buyers"] == len(known & set(during["customer_id"]))
    assert set(stage.boosters) == {"buys", "purchases", "revenue"}
    for name, text in stage.boosters.items():
        assert lightgbm.Booster(model_str=text).num_trees() == stage.metrics[f"{name}_trees"] > 0
        assert stage.metrics[f"{name}_loss"] < stage.metrics[f"{name}_loss_first"]
    stored = json.loads(json.dumps(stage.parameters("it wins").to_dict()))
    assert set(stored) == {"used", "why", "features", "needed", "levels", "metrics", "trained_at"}
    assert stored["features"] == list(stage.features)
    assert stored["trained_at"] == trained_at.isoformat()
    assert stored["levels"] == stage.levels


def test_a_large_base_is_sampled_by_customer(shop, monkeypatch):
    monkeypatch.setattr(training, "LARGEST_SAMPLE", 1000)
    stages = [train_second_stage(shop.tables, CUT, replace(RECIPE, seed=seed), "bg_nbd") for seed in (1, 2)]
    assert [stage.metrics["customers"] for stage in stages] == [1000, 1000]
    assert stages[0].metrics["buyers"] != stages[1].metrics["buyers"]


def test_a_bias_is_not_carried_on_where_one_horizon_is_all_that_is_known(shop):
    short = train_second_stage(shop.tables, START + timedelta(days=200), RECIPE, "mbg_nbd")
    spine = everyone(shop.tables.transactions, short.trained_at)
    described = materialise(describe(shop.tables, spine, short.vocabulary))
    fit = fit_purchase_models(summarise_purchases(shop.tables.transactions, spine), "mbg_nbd")
    first = fit.predict(described, 90)
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
        train_second_stage(take_frames(transactions=few), CUT, RECIPE, "bg_nbd")


# --- Predicting ---


def test_the_parts_are_those_of_the_hurdle_model(stage, at_cut):
    predicted = stage.predict(at_cut.described, at_cut.first)
    names = list(stage.features)
    X = np.column_stack([at_cut.first[list(FIRST_STAGE)], at_cut.described[names]])
    raw = {name: lightgbm.Booster(model_str=text).predict(X, raw_score=True) for name, text in stage.boosters.items()}
    raw = {name: score + stage.levels[name] for name, score in raw.items()}
    first = at_cut.first
    p = expit(logit(first["p_purchase"]) + raw["buys"])
    further = (first["expected_purchases"] / first["p_purchase"] - 1) * np.exp(raw["purchases"])
    spend = first["expected_spend"] * np.exp(raw["revenue"])
    # The formula divides what the scorer need not: only here do the smallest probabilities lose digits.
    likely = first["p_purchase"] > 1e-9
    assert likely.mean() > 0.99
    expected = pd.DataFrame(dict(zip(PREDICTED, (p, p * (1 + further), spend, p * (1 + further) * spend), strict=True)))
    pd.testing.assert_frame_equal(predicted[likely], expected[likely], rtol=1e-6)
    assert (predicted["expected_purchases"] >= predicted["p_purchase"]).all()


def test_without_trees_it_is_the_first_stage(stage, at_cut):
    bare = replace(stage, boosters={}, levels={})
    predicted = bare.predict(at_cut.described, at_cut.first)
    pd.testing.assert_frame_equal(predicted, at_cut.first[PREDICTED], rtol=1e-9, atol=1e-11)


def test_who_has_no_known_behaviour_keeps_the_first_stage(stage, at_cut):
    blank = at_cut.described.copy()
    blank.loc[::2, [name for name in stage.features if name not in PURCHASE_COLUMNS]] = np.nan
    predicted = stage.predict(blank, at_cut.first)
    pd.testing.assert_frame_equal(predicted[::2], at_cut.first[::2][PREDICTED], check_exact=True)
    full = stage.predict(at_cut.described, at_cut.first)
    pd.testing.assert_frame_equal(predicted[1::2], full[1::2], check_exact=True)


def test_who_lacks_a_table_that_everybody_had_keeps_the_first_stage(shop, stage, at_cut):
    assert {"orders_30d", "events_90d_of_visit"} <= set(stage.needed)
    # Where all tables are given nobody lacks any of it, be they silent for longer than the training is old.
    assert at_cut.described[list(stage.needed)].notna().all(axis=None)
    # A run that forgets the events, and a consumer who gives the summary of purchases.
    tables, spine = shop.tables, everyone(shop.tables.transactions, CUT)
    no_events = materialise(describe(replace(tables, events=None), spine, stage.vocabulary))
    summary = materialise(summarise_purchases(tables.transactions, spine))
    for given in (no_events, summary):
        predicted = stage.predict(given, at_cut.first)
        pd.testing.assert_frame_equal(predicted, at_cut.first[PREDICTED], check_exact=True)


# --- Serving ---


def test_the_scorer_serves_what_the_stage_predicts(scorer, stage, at_cut):
    scores = scorer.score(at_cut.described)
    predicted = stage.predict(at_cut.described, at_cut.first)
    pd.testing.assert_frame_equal(scores[PREDICTED], predicted, rtol=1e-12)
    np.testing.assert_allclose(scores["next_purchase_index"], 100 * predicted["p_purchase"])
    pd.testing.assert_series_equal(scores["p_alive"], at_cut.first["p_alive"], rtol=1e-12)
    few = scorer.score(at_cut.described.iloc[[7, 3]])
    pd.testing.assert_frame_equal(few, scores.iloc[[7, 3]], check_exact=True)


def test_evidence_is_of_being_alive_and_beyond_that_of_the_rate():
    q, later = np.array([0.5, 0.5, 0.5, 0.5]), np.array([0.8, 0.8, 0.8, 0.8])
    said = pd.DataFrame({"p_purchase": [0.2, 0.5, 0.75, 0.0], "expected_revenue": [8.0, 20.0, 60.0, 0.0]})
    evidence = Evidence.of(said, q, np.full(4, 20.0))
    np.testing.assert_allclose(evidence.alive[:3], [0.4, 1.0, 1.0])
    # The living are worth 20; the revenue is what the stage says.
    np.testing.assert_allclose(evidence.alive * evidence.scale * 20.0, said["expected_revenue"])
    # At the stage's own horizon nobody buys with 1 - p'; later a living one of whom half are missed stays half missed.
    np.testing.assert_allclose(evidence.p_none(q), 1 - said["p_purchase"])
    np.testing.assert_allclose(evidence.p_none(later), [1 - 0.4 * 0.8, 0.2, 0.1, 1.0])
    assert evidence.scale[3] == 0
    # Sooner fewer have bought: at the horizon that half as many living ones survive as the stage's own, and at none.
    np.testing.assert_allclose(evidence.p_none(1 - np.sqrt(1 - q)), [1 - 0.4 * (1 - 0.5**0.5), 0.5**0.5, 0.5, 1.0])
    np.testing.assert_allclose(evidence.p_none(np.zeros(4)), 1.0)


def test_churn_falls_with_its_horizon_from_that_of_nobody_having_had_time(scorer, stage, at_cut):
    horizons = (1, 10, 45, 90, 365, 3650)
    scorers = [Scorer(replace(scorer.parameters, churn_horizon=days), stage.boosters) for days in horizons]
    some = at_cut.described.head(400)
    churn = np.array([one.score(some)["p_churn"] for one in scorers])
    assert (np.diff(churn, axis=0) <= 1e-12).all()
    np.testing.assert_allclose(churn[3], 1 - scorers[3].score(some)["p_purchase"], atol=1e-12)
    # Whoever is nearly sure to buy within 90 days is not so within one.
    assert churn[3].min() < 0.1
    assert churn[0].min() > 0.5


def test_purchase_columns_alone_are_scored_by_the_first_stage(scorer, at_cut, a_scorer):
    alone = at_cut.described[list(PURCHASE_COLUMNS)].head(500)
    fit = at_cut.fit
    first = Scorer(a_scorer(purchases=fit.purchases, spend=fit.spend, uncertainty=fit.uncertainty))
    pd.testing.assert_frame_equal(scorer.score(alone), first.score(alone), rtol=1e-5, atol=1e-7)


def test_a_stage_that_is_not_used_changes_nothing(scorer, stage, at_cut, a_scorer):
    fit, unused = at_cut.fit, replace(stage.parameters("it does not win"), used=False)
    bare = {"purchases": fit.purchases, "spend": fit.spend}
    off = Scorer(a_scorer(**bare, second_stage=unused), stage.boosters).score(at_cut.described)
    pd.testing.assert_frame_equal(off, Scorer(a_scorer(**bare)).score(at_cut.described), check_exact=True)


def test_trees_are_read_from_files_by_name(scorer, stage, at_cut, tmp_path):
    (tmp_path / "parameters.json").write_text(json.dumps(scorer.parameters.to_dict()))
    files = {name: tmp_path / f"booster_{name}.txt" for name in stage.boosters}
    for name, file in files.items():
        file.write_text(stage.boosters[name])
    read = Scorer.from_files(tmp_path / "parameters.json", files)
    some = at_cut.described.head(50)
    pd.testing.assert_frame_equal(read.score(some), scorer.score(some), check_exact=True)


def test_all_figures_cohere(scorer, at_cut):
    scores = scorer.score(at_cut.described)
    assert scores["p_purchase"].between(0, 1).all()
    # The churn horizon is the longer one: who buys within 90 days does so within 365.
    assert (scores["p_churn"] <= 1 - scores["p_purchase"] + 1e-12).all()
    assert (scores["p_churn"] >= 0).all()
    assert (scores["clv_low"] <= scores["clv"]).all()
    assert (scores["clv"] <= scores["clv_high"]).all()
    assert (scores["revenue_low"] >= 0).all()
    assert (scores["revenue_low"] <= scores["revenue_high"]).all()
    np.testing.assert_allclose(scores["expected_purchases"] * scores["expected_spend"], scores["expected_revenue"])
    # Discounted, a year is worth more than a quarter of it and less than four and a bit.
    worth = scores["clv"] / scores["expected_revenue"]
    assert (worth > 0.9).all()
    assert (worth < 365 / 90).all()


def test_the_interval_of_revenue_holds_what_it_should(scorer, at_cut):
    scores, revenue = scorer.score(at_cut.described), at_cut.realised["revenue"].to_numpy()
    above = revenue > scores["revenue_high"]
    assert 0.02 < above.mean() < 0.07
    assert (revenue < scores["revenue_low"]).mean() < 0.01
    # Below 5 % the 95th percentile is zero, to the width of a cell of the tables.
    assert scores["revenue_high"][scores["p_purchase"] < 0.035].max() < 0.02 * scores["expected_spend"].mean()
