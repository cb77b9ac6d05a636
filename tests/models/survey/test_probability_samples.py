"""Probability samples: by hand, and in worlds of known truth where no feature shows who was drawn."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, softmax

from models.stats.calibrated_weights import calibrated
from models.survey.aipw import estimate_nps
from models.survey.frame import NO_ANSWER, Survey
from models.survey.probability_samples import (
    centred_log_probability,
    check_probability_samples,
    customers_of_samples,
    design_weights,
    join_samples,
    match_samples,
)
from models.survey.sensitivity import tilted_nps

POINTS = np.array([-100, 0, 100])
DAY = pd.Timestamp("2024-06-01")


def table(**columns) -> pd.DataFrame:
    """Rows with the types that the engine gives."""
    frame = pd.DataFrame(columns)
    for name in {"drawn_on", "invited_at", "answered_at", "as_of"} & set(frame):
        frame[name] = pd.to_datetime(frame[name], format="mixed").astype("datetime64[us]")
    return frame


@pytest.fixture
def samples() -> pd.DataFrame:
    """Two samples, a third without an answer, and one of the future."""
    rows = table(
        customer_id=["a", "b", "c", "a", "d", "e", "f"],
        drawn_on=["2024-01-01"] * 3 + ["2024-02-01"] * 2 + ["2024-03-01", "2024-09-01"],
        inclusion_probability=[0.5, 0.2, 0.2, 0.1, 0.4, 1.0, 0.3],
        quiet_days=[90] * 7,
    )
    return check_probability_samples(rows.sample(frac=1.0, random_state=1), date(2024, 9, 1))


def test_samples_are_checked(samples):
    assert samples["customer_id"].tolist() == ["a", "b", "c", "a", "d", "e"]
    assert check_probability_samples(samples, date(2024, 3, 1), date(2024, 2, 1))["customer_id"].tolist() == ["a", "d"]
    assert check_probability_samples(samples.drop(columns="quiet_days"), date(2024, 9, 1))["quiet_days"].eq(0).all()
    with pytest.raises(ValueError, match="lacks inclusion_probability"):
        check_probability_samples(samples.drop(columns="inclusion_probability"), date(2024, 9, 1))
    for wrong in (0.0, 1.1, np.nan):
        with pytest.raises(ValueError, match="above 0 and at most 1"):
            check_probability_samples(samples.assign(inclusion_probability=wrong), date(2024, 9, 1))
    with pytest.raises(ValueError, match="twice"):
        check_probability_samples(pd.concat([samples, samples]), date(2024, 9, 1))


def test_an_invitation_belongs_to_the_newest_sample_of_sixty_days(samples):
    asked = table(
        customer_id=["a", "a", "b", "b", "c", "d", "e", "z"],
        invited_at=[
            "2024-01-20 09:00",
            "2024-02-02",
            "2024-03-01",
            "2024-03-02",
            "2023-12-31",
            None,
            "2024-03-02",
            DAY,
        ],
        answered_at=[None, "2024-02-03", None, None, None, "2024-02-01 08:00", None, DAY],
        answered=[False, True, False, False, False, True, False, True],
    )
    # The sample of January needs an answer to count.
    found = match_samples(asked, samples)
    assert found["drawn_on"].dt.month.tolist() == pytest.approx(
        [np.nan, 2, *[np.nan] * 3, 2, *[np.nan] * 2], nan_ok=True
    )
    asked.loc[2, ["answered_at", "answered"]] = [pd.Timestamp("2024-03-05"), True]
    found = match_samples(asked, samples)
    # b was asked 60 days after being drawn, and again a day too late; c before being drawn; nobody answered e's sample.
    assert found["drawn_on"].dt.month.tolist() == pytest.approx([1, 2, 1, *[np.nan] * 2, 2, *[np.nan] * 2], nan_ok=True)
    expected = [0.5, 0.1, 0.2, np.nan, np.nan, 0.4, np.nan, np.nan]
    assert found["inclusion_probability"].tolist() == pytest.approx(expected, nan_ok=True)
    assert found["quiet_days"].tolist() == [90, 90, 90, 0, 0, 90, 0, 0]
    turned = match_samples(asked.iloc[::-1], samples)
    pd.testing.assert_frame_equal(turned.loc[found.index], found)

    rows = asked.join(found).assign(as_of=asked["invited_at"].fillna(asked["answered_at"]), category=2)
    customers = customers_of_samples(rows, samples)
    assert customers["customer_id"].tolist() == ["a", "b", "c", "a", "d"]
    # c is in the sample of January, without a recorded invitation since.
    assert customers["answered"].tolist() == [False, True, False, True, True]
    assert customers["invited_at"].dt.day.tolist() == pytest.approx([20, 1, np.nan, 2, np.nan], nan_ok=True)
    again = pd.concat([rows, rows.iloc[[0]].assign(answered=True, as_of=pd.Timestamp("2024-01-10"))])
    assert customers_of_samples(again, samples)["answered"].tolist() == [True, True, False, True, True]
    assert customers_of_samples(rows.assign(drawn_on=pd.NaT), samples).empty


def test_customers_of_the_quiet_period_have_a_design_weight_of_one():
    frame = table(
        customer_id=["a", "b", "c", "d", "b", "e", "f", "d"],
        drawn_on=[None, None, None, "2024-03-01", "2024-06-01", "2024-06-01", "2024-05-01", "2024-05-01"],
        inclusion_probability=[np.nan] * 3 + [0.5, 0.1, 0.25, 0.2, 0.2],
        quiet_days=[0, 0, 0, 90, 90, 90, 30, 30],
    )
    asked = table(
        customer_id=["a", "b", "c", "b", "g"],
        invited_at=["2024-04-01", "2024-05-20", "2024-01-01", "2024-06-02", "2024-05-01"],
        answered_at=[None, None, "2024-01-02", "2024-06-03", None],
    )
    found = design_weights(frame, asked, tells_who_was_asked=True)
    assert found.tolist() == [
        [0, 0, 1, 2, 0, 0, 0, 0],  # March: of the others only c was asked in the 90 days before
        [1, 0, 0, 0, 0, 0, 5, 5],  # May, 30 days quiet: a was asked on the first of them; d is in the sample again
        # June: a, and f and d by their newest list; b was drawn though asked recently, g is not in the frame
        [1, 0, 0, 0, 10, 4, 1, 1],
    ]
    blind = design_weights(frame, asked, tells_who_was_asked=False)
    assert not blind[:, :3].any()
    assert blind[:, 3:].tolist() == found[:, 3:].tolist()
    logs = centred_log_probability(frame[3:])
    assert logs == pytest.approx([0, -np.log(2.5) / 2, np.log(2.5) / 2, 0, 0])


def a_survey(features, category, answered, probabilities, propensity, people) -> Survey:
    """A frame of some of the people (by their numbers), and everyone as its base; m is given, not learned."""
    R, who = np.asarray(answered, bool), np.char.add("c", np.arange(len(features)).astype(str))
    return Survey(
        customer=who[people],
        features=features.iloc[people],
        answered=R,
        category=np.where(R, category[people], NO_ANSWER),
        probabilities=probabilities[people],
        propensity=propensity[people],
        base_customer=who,
        base_features=features,
        base_probabilities=probabilities,
        fold_points=np.empty((0, R.sum())),
        fold_base_points=np.empty((0, len(who))),
        base_sample=np.arange(len(who)),
    )


def test_groups_weigh_by_their_effective_answers_and_design_weights_are_never_clipped():
    n = 60
    rng, pi = np.random.default_rng(0), np.full(n, 0.5)
    pi[0] = 0.001
    survey = a_survey(
        pd.DataFrame({"x": np.ones(n)}),
        rng.integers(0, 3, n),
        np.ones(n, bool),
        np.full((n, 3), 1 / 3),
        pi,
        np.arange(n),
    )
    in_sample, weights = np.arange(n) < 40, np.zeros((2, n))
    # A large segment with one in a hundred asked, beside a small one with all asked.
    weights[0, :10], weights[0, 10:30], weights[1, 30:40] = 100.0, 1.0, 7.0
    shift_weight = np.r_[np.full(40, 9.0), np.linspace(1, 2, 20)]
    found = join_samples(survey, in_sample, shift_weight, weights)
    w = found.weights
    # 1/propensity is estimated, so it is clipped at ten medians.
    by_hand = np.r_[1000, np.full(9, 100), np.ones(20)]
    first, second, others = w[:30], w[30:40], w[40:]
    assert first / first[-1] == pytest.approx(by_hand, rel=1e-12)
    for group in (first, second, others):
        assert group.sum() == pytest.approx(group.sum() ** 2 / (group @ group), rel=1e-12)
    assert others / others[0] == pytest.approx(shift_weight[40:], rel=1e-12)
    figures = estimate_nps(found).figures
    assert figures.sampled_answer_share == pytest.approx(2 / 3)
    assert figures.sampled_weight_share == pytest.approx((first.sum() + second.sum()) / w.sum())
    assert figures.nps == pytest.approx(w @ POINTS[survey.category] / w.sum(), rel=1e-12)
    assert tilted_nps(found, 0.0) == pytest.approx(figures.nps, rel=1e-12)
    assert estimate_nps(survey).figures.sampled_weight_share == 0.0


def test_the_tilt_weighs_by_the_inclusion_probabilities():
    """By hand: the odds of a non-respondent to be of class c are multiplied by exp(-gamma c)."""
    n, gamma, rng = 40, 0.3, np.random.default_rng(2)
    category, R = rng.integers(0, 3, n), np.arange(n) < 30
    p, pi = rng.dirichlet(np.ones(3), n), rng.uniform(0.3, 0.9, n)
    survey = a_survey(pd.DataFrame({"x": rng.normal(size=n)}), category, R, p, pi, np.arange(n))
    chance = rng.uniform(0.1, 0.9, n)
    joined = join_samples(survey, np.ones(n, bool), np.ones(n), 1.0 / chance[None])
    tilt = np.exp(-gamma * np.arange(3))
    of_non_respondents = p * tilt / (p @ tilt)[:, None]
    w = (1 + (1 - pi) / pi * tilt[category] / (p @ tilt)) / chance
    w, m = calibrated(w[R], joined.balanced_columns, joined.balance_target), of_non_respondents @ POINTS
    expected = m.mean() + w @ (POINTS[category] - m)[R] / w.sum()
    assert tilted_nps(joined, gamma) == pytest.approx(expected, rel=1e-12)


def a_world(n, rng):
    """Customers whose answers depend on the features and on `hidden`, which no feature shows and m leaves out."""
    X, hidden = rng.normal(size=(n, 3)), rng.random(n) < 0.4
    of = 0.8 * X[:, 0] - 0.5 * X[:, 1]
    truth, m = (
        softmax(np.stack([-0.4 - 0.8 * s, 0 * s, 0.5 + 0.8 * s], axis=1), axis=1)
        for s in (of + 1.6 * (hidden - 0.4), of)
    )
    category = (rng.random(n)[:, None] > np.cumsum(truth, axis=1)[:, :2]).sum(axis=1)
    pi = expit(-0.5 + 0.8 * X[:, 0] + 0.5 * X[:, 2])
    return pd.DataFrame(X, columns=list("abc")), hidden, truth, m, category, pi


def invited(people, day, chance) -> pd.DataFrame:
    return table(
        customer_id=np.char.add("c", people.astype(str)),
        drawn_on=day,
        inclusion_probability=chance,
        quiet_days=90,
        invited_at=day or DAY - pd.Timedelta(days=40),
        answered_at=None,
    )


def point(survey: Survey) -> float:
    """The estimate alone, which is cheaper than its interval."""
    return float((survey.base_probabilities @ POINTS).mean() + survey.weights @ survey.residuals / survey.weights.sum())


def judged(found, truths):
    """Bias with its Monte Carlo error, and whether intervals cover."""
    error = np.array([figures.nps for figures in found]) - truths
    covered = [figures.low <= truth <= figures.high for figures, truth in zip(found, truths, strict=True)]
    return error.mean(), error.std() / np.sqrt(len(error)), np.mean(covered)


def test_design_weights_remove_a_bias_that_no_feature_shows_and_the_interval_covers():
    """Unequal probabilities as Neyman's; in addition the more satisfied are drawn more often."""
    sampled, shifted, truths = [], [], []
    for seed in range(50):
        X, hidden, truth, m, category, pi = a_world(2000, rng := np.random.default_rng(seed))
        by_features = 0.15 * np.exp(0.4 * X["b"].to_numpy())
        chance = np.clip(by_features * np.where(hidden, 2.5, 0.7), 0.02, 1.0)
        people = np.flatnonzero(rng.random(2000) < chance)
        survey = a_survey(X, category, rng.random(len(people)) < pi[people], m, pi, people)
        frame = invited(people, DAY, chance[people])
        weights = design_weights(frame, frame, tells_who_was_asked=True)
        joined = join_samples(survey, np.ones(len(people), bool), np.ones(len(people)), weights)
        sampled.append(estimate_nps(joined).figures)
        # Covariate-shift weights know at best what the features show of the draw.
        shifted.append(point(replace(survey, shift_weight=1.0 / by_features[people])))
        truths.append((truth @ POINTS).mean())
    bias, monte_carlo_error, covered = judged(sampled, truths)
    assert abs(bias) < 3 * monte_carlo_error < 4
    assert covered >= 0.88
    assert np.mean(np.array(shifted) - truths) > 10


