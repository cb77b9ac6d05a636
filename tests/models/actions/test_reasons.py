"""Reasons name the groups that go with a score, in words and points that add up; there are none within noise."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.vocabulary import Vocabulary
from models.actions import reasons
from models.actions.reasons import least_difference, nps_reasons
from models.nps.attribution import NpsExplainer
from models.scoring.members import CategoryParameters, ProportionalOddsMember
from models.scoring.nps import category_probabilities

NAMES = ["mean_days_late_of_delivered", "events_90d_of_delivered", "returns_90d", "orders_90d", "weekend_share"]
VOCABULARY = Vocabulary(event_kinds={"delivered": ("due_at",)})
ODDS = ProportionalOddsMember(
    knots=((-2.0, 2.0),) * 5,
    values=((2.0, -2.0), (1.0, -1.0), (1.0, -1.0), (-0.6, 0.6), (0.0, 0.0)),
    missing=(0.3, 0.0, 0.0, 0.0, 0.0),
    cuts=(-1.2, 0.2),
)
NPS = CategoryParameters("model", "", features=NAMES, members=(ODDS,), noise=3.0)


@pytest.fixture(scope="module")
def customers():
    return pd.DataFrame(np.random.default_rng(1).normal(size=(500, 5)).round(2), columns=NAMES)


@pytest.fixture(scope="module")
def explainer(customers):
    p = category_probabilities(NPS, {}, customers)
    return NpsExplainer.of(NPS, {}, customers.iloc[np.argsort(p[:, 2] - p[:, 0])], p.mean(axis=0))


def test_a_late_customer_is_told_of_deliveries_and_the_rates_once(explainer):
    customer = pd.DataFrame([[2.0, 0.4, 0.3, 1.0, np.nan]], columns=NAMES)
    (customer_reasons,) = nps_reasons(explainer, customer, VOCABULARY)
    points, p = explainer.explain(customer)
    overall, first, second, remainder = customer_reasons
    m = 100 * (p[0, 2] - p[0, 0])
    assert overall == {
        "group": "NPS",
        "points": pytest.approx(m - explainer.baseline, abs=0.006),
        "text": f"such behaviour goes with {100 * p[0, 0]:.0f} % detractors and {100 * p[0, 2]:.0f} % promoters; "
        f"base {100 * explainer.base[0]:.0f} % and {100 * explainer.base[2]:.0f} %",
    }
    assert first == {
        "group": "deliveries",
        "points": pytest.approx(points[0, :2].sum(), abs=0.006),
        "text": f"deliveries {points[0, :2].sum():+.0f} points: mean days late of delivered 2.0 "
        f"(base {explainer.usual[0]:z.1f})",
    }
    assert (
        second["text"] == f"returns {points[0, 2]:+.0f} points: returns in 90 days 0 (base {explainer.usual[2]:z.1f})"
    )
    # Orders have points of the other sign and are not by_group as a reason.
    assert remainder["text"] == f"all else {points[0, 3:].sum():+.0f} points" and remainder["points"] > 5
    assert first["points"] < -20 and second["points"] < 0


def test_every_group_has_the_sign_of_the_score_and_all_points_add_up(explainer, customers, monkeypatch):
    monkeypatch.setattr(reasons, "MOST_GROUPS", 2)
    of_customers = list(nps_reasons(explainer, customers, VOCABULARY))
    json.dumps(of_customers)
    points, _ = explainer.explain(customers)
    within = np.abs(points.sum(axis=1)) <= least_difference(explainer.nps)
    assert [each is None for each in of_customers] == within.tolist() and 0 < within.sum() < len(within)
    for each, own in zip(of_customers, points, strict=True):
        if each is None:
            continue
        groups = {"deliveries": own[:2].sum(), "returns": own[2], "purchase rhythm": own[3:].sum()}
        leaning = sorted((value for value in groups.values() if value * own.sum() >= 0.5 * abs(own.sum())), key=abs)
        by_group = {reason["group"]: reason["points"] for reason in each}
        whole, remainder = by_group.pop("NPS"), by_group.pop("all else", 0.0)
        # Without a remainder less than half a point is missing; with one the points add up exactly.
        assert whole == pytest.approx(sum(by_group.values()) + remainder, abs=1e-6 if remainder else 0.5)
        assert list(by_group.values()) == pytest.approx(leaning[::-1][:2], abs=0.006)
        assert all(groups[name] == pytest.approx(value, abs=0.006) for name, value in by_group.items())


def test_noise_says_what_needs_no_reason():
    assert least_difference(replace(NPS, noise=4.0)) == pytest.approx(1.645 * 4)
    assert least_difference(replace(NPS, noise=None)) == 2.0


def test_chunks_change_nothing(explainer, customers, monkeypatch):
    whole = list(nps_reasons(explainer, customers.iloc[:50], VOCABULARY))
    monkeypatch.setattr(reasons, "ROWS_AT_ONCE", 7)
    assert list(nps_reasons(explainer, customers.iloc[:50], VOCABULARY)) == whole
    assert list(nps_reasons(explainer, customers.iloc[:0], VOCABULARY)) == []
