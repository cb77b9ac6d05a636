"""The wide interval: its bound by refits and by simulation, its margin by integration, and that it covers."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression, Ridge

from models.nps.out_of_fold import POINTS
from models.survey.aipw import estimate_nps
from models.survey.frame import NO_ANSWER, Survey
from models.survey.response.candidates import Columns
from models.survey.sensitivity import tilted_nps
from models.survey.unmeasured import EXPLAINED_SHARE, gamma_of, unmeasured_trait, wide_margin

N = 20_000


def a_world(seed, pull=0.6, shown=1.0):
    """Customers whose trait moves both answering and answers; `shown` of it is a feature, beside one that helps."""
    rng = np.random.default_rng(seed)
    trait, other, noise = rng.normal(size=(3, N))
    feature = shown * trait + np.sqrt(1.0 - shown**2) * rng.normal(size=N)
    s = 0.5 * trait + 0.4 * other + rng.normal(size=N)
    category = np.digitize(s, [-0.8, 0.2])
    answered = rng.random(N) < expit(-3.2 + pull * trait)
    truth = POINTS[category].mean()
    X = pd.DataFrame({"trait_1": feature, "other_1": other, "noise_1": noise})
    known = np.column_stack([np.ones(N), feature, other])
    shift = known @ np.linalg.lstsq(known, s, rcond=None)[0]
    spread = float(np.std(s - shift))
    below = norm.cdf((np.array([-0.8, 0.2]) - shift[:, None]) / spread)
    p = np.column_stack([below[:, 0], below[:, 1] - below[:, 0], 1.0 - below[:, 1]])
    chance = LogisticRegression(C=1e4).fit(known[:, 1:2], answered).predict_proba(known[:, 1:2])[:, 1]
    who = np.arange(N).astype(str)
    survey = Survey(
        customer=who,
        features=X,
        answered=answered,
        category=np.where(answered, category, NO_ANSWER),
        probabilities=p,
        propensity=chance,
        base_customer=who,
        base_features=X,
        base_probabilities=p,
        fold_points=np.empty((0, answered.sum())),
        fold_base_points=np.empty((0, N)),
        base_sample=np.arange(N),
        feature_groups={"trait_1": "trait", "other_1": "other", "noise_1": "noise"},
    )
    return survey, truth


def test_the_bound_by_refits_without_the_strongest_group():
    survey, _ = a_world(1)
    found = unmeasured_trait(survey)
    assert found.group == "trait"
    X, R, t = survey.features.to_numpy(), survey.answered, survey.answers
    Z = Columns.learned(X)[1]
    rest = [1, 2]
    whole = LogisticRegression(C=0.1, max_iter=500).fit(Z, R)
    without = LogisticRegression(C=0.1, max_iter=500).fit(Z[:, rest], R)
    moved = whole.decision_function(Z) - without.decision_function(Z[:, rest])
    answering = (1 - survey.propensity.mean()) * np.sqrt(np.exp(moved.var()) - 1)
    penalty = 3 * (1 - EXPLAINED_SHARE) / EXPLAINED_SHARE
    m, m_without = (Ridge(penalty).fit(Z[R][:, k], t).predict(Z[R][:, k]) for k in ([0, 1, 2], rest))
    lost = np.var(m - m_without)
    answer = np.sqrt(lost / (lost + np.var(t - m)))
    h = survey.weights / survey.weights.sum()
    by_hand = np.sqrt(h @ survey.residuals**2 * len(h) * (h @ h)) * answering * answer
    assert found.bias == pytest.approx(by_hand, rel=0.06)
    # That is about by how much the estimate moves where the group is left out of everything.
    rest_of_features = survey.features[["other_1", "noise_1"]]
    blind = replace(
        survey,
        features=rest_of_features,
        base_features=rest_of_features,
        propensity=np.full(N, R.mean()),
        probabilities=_blind(survey),
        base_probabilities=_blind(survey),
    )
    moved_nps = abs(estimate_nps(blind).figures.nps - estimate_nps(survey).figures.nps)
    assert found.bias == pytest.approx(moved_nps, rel=0.35)
    assert (tilted_nps(survey, -found.gamma) - tilted_nps(survey, found.gamma)) / 2 == pytest.approx(found.bias)


def _blind(survey):
    """Predictions of one who does not know the trait: the answers' shares."""
    shares = np.bincount(survey.category[survey.answered], minlength=3) / survey.answered.sum()
    return np.tile(shares, (N, 1))


def test_noise_is_no_strength_and_without_features_nothing_is_bounded():
    survey, _ = a_world(2)
    noise = replace(survey, features=survey.features[["noise_1"]])
    assert unmeasured_trait(noise).bias < 0.5
    bare = replace(survey, features=survey.features[[]])
    assert (unmeasured_trait(bare).bias, unmeasured_trait(bare).group) == (0.0, None)
    assert gamma_of(survey, 0.0) == 0.0
    assert gamma_of(survey, 500.0) == 3.0


def test_the_margin_covers_wherever_the_bias_is():
    assert wide_margin(2.0, np.inf, 0.0) == pytest.approx(2.0 * norm.ppf(0.975), rel=1e-6)
    assert wide_margin(2.0, 9.0, 0.0) == pytest.approx(2.0 * student.ppf(0.975, 9.0), rel=1e-6)
    # Far from the other end only one tail counts.
    assert wide_margin(1.0, np.inf, 50.0) == pytest.approx(50.0 + norm.ppf(0.95), rel=1e-6)
    assert wide_margin(0.0, 5.0, 7.0) == 7.0
    half = wide_margin(2.0, np.inf, 3.0)
    errors = 2.0 * np.random.default_rng(0).normal(size=400_000)
    at_the_end = np.mean(np.abs(errors + 3.0) <= half)
    assert at_the_end == pytest.approx(0.95, abs=0.002)
    assert np.mean(np.abs(errors) <= half) > at_the_end


def test_it_covers_where_the_trait_is_half_hidden_and_the_plain_one_does_not():
    plain, wide, ratios = [], [], []
    for seed in range(8):
        survey, truth = a_world(seed, pull=0.9, shown=0.7)
        found = estimate_nps(survey).figures
        plain.append(found.low <= truth <= found.high)
        wide.append(found.wide_low <= truth <= found.wide_high)
        ratios.append((found.wide_high - found.wide_low) / (found.high - found.low))
    assert np.mean(wide) >= 0.9
    assert np.mean(plain) < 0.6
    assert max(ratios) < 3.5
