"""The base's NPS from other routes: post-stratification, regression, a bootstrap, worlds whose truth is known."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit, softmax
from scipy.stats import t as student
from sklearn.linear_model import LogisticRegression

from models.stats.calibrated_weights import calibrated
from models.survey.aipw import estimate_nps, training_variance
from models.survey.frame import NO_ANSWER, Survey, clipped_weights, newest_per_customer
from models.survey.response.propensity import response_propensity
from models.survey.sensitivity import sign_gamma, tilted_nps

POINTS = np.array([-100, 0, 100])
TRUE_NPS = 23.1  # of `a_world`, mean of 600,000 customers; its own error is 0.1


def a_survey(probabilities, answered, category, propensity, **changes):
    """A survey whose frame is its base and whose m has no folds, unless `changes` say otherwise."""
    n, R = len(answered), np.asarray(answered, bool)
    who, features = np.arange(n).astype(str), pd.DataFrame({"constant": np.ones(n)})
    p = np.asarray(probabilities, float)
    fields = {
        "customer": who,
        "features": features,
        "answered": R,
        "category": np.where(R, category, NO_ANSWER),
        "probabilities": p,
        "propensity": np.asarray(propensity, float),
        "base_customer": who,
        "base_features": features,
        "base_probabilities": p,
        "fold_points": np.empty((0, R.sum())),
        "fold_base_points": np.empty((0, n)),
        "base_sample": np.arange(n),
        "frame": "customers",
    }
    return Survey(**(fields | changes))


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
    return X, category, answered


def surveyed(X, category, answered):
    """The survey of such a world, with its models cross-fitted in two folds."""
    fold, fitted = np.arange(len(X)) % 2, []
    for k in range(2):
        training = answered & (fold != k)
        fitted.append(LogisticRegression().fit(X[training], category[training]).predict_proba(X))
    p = np.where(answered[:, None], np.where(fold[:, None] == 0, fitted[0], fitted[1]), (fitted[0] + fitted[1]) / 2)
    points = np.array(fitted) @ POINTS
    pi = response_propensity(pd.DataFrame(X), answered, np.arange(len(X)))
    return a_survey(p, answered, category, pi, fold_points=points[:, answered], fold_base_points=points)


def without_folds(survey):
    """The same survey, as if m were not learned."""
    n, customers = len(survey.answers), len(survey.base_sample)
    return replace(survey, fold_points=np.empty((0, n)), fold_base_points=np.empty((0, customers)))


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
    found = estimate_nps(a_survey(shares, answered, category, rate)).figures
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
    X, category, answered = a_world(3000, 7)
    survey = surveyed(X, category, answered)
    pi = np.clip(answered.mean() * np.exp(0.4 * X[:, 1]), 0.02, 0.9)
    survey = without_folds(replace(survey, propensity=pi))
    estimate = estimate_nps(survey)
    m, t = survey.probabilities @ POINTS, POINTS[category]

    def theta(rows):
        replied = rows[answered[rows]]
        w = np.minimum(1 / pi[replied], 10 * np.median(1 / pi[answered]))
        balanced = np.column_stack([m, logit(pi)])
        w = calibrated(w, balanced[replied], balanced[rows].mean(axis=0))
        # The weights balance m, so only the answers count.
        assert np.average(m[replied], weights=w) == pytest.approx(m[rows].mean(), abs=1e-6)
        return np.average(t[replied], weights=w)

    found = estimate.figures
    assert found.nps == pytest.approx(theta(np.arange(3000)), rel=1e-7)
    rng = np.random.default_rng(0)
    again = [theta(rng.integers(0, 3000, 3000)) for _ in range(600)]
    assert found.standard_error == pytest.approx(np.std(again), rel=0.10)
    # The influence of a calibrated mean: what everyone adds by m and z, and what regression leaves of the answers.
    w, R = survey.weights, answered
    z = np.column_stack([np.ones(3000), m, logit(pi)])
    b = np.linalg.solve((z[R] * w[:, None]).T @ z[R], z[R].T @ (w * (t - m)[R]))
    phi = (m - m.mean()) + (z - z.mean(axis=0)) @ b
    phi[R] += 3000 * w / w.sum() * ((t - m)[R] - z[R] @ b)
    psi = estimate.influence.loc[survey.customer].to_numpy()
    assert psi == pytest.approx(phi / 3000, rel=0.03, abs=1e-5)
    assert found.standard_error == pytest.approx(phi.std() / np.sqrt(3000), rel=0.01)
    margin = student.ppf(0.975, found.degrees_of_freedom) * found.standard_error
    assert (found.high - found.low) / 2 == pytest.approx(margin, rel=1e-9)


def test_equal_weights_give_the_textbook_interval_of_a_mean():
    """With n answers of equal weight and nothing predicted: s / sqrt(n), and Student's t with n - 1 degrees."""
    rng = np.random.default_rng(4)
    category, answered = rng.integers(0, 3, 2000), rng.random(2000) < 0.01
    survey = a_survey(np.tile([0.2, 0.3, 0.5], (2000, 1)), answered, category, np.full(2000, 0.01), frame="invited")
    found = estimate_nps(survey).figures
    replies = POINTS[category[answered]]
    assert found.nps == pytest.approx(found.survey_mean) == pytest.approx(replies.mean())
    assert found.standard_error == pytest.approx(replies.std(ddof=1) / np.sqrt(len(replies)), rel=1e-9)
    assert found.degrees_of_freedom == pytest.approx(len(replies) - 1)
    assert found.sign_gamma is not None
    assert json.loads(json.dumps(found.to_dict()))["frame"] == "invited"


