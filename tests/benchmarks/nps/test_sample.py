"""The bench of samples, in a world small enough for a test."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.nps.sample import DESIGNED, PUBLISHED, RANDOM, WEIGHTED, ratio_of_means, replicate, summarise


def test_one_world_drawn_both_ways():
    rows = replicate(
        seed=3, customers=1500, asked_before=1200, margin=14.0, answer_rate=0.3, r_squared=0.25, strength=1.0
    )
    assert rows.groupby("draw")["estimator"].nunique().to_dict() == {DESIGNED: 3, RANDOM: 3}
    assert rows["invitations"].nunique() == rows["planned"].nunique() == 1
    assert 10.0 < rows["planned"].iloc[0] <= 14.0
    table = rows.set_index(["estimator", "draw"])
    # One world: within three of its own standard errors, and no wider by far than was planned.
    assert abs(table.loc[(PUBLISHED, DESIGNED), "error"]) < 1.5 * table.loc[(PUBLISHED, DESIGNED), "half"]
    assert table.loc[(PUBLISHED, DESIGNED), "half"] == pytest.approx(rows["planned"].iloc[0], rel=0.3)
    assert table.loc[(WEIGHTED, RANDOM), "answers"] == table.loc[(PUBLISHED, RANDOM), "answers"]


def test_figures_by_hand():
    rows = pd.DataFrame(
        {
            "seed": [0, 0, 1, 1],
            "draw": [RANDOM, DESIGNED] * 2,
            "estimator": PUBLISHED,
            "error": [1.0, -3.0, 3.0, 1.0],
            "half": [2.0, 1.5, 4.0, 3.5],
            "planned": 3.0,
            "answers": 100,
            "n_eff": 80.0,
        }
    )
    table = summarise(rows).set_index("draw")
    assert table.loc[RANDOM, ["bias", "coverage", "half", "ratio", "ratio_mc"]].tolist() == [2.0, 100.0, 3.0, 1.0, 0.0]
    assert table.loc[DESIGNED, ["bias", "coverage", "half"]].tolist() == [-1.0, 50.0, 2.5]
    assert table.loc[DESIGNED, "rmse"] == pytest.approx(np.sqrt(5))
    assert table.loc[DESIGNED, "ratio"] == pytest.approx(2.5 / 3)


def test_the_error_of_a_ratio_is_that_of_resamples():
    rng = np.random.default_rng(0)
    below = rng.normal(6.0, 0.5, 400)
    above = 0.9 * below + rng.normal(0.0, 0.2, 400)
    ratio, error = ratio_of_means(above, below)
    again = [ratio_of_means(above[rows], below[rows])[0] for rows in rng.integers(0, 400, (1000, 400))]
    assert ratio == pytest.approx(0.9, abs=0.01)
    assert error == pytest.approx(np.std(again), rel=0.1)
