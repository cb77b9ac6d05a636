"""The base's NPS from other routes: post-stratification, regression, a bootstrap, worlds whose truth is known."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from models.nps_base import base_nps, clipped_weights, newest_per_customer, tilted_nps
from models.response import response_propensity

POINTS = np.array([-100, 0, 100])
TRUE_NPS = 23.1  # of `a_world`, mean of 600,000 customers; its own error is 0.1


def a_world(n, seed, response=0.10):
    """Customers whose behaviour drives both what they would answer and whether they do."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8))
    X[:, 0] = np.exp(0.6 * X[:, 0])
    s = 0.8 * X[:, 1] - 0.6 * X[:, 2] + 0.4 * X[:, 3]
    p = softmax(np.stack([-0.4 - 0.8 * s, np.zeros(n), 0.5 + 0.8 * s], axis=1), axis=1)
    category = (rng.random(n)[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    slope = 0.7 * (X[:, 1] + 0.5 * X[:, 0] - 0.6 * X[:, 4])
    answered = rng.random(n) < expit(np.log(response / (1 - response)) - 0.5 + slope)
    return X, category, answered, p


def cross_fitted(X, category, answered):
    """Probabilities of everyone, without their own answer for those who gave one."""
    fold, p = np.arange(len(X)) % 2, np.empty((len(X), 3))
    p[~answered] = LogisticRegression().fit(X[answered], category[answered]).predict_proba(X[~answered])
    for k in range(2):
        held, seen = answered & (fold == k), answered & (fold != k)
        p[held] = LogisticRegression().fit(X[seen], category[seen]).predict_proba(X[held])
    return p


def test_with_one_binary_feature_it_is_post_stratification():
    rng = np.random.default_rng(1)
    cell = rng.random(4000) < 0.3
    category = np.where(rng.random(4000) < np.where(cell, 0.7, 0.2), 2, rng.integers(0, 2, 4000))
    answered = rng.random(4000) < np.where(cell, 0.3, 0.08)
    rate, shares = np.empty(4000), np.empty((4000, 3))
    by_cell = 0.0
    for value in (False, True):
        here = cell == value
        rate[here] = answered[here].mean()
        shares[here] = np.bincount(category[here & answered], minlength=3) / (here & answered).sum()
        by_cell += here.mean() * POINTS[category[here & answered]].mean()
    found = base_nps(shares, answered, category, rate)
    assert found.nps == pytest.approx(by_cell, rel=1e-12)
    assert found.mean_of_predictions == pytest.approx(by_cell, rel=1e-12)
    assert found.survey_mean == pytest.approx(POINTS[category[answered]].mean())
    assert found.survey_mean > found.nps + 5

    # The variance of a post-stratified mean: within the cells, and of the cells' shares (Holt & Smith 1979).
    variance = np.var(shares @ POINTS) / 4000
    for value in (False, True):
        replies = POINTS[category[(cell == value) & answered]]
        variance += (cell == value).mean() ** 2 * np.var(replies) / len(replies)
    assert found.standard_error == pytest.approx(np.sqrt(variance), rel=0.01)


def test_point_and_error_by_weighted_regression_and_bootstrap():
    X, category, answered, p = a_world(3000, 7)
    pi = np.clip(answered.mean() * np.exp(0.4 * X[:, 1]), 0.02, 0.9)
    found = base_nps(p, answered, category, pi)
    m, t = p @ POINTS, POINTS[category]

    def theta(rows):
        replied = rows[answered[rows]]
        root = np.sqrt(np.minimum(1 / pi[replied], 10 * np.median(1 / pi[answered])))
        # The intercept of the residuals regressed on a constant with weights 1/pi.
        intercept = np.linalg.lstsq(root[:, None], root * (t - m)[replied], rcond=None)[0][0]
        return m[rows].mean() + intercept

    assert found.nps == pytest.approx(theta(np.arange(3000)), rel=1e-10)
    rng = np.random.default_rng(0)
    again = [theta(rng.integers(0, 3000, 3000)) for _ in range(600)]
    assert found.standard_error == pytest.approx(np.std(again), rel=0.10)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * found.standard_error, rel=1e-4)


def test_covers_the_truth_where_the_survey_mean_never_does():
    covered, errors, survey = [], [], []
    for seed in range(100):
        X, category, answered, _ = a_world(3000, seed)
        pi = response_propensity(pd.DataFrame(X), answered, np.arange(3000))
        found = base_nps(cross_fitted(X, category, answered), answered, category, pi)
        covered.append(found.low <= TRUE_NPS <= found.high)
        errors.append(found.nps - TRUE_NPS)
        survey.append(found.survey_mean - TRUE_NPS)
    assert np.mean(covered) >= 0.88
    assert abs(np.mean(errors)) < 1.6  # three Monte Carlo errors
    assert np.mean(survey) > 12


def test_the_right_tilt_repairs_answering_that_depends_on_satisfaction():
    rng = np.random.default_rng(3)
    n, gamma = 400_000, 0.2
    group = rng.integers(0, 2, n)
    shares = np.array([[0.35, 0.3, 0.35], [0.15, 0.25, 0.6]])
    category = (rng.random(n)[:, None] > np.cumsum(shares[group], axis=1)[:, :2]).sum(axis=1)
    answered = rng.random(n) < expit(-2 + group + gamma * category)
    truth = POINTS[category].mean()
    of_answers, pi = np.empty((n, 3)), np.empty(n)
    for g in (0, 1):
        of_answers[group == g] = np.bincount(category[answered & (group == g)]) / (answered & (group == g)).sum()
        pi[group == g] = answered[group == g].mean()
    found = base_nps(of_answers, answered, category, pi)
    assert found.nps > truth + 5
    assert found.sensitivity["+0.2"] == pytest.approx(truth, abs=1.0)
    assert tilted_nps(of_answers, answered, category[answered], pi, 0.0) == pytest.approx(found.nps, rel=1e-12)
    steps = np.array([found.sensitivity[key] for key in ("-0.2", "-0.1", "+0.1", "+0.2")])
    assert (np.diff(steps) < 0).all()
    assert found.nps - found.sensitivity["+0.1"] == pytest.approx(5, abs=1.5)


def test_effective_answers_largest_weight_and_clipping():
    answered = np.ones(5, bool)
    found = base_nps(np.full((5, 3), 1 / 3), answered, [0, 1, 2, 2, 2], [1.0, 1, 1, 0.5, 0.001])
    weights = np.array([1, 1, 1, 2, 10.0])
    assert clipped_weights(np.array([1, 1, 1, 2, 1000.0])).tolist() == weights.tolist()
    assert found.n_eff == pytest.approx(15**2 / (3 + 4 + 100))
    assert found.largest_weight == pytest.approx(10 / 15)
    assert found.n_answers == found.n_frame == 5


def test_constant_predictions_and_propensity_leave_the_survey_mean_and_its_error():
    rng = np.random.default_rng(4)
    category, answered = rng.integers(0, 3, 2000), rng.random(2000) < 0.2
    found = base_nps(np.tile([0.2, 0.3, 0.5], (2000, 1)), answered, category, np.full(2000, 0.2), frame="invited")
    replies = POINTS[category[answered]]
    assert found.nps == pytest.approx(found.survey_mean)
    assert found.standard_error == pytest.approx(replies.std() / np.sqrt(len(replies)), rel=1e-3)
    assert json.loads(json.dumps(found.to_dict()))["frame"] == "invited"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"answered": [False, False, True]}, "at least two"),
        ({"propensity": [0.5, 0.5, 0.0]}, r"in \(0, 1\]"),
        ({"propensity": [0.5, 0.5, np.nan]}, r"in \(0, 1\]"),
        ({"category": [0, 3, 1]}, "0, 1 or 2"),
        ({"category": [0, 1]}, r"\(2,\)"),
    ],
)
def test_mistakes_are_named(change, said):
    given = {
        "probabilities": np.full((3, 3), 1 / 3),
        "answered": [True] * 3,
        "category": [0, 1, 2],
        "propensity": [0.5] * 3,
    }
    with pytest.raises(ValueError, match=said):
        base_nps(**(given | change))


