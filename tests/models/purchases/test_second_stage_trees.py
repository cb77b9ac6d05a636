"""Trees are kept where they beat the first stage out of fold, beyond noise."""

import lightgbm
import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import bernoulli, poisson
from sklearn.metrics import mean_tweedie_deviance

from models.purchases.second_stage_trees import FEWEST_OUTCOMES, Target, grow_target, losses
from models.stats.normal import ONE_SIDED_95


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
    grown = grow_target(X, Target(objective, y, offset), seed=1)
    assert grown.metrics["gain_in_errors"] > ONE_SIDED_95
    assert grown.metrics["loss"] < grown.metrics["loss_first"]
    learned = lightgbm.Booster(model_str=grown.text).predict(X, raw_score=True)
    assert np.corrcoef(learned, score - offset)[0, 1] > 0.7
    assert grow_target(X, Target(objective, y, offset), seed=1) == grown
    assert grow_target(X, Target(objective, y, offset), seed=2).text != grown.text


def test_noise_keeps_no_trees(informative, rng):
    X, offset, _ = informative
    # In a test at 5 % each, of 30 about 1.5 would pass; choosing the number of trees by the same folds adds some.
    kept = [
        grow_target(X, Target("binary", drawn("binary", offset, rng), offset), seed=seed).text for seed in range(30)
    ]
    assert sum(text is not None for text in kept) <= 5
    assert grow_target(X, Target("binary", drawn("binary", offset, rng), offset), 0).metrics["loss"] > 0


@pytest.mark.parametrize("objective", ["binary", "poisson", "tweedie"])
@pytest.mark.parametrize("outcomes", [0, 1, FEWEST_OUTCOMES])
def test_a_target_with_hardly_any_outcomes_keeps_the_first_stage(informative, objective, outcomes):
    """One outcome is in one fold, so that another fold would train on none: LightGBM refuses such a target."""
    X, offset, _ = informative
    y = np.zeros(len(X))
    y[:outcomes] = 1.0
    grown = grow_target(X, Target(objective, y, offset), seed=1)
    assert grown.text is None and grown.metrics["trees"] == 0
    assert grown.metrics["loss"] == grown.metrics["loss_first"] == losses(objective, y, offset).mean()


@pytest.mark.parametrize("objective", ["poisson", "tweedie"])
def test_outcomes_that_are_all_equal_are_fitted_without_a_traceback(informative, objective):
    X = informative[0]
    assert grow_target(X, Target(objective, np.ones(len(X)), np.zeros(len(X))), seed=1).text is None


def test_an_outcome_that_never_fails_keeps_the_first_stage(informative):
    X, offset, _ = informative
    assert grow_target(X, Target("binary", np.ones(len(X)), offset), seed=1).text is None


def test_weights_count_as_repeated_rows(informative, rng):
    X, offset, score = informative
    y, weight = drawn("tweedie", score, rng), rng.integers(1, 4, 2000).astype(float)
    metrics = grow_target(X, Target("tweedie", y, offset, weight), seed=1).metrics
    each = np.repeat(np.arange(2000), weight.astype(int))
    assert metrics["loss_first"] == pytest.approx(losses("tweedie", y[each], offset[each]).mean())


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
