"""Prospective calibration against textbook intervals, another fit of Cox's line, simulation, and known distortions."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from models.monitoring.prospective_calibration import cox_line, prospective_calibration
from models.monitoring.prospective_predictions import PRIORS
from models.scoring.columns import PROBABILITIES
from models.stats import metrics
from models.stats.normal import NORMAL_95

SHARES = np.array([0.3, 0.3, 0.4])


def answered(rng, n, published, *, per_customer=1, strength=1.0):
    """Answers of true probabilities, and predictions of them, `published`."""
    people = n // per_customer
    u = np.repeat(rng.normal(size=people), per_customer) * strength
    true = np.exp(np.outer(u, [-1, 0, 1.0])) * SHARES
    true /= true.sum(axis=1, keepdims=True)
    y = (rng.random(n)[:, None] > np.cumsum(true, axis=1)[:, :2]).sum(axis=1)
    p = published(true)
    frame = pd.DataFrame(p / p.sum(axis=1, keepdims=True), columns=PROBABILITIES)
    frame[list(PRIORS)] = SHARES
    as_of = pd.Timestamp("2024-02-01") + pd.to_timedelta(rng.integers(0, 60, n), unit="D")
    return frame.assign(
        customer_id=np.repeat(np.arange(people).astype(str), per_customer),
        category=y,
        as_of=as_of,
        predicted_as_of=as_of - pd.Timedelta(days=12),
        nps_source="model",
    )


def test_right_predictions_are_called_right():
    found = prospective_calibration(answered(np.random.default_rng(1), 4000, lambda true: true))
    assert not any(level.is_off for level in (found.detractor, found.passive, found.promoter, found.nps))
    assert found.detractor_line.slope == pytest.approx(1, abs=3 * found.detractor_line.slope_error)
    assert found.promoter_line.intercept == pytest.approx(0, abs=3 * found.promoter_line.intercept_error)
    assert found.detractor_line.words is None
    assert "the level is off by no more than chance" in found.verdict
    assert "lower than that of the shares" in found.verdict
    assert (found.answers, found.customers, found.days_before, found.from_prior) == (4000, 4000, 12.0, 0)
    assert found.figures["rps"] < found.figures["rps_prior"]
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["nps"]["predicted"] == found.nps.predicted


def test_figures_are_those_of_the_metrics():
    joined = answered(np.random.default_rng(2), 500, lambda true: true**0.7)
    found = prospective_calibration(joined)
    y, p = joined["category"].to_numpy(), joined[list(PROBABILITIES)].to_numpy()
    assert found.nps.observed == pytest.approx(100 * ((y == 2).mean() - (y == 0).mean()))
    assert found.nps.predicted == pytest.approx(metrics.nps_of(p))
    assert found.promoter.predicted == pytest.approx(p[:, 2].mean())
    assert found.passive.observed == (y == 1).mean()
    assert found.figures["log_loss_prior"] == pytest.approx(-np.log(SHARES[y]).mean())
    assert found.figures["auc_promoter"] == metrics.auc(y == 2, p[:, 2])
    assert found.figures["ece"] == metrics.expected_calibration_error(y, p)


def test_a_level_that_is_off_and_probabilities_too_far_apart_are_told():
    found = prospective_calibration(answered(np.random.default_rng(3), 3000, lambda true: true * [0.6, 1, 1.5]))
    assert found.nps.is_off and found.nps.predicted > found.nps.high
    assert "the level is off by more than chance" in found.verdict
    found = prospective_calibration(answered(np.random.default_rng(4), 3000, lambda true: true**2))
    assert found.detractor_line.slope < 0.8 and "detractors are too far apart (slope 0." in found.verdict
    found = prospective_calibration(answered(np.random.default_rng(5), 3000, lambda true: true**0.4))
    assert found.promoter_line.slope > 1.4 and "promoters are too close together (slope" in found.verdict


def test_intervals_without_repeated_answers_are_the_textbooks():
    rng = np.random.default_rng(6)
    joined = answered(rng, 200, lambda true: true)
    found, y, z = prospective_calibration(joined), joined["category"], NORMAL_95
    # Agresti & Coull: z^2 / 2 of each kind are added; the design effect is n / (n - 1) here.
    n, x = 200 - 1, (y == 0).mean()
    centre = (n * x + z**2 / 2) / (n + z**2)
    reach = z * np.sqrt(centre * (1 - centre) / (n + z**2))
    assert (found.detractor.low, found.detractor.high) == pytest.approx((centre - reach, centre + reach))
    # Rocks: three answers are added, three quarters of a promoter and of a detractor.
    up, down = ((n * (y == k).mean() + 0.75) / (n + 3) for k in (2, 0))
    reach = z * np.sqrt((up + down - (up - down) ** 2) / (n + 3))
    assert (found.nps.low, found.nps.high) == pytest.approx((100 * (up - down - reach), 100 * (up - down + reach)))


def test_intervals_and_slopes_cover_what_is_true_where_customers_answer_more_than_once():
    rng = np.random.default_rng(7)
    u = rng.normal(size=1_000_000)
    weights = np.exp(np.outer(u, [-1, 0, 1.0])) * SHARES
    truth = 100 * np.mean((weights[:, 2] - weights[:, 0]) / weights.sum(axis=1))
    covered, as_if_independent, slopes = [], [], []
    for _ in range(80):
        joined = answered(rng, 300, lambda true: true, per_customer=5)
        found = prospective_calibration(joined)
        covered.append(found.nps.low <= truth <= found.nps.high)
        t = 100 * ((joined["category"] == 2) * 1.0 - (joined["category"] == 0))
        as_if_independent.append(abs(t.mean() - truth) <= 1.96 * t.std() / np.sqrt(300))
        slopes.append(abs(found.detractor_line.slope - 1) <= 1.96 * found.detractor_line.slope_error)
    assert 0.88 < np.mean(covered) < 1
    assert 0.88 < np.mean(slopes) < 1
    assert np.mean(as_if_independent) < 0.88


def test_the_line_is_that_of_an_unpenalised_regression_and_its_error_that_of_many_samples():
    rng = np.random.default_rng(8)
    slopes, errors = [], []
    for i in range(150):
        u = np.repeat(rng.normal(size=120), 4)
        p = expit(0.8 * u)
        y = rng.random(480) < expit(0.2 + 0.7 * logit(p) + np.repeat(rng.normal(size=120), 4))
        line = cox_line(y, p, np.repeat(np.arange(120), 4))
        slopes.append(line.slope)
        errors.append(line.slope_error)
        if i < 3:
            other = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], y)
            assert line.intercept == pytest.approx(other.intercept_[0], abs=1e-5)
            assert line.slope == pytest.approx(other.coef_[0, 0], abs=1e-5)
    assert np.mean(errors) == pytest.approx(np.std(slopes), rel=0.2)


def test_no_line_where_there_is_none():
    rng = np.random.default_rng(9)
    p = rng.random(100)
    who = np.arange(100)
    assert cox_line(np.arange(100) < 9, p, who) is None
    assert cox_line(rng.random(100) < 0.5, np.full(100, 0.3), who) is None
    assert cox_line(p > 0.5, p, who) is None
    assert cox_line(p < 0.5, np.where(p < 0.5, 0.0, 1.0), who) is None


def test_the_prior_has_a_level_and_no_line():
    joined = answered(np.random.default_rng(10), 400, lambda true: np.tile(SHARES, (len(true), 1)))
    found = prospective_calibration(joined.assign(nps_source="prior"))
    assert found.from_prior == 400
    assert found.detractor_line is None
    assert found.figures["auc_detractor"] == 0.5
    assert found.figures["rps"] == pytest.approx(found.figures["rps_prior"])


def test_too_few_answers_say_why():
    rng = np.random.default_rng(11)
    found = prospective_calibration(answered(rng, 29, lambda true: true))
    assert found.verdict.startswith("Too few to tell: 29 answers of 29 customers")
    assert found.nps is None and found.figures == {}
    assert prospective_calibration(answered(rng, 100, lambda true: true, per_customer=20)).customers == 5
    assert prospective_calibration(answered(rng, 29, lambda true: true)[:0]).answers == 0
    one_class = answered(rng, 40, lambda true: true).assign(category=2)
    found = prospective_calibration(one_class)
    assert found.promoter.high == 1 and found.promoter.low < 1 and "auc_promoter" not in found.figures
    json.dumps(found.to_dict(), allow_nan=False)


def test_weighted_answers_judge_the_predictions_of_everyone():
    """Right predictions from one thing, and answers by those who are more satisfied for another that goes with it."""
    rng = np.random.default_rng(4)
    n = 60_000
    known, other = rng.normal(size=(2, n))
    true = expit(known + 1.5 * other * (known > 0))
    # What is right for everyone who is alike in the known thing.
    grid = np.linspace(-5, 5, 401)
    nodes, node_weights = np.polynomial.hermite_e.hermegauss(40)
    mean = expit(grid[:, None] + 1.5 * nodes * (grid[:, None] > 0)) @ node_weights / node_weights.sum()
    p, y = np.interp(known, grid, mean), rng.random(n) < true
    answers = expit(-2.0 + 1.2 * other)
    R, who = rng.random(n) < answers, np.arange(n)
    everyone = cox_line(y, p, who)
    alone, weighted = cox_line(y[R], p[R], who[R]), cox_line(y[R], p[R], who[R], 1.0 / answers[R])
    assert everyone.words is None and weighted.words is None
    assert alone.words is not None and alone.slope > 1.1
    # An equal weight of all changes nothing.
    again = cox_line(y[R], p[R], who[R], np.full(R.sum(), 3.0))
    assert (again.slope, again.slope_error) == pytest.approx((alone.slope, alone.slope_error))


def test_the_level_told_is_the_weighted_one():
    joined = answered(np.random.default_rng(5), 3000, lambda true: true)
    promoter = (joined["category"] == 2).to_numpy()
    found = prospective_calibration(joined, np.where(promoter, 2.0, 1.0))
    w = np.where(promoter, 2.0, 1.0)
    points = np.array([-100.0, 0.0, 100.0])[joined["category"]]
    assert found.nps.observed == pytest.approx(np.average(points, weights=w))
    assert found.nps.is_off
    assert "the level is off by more than chance" in found.verdict
    # The interval is that of a weighted mean: wider than n answers of equal weight would have it.
    equal = prospective_calibration(joined)
    assert (found.nps.high - found.nps.low) / np.std(points) > 0.9 * (equal.nps.high - equal.nps.low) / np.std(points)
