"""Counts enter as logarithms, and stacked candidates are stretched to the right slope."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from models.survey.response.candidates import Columns, candidates
from models.survey.response.propensity import response_propensity, stack


def test_amounts_are_logarithms_and_gaps_have_flags():
    X = np.array([[0.0, 0.2, -1.0, 5.0], [3.0, 0.4, 2.0, np.nan], [20.0, 0.9, 0.0, 80.0]])
    columns = Columns.of(X)
    assert columns.is_amount.tolist() == [True, False, False, True]
    assert columns.source.tolist() == [0, 1, 2, 3, 3]
    Z = columns.standardised(X)
    counts = np.log1p([0.0, 3.0, 20.0])
    assert Z[:, 0] == pytest.approx((counts - counts.mean()) / counts.std())
    assert Z[:, 4] == pytest.approx((np.array([0, 1, 0]) - 1 / 3) / np.sqrt(2 / 9))
    # Beyond four standard deviations nothing grows, and a negative count of other rows is no error.
    assert np.abs(columns.standardised(np.array([[1e9, 0.5, 1.0, -3.0]]))).max() == 4.0


def test_visits_that_decide_by_their_logarithm_are_found():
    rng = np.random.default_rng(1)
    visits = rng.poisson(np.exp(1.0 + 1.2 * rng.normal(size=20_000))).astype(float)
    truth = -4.0 + 0.8 * np.log1p(visits)
    answered = rng.random(20_000) < expit(truth)
    X = pd.DataFrame({"visits": visits, "noise": rng.normal(size=20_000)})
    found = logit(response_propensity(X, answered, np.arange(20_000)))
    slope = np.polyfit(found, truth, 1)[0]
    assert slope == pytest.approx(1.0, abs=0.1)
    assert np.corrcoef(found, truth)[0, 1] > 0.99


def test_what_penalties_shrank_is_stretched_and_who_knows_nothing_gets_no_weight():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=40_000) - 2.0
    answered = rng.random(40_000) < expit(truth)
    shrunk, noise = 0.6 * truth, rng.normal(size=40_000)
    constant, of_shrunk, of_noise = stack(np.column_stack([shrunk, -np.abs(truth), noise]), answered)[[0, 1, 3]]
    assert of_shrunk == pytest.approx(1 / 0.6, abs=0.08)
    assert of_noise == pytest.approx(0.0, abs=0.05)
    assert constant == pytest.approx(0.0, abs=0.1)
    # Without the penalty it is a logistic regression.
    peer = LogisticRegression(C=np.inf, tol=1e-8).fit(shrunk[:, None], answered)
    assert stack(shrunk[:, None], answered) == pytest.approx([peer.intercept_[0], peer.coef_[0, 0]], abs=0.01)


def test_trees_join_with_many_answers():
    assert list(candidates(999)) == ["strong ridge", "weak ridge"]
    assert len(candidates(1000)) == 4
