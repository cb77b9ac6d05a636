"""The scorer serves the second stage: the same predictions, coherent figures, and the first stage without it."""

import json
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from models.scoring.columns import PURCHASE_COLUMNS
from models.scoring.parameters import SecondStageParameters
from models.scoring.scorer import Scorer
from models.scoring.second_stage.evidence import Evidence, by_share, p_none_beyond, reach
from models.scoring.second_stage.first import FIRST_STAGE
from tests.models.purchases.second_stage_shop import PREDICTED


def test_the_scorer_serves_what_the_stage_predicts(scorer, stage, at_cutoff):
    scores = scorer.score(at_cutoff.described)
    predicted = stage.predict(at_cutoff.described, at_cutoff.first)
    pd.testing.assert_frame_equal(scores[PREDICTED], predicted, rtol=1e-12)
    np.testing.assert_allclose(scores["next_purchase_index"], 100 * predicted["p_purchase"])
    judged = at_cutoff.first["p_alive"].where(at_cutoff.described["frequency"] > 0)
    pd.testing.assert_series_equal(scores["p_alive"], judged, rtol=1e-12)
    few = scorer.score(at_cutoff.described.iloc[[7, 3]])
    pd.testing.assert_frame_equal(few, scores.iloc[[7, 3]], check_exact=True)


def test_evidence_is_of_being_alive_and_beyond_that_of_the_rate():
    q = np.array([0.5, 0.5, 0.5, 0.5])
    predicted = pd.DataFrame({"p_purchase": [0.2, 0.5, 0.75, 0.0], "expected_revenue": [8.0, 20.0, 60.0, 0.0]})
    evidence = Evidence.of(predicted, q, np.full(4, 20.0))
    np.testing.assert_allclose(evidence.alive[:3], [0.4, 1.0, 1.0])
    # The living are worth 20; the revenue is what the stage says.
    np.testing.assert_allclose(evidence.alive * evidence.scale * 20.0, predicted["expected_revenue"])
    assert evidence.scale[3] == 0


def test_a_correction_reaches_twice_as_far_in_full_and_then_less_and_less():
    assert [reach(90, days) for days in (30, 90, 180)] == [1.0, 1.0, 1.0]
    assert reach(90, 365) == pytest.approx(180 / 365)
    assert reach(14, 365) < 0.08
    first = pd.DataFrame({"p_purchase": [0.5, 0.5, 0.2], "expected_revenue": [10.0, 10.0, 0.0]})
    second = pd.DataFrame({"p_purchase": [0.8, 0.5, 0.1], "expected_revenue": [40.0, 10.0, 0.0]})
    half = by_share(first, second, 0.5)
    np.testing.assert_allclose(half["p_purchase"][:2], [2 / 3, 0.5])
    np.testing.assert_allclose(half["expected_revenue"], [20.0, 10.0, 0.0])
    # Odds of 1 to buy within the longer horizon, times the root of 4, and of 9 to 4.
    p_none = p_none_beyond(np.array([0.5, 0.5, 0.5]), first, second, 0.5)
    np.testing.assert_allclose(p_none, [1 / 3, 0.5, 0.6])


def test_churn_falls_with_its_horizon_from_that_of_nobody_having_had_time(scorer, stage, at_cutoff):
    horizons = (1, 10, 45, 90, 365)
    parameters = replace(scorer.parameters.second_stage, levels=stage.levels | {"churn": 0.0})
    scorers = [
        Scorer(replace(scorer.parameters, churn_horizon=days, second_stage=parameters), stage.boosters)
        for days in horizons
    ]
    some = at_cutoff.described.head(400)
    churn = np.array([one.score(some)["p_churn"] for one in scorers])
    assert (np.diff(churn, axis=0) <= 1e-12).all()
    np.testing.assert_allclose(churn[3], 1 - scorers[3].score(some)["p_purchase"], atol=1e-9)
    # Whoever is nearly sure to buy within 90 days is not so within one.
    assert churn[3].min() < 0.1
    assert churn[0].min() > 0.5


def test_purchase_columns_alone_are_scored_by_the_first_stage(scorer, at_cutoff, a_scorer):
    alone = at_cutoff.described[list(PURCHASE_COLUMNS)].head(500)
    fit = at_cutoff.fit
    first = Scorer(a_scorer(purchases=fit.purchases, spend=fit.spend, uncertainty=fit.uncertainty))
    pd.testing.assert_frame_equal(scorer.score(alone), first.score(alone), rtol=1e-5, atol=1e-7)


