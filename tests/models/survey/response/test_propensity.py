"""Who answers: the propensity finds what drives it, says a share where it cannot, and no row predicts itself."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models.stats.metrics import auc
from models.survey.response import propensity as response
from models.survey.response.propensity import fit_response, response_propensity


@pytest.fixture(scope="module")
def customers():
    rng = np.random.default_rng(11)
    X = pd.DataFrame(rng.normal(size=(4000, 4)), columns=list("abcd"))
    X["e"] = np.exp(3 * rng.normal(size=4000))
    truth = expit(-2 + X["a"] - 0.5 * X["b"])
    X.loc[rng.random(4000) < 0.1, "c"] = np.nan
    return X, rng.random(4000) < truth, truth.to_numpy()


def test_comes_near_the_true_probabilities(customers):
    X, answered, truth = customers
    found = response_propensity(X, answered, np.arange(4000))
    assert np.corrcoef(np.log(found), np.log(truth))[0, 1] > 0.95
    assert found.mean() == pytest.approx(answered.mean(), rel=0.03)
    assert ((found > 0) & (found < 1)).all()


def test_shuffled_rows_give_the_same_bits(customers):
    X, answered, _ = customers
    shuffle = np.random.default_rng(0).permutation(4000)
    found = response_propensity(X, answered, np.arange(4000))
    again = response_propensity(X.iloc[shuffle], answered[shuffle], np.arange(4000)[shuffle])
    assert (found[shuffle] == again).all()


def test_a_row_does_not_predict_itself():
    rng = np.random.default_rng(5)
    noise = pd.DataFrame(rng.normal(size=(600, 150)))
    answered = rng.random(600) < 0.5
    assert auc(answered, response_propensity(noise, answered, np.arange(600))) < 0.6


def test_columns_that_are_empty_are_no_obstacle(customers):
    X, answered, _ = customers
    found = response_propensity(X.assign(empty=np.nan), answered, np.arange(4000))
    assert found == pytest.approx(response_propensity(X, answered, np.arange(4000)), abs=1e-3)


def test_without_a_regression_everyone_has_the_share():
    X = pd.DataFrame({"a": np.arange(20.0)})
    few = np.arange(20) < 3
    assert response_propensity(X, few, np.arange(20)) == pytest.approx(np.full(20, 3.5 / 21))
    assert response_propensity(X[[]], few, np.arange(20)) == pytest.approx(np.full(20, 3.5 / 21))
    assert (response_propensity(X, np.ones(20), np.arange(20)) == 1).all()
    # Of two customers one says of the other, of one nobody.
    odd = np.arange(40) % 4 < 2
    assert np.ptp(response_propensity(pd.DataFrame({"a": np.arange(40) % 8}), odd, np.arange(40) % 2)) > 0.1
    assert np.ptp(response_propensity(pd.DataFrame({"a": np.arange(40) % 8}), odd, np.zeros(40))) == 0.0
    with pytest.raises(ValueError, match="equally long"):
        response_propensity(X, few[:5], np.arange(20))


def test_many_answers_let_trees_find_what_a_regression_cannot(monkeypatch):
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(30_000, 3)), columns=list("abc"))
    truth = expit(-2.5 + 1.5 * (X["a"].abs() > 1) + 0.3 * X["c"]).to_numpy()
    answered = rng.random(30_000) < truth
    found = response_propensity(X, answered, np.arange(30_000))
    assert np.corrcoef(np.log(found), np.log(truth))[0, 1] > 0.9
    # If few answer, a sample of the non-respondents is learned from; the mean is right all the same, in both parts.
    few = answered & (rng.random(30_000) < 0.3)
    monkeypatch.setattr(response, "FEWEST_NON_RESPONDENTS", 1000)
    assert few.sum() * response.NON_RESPONDENTS_PER_ANSWER < 15_000
    rare, far = response_propensity(X, few, np.arange(30_000)), (X["a"].abs() > 1).to_numpy()
    assert rare.mean() == pytest.approx(few.mean(), rel=0.05)
    assert rare[far].mean() == pytest.approx(few[far].mean(), rel=0.2)


def test_what_was_learned_predicts_other_rows(customers):
    X, answered, truth = customers
    learned, other = np.arange(4000) < 2500, np.arange(4000) >= 2500
    fitted = fit_response(X[learned], answered[learned], np.arange(2500))
    found = fitted.predict(X[other])
    assert np.corrcoef(np.log(found), np.log(truth[other]))[0, 1] > 0.95
    assert found.mean() == pytest.approx(answered[other].mean(), rel=0.1)
    # Columns are found by name, whatever else there is, and one row says what many say.
    shuffled = X[other].assign(more=1.0)[["e", "more", "d", "c", "b", "a"]]
    assert (fitted.predict(shuffled) == found).all()
    assert fitted.predict(X[other].iloc[[7]]) == pytest.approx(found[[7]], rel=1e-12)
    order = np.random.default_rng(0).permutation(2500)
    again = fit_response(X[learned].iloc[order], answered[learned][order], order)
    assert (again.predict(X[other]) == found).all()


def test_a_large_base_is_predicted_in_parts(customers, monkeypatch):
    X, answered, _ = customers
    fitted = fit_response(X, answered, np.arange(4000))
    whole = fitted.predict(X)
    monkeypatch.setattr(response, "ROWS_AT_ONCE", 900)
    assert fitted.predict(X) == pytest.approx(whole, rel=1e-12)


def test_trees_help_to_say_it_of_other_rows_too():
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(30_000, 2)), columns=list("ab"))
    truth = expit(-2.5 + 1.5 * (X["a"].abs() > 1)).to_numpy()
    learned = np.arange(30_000) < 20_000
    answered = rng.random(30_000) < truth
    found = fit_response(X[learned], answered[learned], np.arange(20_000)).predict(X[~learned])
    assert np.corrcoef(np.log(found), np.log(truth[~learned]))[0, 1] > 0.9


def test_without_a_regression_all_have_the_share():
    X = pd.DataFrame({"a": np.arange(20.0)})
    assert fit_response(X, np.arange(20) < 3, np.arange(20)).predict(X[:2]).tolist() == [3.5 / 21] * 2
    assert fit_response(X, np.ones(20), np.arange(20)).predict(X[:2]).tolist() == [1.0, 1.0]
