"""Totals stay those of the first stage, but for the bias that lasts."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from models.purchases.recalibration import lasting_share, log_bias, recalibration_offsets

ALL = ("buys", "purchases", "revenue")


@pytest.fixture
def stages(rng):
    """A first stage, a second one that runs high, and outcomes that lie between."""
    p, further, spend = rng.uniform(0.02, 0.7, 500), rng.uniform(0.1, 1.0, 500), rng.uniform(10, 50, 500)
    moved = expit(logit(p) + rng.normal(0.3, 0.5, 500))

    def predicted(p, further, spend):
        expected = p * (1 + further)
        return pd.DataFrame(
            {
                "p_purchase": p,
                "expected_purchases": expected,
                "expected_spend": spend,
                "expected_revenue": expected * spend,
            }
        )

    first, second = predicted(p, further, spend), predicted(moved, 1.2 * further, 0.9 * spend)
    bought = rng.random(500) < 1.05 * p
    count = bought * (1 + rng.poisson(1.1 * further))
    return first, second, pd.DataFrame({"purchases": count, "revenue": count * spend * 0.95})


def totals_with(second, offsets):
    """The second stage with constants beside its trees, as its formula has them."""
    p = expit(logit(second["p_purchase"]) + offsets.get("buys", 0.0))
    further = (second["expected_purchases"] / second["p_purchase"] - 1) * np.exp(offsets.get("purchases", 0.0))
    spend = second["expected_spend"] * np.exp(offsets.get("revenue", 0.0))
    return np.array([p.sum(), (p * (1 + further)).sum(), (p * (1 + further) * spend).sum()])


def totals(frame):
    return frame[["p_purchase", "expected_purchases", "expected_revenue"]].sum().to_numpy()


def happened(realised):
    return np.array([(realised["purchases"] > 0).sum(), realised["purchases"].sum(), realised["revenue"].sum()])


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_totals_lie_between_those_of_the_first_stage_and_what_happened(stages, share):
    first, second, realised = stages
    offsets = recalibration_offsets(first, second, realised, ALL, share)
    expected = totals(first) ** (1 - share) * happened(realised) ** share
    np.testing.assert_allclose(totals_with(second, offsets), expected, rtol=1e-9)


def test_parts_without_trees_get_no_offset(stages):
    first, second, realised = stages
    assert recalibration_offsets(first, second, realised, (), 0.5) == {}
    offsets = recalibration_offsets(first, second, realised, ("revenue",), 0.0)
    assert list(offsets) == ["revenue"]
    np.testing.assert_allclose(totals_with(second, offsets)[2], totals(first)[2])


def test_a_shop_whose_buyers_nearly_all_stayed_away_has_an_offset(stages):
    first, second, realised = stages
    for odds in (-20.0, 20.0):
        far = second.assign(p_purchase=expit(odds), expected_purchases=1.5 * expit(odds))
        offsets = recalibration_offsets(first, far, realised, ("buys",), 0.0)
        total = expit(odds + offsets["buys"]) * len(far)
        assert total == pytest.approx(first["p_purchase"].sum(), rel=1e-6)


def test_the_share_is_how_alike_two_biases_are():
    bias = np.array([0.1, 0.2, 0.3])
    assert lasting_share(bias, bias) == pytest.approx(1.0)
    assert lasting_share(bias, 0.5 * bias) == pytest.approx(0.8)
    assert lasting_share(bias, -bias) == 0.0
    assert lasting_share(bias, np.zeros(3)) == 0.0
    assert lasting_share(np.zeros(3), np.zeros(3)) == 0.0
    assert lasting_share(bias, None) == 0.0


def test_bias_is_that_of_the_totals(stages):
    first, _, realised = stages
    np.testing.assert_allclose(np.exp(log_bias(first, realised)) * totals(first), happened(realised))
    nothing = realised.assign(purchases=0, revenue=-1.0)
    assert log_bias(first, nothing).tolist() == [0.0, 0.0, 0.0]
