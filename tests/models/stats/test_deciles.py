"""Ten groups of customers: their means are pandas' means, and no order of rows counts."""

import math

import numpy as np
import pandas as pd
import pytest

from models.stats.deciles import (
    calibration_by_decile,
    calibration_by_frequency,
    calibration_error,
    lift,
    nearly_sure,
)


@pytest.fixture
def base(rng):
    """Predictions, all different, and what came of them: 1,000 customers."""
    rate = rng.gamma(0.5, 2.0, 1000)
    return rate, rng.poisson(1.3 * rate).astype(float)


def test_deciles_hold_the_means_of_a_tenth_each(base):
    predicted, realised = base
    table = calibration_by_decile(predicted, realised)
    frame = pd.DataFrame({"p": predicted, "y": realised}).sort_values("p")
    groups = frame.groupby(np.repeat(range(10), 100)).mean()
    assert table["n"].tolist() == [100] * 10
    assert table["predicted"].to_numpy() == pytest.approx(groups["p"].to_numpy())
    assert table["realised"].to_numpy() == pytest.approx(groups["y"].to_numpy())
    error = (groups["p"] - groups["y"]).abs().mean() / realised.mean()
    assert calibration_error(predicted, realised) == pytest.approx(error)


def test_equal_predictions_stay_together():
    table = calibration_by_decile([0.0] * 35 + [1.0] * 5, [0.0] * 40)
    assert table["n"].tolist() == [35, 5]
    assert table["group"].tolist() == [1, 2]


def test_true_predictions_are_calibrated_zero_is_off_by_one_and_a_factor_by_its_excess(rng, base):
    _, realised = base
    rate = rng.gamma(0.5, 2.0, 400_000)
    assert calibration_error(rate, rng.poisson(rate)) < 0.02
    assert calibration_error(np.zeros(1000), realised) == 1.0
    assert calibration_error(1.5 * realised, realised) == pytest.approx(0.5)
    assert math.isnan(calibration_error(realised, np.zeros(1000)))


def test_frequencies_hold_the_means_of_their_customers(rng, base):
    predicted, realised = base
    x = rng.poisson(1.0, 1000)
    table = calibration_by_frequency(x, predicted, realised, most=2).set_index("frequency")
    assert table.index.tolist() == [0, 1, 2]
    for group, these in ((0, x == 0), (1, x == 1), (2, x >= 2)):
        expected = [these.sum(), predicted[these].mean(), realised[these].mean()]
        assert table.loc[group].tolist() == pytest.approx(expected)


def test_lift_is_the_share_of_each_tenth_the_best_first(base):
    predicted, realised = base
    order = np.argsort(-predicted)
    assert lift(predicted, realised) == pytest.approx(realised[order].reshape(10, 100).sum(axis=1) / realised.sum())


def test_lift_of_ties_is_the_mean_over_random_orders(rng):
    predicted, realised = rng.integers(0, 3, 45).astype(float), rng.poisson(1.0, 45).astype(float)
    shares = np.zeros(5)
    draws = 4000
    for _ in range(draws):
        order = np.lexsort((rng.random(45), -predicted))
        shares += realised[order].reshape(5, 9).sum(axis=1) / realised.sum()
    assert lift(predicted, realised, groups=5) == pytest.approx(shares / draws, abs=0.005)
    shuffled = rng.permutation(45)
    assert lift(predicted[shuffled], realised[shuffled]) == pytest.approx(lift(predicted, realised), abs=1e-15)
    assert lift(np.zeros(45), realised) == pytest.approx([0.1] * 10)
    assert np.isnan(lift(predicted, np.zeros(45))).all()


def test_overconfidence_at_the_top_is_told_where_it_is_more_than_chance(rng):
    p = np.concatenate([np.full(1000, 0.995), rng.uniform(0.0, 0.9, 500)])
    right = nearly_sure(p, rng.random(1500) < p)
    assert (right.customers, right.expected_not_to) == (1000, pytest.approx(5.0))
    assert right.sentence.startswith(
        "Of the 1,000 with a p_purchase of 0.99 or more, 5.0 were expected not to buy, and "
    )
    assert "too high" not in right.sentence
    bought = np.ones(1500, dtype=bool)
    bought[:40] = False
    told = nearly_sure(p, bought)
    assert told.did_not == 40
    assert told.sentence.endswith(
        "and 40 did not; that is more than chance, so the highest probabilities are too high."
    )
    assert nearly_sure(p[1000:], bought[1000:]).sentence == "Nobody had a p_purchase of 0.99 or more."
