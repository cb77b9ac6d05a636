"""The NPS model learns what can be learned, publishes the prior where nothing can, and is the same on every run."""

import json

import numpy as np
import pandas as pd
import pytest

from models import metrics
from models.customer_scorer import median_category
from models.nps_category import NpsModel, predict_nps_category, train_nps_category
from models.nps_trees import ROUNDS, customer_folds, grow_trees, out_of_fold_scores

# Cut points of a normal: 25 % detractors, 28 % passives, 47 % promoters, whose entropy is the prior's log loss, 1.057.
CUTS = (-0.6745, 0.0753)


def simulate(n, r2, seed):
    """45 correlated, skewed and partly missing features of eight latent traits, which explain `r2` of the answer."""
    rng = np.random.default_rng(seed)
    traits = rng.normal(size=(n, 8))
    loadings = rng.normal(size=(8, 45)) * (rng.random((8, 45)) < 0.3)
    loadings[np.arange(45) % 8, np.arange(45)] += 1
    X = traits @ loadings
    X = 0.8 * X / X.std(axis=0) + 0.6 * rng.normal(size=(n, 45))
    X[:, :20] = np.exp(X[:, :20])
    X[:, 20:28] = np.floor(2 * np.maximum(X[:, 20:28], 0))
    signal = traits @ [1, 0.7, -0.6, 0.5, 0.3, -0.2, 0.1, 0] + 0.4 * traits[:, 0] * traits[:, 1]
    latent = np.sqrt(r2) * signal / signal.std() + np.sqrt(1 - r2) * rng.normal(size=n)
    X[rng.random((n, 45)) < 0.03] = np.nan
    return pd.DataFrame(X, columns=[f"x{i}" for i in range(45)]), np.searchsorted(CUTS, latent)


@pytest.fixture(scope="module")
def learned():
    X, y = simulate(800, 0.25, 1)
    return X, y, train_nps_category(X, y, np.arange(800))


def test_small_trees_reach_the_published_gain_at_500_labels():
    gains = []
    for seed in range(3):
        X, y = simulate(4500, 0.20, 2000 + seed)
        model = train_nps_category(X[:500], y[:500], np.arange(500)).model
        assert model.source == "model"
        new = predict_nps_category(model, X[500:])
        prior = np.tile(model.prior, (4000, 1))
        gains.append(metrics.log_loss(y[500:], prior) - metrics.log_loss(y[500:], new))
        assert metrics.log_loss(y[500:], prior) == pytest.approx(1.057, abs=0.02)
    # 1.057 - 1.012 in the reference simulation.
    assert np.mean(gains) > 0.035


def test_a_feature_of_one_value_is_left_out_wherever_it_is_missing(learned):
    X, y, training = learned
    with_constant = X.assign(return_rate_30d=np.where(X["x0"] > 1, 0.0, np.nan))
    again = train_nps_category(with_constant, y, np.arange(800)).model
    assert "return_rate_30d" not in again.features
    assert again.booster == training.model.booster


def test_out_of_fold_figures_foretell_those_on_new_customers():
    X, y = simulate(9000, 0.25, 3)
    training = train_nps_category(X[:3000], y[:3000], np.arange(3000))
    new, figures = predict_nps_category(training.model, X[3000:]), training.model.metrics
    assert metrics.ranked_probability_score(y[3000:], new) == pytest.approx(figures["rps_model"], abs=0.006)
    assert metrics.auc(y[3000:] == 0, new[:, 0]) == pytest.approx(figures["auc_detractor_model"], abs=0.03)
    assert metrics.expected_calibration_error(y[3000:], new) < 0.03
    assert metrics.nps_of(new) == pytest.approx(100 * np.mean((y[3000:] == 2) * 1.0 - (y[3000:] == 0)), abs=4)


def test_figures_are_those_of_the_out_of_fold_probabilities(learned):
    _, y, training = learned
    p, figures = training.out_of_fold, training.model.metrics
    assert training.model.source == "model"
    assert figures["rps_model"] == pytest.approx(metrics.ranked_probability_score(y, p))
    assert figures["log_loss_model"] == pytest.approx(metrics.log_loss(y, p))
    assert figures["auc_promoter_model"] == pytest.approx(metrics.auc(y == 2, p[:, 2]))
    assert figures["quadratic_kappa_model"] == pytest.approx(metrics.quadratic_kappa(y, median_category(p)))
    assert figures["rps_gain"] == pytest.approx(figures["rps_prior"] - figures["rps_model"])
    assert figures["rps_gain"] > 1.645 * figures["rps_gain_standard_error"]
    assert figures["quadratic_kappa_prior"] == 0.0
    assert p.sum(axis=1) == pytest.approx(1)


def test_the_same_answers_in_any_order_give_the_same_model_bit_for_bit(learned):
    X, y, training = learned
    shuffle = np.random.default_rng(0).permutation(800)
    again = train_nps_category(X.iloc[shuffle], y[shuffle], np.arange(800)[shuffle])
    assert again.model == training.model
    assert (again.out_of_fold == training.out_of_fold[shuffle]).all()
    assert train_nps_category(X, y, np.arange(800), seed=1).model.booster != training.model.booster


def test_survives_json_and_predicts_the_same(learned):
    X, _, training = learned
    back = NpsModel.from_dict(json.loads(json.dumps(training.model.to_dict())))
    assert back == training.model
    assert (predict_nps_category(back, X[X.columns[::-1]]) == predict_nps_category(training.model, X)).all()
    assert predict_nps_category(back, X[:0]).shape == (0, 3)


