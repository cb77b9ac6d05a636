"""The noise of an estimated probability of answering: by hand, and as many fits of the model scatter."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from models.survey.allocation import Allocations
from models.survey.response.propensity import fit_response
from models.survey.response.weight_noise import ResponseNoise


def test_uncorrelated_features_by_hand():
    noise = ResponseNoise(np.ones(20))
    # 100 answers at a rate of .2: information 80, and the penalty is 10.
    assert noise.variance(100, 0.2) == pytest.approx(20 * 80 / 90**2)
    assert noise.among(3).variance(100, 0.2) == pytest.approx(20 * 240 / 250**2)
    # In directions of more and of less information e: I e^2 / (I e + 10)^2.
    by_hand = 80 * 2.0**2 / (80 * 2.0 + 10) ** 2 + 80 * 0.5**2 / (80 * 0.5 + 10) ** 2
    assert ResponseNoise(np.array([2.0, 0.5])).variance(100, 0.2) == pytest.approx(by_hand)
    answers = np.array([1, 5, 10, 20, 100, 1000, 1e6])
    falling = [noise.variance(n, 0.2) for n in answers]
    assert (np.diff(falling) <= 0).all()
    assert falling[-1] < 1e-4
    assert ResponseNoise.of(pd.DataFrame({"a": np.ones(50)})).variance(100, 0.1) == 0.0


def test_missing_values_are_features_and_constant_ones_are_not():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=4000), "b": rng.normal(size=4000), "constant": 1.0, "empty": np.nan})
    X["copy"] = X["a"]
    X.loc[rng.random(4000) < 0.3, "b"] = np.nan
    # a and its copy share one direction, b and whether it is missing are one each.
    assert sorted(ResponseNoise.of(X).spectrum) == pytest.approx([0, 1, 1, 2], abs=0.05)


def test_fits_scatter_as_predicted():
    rng = np.random.default_rng(1)
    mixing = np.eye(15) + 0.3
    X = pd.DataFrame(rng.normal(size=(4000, 15)) @ mixing, columns=list("abcdefghijklmno"))
    truth = expit(-1.5 + 0.3 * X["a"] - 0.2 * X["b"]).to_numpy()
    fitted = []
    for _ in range(40):
        rows = rng.choice(4000, 1000, replace=False)
        answered = rng.random(1000) < truth[rows]
        fitted.append(logit(fit_response(X.iloc[rows], answered, rows).predict(X)))
    # Each fit's common shift is no matter: only ratios of weights are.
    scatter = np.array(fitted) - np.mean(fitted, axis=1, keepdims=True)
    found = ResponseNoise.of(X).variance(1000 * truth.mean(), truth.mean())
    # The slope of the stacked model is below 1 where the regression overfits, so it scatters a little less.
    assert 1.0 < found / scatter.var(axis=0, ddof=1).mean() < 1.5


def test_it_widens_the_margin_as_noisy_weights_do():
    people = pd.DataFrame({"stratum": 0, "variance": 6400.0, "response": np.full(5000, 0.2)})
    noise = ResponseNoise(np.ones(30))
    certain, estimated = (Allocations.of(people, 0.0, of) for of in (None, noise))
    invited = np.array([1000])
    rng, n = np.random.default_rng(2), 200
    w = 1.0 / expit(logit(0.2) + np.sqrt(noise.variance(n, 0.2)) * rng.normal(size=(4000, n)))
    effective = (w.sum(axis=1) ** 2 / (w**2).sum(axis=1)).mean()
    assert estimated.margin(invited) / certain.margin(invited) == pytest.approx(np.sqrt(n / effective), rel=0.01)
    # If all answer there is nothing to estimate.
    certain = (Allocations.of(people.assign(response=1.0), 0.0, of).margin(invited) for of in (None, noise))
    assert np.diff(list(certain)) == 0.0
