"""Change of the base's NPS: by hand, by a bootstrap of customers, in worlds where nothing or a known thing changes."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression

from models.nps.out_of_fold import POINTS
from models.survey.aipw import estimate_nps
from models.survey.change import FEWEST_ANSWERS, nps_change
from models.survey.frame import Survey


def a_survey(ids, x, answered, category, predict, propensity=None, folds=()):
    """A survey of a whole base: who answers depends on behaviour x, learned by a logistic regression if not given."""
    if propensity is None:
        propensity = LogisticRegression().fit(x, answered).predict_proba(x)[:, 1]
    points = np.array([fold(x) @ POINTS for fold in folds]).reshape(len(folds), len(ids))
    return Survey(
        customer=ids,
        features=pd.DataFrame(index=range(len(ids))),
        answered=answered,
        category=np.where(answered, category, -1),
        probabilities=predict(x),
        propensity=propensity,
        base_customer=ids,
        base_features=pd.DataFrame(index=range(len(ids))),
        base_probabilities=predict(x),
        fold_points=points[:, answered],
        fold_base_points=points,
        base_sample=np.arange(len(ids)),
    )


def shares(satisfaction):
    return softmax(
        np.stack([-0.6 - satisfaction, np.zeros(len(satisfaction)), 0.3 + satisfaction], axis=1),
        axis=1,
    )


def predicted(x):
    """A model that is not quite right: it knows two of three things, and those by less than they matter."""
    return shares(0.5 * x[:, 0] - 0.4 * x[:, 1])


def truly(x):
    return shares(0.7 * x[:, 0] - 0.5 * x[:, 1] + 0.3 * x[:, 2])


# What another channel of the survey weighs: behaviour that goes with satisfaction, or against it.
CHANNELS = (np.array([0.8, -0.2, 0.3]), np.array([-0.6, 0.4, 0.0]))


def ids_of(first, last):
    return np.array([f"c{i:05d}" for i in range(first, last)])


def a_wave(rng, ids, x, channel, rate=0.1, shift=0.0):
    """One survey by a channel; `shift` moves what everyone answers, at equal behaviour."""
    p = truly(x) if shift == 0.0 else shares(0.7 * x[:, 0] - 0.5 * x[:, 1] + 0.3 * x[:, 2] + shift)
    category = (rng.random(len(x))[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    answered = rng.random(len(x)) < expit(np.log(rate / (1 - rate)) - 0.3 + x @ CHANNELS[channel])
    return a_survey(ids, x, answered, category, predicted), float((p @ POINTS).mean())


def test_no_false_alarms_where_only_the_channel_changes():
    alarms, by_survey, changes, errors = [], [], [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ids, x = ids_of(0, 2500), rng.normal(size=(2500, 3))
        before, now = (a_wave(rng, ids, x, channel)[0] for channel in (0, 1))
        found = nps_change(before, now)
        alarms.append(not found.low <= 0 <= found.high)
        noise = before.answers.var() / len(before.answers) + now.answers.var() / len(now.answers)
        by_survey.append(abs(found.survey_difference) > 1.96 * np.sqrt(noise))
        changes.append(found.change)
        errors.append(found.standard_error)
        assert found.composition.change == found.behaviour.change == 0.0
    assert np.mean(alarms) <= 0.08
    assert np.mean(by_survey) > 0.8
    assert abs(np.mean(changes)) < 3 * np.std(changes) / np.sqrt(60)
    # Larger than needed rather than smaller: that the propensity is fitted makes the estimate vary less than it says.
    assert 0.9 < np.mean(errors) / np.std(changes) < 1.3


@pytest.fixture(scope="module")
def worlds():
    """Four thousand customers before; three thousand of them now, less satisfied by behaviour, and two thousand new."""
    found, truth = [], []
    for seed in range(20):
        rng = np.random.default_rng(1000 + seed)
        x = rng.normal(size=(4000, 3))
        then, nps_then = a_wave(rng, ids_of(0, 4000), x, 0)
        new = rng.normal(size=(2000, 3)) + np.array([0.8, 0.0, 0.0])
        x_now = np.concatenate([x[1000:] + np.array([-0.5, 0.3, 0.0]), new])
        now, nps_now = a_wave(rng, ids_of(1000, 6000), x_now, 1, shift=-0.4)
        of_common = (truly(x[1000:] + np.array([-0.5, 0.3, 0.0])) - truly(x[1000:])) @ POINTS
        found.append(nps_change(then, now, published=30.0))
        truth.append((nps_now - nps_then, of_common.mean()))
    return found, np.array(truth)


def test_a_true_change_is_found_and_told_apart(worlds):
    found, truth = worlds
    change = np.array([one.change for one in found])
    assert np.mean(change - truth[:, 0]) == pytest.approx(0, abs=3 * np.std(change - truth[:, 0]) / np.sqrt(20))
    assert np.mean([one.low <= true <= one.high for one, true in zip(found, truth[:, 0], strict=True)]) >= 0.9
    assert np.mean([one.high < 0 for one in found]) > 0.8
    # The model sees too little of behaviour, so a part of the change by behaviour appears in the answers.
    behaviour = np.array([one.behaviour.change for one in found])
    x = np.random.default_rng(0).normal(size=(200_000, 3))
    predicted_change = np.mean((predicted(x + np.array([-0.5, 0.3, 0.0])) - predicted(x)) @ POINTS)
    assert behaviour == pytest.approx(predicted_change, abs=4 * found[0].behaviour.standard_error)
    assert truth[:, 1].mean() < predicted_change < 0
    assert (np.array([one.composition.change for one in found]) > 0).all()
    assert np.mean([one.answers.change < -1.96 * one.answers.standard_error for one in found]) >= 0.7
    assert (found[0].customers_before, found[0].customers_now) == (4000, 5000)
    assert found[0].customers_common == 3000


def test_the_parts_add_up_to_what_was_published(worlds):
    for one in worlds[0]:
        parts = one.composition.change + one.behaviour.change + one.answers.change + one.model.change
        assert parts == pytest.approx(one.now - 30.0, abs=1e-9)
        assert one.change == one.now - one.before
        assert one.model.standard_error is None
        assert json.loads(json.dumps(one.to_dict()))["composition"]["change"] == one.composition.change


def overlapping(seed=5):
    """Two waves with new and lost customers, where who answers twice says the same again."""
    rng = np.random.default_rng(seed)
    x0 = rng.normal(size=(600, 3))
    x1 = np.concatenate([x0[150:] + rng.normal(0, 0.5, (450, 3)), rng.normal(0.5, 1, (200, 3))])
    category = (rng.random(600)[:, None] > np.cumsum(truly(x0), axis=1)[:, :2]).sum(axis=1)
    new = (rng.random(200)[:, None] > np.cumsum(truly(x1[450:]), axis=1)[:, :2]).sum(axis=1)
    keen = rng.random(600) < 0.5
    answered0, answered1 = keen.copy(), np.concatenate([keen[150:], rng.random(200) < 0.5])
    pi0, pi1 = expit(0.4 * x0[:, 0]), expit(-0.4 * x1[:, 0])
    before = a_survey(ids_of(0, 600), x0, answered0, category, predicted, pi0)
    now = a_survey(ids_of(150, 800), x1, answered1, np.concatenate([category[150:], new]), predicted, pi1)
    return before, now


def test_parts_and_errors_by_formula_and_by_a_bootstrap_of_customers():
    before, now = overlapping()
    found = nps_change(before, now)
    tables = []
    for survey, when in ((before, 0), (now, 1)):
        w = np.zeros(len(survey.customer))
        w[survey.answered] = survey.weights
        r = np.zeros(len(w))
        r[survey.answered] = survey.residuals
        columns = {f"m{when}": survey.probabilities @ POINTS, f"w{when}": w, f"r{when}": r}
        tables.append(pd.DataFrame(columns, index=survey.customer))
    table = pd.concat(tables, axis=1).sort_index()
    m0, w0, r0, m1, w1, r1 = (table[name].to_numpy() for name in ("m0", "w0", "r0", "m1", "w1", "r1"))
    common = ~np.isnan(m0) & ~np.isnan(m1)

    def parts(rows):
        c = rows[common[rows]]
        whole = np.nanmean(m1[rows]) - np.nanmean(m0[rows])
        behaviour = np.mean(m1[c] - m0[c])
        of_now = np.nansum((w1 * r1)[rows]) / np.nansum(w1[rows])
        answers = of_now - np.nansum((w0 * r0)[rows]) / np.nansum(w0[rows])
        return np.array([whole - behaviour, behaviour, answers, whole + answers])

    got = [found.composition, found.behaviour, found.answers]
    change = [*(part.change for part in got), found.change]
    assert change == pytest.approx(parts(np.arange(len(table))), abs=1e-9)
    rng = np.random.default_rng(0)
    again = np.array([parts(rng.integers(0, len(table), len(table))) for _ in range(1500)])
    errors = [*(part.standard_error for part in got), found.standard_error]
    assert errors == pytest.approx(again.std(axis=0), rel=0.08)
    # Whoever says the same twice tells little of a change that is not there: apart, the errors would be larger.
    apart = np.hypot(estimate_nps(before).figures.standard_error, estimate_nps(now).figures.standard_error)
    assert found.standard_error < 0.85 * apart


def test_training_of_the_model_adds_the_jackknife_of_the_difference():
    def fold(k):
        return lambda x: shares((0.5 + 0.05 * k) * x[:, 0] - 0.4 * x[:, 1])

    folds = [fold(k) for k in range(5)]
    rng = np.random.default_rng(2)
    x0, x1 = rng.normal(size=(1500, 3)), rng.normal(size=(1500, 3)) + np.array([1.0, 0.0, 0.0])
    ids, answered = ids_of(0, 1500), rng.random(1500) < 0.3
    category = rng.integers(0, 3, 1500)
    plain = [a_survey(ids, x, answered, category, predicted) for x in (x0, x1)]
    noisy = [a_survey(ids, x, answered, category, predicted, folds=folds) for x in (x0, x1)]
    without, found = nps_change(*plain), nps_change(*noisy)
    h = [survey.weights / survey.weights.sum() for survey in plain]
    m = np.array([[f(x) @ POINTS for x in (x0, x1)] for f in folds])
    moved = m.mean(axis=2)[:, 1] - m.mean(axis=2)[:, 0]
    answers = -(m[:, 1][:, answered] @ h[1] - m[:, 0][:, answered] @ h[0])
    for with_folds, plain_error, figures in (
        (found.behaviour.standard_error, without.behaviour.standard_error, moved),
        (found.answers.standard_error, without.answers.standard_error, answers),
        (found.standard_error, without.standard_error, moved + answers),
    ):
        added = with_folds**2 - plain_error**2
        assert added == pytest.approx(4 / 5 * np.sum((figures - figures.mean()) ** 2), rel=1e-6)
    assert found.change == pytest.approx(without.change)
    with pytest.raises(ValueError, match="by one model"):
        nps_change(plain[0], noisy[1])


def test_with_too_few_answers_only_the_predictions_are_told():
    before, now = overlapping()
    few = np.zeros(650, bool)
    few[np.flatnonzero(now.answered)[: FEWEST_ANSWERS - 1]] = True
    scarce = replace(now, answered=few, fold_points=np.empty((0, int(few.sum()))))
    whole, found = nps_change(before, now), nps_change(before, scarce, published=10.0)
    assert (found.change, found.now, found.before, found.answers, found.model) == (None,) * 5
    assert (found.composition, found.behaviour) == (whole.composition, whole.behaviour)
    assert f"{FEWEST_ANSWERS - 1} customers answered since" in found.why
    nobody = replace(before, answered=np.zeros(600, bool), fold_points=np.empty((0, 0)))
    found = nps_change(nobody, now)
    assert "0 customers answered before" in found.why
    assert (found.survey_difference, found.n_eff_before) == (None, 0.0)

    # Four answers with ten times the weight of 36 others, after clipping: (4 * 10 + 36)^2 / (4 * 100 + 36) = 13.2.
    forty = now.answered & (np.cumsum(now.answered) <= 40)
    rare = np.where(forty & (np.cumsum(forty) > 4), 1.0, 0.02)
    found = nps_change(before, replace(now, answered=forty, propensity=rare, fold_points=np.empty((0, 40))))
    assert found.n_eff_now == pytest.approx(76**2 / 436)
    assert found.change is None
    assert "the 40 answers since weigh as much as 13 of equal weight" in found.why


def test_without_common_customers_the_whole_change_of_predictions_is_composition():
    before, now = overlapping()
    others = replace(now, customer=ids_of(5000, 5650), base_customer=ids_of(5000, 5650))
    found = nps_change(before, others)
    assert found.behaviour is None
    assert found.customers_common == 0
    assert found.composition.change + found.answers.change == pytest.approx(found.change)


def test_an_nps_of_those_asked_is_not_compared_with_one_of_everybody():
    before, now = overlapping()
    found = nps_change(before, replace(now, unlike_share=0.95))
    assert (found.change, found.composition) == (None, None)
    assert "unlike" in found.why
    assert nps_change(replace(before, unlike_share=0.9), replace(now, unlike_share=0.95)).change is not None
