"""What the bench of the NPS category judges is what training publishes, by the measures it says."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.nps.category import (
    CELL,
    METHODS,
    SINGLE,
    Case,
    cases,
    expected_log_loss,
    expected_rps,
    measure,
    predict_by_all,
    tables,
    verdicts,
)
from data.simulation.answers import NPS_CUTS
from data.simulation.behaviour import simulate_behaviour
from models.nps.model import predict_nps_category, train_nps_category
from models.stats import metrics


@pytest.mark.parametrize(("r_squared", "source"), [(0.4, "model"), (0.0, "prior")])
def test_what_is_judged_is_what_training_publishes(r_squared, source):
    base, others = (simulate_behaviour(n, seed, r_squared) for n, seed in ((500, 3), (50, 4)))
    scores = base.draw_scores(np.random.default_rng(5))
    category = (scores >= NPS_CUTS[0]).astype(int) + (scores >= NPS_CUTS[1])
    predicted, is_model = predict_by_all(base.features, category, scores, others.features, seed=3)
    trained = train_nps_category(base.features, category, np.arange(500), scores, seed=3).model
    assert trained.source == source
    assert is_model == (source == "model")
    # Only the training limits its threads, so that sums are rounded otherwise here.
    np.testing.assert_allclose(predicted["published"], predict_nps_category(trained, others.features), rtol=1e-9)
    assert set(SINGLE) < set(predicted)


def test_expected_measures_are_the_means_over_all_categories():
    rng = np.random.default_rng(1)
    truth, predicted = rng.dirichlet([1, 2, 3], 40), rng.dirichlet([2, 2, 2], 40)
    loss = rps = 0.0
    for category in range(3):
        chance = truth[:, category]
        loss -= np.mean(chance * np.log(predicted[:, category]))
        rps += np.mean(chance * metrics.ranked_probability_scores(np.full(40, category), predicted))
    assert expected_log_loss(truth, predicted) == pytest.approx(loss)
    assert expected_rps(truth, predicted) == pytest.approx(rps)


def test_a_training_is_measured_and_told():
    row = measure(Case(interactions=0.0, r_squared=0.4, answers=500, seed=1))
    assert row["is_model"] == 1.0
    assert row["log_loss_truth"] < row["log_loss_published"] < row["log_loss_prior"] < row["log_loss_default"]
    (table,) = tables(pd.DataFrame([row]))
    assert "R^2 0.40, 500 answers: the blend is published in 100 % of 1 seeds" in table
    assert all(words in table for words in METHODS.values())


def test_verdicts_name_the_worst_cell_and_what_is_asked():
    rows = []
    for r_squared, losses in ((0.0, (1.05, 1.06)), (0.2, (0.98, 0.99))):
        for seed, published in enumerate(losses):
            losses = {f"log_loss_{name}": 1.05 for name in METHODS} | {"log_loss_published": published}
            losses |= {"log_loss_default": 1.2, "log_loss_ridit_trees": 0.95 if r_squared else 1.05}
            rows.append(dict(zip([*CELL, "seed"], (0.0, r_squared, 500.0, seed), strict=True)) | losses)
    to_prior, to_best, gain = verdicts(pd.DataFrame(rows))
    assert to_prior.startswith("At most +0.0050 (0.0050) worse than the prior (R^2 0.00, 500 answers)")
    assert to_prior.endswith("reached")
    assert to_best.startswith("At most +0.0350 (0.0050) behind the best candidate (R^2 0.20, 500 answers: ridit trees")
    assert to_best.endswith("MISSED")
    assert gain.startswith("Better than a default LightGBM by 0.215 (0.005)")
    assert gain.endswith("MISSED")


def test_every_cell_is_asked_for_with_each_seed_the_longest_first():
    todo = cases([500, 2000], [0.0, 0.2], seeds=2)
    assert len(set(todo)) == 2 * 3 * 2
    assert [case.answers for case in todo] == [2000] * 6 + [500] * 6
    assert {(case.interactions, case.r_squared) for case in todo} == {(0.0, 0.0), (0.0, 0.2), (0.8, 0.2)}
