"""Customers who gave everything back: who they are and what they answered by pandas, both together by simulation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from models.survey.aipw import BaseNps
from models.survey.frame import MOST_UNLIKE
from models.survey.without_purchase import beside_base, survey_without_purchase
from tests.models.kept_orders import kept_sales


@pytest.fixture(scope="module")
def base():
    """An estimate of a base of 8,000 customers, without a trait to allow for."""
    return BaseNps(
        nps=10.0,
        low=5.1,
        high=14.9,
        wide_low=5.1,
        wide_high=14.9,
        unmeasured=0.0,
        unmeasured_gamma=0.0,
        strongest_group=None,
        standard_error=2.5,
        degrees_of_freedom=1e6,
        n_base=8000,
        n_frame=4467,
        n_answers=1014,
        n_eff=587.0,
        survey_mean=12.0,
        mean_of_predictions=11.0,
        largest_weight=0.005,
        balance={},
        sensitivity={},
        sign_gamma=None,
    )


def test_they_are_those_who_bought_and_are_not_in_the_base(simulated_shop, release, base):
    lines = pd.read_parquet(simulated_shop.files["transactions"])
    kept = kept_sales(lines, simulated_shop.as_of)["customer_id"]
    others = set(lines["customer_id"]) - set(kept)
    answers = pd.read_parquet(simulated_shop.files["answers"])
    given = answers[answers["customer_id"].isin(others) & (answers["question"] == "nps") & answers["score"].notna()]
    newest = given.sort_values("invited_at").groupby("customer_id")["score"].last()
    base = replace(base, unmeasured=4.0, unmeasured_gamma=0.1)
    found = survey_without_purchase(simulated_shop.tables, release, base)
    assert (found.customers, found.answers) == (len(others), len(newest))
    assert found.answers >= 10
    points = 100 * ((newest >= 9).astype(int) - (newest <= 6).astype(int))
    assert found.own.nps == pytest.approx(points.mean())
    # They are less satisfied than the base, and so is the base with them.
    truth = simulated_shop.truth.set_index("customer_id")
    true = 100 * (truth["p_promoter"] - truth["p_detractor"])
    assert true.mean() < true.drop(list(others)).mean()
    assert found.with_base.nps < base.nps
    assert found.own.wide_low < found.own.low < true[list(others)].mean() < found.own.high < found.own.wide_high


def test_a_shop_without_returns_has_none(simulated_shop, release, base, take_frames):
    lines = pd.read_parquet(simulated_shop.files["transactions"]).query("amount >= 0").head(50)
    answers = pd.read_parquet(simulated_shop.files["answers"]).head(5)
    tables = take_frames(transactions=lines, answers=answers)
    assert survey_without_purchase(tables, release, base) is None
    assert survey_without_purchase(replace(tables, answers=None), release, base) is None


def test_both_together_are_the_mean_of_all_with_the_error_of_a_simulation(base):
    rng = np.random.default_rng(3)
    shares, customers, answers = np.array([0.5, 0.3, 0.2]), 2000, 120
    counts = rng.multinomial(answers, shares, size=600)
    of_base = 10.0 + 2.5 * rng.standard_normal(len(counts))
    found = [beside_base(replace(base, nps=n), customers, c) for n, c in zip(of_base, counts, strict=True)]
    both = np.array([each.with_base.nps for each in found])
    assert both.mean() == pytest.approx((8000 * 10.0 + 2000 * -30.0) / 10_000, abs=4 * both.std() / np.sqrt(600))
    half = np.array([(each.with_base.high - each.with_base.low) / 2 for each in found])
    assert half.mean() == pytest.approx(1.96 * both.std(), rel=0.1)
    # Without a trait to allow for the wide interval is that of the sample; with one it reaches further.
    assert found[0].with_base.wide_high == pytest.approx(found[0].with_base.high)
    wide = beside_base(replace(base, unmeasured=4.0, unmeasured_gamma=0.1), customers, counts[0])
    assert wide.with_base.wide_high - wide.with_base.nps > 0.8 * 4.0 + 0.2 * 4.0
    assert wide.own.wide_low < found[0].own.low


def test_with_few_answers_only_bounds_are_given(base):
    known = replace(base, n_base=900, nps=10.0)
    few = beside_base(known, 100, np.array([4, 3, 2]))
    assert (few.own, few.with_base) == (None, None)
    assert (few.with_base_least, few.with_base_most) == pytest.approx((-1.0, 19.0))
    # Of a base of those who were asked nothing can be said together with others.
    asked = beside_base(replace(known, unlike_share=MOST_UNLIKE + 0.1), 100, np.array([4, 3, 5]))
    assert asked.own.nps == pytest.approx(100 / 12)
    assert (asked.with_base, asked.with_base_least) == (None, None)