def test_degrees_of_freedom_are_those_of_the_quadratic_form():
    """Twice the squared mean over the variance of the estimated variance, by the eigenvalues of its matrix."""
    rng = np.random.default_rng(8)
    pi = np.exp(rng.normal(size=40))
    pi /= pi.max()
    category = rng.integers(0, 3, 40)
    survey = a_survey(np.full((40, 3), 1 / 3), np.ones(40, bool), category, pi)
    h = survey.weights / survey.weights.sum()
    centring = np.eye(40) - np.outer(np.ones(40), h)
    correlation = centring @ centring.T
    eigenvalues = np.linalg.eigvals(np.diag(h**2 / np.diag(correlation)) @ correlation).real
    found = estimate_nps(survey).figures
    assert found.degrees_of_freedom == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
    assert found.degrees_of_freedom < found.n_eff


def test_the_training_of_m_is_a_jackknife_and_joins_the_error():
    X, category, answered = a_world(2000, 3)
    survey = surveyed(X, category, answered)
    bare = estimate_nps(without_folds(survey))
    found = estimate_nps(survey)
    w = survey.weights
    carried = [
        survey.fold_base_points[k].mean() - np.average(survey.fold_points[k], weights=w) for k in range(2)
    ]  # of two values the jackknife's variance is a quarter of the squared difference
    variance = (carried[0] - carried[1]) ** 2 / 4
    assert training_variance(found.jackknife) == pytest.approx(variance)
    assert found.figures.standard_error**2 == pytest.approx(bare.figures.standard_error**2 + variance)
    assert training_variance(bare.jackknife) == 0.0
    assert found.influence.equals(bare.influence)
    joined = (variance + bare.figures.standard_error**2) ** 2
    parts = variance**2 + bare.figures.standard_error**4 / bare.figures.degrees_of_freedom
    assert found.figures.degrees_of_freedom == pytest.approx(joined / parts)


def test_covers_the_truth_where_the_survey_mean_never_does():
    covered, errors, survey, margins = [], [], [], []
    for seed in range(40):
        found = estimate_nps(surveyed(*a_world(3000, seed))).figures
        covered.append(found.low <= TRUE_NPS <= found.high)
        margins.append((found.high - found.low) / 2)
        errors.append(found.nps - TRUE_NPS)
        survey.append(found.survey_mean - TRUE_NPS)
    assert np.mean(covered) >= 0.90
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(40) < 2.5
    assert np.mean(margins) < 1.3 * 1.96 * np.std(errors)
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
    survey = a_survey(of_answers, answered, category, pi)
    found = estimate_nps(survey).figures
    assert found.nps > truth + 5
    assert found.sensitivity["+0.2"] == pytest.approx(truth, abs=1.0)
    assert tilted_nps(survey, 0.0) == pytest.approx(found.nps, rel=1e-12)
    steps = np.array([found.sensitivity[key] for key in ("-0.2", "-0.1", "+0.1", "+0.2")])
    assert (np.diff(steps) < 0).all()
    assert found.nps - found.sensitivity["+0.1"] == pytest.approx(5, abs=1.5)
    assert found.sign_gamma > 0.2
    assert tilted_nps(survey, found.sign_gamma) == pytest.approx(0.0, abs=1e-6)
    promoters = a_survey(np.tile([0.001, 0.0, 0.999], (50, 1)), np.arange(50) < 25, np.full(50, 2), np.full(50, 0.5))
    assert sign_gamma(promoters) is None