def test_newest_answer_counts_and_else_the_newest_invitation():
    customer = np.array(["b", "a", "a", "b", "a", "c", "c"])
    as_of = pd.to_datetime(
        ["2024-01-01", "2024-01-01", "2024-02-01", "2024-03-01", "2024-03-01", "2024-05-01", "2024-04-01"]
    )
    answered = np.array([True, True, True, False, False, False, False])
    assert newest_per_customer(customer, as_of, answered).tolist() == [2, 0, 5]


def test_a_base_that_is_not_the_frame_is_weighted_by_its_own_mix():
    rng = np.random.default_rng(6)
    cell, answered = rng.random(2000) < 0.3, rng.random(2000) < 0.2
    category = np.where(rng.random(2000) < np.where(cell, 0.7, 0.2), 2, rng.integers(0, 2, 2000))
    of_cell = [
        np.bincount(category[answered & (cell == value)], minlength=3) / (answered & (cell == value)).sum()
        for value in (False, True)
    ]
    frame, base = np.array(of_cell)[cell.astype(int)], np.array(of_cell)[np.repeat([0, 1], [1000, 4000])]
    found = base_nps(frame, answered, category, np.full(2000, 0.2), "invited", base)
    assert found.nps == pytest.approx(0.2 * of_cell[0] @ POINTS + 0.8 * of_cell[1] @ POINTS, rel=1e-10)
    assert (found.n_base, found.n_frame) == (5000, 2000)
    alone = base_nps(frame, answered, category, np.full(2000, 0.2), "invited")
    same = base_nps(frame, answered, category, np.full(2000, 0.2), "invited", frame)
    assert same.nps == pytest.approx(alone.nps)
    assert same.standard_error == pytest.approx(alone.standard_error, rel=0.02)
