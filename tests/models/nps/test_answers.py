"""Answers that are too few, too much alike or on mixed scales, and what is published of them."""

import numpy as np
import pandas as pd
import pytest

from data.simulation.behaviour import simulate_behaviour
from models.nps.answers import FEWEST_ANSWERS_OF_OTHER_CLASSES, ranked_levels
from models.nps.model import predict_nps_category, train_nps_category


def simulate(n, r_squared, seed):
    behaviour = simulate_behaviour(n, seed, r_squared)
    level = behaviour.draw_scores(np.random.default_rng(seed + 1))
    return behaviour.features, (level >= 7) * 1 + (level >= 9), level


def test_levels_that_contradict_the_categories_are_not_used():
    category = np.array([0, 0, 1, 2, 2])
    # A category that nobody gave has a level of its own.
    rank, of_level = ranked_levels(np.array([0, 6, 8, 9, 10]), category)
    assert rank.tolist() == [0, 1, 2, 3, 4] and of_level.tolist() == [0, 0, 1, 2, 2]
    rank, of_level = ranked_levels(np.array([0, 6, 10]), np.array([0, 0, 2]))
    assert rank.tolist() == [0, 1, 3] and of_level.tolist() == [0, 0, 1, 2]
    for contradicting in ([0, 6, 8, 9, 4], [0, 6, 8, 9, 6]):
        rank, of_level = ranked_levels(np.array(contradicting), category)
        assert rank.tolist() == category.tolist() and of_level.tolist() == [0, 1, 2]


@pytest.mark.parametrize("others", [1, FEWEST_ANSWERS_OF_OTHER_CLASSES - 1])
def test_next_to_no_answers_outside_the_largest_class_get_the_prior(others):
    for seed in range(6):
        X = pd.DataFrame(np.random.default_rng(seed).normal(size=(210, 6))).add_prefix("x")
        model = train_nps_category(X, np.where(np.arange(210) < others, 1, 2), np.arange(210), seed=seed).model
        assert model.source == "prior"
        assert f"Only {others} of the 210 answers are not of the largest class (promoter)" in model.why
        assert model.metrics == {}


def test_ten_answers_outside_the_largest_class_can_be_told_apart_where_behaviour_does():
    y = np.where(np.arange(210) < FEWEST_ANSWERS_OF_OTHER_CLASSES, 0, 2)
    x = np.random.default_rng(2).normal(size=210) + 3.0 * (y == 0)
    assert train_nps_category(pd.DataFrame({"x": x}), y, np.arange(210)).model.source == "model"


def test_few_answers_and_one_class_and_why():
    X, y, _ = simulate(199, 0.4, 5)
    assert train_nps_category(X[:29], y[:29], np.arange(29)).model.source is None
    nothing = train_nps_category(X, np.full(199, 2), np.arange(199))
    assert nothing.model.source is None and nothing.out_of_fold is None
    assert "one class (promoter)" in nothing.model.why
    with pytest.raises(ValueError, match="cannot predict"):
        predict_nps_category(nothing.model, X)
    few = train_nps_category(X, y, np.arange(199)).model
    assert few.source == "prior" and "199 answers" in few.why
    assert few.prior == pytest.approx((np.bincount(y, minlength=3) + 1) / 202)
    assert predict_nps_category(few, X[:5]) == pytest.approx(np.tile(few.prior, (5, 1)))
    assert train_nps_category(X[:0], y[:0], []).model.source is None


def test_many_answers_of_few_customers_or_without_any_difference_get_the_prior():
    X, y, _ = simulate(250, 0.4, 6)
    assert "Only 10 customers" in train_nps_category(X, y, np.arange(250) % 10).model.why
    flat = pd.DataFrame({"a": np.ones(250), "b": np.full(250, np.nan)})
    assert "No feature differs" in train_nps_category(flat, y, np.arange(250)).model.why
    assert train_nps_category(X[[]], y, np.arange(250)).model.source == "prior"


def test_a_class_of_a_single_answer_breaks_nothing():
    X, y, _ = simulate(220, 0.4, 7)
    y = np.where(y == 1, 2, y)
    y[3] = 1
    training = train_nps_category(X, y, np.arange(220))
    assert np.isfinite(training.out_of_fold).all()
    assert np.isfinite(list(training.model.metrics.values())).all()
    two = train_nps_category(X, np.where(y == 1, 2, y), np.arange(220))
    assert np.isfinite(two.out_of_fold).all()
    assert two.model.prior[1] == pytest.approx(1 / 223)
