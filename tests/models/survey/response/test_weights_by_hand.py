"""Parts of the weights computed by hand: the share where nothing can be learned, who is sampled, and the stack."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from models.stats.calibrated_weights import calibrated
from models.survey.response import answer_weights as weighing
from models.survey.response import propensity as response
from models.survey.response.propensity import case_control_sample, fit_response, response_propensity
from models.survey.response.stacking import stack

MANY = np.arange(400)


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(7)
    X = pd.DataFrame(rng.normal(size=(400, 2)), columns=["a", "b"])
    return X, rng.random(400) < expit(X["a"] - 0.5).to_numpy()


def test_a_share_of_the_others_counts_for_all_of_them():
    X, few = pd.DataFrame({"a": np.arange(20.0)}), np.arange(20) < 3
    assert response_propensity(X, few, np.arange(20), share=0.5) == pytest.approx(np.full(20, 3.5 / (3 + 17 / 0.5 + 1)))


def test_nobody_is_so_unlikely_to_answer_that_an_answer_has_no_bound():
    assert response._probability(np.array([-50.0, 0.0, 50.0]), 0.5) == pytest.approx([1e-6, 1 / 3, 1.0])


def test_of_many_others_five_for_an_answer_are_learned_from_each_by_their_own_id(monkeypatch):
    monkeypatch.setattr(response, "FEWEST_NON_RESPONDENTS", 12)
    who = np.array([f"c{k}" for k in range(104)])
    answered = np.arange(104) < 4
    learned, share = case_control_sample(answered, who, 1)
    assert (learned[:4].all(), learned[4:].sum(), share) == (True, 20, 0.2)
    # Of two answers ten would do, but twelve are taken; and of twelve or fewer all.
    assert case_control_sample(np.arange(102) < 2, who[:102], 1)[0].sum() == 14
    whole, of_all = case_control_sample(np.arange(14) < 2, who[:14], 1)
    assert whole.all() and of_all == 1.0
    # Another seed draws others, and another order the same.
    assert all((case_control_sample(answered, who, seed)[0] != learned).any() for seed in (2, 161, 2**32))
    order = np.random.default_rng(0).permutation(104)
    assert (case_control_sample(answered[order], who[order], 1)[0] == learned[order]).all()


def test_rows_that_are_only_predicted_keep_the_share_that_answers(shop, monkeypatch):
    X, answered = shop
    whole = response_propensity(X, answered, MANY)
    assert (response_propensity(X, answered, MANY, learned=np.ones(400)) == whole).all()
    some = response_propensity(X, answered, MANY, learned=answered | (MANY % 2 == 0))
    assert some.mean() == pytest.approx(answered.mean(), rel=0.03)
    half = response_propensity(X, answered, MANY, learned=~answered | (MANY % 2 == 0))
    assert half.mean() == pytest.approx(answered.mean(), rel=0.1)
    # Of the others only a half are among the rows.
    assert response_propensity(X, answered, MANY, share=0.5) == pytest.approx(expit(logit(whole) + np.log(0.5)))
    monkeypatch.setattr(response, "ROWS_AT_ONCE", 7)
    assert response_propensity(X, answered, MANY) == pytest.approx(whole, rel=1e-12)


def test_two_answers_in_all_folds_but_one_are_needed_for_a_regression():
    X = pd.DataFrame({"a": np.tile([0.0, 1.0], 100)})
    answered = np.zeros(200, bool)
    for count in range(1, 60):
        answered[count] = True
        if np.ptp(response_propensity(X, answered, np.arange(200))) > 0:
            break
    folds = response.customer_folds(np.arange(200).astype(str), 0)
    order = response._order(X.to_numpy(), answered, np.arange(200).astype(str))
    of_row = np.empty(200, int)
    of_row[order] = response.customer_folds(np.arange(200).astype(str)[order], 0)
    left = [sum(answered & (of_row != k)) for k in range(folds.max() + 1)]
    assert min(left) == response.FEWEST_ANSWERS_PER_FOLD


def test_the_stack_is_the_best_of_its_penalised_likelihood(shop):
    X, answered = shop
    few = slice(0, 30)
    log_odds = np.column_stack([0.5 * X["a"], 0.2 * X["a"] + 0.1 * X["b"]])[few]
    found = stack(log_odds, answered[few])

    def loss(b):
        p = expit(b[0] + log_odds @ b[1:])
        return -np.sum(np.log(np.where(answered[few], p, 1 - p))) + 2.5 * (b[1:].sum() - 1.0) ** 2

    assert (found[1:] >= 0).all()
    for k in range(3):
        for step in (-1e-2, 1e-2):
            moved = found + step * (np.arange(3) == k)
            assert moved[1:].min() < 0 or loss(moved) > loss(found)


def test_candidates_are_weighed_for_a_fold_by_the_answers_of_the_others(shop):
    X, answered = shop
    each, fold = np.column_stack([X["a"], X["b"]]), MANY % 4
    rows = response._Rows(MANY, X.to_numpy(), answered, fold, MANY % 3 > 0, 1.0)
    found = response._stacked(rows, each)
    otherwise = response._stacked(replace(rows, R=answered ^ (fold == 2)), each)
    assert (otherwise[fold == 2] == found[fold == 2]).all()
    assert (otherwise[fold != 2] != found[fold != 2]).all()
    constant, *weights = stack(each[(fold != 2) & rows.learned], answered[(fold != 2) & rows.learned])
    assert found[fold == 2] == pytest.approx(constant + each[fold == 2] @ weights)


def test_a_model_of_a_sample_says_it_of_all(shop, monkeypatch):
    monkeypatch.setattr(response, "FEWEST_NON_RESPONDENTS", 10)
    monkeypatch.setattr(response, "NON_RESPONDENTS_PER_ANSWER", 1)
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"a": rng.normal(size=6000)})
    answered = rng.random(6000) < expit(X["a"] - 3.0).to_numpy()
    fitted = fit_response(X, answered, np.arange(6000))
    assert fitted.share == answered.mean()
    assert fitted.predict(X).mean() == pytest.approx(answered.mean(), rel=0.1)


def test_no_answer_weighs_more_than_ten_medians(monkeypatch):
    found = np.array([0.5, 0.5, 0.5, 0.01, 0.25, 0.0])
    monkeypatch.setattr(weighing, "response_propensity", lambda *_: found)
    answered = np.array([True, True, True, True, True, False])
    weights = weighing.answer_weights(pd.DataFrame(index=range(6)), answered, range(6))
    by_hand = np.array([2.0, 2.0, 2.0, 20.0, 4.0])
    assert weights == pytest.approx(by_hand / by_hand.mean())
    # A half of the others among the rows: each has twice the odds that it seems to have against answering.
    halved = weighing.answer_weights(pd.DataFrame(index=range(6)), answered, range(6), share=0.5)
    odds = np.array([2.0, 2.0, 2.0, 198.0, 6.0]) + np.array([1.0, 1.0, 1.0, 0.0, 1.0])
    by_hand = np.minimum(odds, 30.0)
    assert halved == pytest.approx(by_hand / by_hand.mean())


def test_a_step_that_would_lead_too_far_is_shortened():
    # One of a hundred has to weigh as fifteen: the whole first step would change its weight by e^12.
    found = calibrated(np.ones(100), (np.arange(100) == 7)[:, None].astype(float), np.array([0.15]))
    assert found == pytest.approx(np.where(np.arange(100) == 7, 15.0, 85.0 / 99.0))


@pytest.mark.parametrize(("target", "reached"), [(0.94, True), (0.96, False)])
def test_weights_that_had_to_change_by_more_than_e_cubed_stay(target, reached):
    # Of equally many 0 and 1 the exponent is ln(t / (1 - t)) / 2 for the scaled column, which is 2 t from its target.
    assert (max(target, 1 - target) * np.log(target / (1 - target)) < 3.0) == reached
    z, given = np.repeat([0.0, 1.0], 10), np.full(20, 3.0)
    found = calibrated(given, z[:, None], np.array([target]))
    expected = np.where(z == 1, 6.0 * target, 6.0 * (1 - target)) if reached else given
    assert found == pytest.approx(expected, rel=1e-7)
