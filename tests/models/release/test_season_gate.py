"""The season enters where the history shows one and the clock predicted better, and the sentence says which."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from features.tables import Tables
from models.purchases.season.fit import estimate_season
from models.recipe import Recipe
from models.release.release import fit_release
from models.release.rolling import CutoffResult, backtest_at, first_stage_name, in_season
from models.release.season_gate import add_season, as_first_stage, judge_season
from models.scoring.clock.parameters import Closure
from tests.models.purchases.season.seasonal_shop import START, seasonal_shop

RECIPE, LENGTH = Recipe(), 640
AS_OF = START + timedelta(days=LENGTH)


@pytest.fixture(scope="module")
def tables(take_frames) -> Tables:
    shop = seasonal_shop(4, LENGTH, 0.6, size=800)
    days = pd.Timestamp(START) + pd.to_timedelta(shop.days, unit="D")
    customers = pd.Series(shop.customers).map("c{:05d}".format)
    return take_frames(transactions=pd.DataFrame({"customer_id": customers, "ts": days, "amount": 20.0}))


@pytest.fixture(scope="module")
def results(tables: Tables) -> list[CutoffResult]:
    cutoffs = [AS_OF - timedelta(days=90 * k) for k in (1, 3)]
    plain = [backtest_at(tables, cutoff, RECIPE, with_second_stage=False) for cutoff in cutoffs]
    return [add_season(tables, result, RECIPE) for result in plain]


def test_a_cutoff_with_a_year_of_history_is_judged_and_the_season_enters(tables: Tables, results: list[CutoffResult]):
    newest, oldest = results
    assert in_season("BG/NBD") in newest.predictions
    # 370 days of history are enough to see so large a season, but an earlier cutoff has no clock.
    verdict = judge_season(tables, AS_OF, RECIPE, [newest])
    assert verdict.used
    assert "Season: yes; over 1 cutoff log loss of p_purchase is" in verdict.why
    seasonal = replace(RECIPE, season=True)
    assert first_stage_name(seasonal, newest) == "BG/NBD in season"
    first = as_first_stage(seasonal, newest).predictions["the first stage"]
    assert first is newest.predictions["BG/NBD in season"]
    assert oldest.cutoff < newest.cutoff


def test_a_clock_that_predicted_worse_stays_out(tables: Tables, results: list[CutoffResult]):
    newest = results[0]
    swapped = {"BG/NBD": newest.predictions["BG/NBD in season"], "BG/NBD in season": newest.predictions["BG/NBD"]}
    verdict = judge_season(tables, AS_OF, RECIPE, [replace(newest, predictions=swapped)])
    assert not verdict.used
    assert verdict.why.startswith("Season: no; over 1 cutoff log loss of p_purchase is")


def test_the_verdict_is_the_mean_gain_of_the_cutoffs_by_hand(tables: Tables, results: list[CutoffResult]):
    newest, names = results[0], ("BG/NBD", "BG/NBD in season")
    # One with these two predictions and nothing else, and one that has no clock and does not count.
    bare = replace(newest, predictions={name: newest.predictions[name] for name in names})
    lacking = replace(newest, predictions={"BG/NBD": newest.predictions["BG/NBD"]})
    told = judge_season(tables, AS_OF, RECIPE, [bare, lacking, newest]).why
    bought = (newest.customers["purchases"] > 0).to_numpy()
    p, q = (newest.predictions[name]["p_purchase"].to_numpy() for name in names)
    gains = np.where(bought, np.log(q / p), np.log((1 - q) / (1 - p)))
    # Both cutoffs have the same customers, so the error is that of one.
    error = gains.std() / np.sqrt(gains.size)
    assert f"Season: yes; over 2 cutoffs log loss of p_purchase is {gains.mean():.4f} lower" in told
    assert float(told.partition("(standard error ")[2][:6]) == pytest.approx(error, abs=2e-4)


def test_a_result_without_the_model_is_left_as_it_is(tables: Tables, results: list[CutoffResult]):
    other = replace(results[0], predictions={"another": results[0].predictions["BG/NBD"]})
    assert add_season(tables, other, RECIPE) is other
    assert as_first_stage(RECIPE, other) is other
    early = replace(results[0], cutoff=START + timedelta(days=100))
    assert add_season(tables, early, RECIPE).left_out["BG/NBD in season"].endswith("shows no season")


def test_without_a_cutoff_the_evidence_decides_and_within_a_year_nothing_does(tables: Tables):
    alone = judge_season(tables, AS_OF, RECIPE, [])
    assert alone.used and "so no backtest could judge it" in alone.why
    short = judge_season(tables, START + timedelta(days=300), RECIPE, [])
    assert not short.used
    assert "less than a year of history" in short.why


def test_a_closed_shop_is_told_and_the_cutoffs_before_it_judge_nothing(
    tables: Tables, results: list[CutoffResult], monkeypatch: pytest.MonkeyPatch
):
    estimate = estimate_season(tables, AS_OF, RECIPE.purchase_model)
    assert estimate is not None
    newest, closure = results[0], Closure((AS_OF - timedelta(days=80)).isoformat(), 30)
    closed = replace(estimate, clock=replace(estimate.clock, closures=(closure,), evidence=0.0))
    monkeypatch.setattr("models.release.season_gate.estimate_season", lambda *_: closed)
    verdict = judge_season(tables, AS_OF, RECIPE, [newest])
    assert verdict.used
    assert verdict.why.startswith("Season: none; ")
    assert "the shop was closed after each cutoff" in verdict.why
    last = AS_OF - timedelta(days=51)
    assert f". Nothing was bought from {closure.start} to {last}, though" in verdict.why


def test_a_release_in_season_says_what_it_expects_and_scores_by_the_day(tables: Tables):
    release = fit_release(tables, AS_OF, replace(RECIPE, season=True))
    assert release.parameters.clock is not None
    assert any(note.startswith("Time goes by the season's clock: the next 90 days are") for note in release.notes)
    plain = fit_release(tables, AS_OF, RECIPE)
    assert plain.parameters.clock is None
    assert "clock" not in plain.parameters.to_dict()
