"""Reasons add up to the score they explain, name what drives it, and stay silent near the base."""

import json

import numpy as np
import pandas as pd
import pytest

from models import reasons
from models.calibration import identity_map
from models.nps_trees import grow_trees
from models.reasons import group_contributions, nps_reasons

NAMES = ("late_days_mean", "late_days_last", "returns_90d", "orders_90d", "noise")
GROUPS = {
    "late_days_mean": "deliveries",
    "late_days_last": "deliveries",
    "returns_90d": "returns",
    "orders_90d": "orders",
}


@pytest.fixture(scope="module")
def shop():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 5))
    X[:, 1] = X[:, 0] + 0.2 * X[:, 1]
    latent = -1.2 * X[:, 0] - 0.5 * X[:, 2] + 0.2 * X[:, 3] + rng.normal(size=3000)
    y = np.searchsorted([-0.6, 0.3], latent)
    booster = grow_trees(X, y, 120, 0, 1)
    return booster, X, np.bincount(y) / 3000


def group_of(name):
    return GROUPS.get(name, "other")


def test_contributions_add_up_to_promoter_minus_detractor_scores(shop):
    booster, X, _ = shop
    summed, groups = group_contributions(booster, X, NAMES, group_of)
    assert groups == ["deliveries", "returns", "orders", "other"]
    raw = booster.predict(X, raw_score=True)
    difference = raw[:, 2] - raw[:, 0]
    mean = difference - summed.sum(axis=1)
    assert mean == pytest.approx(np.full(3000, mean[0]))
    assert mean[0] == pytest.approx(difference.mean(), abs=0.05)


def test_groups_matter_in_the_order_in_which_they_made_the_answers(shop):
    booster, X, _ = shop
    summed, groups = group_contributions(booster, X, NAMES, group_of)
    assert [groups[g] for g in np.argsort(-np.abs(summed).mean(axis=0))][:3] == ["deliveries", "returns", "orders"]


def test_late_customers_are_told_of_deliveries_with_the_rates_beside(shop):
    booster, _, base = shop
    customer = np.array([[2.5, 2.5, 0.0, 0.0, 0.0]])
    (said,) = nps_reasons(booster, customer, NAMES, group_of, identity_map().arrays(), base)
    p = np.asarray(booster.predict(customer))[0, 0]
    assert said[0]["group"] == "deliveries"
    assert said[0]["contribution"] < -1
    assert said[0]["text"] == f"deliveries: associated with {100 * p:.0f} % detractor; base {100 * base[0]:.0f} %"
    (glad,) = nps_reasons(booster, -customer, NAMES, group_of, identity_map().arrays(), base)
    assert glad[0]["contribution"] > 1 and "% promoter; base" in glad[0]["text"]


def test_every_reason_leans_the_way_of_the_prediction_and_most_come_first(shop):
    booster, X, base = shop
    found = nps_reasons(booster, X[:300], NAMES, group_of, identity_map().arrays(), base)
    json.dumps(found)
    for each in found:
        if each is None:
            continue
        sizes = [abs(reason["contribution"]) for reason in each]
        assert 1 <= len(each) <= 3 and sizes == sorted(sizes, reverse=True)
        assert len({np.sign(reason["contribution"]) for reason in each}) == 1


def test_nothing_is_said_of_a_customer_like_the_base(shop):
    booster, _, _ = shop
    customer = np.array([[0.1, 0.1, 0.0, 0.0, 0.0]])
    own = np.asarray(booster.predict(customer))[0]
    assert nps_reasons(booster, customer, NAMES, group_of, identity_map().arrays(), own) == [None]


def test_chunks_change_nothing(shop, monkeypatch):
    booster, X, _ = shop
    whole, _ = group_contributions(booster, X[:50], NAMES, group_of)
    monkeypatch.setattr(reasons, "ROWS_AT_ONCE", 7)
    parts, _ = group_contributions(booster, X[:50], NAMES, group_of)
    assert parts == pytest.approx(whole, abs=1e-12)
    assert group_contributions(booster, X[:0], NAMES, group_of)[0].shape == (0, 4)


def test_shapley_values_of_two_features_by_hand():
    rng = np.random.default_rng(3)
    X = pd.DataFrame(rng.integers(0, 2, (2000, 2)).astype(float))
    y = np.where(X[0] + rng.normal(size=2000) > 0.5, 2, 0)
    y[:200] = 1
    booster = grow_trees(X.to_numpy(), y, 40, 0, 1)
    summed, _ = group_contributions(booster, X.to_numpy(), ["a", "b"], str)
    cell = X.drop_duplicates().to_numpy()
    raw = {tuple(row): s[2] - s[0] for row, s in zip(cell, booster.predict(cell, raw_score=True), strict=True)}
    shares = X.mean().to_numpy()
    own, other = 1.0, 0.0

    def mean_over_b(a):
        return shares[1] * raw[(a, 1.0)] + (1 - shares[1]) * raw[(a, 0.0)]

    def mean_over_a(b):
        return shares[0] * raw[(1.0, b)] + (1 - shares[0]) * raw[(0.0, b)]

    everyone = shares[0] * mean_over_b(1.0) + (1 - shares[0]) * mean_over_b(0.0)
    by_hand = 0.5 * (mean_over_b(own) - everyone + raw[(own, other)] - mean_over_a(other))
    at = np.flatnonzero((X[0] == own) & (X[1] == other))[0]
    assert summed[at, 0] == pytest.approx(by_hand, abs=0.05)
