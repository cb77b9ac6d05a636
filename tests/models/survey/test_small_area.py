"""NPS of segments: by hand, in simulated worlds of known truth, and hidden where answers are few."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax

from models.nps.out_of_fold import POINTS
from models.survey.frame import Survey
from models.survey.small_area import COLUMNS, FEWEST_ANSWERS, segment_nps

SEGMENTS = 11


def a_survey(base, base_p, customer, answered, category, p, propensity, fold_points=None, fold_base=None):
    """A survey without features: estimators of segments do not read them."""
    K = 0 if fold_points is None else len(fold_points)
    return Survey(
        customer=np.asarray(customer),
        features=pd.DataFrame(index=range(len(customer))),
        answered=np.asarray(answered),
        category=np.where(answered, category, -1),
        probabilities=np.asarray(p),
        propensity=np.asarray(propensity),
        base_customer=np.asarray(base),
        base_features=pd.DataFrame(index=range(len(base))),
        base_probabilities=np.asarray(base_p),
        fold_points=np.empty((0, int(np.sum(answered)))) if K == 0 else fold_points,
        fold_base_points=np.empty((0, len(base))) if K == 0 else fold_base,
        base_sample=np.arange(len(base)),
    )


def a_world(n, seed, rate, missed=4.0):
    """Customers in segments of unlike size; m shrinks what behaviour tells and misses each segment by something.

    Gives the survey, the segments and their true NPS. Whoever is satisfied answers more, by behaviour.
    """
    rng = np.random.default_rng(seed)
    s = rng.normal(size=n)
    segment = np.minimum((SEGMENTS * rng.beta(1.5, 2.0, n)).astype(int), SEGMENTS - 1)
    s += 0.12 * (segment - 5)
    shift = rng.normal(0, missed / 60.0, SEGMENTS)[segment]

    def of(satisfaction):
        return softmax(np.stack([-0.6 - satisfaction, np.zeros(n), 0.3 + satisfaction], axis=1), axis=1)

    p, m = of(s + shift), of(0.8 * s)
    category = (rng.random(n)[:, None] > np.cumsum(p, axis=1)[:, :2]).sum(axis=1)
    pi = rate * expit(0.6 * s + 0.4 * rng.normal(size=n)) / 0.5
    ids = np.array([f"c{i:05d}" for i in range(n)])
    survey = a_survey(ids, m, ids, rng.random(n) < pi, category, m, pi)
    return survey, segment, pd.Series(p @ POINTS).groupby(segment).mean().to_numpy()


@pytest.mark.parametrize(("n", "rate"), [(12_000, 0.27), (12_000, 0.07)], ids=["300 answers", "80 answers"])
def test_closer_to_the_truth_than_the_survey_and_covering_it(n, rate):
    covered, errors = [], []
    for seed in range(40):
        survey, segment, truth = a_world(n, seed, rate)
        found = segment_nps(survey, segment).assign(truth=truth).dropna(subset=["nps"])
        covered.append(found["truth"].between(found["low"], found["high"]).mean())
        errors.append(found[["nps", "direct", "synthetic", "survey"]].sub(found["truth"], axis=0).assign(seed=seed))
        half = found["high"] - found["nps"]
        assert half.to_numpy() == pytest.approx(1.96 * found["standard_error"], rel=1e-4)
    rmse = np.sqrt((pd.concat(errors) ** 2).mean())
    assert rmse["nps"] < min(rmse["direct"], rmse["synthetic"])
    assert rmse["nps"] < rmse["survey"] / 3
    assert 0.93 < np.mean(covered) < 0.99


def test_by_hand():
    base = ["a", "b", "c", "d", "e"]
    base_p = [[0.2, 0.3, 0.5], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.3, 0.4, 0.3], [0.3, 0.3, 0.4]]
    people = [f"q{i:02d}" for i in range(80)]
    asked_p = np.tile([0.25, 0.35, 0.40], (80, 1))
    category = np.array([2] * 25 + [0] * 15 + [1] * 20 + [2] * 20)
    pi = np.repeat([0.1, 0.2], 40)
    # The first forty are in the segment "x" today, the others in "y"; nobody of "z" was asked.
    survey = a_survey(base + people, base_p + asked_p.tolist(), people, np.ones(80, bool), category, asked_p, pi)
    segment = pd.Series(["x", "x", "y", "z", None] + ["x"] * 40 + ["y"] * 40)
    found = segment_nps(survey, segment).set_index("segment")
    assert tuple(found.reset_index().columns) == COLUMNS
    assert found.index.tolist() == ["x", "y", "z", "not known"]
    assert found["customers"].tolist() == [42, 41, 1, 1]
    assert found["answers"].tolist() == [40, 40, 0, 0]
    assert found["n_eff"].tolist() == pytest.approx([40, 40, 0, 0])
    mean_x = (30 - 30 + 40 * 15) / 42
    mean_y = (70 + 40 * 15) / 41
    assert found["survey"].tolist()[:2] == [25.0, 50.0]
    assert found["direct"].tolist()[:2] == pytest.approx([mean_x + 25 - 15, mean_y + 50 - 15])
    overall = (10 * 40 * 25 + 5 * 40 * 50) / (15 * 40) - 15
    assert found["synthetic"].tolist()[:2] == pytest.approx([mean_x + overall, mean_y + overall])
    between = found["shrinkage"] * found["synthetic"] + (1 - found["shrinkage"]) * found["direct"]
    assert found["nps"].tolist()[:2] == pytest.approx(between.tolist()[:2])
    assert found["hidden_because"].isna().tolist() == [True, True, False, False]
    assert found.loc["z", "nps":"survey"].isna().all()
    assert str(FEWEST_ANSWERS) in found.loc["z", "hidden_because"]


def test_the_segments_add_up_to_about_the_base():
    survey, segment, _ = a_world(20_000, 3, 0.2)
    found = segment_nps(survey, segment)
    w, m = survey.weights, survey.base_probabilities @ POINTS
    theta = m.mean() + w @ survey.residuals / w.sum()
    share = found["customers"] / found["customers"].sum()
    assert share @ found["synthetic"] == pytest.approx(theta, abs=1e-9)
    assert share @ found["nps"] == pytest.approx(theta, abs=1.0)
    assert abs(survey.answers.mean() - theta) > 5


def test_the_order_of_rows_does_not_matter():
    survey, segment, _ = a_world(3000, 4, 0.2)
    rng = np.random.default_rng(0)
    i, j = rng.permutation(3000), rng.permutation(3000)
    R = survey.answered[i]
    turned = a_survey(
        survey.base_customer[j],
        survey.base_probabilities[j],
        survey.customer[i],
        R,
        survey.category[i],
        survey.probabilities[i],
        survey.propensity[i],
    )
    assert R.sum() == survey.answered.sum()
    pd.testing.assert_frame_equal(segment_nps(turned, segment[j]), segment_nps(survey, segment), rtol=1e-9)


def test_few_or_unequal_answers_are_hidden_with_the_reason():
    survey, _, _ = a_world(3000, 5, 0.4)
    order = np.cumsum(survey.answered)
    segment = np.where(order <= FEWEST_ANSWERS - 1, "few", np.where(order <= 80, "unequal", "rest"))
    chosen = survey.answered & (segment == "unequal")
    light = chosen & (np.cumsum(chosen) > 12)
    uneven = np.where(light, 1.0, np.where(chosen, 0.01, 0.1))
    found = segment_nps(
        a_survey(
            survey.base_customer,
            survey.base_probabilities,
            survey.customer,
            survey.answered,
            survey.category,
            survey.probabilities,
            uneven,
        ),
        segment,
    ).set_index("segment")
    assert found["hidden_because"].notna().to_dict() == {"few": True, "rest": False, "unequal": True}
    assert found.loc["few", "answers"] == FEWEST_ANSWERS - 1
    assert f"{FEWEST_ANSWERS - 1} answers" in found.loc["few", "hidden_because"]
    assert "equal weight" in found.loc["unequal", "hidden_because"]
    assert found.loc[["few", "unequal"], "nps":"survey"].isna().all(axis=None)
    assert found.loc["rest", "nps":"survey"].notna().all()


def test_where_predictions_are_one_for_all_only_answers_speak():
    survey, segment, truth = a_world(12_000, 6, 0.27)
    same = np.tile([0.3, 0.3, 0.4], (12_000, 1))
    flat = a_survey(
        survey.base_customer, same, survey.customer, survey.answered, survey.category, same, survey.propensity
    )
    found = segment_nps(flat, segment)
    assert np.ptp(found["synthetic"]) == 0
    assert found["synthetic"][0] == pytest.approx(np.average(flat.answers, weights=flat.weights))
    assert np.mean((found["low"] < truth) & (truth < found["high"])) > 0.8


def test_noise_of_the_training_is_the_least_that_segments_differ_by():
    survey, segment, _ = a_world(12_000, 7, 0.05, missed=0.0)
    rng = np.random.default_rng(1)
    per_segment = rng.normal(0, 8.0, (5, SEGMENTS))
    m = survey.base_probabilities @ POINTS
    noisy = a_survey(
        survey.base_customer,
        survey.base_probabilities,
        survey.customer,
        survey.answered,
        survey.category,
        survey.probabilities,
        survey.propensity,
        (m + per_segment[:, segment])[:, survey.answered],
        m + per_segment[:, segment],
    )
    quiet, loud = segment_nps(survey, segment), segment_nps(noisy, segment)
    assert (loud["shrinkage"].dropna() < quiet["shrinkage"].dropna()).all()
    assert loud["standard_error"].mean() > 1.2 * quiet["standard_error"].mean()


def test_labels_must_be_one_a_customer():
    survey, segment, _ = a_world(50, 8, 0.9)
    with pytest.raises(ValueError, match=r"each of the 50 customers of the base, got 49"):
        segment_nps(survey, segment[:-1])
    elsewhere = replace(survey, base_customer=np.array([f"b{i}" for i in range(50)]))
    with pytest.raises(ValueError, match="nobody who answered is in the base"):
        segment_nps(elsewhere, segment)