def test_a_customer_is_scored_alike_alone_and_among_others(learned):
    X, _, training = learned
    together = predict_nps_category(training.model, X)
    alone = np.vstack([predict_nps_category(training.model, X[i : i + 1]) for i in range(20)])
    assert (together[:20] == alone).all()


def test_noise_gets_the_prior_almost_always():
    sources = []
    for seed in range(4):
        X, y = simulate(300, 0.0, 400 + seed)
        training = train_nps_category(X, y, np.arange(300))
        sources.append(training.model.source)
        if training.model.source == "prior":
            assert training.model.why.startswith("No signal was found")
            assert training.model.booster is None
            assert np.ptp(predict_nps_category(training.model, X), axis=0).max() == 0
    assert sources.count("prior") >= 3


def test_copies_of_a_customers_answer_are_no_new_evidence():
    rng = np.random.default_rng(9)
    X, y = simulate(60, 0.0, 9)
    X["who"] = rng.random(60)
    rows = np.repeat(np.arange(60), 10)
    training = train_nps_category(X.iloc[rows], y[rows], rows)
    # Trees that could look customers up would predict these answers perfectly.
    assert training.model.source == "prior"
    assert training.model.metrics["auc_detractor_model"] < 0.7


def test_few_answers_and_one_class_and_why():
    X, y = simulate(199, 0.4, 5)
    assert train_nps_category(X[:29], y[:29], np.arange(29)).model.source is None
    nothing = train_nps_category(X, np.full(199, 2), np.arange(199))
    assert nothing.model.source is None and nothing.out_of_fold is None
    assert "one class (promoter)" in nothing.model.why
    with pytest.raises(ValueError, match="cannot predict"):
        predict_nps_category(nothing.model, X)
    few = train_nps_category(X, y, np.arange(199)).model
    assert few.source == "prior" and "199 answers" in few.why
    assert few.prior == pytest.approx((np.bincount(y) + 1) / 202)
    assert predict_nps_category(few, X[:5]) == pytest.approx(np.tile(few.prior, (5, 1)))
    assert train_nps_category(X[:0], y[:0], []).model.source is None


def test_many_answers_of_few_customers_or_without_any_difference_get_the_prior():
    X, y = simulate(250, 0.4, 6)
    assert "Only 10 customers" in train_nps_category(X, y, np.arange(250) % 10).model.why
    flat = pd.DataFrame({"a": np.ones(250), "b": np.full(250, np.nan)})
    assert "No feature differs" in train_nps_category(flat, y, np.arange(250)).model.why
    assert train_nps_category(X[[]], y, np.arange(250)).model.source == "prior"


def test_a_class_of_a_single_answer_breaks_nothing():
    X, y = simulate(300, 0.4, 7)
    y = np.where(y == 1, 2, y)
    y[3] = 1
    training = train_nps_category(X, y, np.arange(300))
    assert np.isfinite(training.out_of_fold).all()
    assert np.isfinite(list(training.model.metrics.values())).all()
    two = train_nps_category(X, np.where(y == 1, 2, y), np.arange(300))
    assert np.isfinite(two.out_of_fold).all()
    assert two.model.prior[1] == pytest.approx(1 / 303)


def test_mistakes_are_named(learned):
    X, y, training = learned
    with pytest.raises(ValueError, match="one row per answer, got 800, 799, 800"):
        train_nps_category(X, y[1:], np.arange(800))
    with pytest.raises(ValueError, match="0, 1 or 2, got 7"):
        train_nps_category(X, np.where(y == 0, 7, y), np.arange(800))
    with pytest.raises(ValueError, match="infinity in x3"):
        train_nps_category(X.assign(x3=np.inf), y, np.arange(800))
    with pytest.raises(ValueError, match="missing: x7"):
        predict_nps_category(training.model, X.drop(columns="x7"))


def test_names_that_json_dislikes_are_no_obstacle(learned):
    X, y, _ = learned
    odd = X[:250].rename(columns={"x0": 'region, "São Paulo" [SP]: {a}'})
    assert train_nps_category(odd, y[:250], np.arange(250)).model.source in {"model", "prior"}


def test_folds_keep_customers_together_and_no_fold_is_empty():
    customer = np.random.default_rng(1).integers(0, 40, 300).astype(str)
    fold = customer_folds(customer, 0)
    assert pd.Series(fold).groupby(customer).nunique().max() == 1
    assert sorted(set(fold)) == [0, 1, 2, 3, 4]
    assert sorted(set(customer_folds(np.array(["a", "b", "b"]), 0))) == [0, 1]


def test_each_fold_is_scored_by_trees_of_the_other_folds():
    X, y = simulate(250, 0.4, 8)
    X, fold = X.to_numpy(), np.arange(250) % 2
    grown = out_of_fold_scores(X, y, fold, 0, 1)
    for k in (0, 1):
        # The number of rounds is one of the candidates; whichever it is, trees grown anew must give these scores.
        anew = [grow_trees(X[fold != k], y[fold != k], rounds, 0, 1) for rounds in ROUNDS]
        scores = [booster.predict(X[fold == k], raw_score=True) for booster in anew]
        assert sum(np.allclose(found, grown.raw[fold == k], atol=1e-9) for found in scores) == 1


def test_median_category_is_where_half_of_the_mass_is_reached():
    p = np.array([[0.5, 0.1, 0.4], [0.49, 0.02, 0.49], [0.1, 0.3, 0.6], [0.3, 0.3, 0.4], [0, 0, 1.0]])
    assert median_category(p).tolist() == [0, 1, 2, 1, 2]
    by_distance = [np.argmin([np.abs(np.arange(3) - k) @ row for k in range(3)]) for row in p]
    assert median_category(p).tolist() == by_distance