def test_a_quiet_period_and_biased_other_answers_do_no_harm():
    """Earlier surveys asked the more satisfied, who then could not be drawn: the sample alone represents the others."""
    joined, shifted, sample_alone, truths = [], [], [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X, hidden, truth, m, category, pi = a_world(2500, rng)
        earlier = rng.random(2500) < np.where(hidden, 0.5, 0.05)
        chance = np.clip(0.3 * np.exp(0.4 * X["b"].to_numpy()), 0.02, 1.0)
        sampled = np.flatnonzero(~earlier & (rng.random(2500) < chance))
        people = np.r_[np.flatnonzero(earlier), sampled]
        survey = a_survey(X, category, rng.random(len(people)) < pi[people], m, pi, people)
        frame = pd.concat([invited(people[: earlier.sum()], None, np.nan), invited(sampled, DAY, chance[sampled])])
        in_sample, equal = frame["drawn_on"].notna().to_numpy(), np.ones(len(frame))
        weights = design_weights(frame, frame, tells_who_was_asked=True)
        joined.append(estimate_nps(join_samples(survey, in_sample, equal, weights)).figures)
        without_quiet = design_weights(frame.assign(quiet_days=0), frame, tells_who_was_asked=True)
        sample_alone.append(point(join_samples(survey, in_sample, 0 * equal, without_quiet)))
        shifted.append(point(replace(survey, shift_weight=equal)))
        truths.append((truth @ POINTS).mean())
    bias, monte_carlo_error, covered = judged(joined, truths)
    assert abs(bias) < 3 * monte_carlo_error < 4
    assert covered >= 0.87
    assert np.mean(np.array(sample_alone) - truths) < -5
    assert np.mean(np.array(shifted) - truths) > 5
    assert np.mean([figures.sampled_weight_share for figures in joined]) > 0.6


def test_other_answers_lose_weight_only_if_many_answers_of_samples_contradict_them():
    def weight_of_others(residual_of_sample, n):
        """`n` answers of a sample with some promoters, beside 50 other answers whose mean is 0."""
        category = np.r_[np.where(np.arange(n) < n * (1 + residual_of_sample) / 2, 2, 0), np.tile([0, 2], 25)]
        total, p = n + 50, np.full((n + 50, 3), 1 / 3)
        x = pd.DataFrame({"x": np.ones(total)})
        survey = a_survey(x, category, np.ones(total, bool), p, np.ones(total), np.arange(total))
        in_sample = np.arange(total) < n
        joined = join_samples(survey, in_sample, np.ones(total), np.where(in_sample, 3.0, 0.0)[None])
        return joined.weights[n:].sum(), float(survey.residuals.var())

    assert weight_of_others(0.0, 100)[0] == pytest.approx(50)
    # 100 points are many standard errors of 19 answers too, but so few answers are not tested.
    assert weight_of_others(1.0, 19)[0] == pytest.approx(50)
    assert weight_of_others(0.2, 100)[0] == pytest.approx(50)
    weight, variance = weight_of_others(0.6, 100)
    # d^2 = 60^2, of which chance explains variance/100 + variance/50; the rest is squared bias.
    assert weight == pytest.approx(50 * (variance / 50) / (60**2 - variance / 100), rel=1e-9)
    assert weight < 3
