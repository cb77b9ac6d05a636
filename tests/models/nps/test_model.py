"""The NPS model learns what can be learned, publishes the prior where nothing can, and is equal on every run."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from data.simulation.behaviour import simulate_behaviour
from models.nps.answers import Answers
from models.nps.candidates import candidates
from models.nps.evaluation import last_wave_figures
from models.nps.model import NpsModel, predict_nps_category, publishable, train_nps_category
from models.nps.pool import blend
from models.scoring.columns import CATEGORIES
from models.scoring.members import CategoryParameters
from models.scoring.nps import median_category
from models.scoring.scorer import Scorer
from models.stats import metrics
from models.stats.folds import FOLDS

ELEVEN = np.array([0] * 7 + [1] * 2 + [2] * 2)


def simulate(n, r_squared, seed, interactions=0.0):
    """45 features that explain `r_squared` of the answer, the answers 0..10 and their categories."""
    behaviour = simulate_behaviour(n, seed, r_squared, interactions)
    level = behaviour.draw_scores(np.random.default_rng(seed + 1))
    return behaviour.features, (level >= 7) * 1 + (level >= 9), level


@pytest.fixture(scope="module")
def base():
    """800 customers who answered, and 6,000 others of the same base."""
    X, y, level = simulate(6800, 0.25, 1)
    return (X[:800], y[:800], level[:800]), (X[800:], y[800:])


@pytest.fixture(scope="module")
def learned(base):
    (X, y, level), _ = base
    return X, y, level, train_nps_category(X, y, np.arange(800), level)


@pytest.fixture(scope="module")
def small():
    X, y, level = simulate(250, 0.4, 1)
    return X, y, level, train_nps_category(X, y, np.arange(250), level)


def test_500_answers_reach_the_published_gain():
    X, y, level = simulate(8500, 0.20, 2000)
    model = train_nps_category(X[:500], y[:500], np.arange(500), level[:500]).model
    assert model.source == "model"
    new = predict_nps_category(model, X[500:])
    # 1.057 - 0.985 in the reference simulation.
    assert metrics.log_loss(y[500:], np.tile(model.prior, (8000, 1))) - metrics.log_loss(y[500:], new) > 0.05


def test_out_of_fold_figures_foretell_those_on_new_customers(base, learned):
    _, (X, y) = base
    *_, training = learned
    new, figures = predict_nps_category(training.model, X), training.model.metrics
    assert metrics.ranked_probability_score(y, new) == pytest.approx(figures["rps_model"], abs=0.006)
    assert metrics.auc(y == 0, new[:, 0]) == pytest.approx(figures["auc_detractor_model"], abs=0.03)
    assert metrics.expected_calibration_error(y, new) < 0.03
    assert metrics.nps_of(new) == pytest.approx(100 * np.mean((y == 2) * 1.0 - (y == 0)), abs=4)


def test_the_same_answers_in_any_order_give_the_same_model_bit_for_bit(small):
    X, y, level, training = small
    assert training.model.source == "model"
    shuffle = np.random.default_rng(0).permutation(250)
    again = train_nps_category(X.iloc[shuffle], y[shuffle], np.arange(250)[shuffle], level[shuffle])
    assert again.model == training.model
    assert again.fold_models == training.fold_models
    assert (again.out_of_fold == training.out_of_fold[shuffle]).all()
    assert (again.fold == training.fold[shuffle]).all()


def test_a_constant_feature_is_left_out_and_names_that_json_escapes_change_nothing(small):
    X, y, level, training = small
    name = 'region, "São Paulo" [SP]: {a}'
    changed = X.rename(columns={"visits_0": name}).assign(return_rate_30d=np.where(X["visits_0"] > 1, 0.0, np.nan))
    model = train_nps_category(changed, y, np.arange(250), level).model
    assert set(model.features) == {*training.model.features, name} - {"visits_0"}
    assert replace(model, features=training.model.features) == training.model


def test_products_and_thresholds_are_left_to_the_trees():
    X, y, level = simulate(1000, 0.5, 11, interactions=1.0)
    figures = train_nps_category(X, y, np.arange(1000), level).model.metrics
    assert figures["weight_ridit_trees"] + figures["weight_cumulative_trees"] > 0.8
    assert figures["rps_model"] < figures["rps_proportional_odds"] - 0.005


def test_a_weak_signal_is_published_weakly():
    # Below the full strength the prior has at least a tenth of the weight, and the gain is beyond chance all the same.
    for seed in range(20):
        X, y, level = simulate(400, 0.08, 600 + seed)
        model = train_nps_category(X, y, np.arange(400), level).model
        if model.source == "model" and model.members[-1].kind == "prior" and model.members[-1].weight > 0.3:
            assert model.metrics["rps_gain"] > 1.645 * model.metrics["rps_gain_standard_error"] > 0
            assert model.members[-1].weight == pytest.approx(model.metrics["weight_prior"])
            break
    else:
        pytest.fail("none of twenty weak signals was published with the prior")


def test_figures_are_those_of_the_out_of_fold_probabilities(learned):
    _, y, _, training = learned
    p, figures = training.out_of_fold, training.model.metrics
    assert training.model.source == "model"
    assert figures["rps_model"] == pytest.approx(metrics.ranked_probability_score(y, p))
    assert figures["log_loss_model"] == pytest.approx(metrics.log_loss(y, p))
    assert figures["auc_promoter_model"] == pytest.approx(metrics.auc(y == 2, p[:, 2]))
    assert figures["quadratic_kappa_model"] == pytest.approx(metrics.quadratic_kappa(y, median_category(p)))
    assert figures["rps_gain"] == pytest.approx(figures["rps_prior"] - figures["rps_model"])
    assert figures["rps_gain"] > 1.645 * figures["rps_gain_standard_error"]
    assert figures["quadratic_kappa_prior"] == 0.0
    tenth = pd.qcut(p[:, 2] - p[:, 0], 10, labels=False)
    rows = pd.DataFrame({"predicted": p[:, 2] - p[:, 0], "answered": (y == 2) * 1.0 - (y == 0)}).groupby(tenth).mean()
    assert figures["segment_nps_error_model"] == pytest.approx(
        100 * (rows["predicted"] - rows["answered"]).abs().mean()
    )
    assert figures["segment_nps_error_model"] < 0.5 * figures["segment_nps_error_prior"]
    assert p.sum(axis=1) == pytest.approx(1)


def test_survives_json_and_predicts_the_same_in_the_scorer(learned, a_scorer):
    X, _, _, training = learned
    model = training.model
    read = CategoryParameters.from_dict(json.loads(json.dumps(model.to_dict())))
    assert read == model.parameters
    back = NpsModel(**vars(read), boosters=model.boosters)
    assert back == model
    assert (predict_nps_category(back, X[X.columns[::-1]]) == predict_nps_category(model, X)).all()
    assert predict_nps_category(back, X[:0]).shape == (0, 3)
    parameters = a_scorer(nps=model.to_dict(), satisfaction=back.to_dict())
    named = {
        f"{question}_{name}": text for question in ("nps", "satisfaction") for name, text in model.boosters.items()
    }
    history = {"frequency": 1.0, "recency": 20.0, "T": 50.0, "spend_frequency": 1.0, "spend_value": 30.0}
    scores = Scorer(parameters, named).score(X.assign(**history))
    assert (scores[[f"p_{name}" for name in CATEGORIES]].to_numpy() == predict_nps_category(model, X)).all()
    assert (scores["p_satisfied"] == scores["p_promoter"]).all()
    assert Scorer(replace(parameters, satisfaction=None), named).score(X.assign(**history))["p_satisfied"].isna().all()


def test_a_customer_is_scored_alike_alone_and_among_others(learned):
    X, _, _, training = learned
    together = predict_nps_category(training.model, X)
    alone = np.vstack([predict_nps_category(training.model, X[i : i + 1]) for i in range(20)])
    assert (together[:20] == alone).all()


def test_a_folds_model_saw_nothing_of_it_and_predicts_what_is_out_of_fold(learned):
    X, y, level, training = learned
    assert len(training.fold_models) == 5
    for k, model in enumerate(training.fold_models):
        held_out = training.fold == k
        assert model.answers == (~held_out).sum()
        predicted = predict_nps_category(model, X[held_out])
        assert predicted == pytest.approx(training.out_of_fold[held_out], abs=1e-12)
    # Fits without a fold do not depend on its answers.
    X, y, level, fold = X[:300], y[:300], level[:300], training.fold[:300]
    held_out = fold == 2
    answers = Answers(X.to_numpy(), y, level, ELEVEN, fold, 0)
    other = replace(answers, category=np.where(held_out, 2 - y, y), level=np.where(held_out, 10 - level, level))
    for one, two in zip(candidates(answers), candidates(other), strict=True):
        if one.name in ("proportional_odds", "prior"):
            assert (one.out_of_fold[held_out] == two.out_of_fold[held_out]).all()
            assert (one.out_of_fold[~held_out] != two.out_of_fold[~held_out]).any()


def test_what_is_held_out_does_not_show_in_the_mean_of_the_others():
    # No signal, unlike means: what is fitted across folds could learn that a low start goes with high answers.
    rng = np.random.default_rng(3)
    fold = np.repeat(np.arange(5), 60)
    level = rng.integers(0, 11, 300)
    level[fold == 1], level[fold == 3] = 10, 0
    answers = Answers(rng.normal(size=(300, 5)), (level >= 7) * 1 + (level >= 9), level, ELEVEN, fold, 0)
    for candidate in candidates(answers):
        p = candidate.out_of_fold
        assert p[fold == 1, 2].mean() < p[fold == 3, 2].mean(), candidate.name


def test_the_noise_is_that_of_other_answers_to_learn_from():
    X, y, level = simulate(1800, 0.25, 21)
    samples = np.arange(1000).reshape(4, 250)
    models = [train_nps_category(X.iloc[rows], y[rows], rows, level[rows]).model for rows in samples]
    p = np.array([predict_nps_category(model, X[1000:]) for model in models])
    spread = np.sqrt(np.mean(np.var(100 * (p[:, :, 2] - p[:, :, 0]), axis=0, ddof=1)))
    assert np.mean([model.noise for model in models]) == pytest.approx(spread, rel=0.35)


def test_the_last_wave_is_judged_by_what_others_answered_before(monkeypatch):
    # As many as a training has.
    monkeypatch.setattr("models.nps.evaluation.WAVE_FOLDS", FOLDS)
    X, y, level = simulate(500, 0.3, 13)
    day = np.datetime64("2024-01-01") + np.repeat([0, 1, 90, 91], [150, 150, 100, 100])
    who = np.arange(500)
    who[450:] = np.arange(50)
    figures = train_nps_category(X, y, who, level, day).model.metrics
    assert figures["last_wave_answers"] == 200
    earlier = np.arange(50, 300)
    before = train_nps_category(X.iloc[earlier], y[earlier], who[earlier], level[earlier]).model
    p = predict_nps_category(before, X[300:])
    assert figures["last_wave_rps_model"] == pytest.approx(metrics.ranked_probability_score(y[300:], p))
    assert figures["last_wave_auc_detractor_model"] == pytest.approx(metrics.auc(y[300:] == 0, p[:, 0]))
    assert figures["last_wave_rps_prior"] > figures["last_wave_rps_model"]
    # Without the last wave's customers too few answers are left to learn from.
    answers = Answers(X.to_numpy(), y, level, ELEVEN, np.arange(500) % 5, 0)
    assert last_wave_figures(answers, who.astype(str), np.arange(500) >= 150) == {}


def test_noise_gets_the_prior_almost_always():
    sources = []
    for seed in range(4):
        X, y, level = simulate(300, 0.0, 400 + seed)
        training = train_nps_category(X, y, np.arange(300), level)
        sources.append(training.model.source)
        if training.model.source == "prior":
            assert training.model.why.startswith("No signal was found")
            assert training.model.members == () and training.fold_models == ()
            assert np.ptp(predict_nps_category(training.model, X), axis=0).max() == 0
    assert sources.count("prior") >= 3


@pytest.mark.parametrize(("share", "is_published"), [(0.0045, False), (0.0055, True)])
def test_a_gain_under_half_a_percent_of_the_priors_rps_is_none(monkeypatch, share, is_published):
    # However sure: the gain is set, its standard error nearly nothing.
    X, y, level = simulate(300, 0.4, 8)
    answers = Answers(X.to_numpy(), y, level, ELEVEN, np.arange(300) % 5, 0)
    learned = blend(answers)
    least = share * metrics.ranked_probability_score(y, learned.of("prior").out_of_fold)
    monkeypatch.setattr("models.nps.model.rps_gain", lambda *_: (least, 1e-9))
    assert (publishable(learned, np.arange(300).astype(str)) is not None) == is_published


def test_a_sure_gain_that_is_too_small_is_not_called_no_signal(monkeypatch):
    X, y, level = simulate(300, 0.4, 8)
    monkeypatch.setattr("models.nps.model.LEAST_GAIN", 0.9)
    model = train_nps_category(X, y, np.arange(300), level).model
    assert model.source == "prior" and model.why.startswith("Too weak a signal was found: out of fold the RPS is")


def test_copies_of_a_customers_answer_are_no_new_evidence():
    rng = np.random.default_rng(9)
    X, y, _ = simulate(60, 0.0, 9)
    X["who"] = rng.random(60)
    rows = np.repeat(np.arange(60), 10)
    training = train_nps_category(X.iloc[rows], y[rows], rows)
    # A model that could look customers up would predict these answers perfectly.
    assert training.model.source == "prior"
    assert training.model.metrics["auc_detractor_model"] < 0.7


def test_mistakes_are_named(learned):
    X, y, level, training = learned
    with pytest.raises(ValueError, match="one row per answer, got 800, 799, 800"):
        train_nps_category(X, y[1:], np.arange(800), level)
    with pytest.raises(ValueError, match="one date per answer, got 3 for 800"):
        train_nps_category(X, y, np.arange(800), level, np.zeros(3, dtype="datetime64[D]"))
    with pytest.raises(ValueError, match="0, 1 or 2, got 7"):
        train_nps_category(X, np.where(y == 0, 7, y), np.arange(800))
    with pytest.raises(ValueError, match="infinity in visits_3"):
        train_nps_category(X.assign(visits_3=np.inf), y, np.arange(800))
    with pytest.raises(ValueError, match="missing: visits_7"):
        predict_nps_category(training.model, X.drop(columns="visits_7"))


def test_median_category_is_where_half_of_the_mass_is_reached():
    p = np.array([[0.5, 0.1, 0.4], [0.49, 0.02, 0.49], [0.1, 0.3, 0.6], [0.3, 0.3, 0.4], [0, 0, 1.0]])
    assert median_category(p).tolist() == [0, 1, 2, 1, 2]
    by_distance = [np.argmin([np.abs(np.arange(3) - k) @ row for k in range(3)]) for row in p]
    assert median_category(p).tolist() == by_distance
