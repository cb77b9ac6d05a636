"""Trees learn from the first stage on what features tell; their losses are likelihoods."""

import lightgbm
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import bernoulli, poisson
from sklearn.metrics import mean_tweedie_deviance

from models.purchases.second_stage.trees import FEWEST_OUTCOMES, Target, binned, grow, losses, slopes


@pytest.fixture
def informative(rng):
    """2,000 customers: two features of which the first carries information, the first stage, and the true score."""
    X = rng.normal(size=(2000, 2))
    offset = rng.normal(-1.0, 0.7, size=2000)
    return X, offset, offset + 0.8 * np.sin(2 * X[:, 0])


def drawn(objective, score, rng):
    if objective == "binary":
        return (rng.random(score.size) < expit(score)).astype(float)
    if objective == "poisson":
        return rng.poisson(np.exp(score)).astype(float)
    # Zero now and then, else Gamma.
    return rng.gamma(3.0, np.exp(score) / 2.4) * (rng.random(score.size) < 0.8)


@pytest.mark.parametrize("objective", ["binary", "poisson", "tweedie"])
def test_what_a_feature_tells_is_learned_and_the_same_on_every_run(informative, rng, objective):
    X, offset, score = informative
    y = drawn(objective, score, rng)
    text = grow(binned(X, 1), Target(objective, y, offset), seed=1)
    learned = lightgbm.Booster(model_str=text).predict(X, raw_score=True)
    assert np.corrcoef(learned, score - offset)[0, 1] > 0.7
    assert losses(objective, y, offset + learned).mean() < losses(objective, y, offset).mean()
    assert grow(binned(X, 1), Target(objective, y, offset), seed=1) == text
    assert grow(binned(X, 1), Target(objective, y, offset), seed=2) != text


@pytest.mark.parametrize("objective", ["binary", "poisson", "tweedie"])
@pytest.mark.parametrize("outcomes", [0, 1, FEWEST_OUTCOMES - 1])
def test_a_target_with_hardly_any_outcomes_grows_no_trees(informative, objective, outcomes):
    """LightGBM refuses a Poisson or Tweedie target without any."""
    X, offset, _ = informative
    y = np.zeros(len(X))
    y[:outcomes] = 1.0
    assert grow(binned(X, 1), Target(objective, y, offset), seed=1) is None
    if objective == "binary":
        assert grow(binned(X, 1), Target(objective, 1.0 - y, offset), seed=1) is None


@pytest.mark.parametrize("objective", ["binary", "poisson", "tweedie"])
def test_slopes_are_the_derivatives_of_the_losses(rng, objective):
    score, y, step = rng.normal(size=100), rng.integers(0, 2, 100).astype(float), 1e-5
    numeric = (losses(objective, y, score + step) - losses(objective, y, score - step)) / (2 * step)
    np.testing.assert_allclose(slopes(objective, y, score), numeric, atol=1e-8)


def test_losses_are_likelihoods_and_deviances(rng):
    score = rng.normal(size=200)
    p, y = expit(score), rng.integers(0, 2, 200)
    np.testing.assert_allclose(losses("binary", y, score), -bernoulli.logpmf(y, p))
    count, mean = rng.poisson(2.0, 200), np.exp(score)
    free = -poisson.logpmf(count, mean) - losses("poisson", count, score)
    np.testing.assert_allclose(free, -poisson.logpmf(count, 1.0) - losses("poisson", count, np.zeros(200)), atol=1e-12)
    value = rng.gamma(2.0, 1.0, 200) * (rng.random(200) < 0.7)
    # Half the deviance is the negative log likelihood but for terms that are free of the mean.
    ours = losses("tweedie", value, score).mean() - losses("tweedie", value, np.zeros(200)).mean()
    theirs = mean_tweedie_deviance(value, mean, power=1.5) - mean_tweedie_deviance(value, np.ones(200), power=1.5)
    assert ours == pytest.approx(theirs / 2)
