"""The benches of who answers, in worlds small enough for a test, and what their worlds say they are."""

import numpy as np
import pytest

from benchmarks.nps import everyone, who_answers
from benchmarks.nps.base import SURVEY
from benchmarks.nps.who_answers_worlds import HALF_HIDDEN, VISIBLE, group_of, simulate
from benchmarks.time_alone import replicate as month


def test_a_visible_world_is_explained_by_its_features_and_a_half_hidden_one_is_not():
    share_left = {}
    for kind in (VISIBLE, HALF_HIDDEN):
        world = simulate(kind, 20_000, 1)
        assert world.answered.mean() == pytest.approx(0.03, abs=0.004)
        assert world.chance.mean() == pytest.approx(0.03)
        assert 20 < world.nps < 30
        log_odds = np.log(world.chance / (1 - world.chance))
        assert log_odds.std() == pytest.approx(0.7, abs=0.02)
        X = np.log1p(world.features.clip(lower=-0.9)).fillna(0.0).to_numpy()
        X = np.column_stack([np.ones(len(X)), X, X**2])
        left = log_odds - X @ np.linalg.lstsq(X, log_odds, rcond=None)[0]
        share_left[kind] = left.var() / log_odds.var()
    assert share_left[VISIBLE] < 0.03
    assert share_left[HALF_HIDDEN] > 0.15
    assert {"visits", "deliveries", "purchase rhythm", "spend"} <= {group_of(name) for name in world.features}


def test_categories_tilt_the_answering_of_a_tilted_world():
    world = simulate("tilted by .2", 20_000, 2)
    log_odds = np.log(world.chance / (1 - world.chance))
    # At equal behaviour promoters are likelier to answer.
    plain = simulate(VISIBLE, 20_000, 2)
    step = (log_odds - np.log(plain.chance / (1 - plain.chance)))[plain.category == world.category]
    means = [step[world.category[plain.category == world.category] == k].mean() for k in range(3)]
    assert np.diff(means) == pytest.approx([0.2, 0.2], abs=1e-6)


def test_one_small_world_is_judged():
    rows = who_answers.replicate(3, HALF_HIDDEN, 12_000)
    row = rows.iloc[0]
    assert row["wide_half"] > row["half"] > 0
    assert row[f"error {SURVEY}"] > 0
    assert row["line +0.0"] > row["line +0.1"] > row["line +0.2"]
    assert {"covered, %", "wide / plain (largest)"} <= set(who_answers.summarise(rows))
    said = everyone.replicate(3, 12_000)
    assert said["contradicted"].iloc[0] == 0
    assert said["share_error"].iloc[0] < said["share_error_median"].iloc[0]
    assert "by cut points" in everyone.summarise(said)


def test_a_month_without_change_moves_as_many_as_expected():
    champions = month(1, 8000, 30).loc["champions"]
    assert champions["left_by_time"] == pytest.approx(
        champions["expected_by_time"], abs=4 * np.sqrt(champions["expected_by_time"])
    )
    assert champions["left"] > 0.15 * champions["then"]
