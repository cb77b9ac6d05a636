"""Weighted answers represent everyone, from a sample of a large base as from all of it."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models.survey.response import propensity
from models.survey.response.answer_weights import answer_weights
from models.survey.response.propensity import case_control_sample


@pytest.mark.parametrize("sampled", [False, True])
def test_they_represent_the_base(sampled, monkeypatch):
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"visits": rng.poisson(np.exp(rng.normal(size=8000))), "other": rng.normal(size=8000)})
    answered = (rng.random(8000) < expit(-3.0 + 0.8 * np.log1p(X["visits"]))).to_numpy()
    rows, share = np.ones(8000, bool), 1.0
    if sampled:
        monkeypatch.setattr(propensity, "FEWEST_NON_RESPONDENTS", 3000)
        rows, share = case_control_sample(answered, np.arange(8000).astype(str), 0)
        assert rows.sum() < 8000 and share < 1.0
    weights = answer_weights(X[rows], answered[rows], np.flatnonzero(rows), share)
    assert len(weights) == answered.sum()
    assert weights.mean() == pytest.approx(1.0)
    assert X["visits"][answered].mean() > 1.3 * X["visits"].mean()
    assert np.average(X["visits"][answered], weights=weights) == pytest.approx(X["visits"].mean(), rel=0.06)
