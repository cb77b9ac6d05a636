"""The season enters where the history shows one and the clock predicted better, and the sentence says which."""

from dataclasses import replace
from datetime import timedelta

import pandas as pd
import pytest

from features.tables import Tables
from models.recipe import Recipe
from models.release.release import fit_release
from models.release.rolling import CutoffResult, backtest_at, first_stage_name, in_season
from models.release.season_gate import add_season, as_first_stage, judge_season
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


def test_without_a_cutoff_the_evidence_decides_and_within_a_year_nothing_does(tables: Tables):
    assert "so no backtest could judge it" in judge_season(tables, AS_OF, RECIPE, []).why
    short = judge_season(tables, START + timedelta(days=300), RECIPE, [])
    assert not short.used
    assert "less than a year of history" in short.why


def test_a_release_in_season_says_what_it_expects_and_scores_by_the_day(tables: Tables):
    release = fit_release(tables, AS_OF, replace(RECIPE, season=True))
    assert release.parameters.clock is not None
    assert any(note.startswith("Time goes by the season's clock: the next 90 days are") for note in release.notes)
    plain = fit_release(tables, AS_OF, RECIPE)
    assert plain.parameters.clock is None
    assert "clock" not in plain.parameters.to_dict()