def test_effective_answers_largest_weight_clipping_and_covariate_shift():
    answered, p = np.ones(5, bool), np.full((5, 3), 1 / 3)
    survey = a_survey(p, answered, [0, 1, 2, 2, 2], [1.0, 1, 1, 0.5, 0.001])
    found = estimate_nps(survey).figures
    weights = np.array([1, 1, 1, 2, 10.0])
    assert clipped_weights(np.array([1, 1, 1, 2, 1000.0])).tolist() == survey.weights.tolist() == weights.tolist()
    assert found.n_eff == pytest.approx(15**2 / (3 + 4 + 100))
    assert found.largest_weight == pytest.approx(10 / 15)
    assert found.n_answers == found.n_frame == 5
    shifted = replace(survey, propensity=np.ones(5), shift_weight=np.array([3.0, 0.5, 1, 1, 1]))
    assert shifted.weights.tolist() == [3.0, 0.5, 1, 1, 1]
    assert estimate_nps(shifted).figures.nps == pytest.approx(100 * (3 - 3) / 6.5)
    assert tilted_nps(shifted, 0.0) == pytest.approx(estimate_nps(shifted).figures.nps)


def test_an_nps_needs_two_answers():
    with pytest.raises(ValueError, match="at least two"):
        estimate_nps(a_survey(np.full((3, 3), 1 / 3), [True, False, False], [0, 0, 0], np.full(3, 0.5)))


def test_newest_answer_counts_and_else_the_newest_invitation():
    customer = np.array(["b", "a", "a", "b", "a", "c", "c"])
    as_of = pd.to_datetime(
        ["2024-01-01", "2024-01-01", "2024-02-01", "2024-03-01", "2024-03-01", "2024-05-01", "2024-04-01"]
    )
    answered = np.array([True, True, True, False, False, False, False])
    assert newest_per_customer(customer, as_of, answered).tolist() == [2, 0, 5]


def test_a_base_that_is_not_the_frame_has_predictions_of_its_own():
    rng = np.random.default_rng(6)
    cell, answered = rng.random(2000) < 0.3, rng.random(2000) < 0.2
    category = np.where(rng.random(2000) < np.where(cell, 0.7, 0.2), 2, rng.integers(0, 2, 2000))
    of_cell = [
        np.bincount(category[answered & (cell == value)], minlength=3) / (answered & (cell == value)).sum()
        for value in (False, True)
    ]
    base_cell = np.repeat([0, 1], [1000, 4000])
    frame, base = np.array(of_cell)[cell.astype(int)], np.array(of_cell)[base_cell]
    of_base = {
        "base_customer": np.arange(5000).astype(str),
        "base_probabilities": base,
        "base_features": pd.DataFrame({"cell": base_cell * 1.0}),
        "features": pd.DataFrame({"cell": cell * 1.0}),
    }
    survey = a_survey(frame, answered, category, np.full(2000, 0.2), **of_base)
    estimate = estimate_nps(survey)
    found = estimate.figures
    assert found.nps == pytest.approx(0.2 * of_cell[0] @ POINTS + 0.8 * of_cell[1] @ POINTS, rel=1e-10)
    assert (found.n_base, found.n_frame) == (5000, 2000)
    # Customers 0..1999 are in both: one influence each, the sum of their parts.
    assert len(estimate.influence) == 5000
    assert found.balance["largest_before"] == pytest.approx(abs(estimate.balance.loc["cell", "before"]))
    assert estimate.balance.loc["cell", "before"] == pytest.approx(-1.1, abs=0.2)