def test_a_stage_that_is_not_used_changes_nothing(scorer, stage, at_cutoff, a_scorer):
    fit, unused = at_cutoff.fit, replace(stage.parameters, used=False)
    bare = {"purchases": fit.purchases, "spend": fit.spend}
    off = Scorer(a_scorer(**bare, second_stage=unused), stage.boosters).score(at_cutoff.described)
    pd.testing.assert_frame_equal(off, Scorer(a_scorer(**bare)).score(at_cutoff.described), check_exact=True)


def test_trees_are_read_from_files_by_name(scorer, stage, at_cutoff, tmp_path):
    (tmp_path / "parameters.json").write_text(json.dumps(scorer.parameters.to_dict()))
    files = {name: tmp_path / f"booster_{name}.txt" for name in stage.boosters}
    for name, file in files.items():
        file.write_text(stage.boosters[name])
    read = Scorer.from_files(tmp_path / "parameters.json", files)
    some = at_cutoff.described.head(50)
    pd.testing.assert_frame_equal(read.score(some), scorer.score(some), check_exact=True)


def test_all_figures_cohere(scorer, at_cutoff):
    scores = scorer.score(at_cutoff.described)
    assert scores["p_purchase"].between(0, 1).all()
    # The churn horizon is the longer one: who buys within 90 days does so within 365.
    assert (scores["p_churn"] <= 1 - scores["p_purchase"] + 1e-12).all()
    assert (scores["p_churn"] >= 0).all()
    assert (scores["clv_low"] <= scores["clv"]).all()
    assert (scores["clv"] <= scores["clv_high"]).all()
    assert (scores["revenue_low"] >= 0).all()
    assert (scores["revenue_low"] <= scores["revenue_high"]).all()
    np.testing.assert_allclose(scores["expected_purchases"] * scores["expected_spend"], scores["expected_revenue"])
    # Discounted, a year is worth less than four quarters and a bit; of a customer, as the quarter is corrected more
    # than the year, it may be more.
    worth = scores["clv"].sum() / scores["expected_revenue"].sum()
    assert 0.9 < worth < 365 / 90


def test_the_interval_of_revenue_holds_what_it_should(scorer, at_cutoff):
    scores, revenue = scorer.score(at_cutoff.described), at_cutoff.realised["revenue"].to_numpy()
    above = revenue > scores["revenue_high"]
    assert 0.02 < above.mean() < 0.07
    assert (revenue < scores["revenue_low"]).mean() < 0.01
    # Below 5 % the 95th percentile is zero, to the width of a cell of the tables.
    assert scores["revenue_high"][scores["p_any_revenue"] < 0.035].max() < 0.02 * scores["expected_spend"].mean()


def test_an_interval_of_nothing_around_a_positive_mean_is_told_by_the_chance_of_any_revenue(scorer, at_cutoff):
    scores, revenue = scorer.score(at_cutoff.described), at_cutoff.realised["revenue"].to_numpy()
    nothing = (scores["revenue_high"] == 0).to_numpy()
    assert nothing.sum() > 100
    assert (scores["expected_revenue"][nothing] > 0).all()
    assert scores["p_any_revenue"][nothing].max() <= 0.05
    # As many of them brought revenue as was said, and of the others, too: within three standard errors.
    for group in (nothing, ~nothing):
        said = scores["p_any_revenue"].to_numpy()[group]
        error = np.sqrt((said * (1 - said)).sum())
        assert abs((revenue[group] > 0).sum() - said.sum()) < 3 * error + 0.1 * said.sum()


def test_a_version_from_before_there_were_weights_is_served_as_it_was(scorer, stage, at_cutoff):
    stored = scorer.parameters.second_stage.to_dict()
    levels = dict.fromkeys(("buys", "purchases", "revenue"), 0.1)
    earlier = {name: stored[name] for name in ("used", "why", "features", "needed", "metrics", "trained_at")}
    section = SecondStageParameters.from_dict(earlier | {"levels": levels})
    scores = Scorer(replace(scorer.parameters, second_stage=section), stage.boosters).score(at_cutoff.described)
    first = at_cutoff.first
    X = np.column_stack([first[list(FIRST_STAGE)], at_cutoff.described[list(stage.features)]])
    raw = lightgbm.Booster(model_str=stage.boosters["buys"]).predict(X, raw_score=True)
    likely = first["p_purchase"] > 1e-9
    expected = expit(logit(first["p_purchase"]) + raw + 0.1)
    np.testing.assert_allclose(scores["p_purchase"][likely], expected[likely], rtol=1e-9)
