"""Totals stay those of the first stage, but for the bias that lasts, each horizon by itself."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from features.describe import materialise
from features.outcomes import realised_outcomes
from features.purchases import purchase_summary
from models.purchases.fit import fit_purchases_at
from models.purchases.second_stage.levels import (
    Bias,
    bias_of,
    biases_over,
    lasting_bias,
    level_of_churn,
    levels_of_horizon,
)
from models.scoring.clock.parameters import ClockParameters
from models.scoring.parameters import SecondStageParameters
from models.scoring.scorer import Scorer
from models.scoring.second_stage.evidence import at_level
from tests.models.purchases.second_stage_shop import CUTOFF, DAYS, RECIPE, START

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


def totals_with(second, levels):
    """The second stage with constants beside its trees, as its formula has them."""
    p = expit(logit(second["p_purchase"]) + levels.get("buys", 0.0))
    further = (second["expected_purchases"] / second["p_purchase"] - 1) * np.exp(levels.get("purchases", 0.0))
    spend = second["expected_spend"] * np.exp(levels.get("revenue", 0.0))
    return np.array([p.sum(), (p * (1 + further)).sum(), (p * (1 + further) * spend).sum()])


def totals(frame):
    return frame[["p_purchase", "expected_purchases", "expected_revenue"]].sum().to_numpy()


def happened(realised):
    return np.array([(realised["purchases"] > 0).sum(), realised["purchases"].sum(), realised["revenue"].sum()])


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_totals_lie_between_those_of_the_first_stage_and_what_happened(stages, share):
    first, second, realised = stages
    levels = levels_of_horizon(first, second, share * bias_of(first, realised).log_ratio, ALL)
    expected = totals(first) ** (1 - share) * happened(realised) ** share
    np.testing.assert_allclose(totals_with(second, levels), expected, rtol=1e-9)


def test_parts_that_are_those_of_the_first_stage_get_no_level(stages):
    first, second, _ = stages
    assert levels_of_horizon(first, first, np.zeros(3), ()) == {}
    levels = levels_of_horizon(first, second, np.zeros(3), ("revenue",))
    assert list(levels) == ["revenue"]
    np.testing.assert_allclose(totals_with(second, levels)[2], totals(first)[2])
    # A bias that lasts moves the totals of the first stage itself.
    levels = levels_of_horizon(first, first, np.full(3, -0.1), ())
    np.testing.assert_allclose(totals_with(first, levels), totals(first) * np.exp(-0.1), rtol=1e-9)


def test_a_shop_whose_buyers_nearly_all_stayed_away_has_a_level(stages):
    first, second, _ = stages
    for odds in (-20.0, 20.0):
        far = second.assign(p_purchase=expit(odds), expected_purchases=1.5 * expit(odds))
        levels = levels_of_horizon(first, far, np.zeros(3), ("buys",))
        total = expit(odds + levels["buys"]) * len(far)
        assert total == pytest.approx(first["p_purchase"].sum(), rel=1e-6)


def test_the_bias_and_its_error_by_chance(stages, rng):
    first, _, realised = stages
    bias = bias_of(first, realised)
    np.testing.assert_allclose(bias.log_ratio, np.log(happened(realised) / totals(first)))
    # The error is that of the totals when outcomes are drawn again.
    p = first["p_purchase"].to_numpy()
    draws = [(rng.random(len(p)) < p).sum() / p.sum() for _ in range(2000)]
    assert bias.error[0] == pytest.approx(np.std(draws), rel=0.15)


def of(*log_ratios: float, error: float = 0.01) -> list[Bias]:
    return [Bias(np.full(3, each), np.full(3, error)) for each in log_ratios]


def test_a_bias_lasts_as_far_as_cuts_agree_and_chance_does_not_explain_it():
    assert not lasting_bias([]).any()
    # One cut is taken at a third, less what chance explains; two that agree at a half, three at 3/5.
    np.testing.assert_allclose(lasting_bias(of(0.2)), 0.2 / 3 * (1 - 0.01**2 / 0.2**2))
    np.testing.assert_allclose(lasting_bias(of(0.2, 0.2)), 0.1, rtol=2e-3)
    np.testing.assert_allclose(lasting_bias(of(-0.2, -0.2, -0.2)), -0.12, rtol=2e-3)
    # They contradict each other, or it is chance.
    assert not lasting_bias(of(0.2, -0.2)).any()
    assert not lasting_bias(of(0.5, -0.1)).any()
    assert not lasting_bias(of(0.05, error=0.06)).any()
    assert 0 < lasting_bias(of(0.3, 0.1))[0] < 0.1


def test_churn_is_moved_to_the_level_of_its_own_horizon(rng):
    buys = rng.uniform(0.01, 0.6, 400)
    p_none = (1 - buys) ** 2.5
    assert buys.sum() < 150
    for total in (250.0, 180.0):
        level = level_of_churn(p_none, buys, total, longer=True)
        moved = at_level(p_none, buys, np.asarray(level), longer=True)
        assert (1 - moved).sum() == pytest.approx(total)
        assert (moved <= 1 - buys + 1e-12).all()
    # Fewer than buy within the shorter horizon cannot buy within the longer one.
    level = level_of_churn(p_none, buys, 0.5 * buys.sum(), longer=True)
    assert (1 - at_level(p_none, buys, np.asarray(level), longer=True)).sum() == pytest.approx(buys.sum())


def test_a_quiet_quarter_does_not_say_that_customers_are_lost_over_a_year(stage, at_cutoff, scorer):
    """The shop is 410 days old: 90 days have past cuts, a year has none with 90 days of history before it."""
    first_alone = Scorer(replace(scorer.parameters, second_stage=SecondStageParameters(used=False)))
    one, two = first_alone.score(at_cutoff.described), scorer.score(at_cutoff.described)
    assert two["p_churn"].sum() == pytest.approx(one["p_churn"].sum(), rel=1e-3)
    assert two["clv"].sum() == pytest.approx(one["clv"].sum(), rel=1e-3)
    assert np.corrcoef(one["p_churn"], two["p_churn"])[0, 1] < 0.99
    assert "No past cut tells the level over 365 days, so p_churn and clv keep the first stage's." in stage.why
    for total in ("buyers", "purchases", "revenue"):
        assert stage.metrics[f"lasting_bias_365_days_{total}"] == 0.0


def test_a_year_has_a_level_of_its_own_where_a_cut_is_a_year_old(shop):
    first_day, as_of = START, START + timedelta(days=DAYS + 50)
    [bias] = biases_over(shop.tables, as_of, RECIPE, 365, first_day, None)
    assert bias.error[0] < 0.1
    assert not biases_over(shop.tables, as_of, RECIPE, 365, first_day, ClockParameters("2024-01-01", (1.0,)))
    assert not biases_over(shop.tables, CUTOFF, RECIPE, 365, first_day, None)
    then = as_of - timedelta(days=365)
    fit = fit_purchases_at(shop.tables, then, "bg_nbd")
    realised = realised_outcomes(shop.tables, then, 365, as_of)
    frame = materialise(purchase_summary(shop.tables, then)).merge(realised, on="customer_id")
    ratio = (frame["purchases"] > 0).sum() / fit.predict(frame, 365)["p_purchase"].sum()
    assert bias.log_ratio[0] == pytest.approx(np.log(ratio))
