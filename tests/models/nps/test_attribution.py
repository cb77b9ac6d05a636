"""Points by feature add up to the score they split, and equal what other ways of computing them give."""

import functools
import itertools
import math
from dataclasses import replace

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import expit

from models.nps import attribution
from models.nps.attribution import NpsExplainer
from models.scoring.boosted.trees import Trees
from models.scoring.members import (
    CategoryParameters,
    CumulativeTreesMember,
    DirichletMap,
    PriorMember,
    ProportionalOddsMember,
    RiditTreesMember,
)
from models.scoring.nps import NO_OFFSETS, category_probabilities, latent_probabilities

NAMES = ["mean_days_late_of_delivered", "events_90d_of_delivered", "returns_90d", "orders_90d", "weekend_share"]
EFFECTS = np.array([-1.0, -0.5, -0.5, 0.3, 0.0])
ODDS = ProportionalOddsMember(
    knots=((-2.0, 2.0),) * 5,
    values=tuple((-2.0 * effect, 2.0 * effect) for effect in EFFECTS),
    missing=(0.3, 0.0, 0.0, 0.0, 0.0),
    cuts=(-1.2, 0.2),
)
RIDIT = RiditTreesMember(booster="ridit", slope=5.0, cuts=(1.2, 2.7))
CUMULATIVE = CumulativeTreesMember(
    boosters=("above_detractor", "above_passive"),
    calibration=DirichletMap(((1.2, 0.1, 0.0), (0.0, 1.1, 0.0), (0.0, 0.1, 1.2)), (0.0, 0.1, 0.0)),
)
PRIOR = PriorMember((0.25, 0.3, 0.45))


def model(*members):
    return CategoryParameters("model", "", features=NAMES, members=members, noise=3.0)


def points_of(p):
    return 100.0 * (p[:, 2] - p[:, 0])


@pytest.fixture(scope="module")
def customers():
    X = np.random.default_rng(1).normal(size=(2000, 5)).round(2)
    X[::17, 0] = np.nan
    return pd.DataFrame(X, columns=NAMES)


@pytest.fixture(scope="module")
def boosters(customers):
    latent = np.nan_to_num(customers.to_numpy()) @ EFFECTS
    # Deliveries matter together, so that trees are not additive.
    latent = latent - 0.8 * (customers[NAMES[0]] > 0) * (customers[NAMES[1]] > 0)
    y = np.searchsorted(ODDS.cuts, latent + np.random.default_rng(2).logistic(size=len(latent)))
    targets = {"ridit": y / 2, "above_detractor": y > 0, "above_passive": y > 1}
    settings = {"num_leaves": 4, "learning_rate": 0.1, "verbosity": -1, "num_threads": 1, "deterministic": True}
    grown = {
        name: lightgbm.train(
            settings | {"objective": "regression" if name == "ridit" else "binary"},
            lightgbm.Dataset(customers, target.astype(float)),
            40,
        )
        for name, target in targets.items()
    }
    return {name: Trees(booster.model_to_string()) for name, booster in grown.items()}


BLEND = (
    replace(ODDS, weight=0.4),
    replace(RIDIT, weight=0.2),
    replace(CUMULATIVE, weight=0.3),
    replace(PRIOR, weight=0.1),
)


@pytest.fixture(scope="module")
def explainer(customers, boosters):
    nps = model(*BLEND)
    p = category_probabilities(nps, boosters, customers)
    return NpsExplainer.of(nps, boosters, customers.iloc[np.argsort(points_of(p))], p.mean(axis=0))


def test_points_add_up_to_the_score_and_the_baseline_is_the_bases(explainer, customers, boosters):
    points, probabilities = explainer.explain(customers)
    p = category_probabilities(explainer.nps, boosters, customers)
    assert probabilities == pytest.approx(p, abs=1e-12)
    assert points.sum(axis=1) == pytest.approx(points_of(p) - explainer.baseline, abs=1e-6)
    assert explainer.baseline == pytest.approx(points_of(p).mean(), abs=0.3)


def test_what_a_feature_adds_to_the_log_odds_is_shared_by_the_difference_quotient(customers, boosters):
    """One latent score: integrated gradients are its parts times (m(x) - m(b)) / (s(x) - s(b))."""
    nps = model(replace(ODDS, weight=1.0))
    base, others = customers.iloc[[3]], customers.iloc[5:60].fillna(0.5)
    points, p = NpsExplainer.of(nps, {}, base, [0.2, 0.3, 0.5]).explain(others)
    parts = np.clip(others.to_numpy(), -2, 2) * EFFECTS - np.clip(base.to_numpy(), -2, 2) * EFFECTS
    gain = points_of(p) - points_of(category_probabilities(nps, {}, base))
    assert points == pytest.approx(parts * (gain / parts.sum(axis=1))[:, None], abs=1e-6)


def shapley(value, k):
    """Average gain from adding a player over all orders of k players (Shapley 1953)."""
    value, averages = functools.cache(value), np.zeros(k)
    for order in itertools.permutations(range(k)):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            averages[player] += value(before | {player}) - value(before)
    return averages / math.factorial(k)


def test_points_are_near_shapley_values_of_the_score_itself():
    """m is curved, so that the two differ; but not by what a reader would see."""
    nps = model(replace(ODDS, weight=1.0))
    base = pd.DataFrame([[0.0] * 5], columns=NAMES)
    for row in ([1.0, -0.5, 0.4, 2.0, 1.0], [-1.0, -0.8, -1.2, 1.0, 0.0], [1.5, 1.5, 1.5, -1.5, 0.3]):
        customer = pd.DataFrame([row], columns=NAMES)

        def value(players, customer=customer):
            mixed = customer.where([[j in players for j in range(5)]], base)
            return float(points_of(category_probabilities(nps, {}, mixed))[0])

        points, _ = NpsExplainer.of(nps, {}, base, [0.2, 0.3, 0.5]).explain(customer)
        assert points[0] == pytest.approx(shapley(value, 5), abs=2.0)
        assert np.sign(points[0]).tolist() == np.sign(np.array(row) * EFFECTS).tolist()


def test_parts_of_trees_are_shapley_values_by_hand(customers, boosters):
    """From each tree's text: a split on an unknown feature is passed by the training rows' shares."""
    booster = boosters["ridit"].booster
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]

    def rows(node):
        return node.get("internal_count", node.get("leaf_count"))

    def expected(node, row, known):
        if "leaf_value" in node:
            return node["leaf_value"]
        left, right = node["left_child"], node["right_child"]
        if node["split_feature"] in known:
            value = row[node["split_feature"]]
            goes_left = node["default_left"] if np.isnan(value) else value <= node["threshold"]
            return expected(left if goes_left else right, row, known)
        shares = np.array([rows(left), rows(right)]) / rows(node)
        return shares @ [expected(left, row, known), expected(right, row, known)]

    for row in customers.to_numpy()[:3]:
        by_hand = shapley(lambda known, row=row: sum(expected(tree, row, known) for tree in trees), 5)
        _, parts = attribution._latents(RIDIT, boosters, row[None, :])
        assert parts[0, :, 0] == pytest.approx(by_hand, abs=1e-9)


def test_with_a_level_of_the_base_the_points_still_add_up(customers, boosters):
    nps = replace(model(*BLEND), offsets=(0.3, 0.0, -0.2))
    p = category_probabilities(nps, boosters, customers)
    explainer = NpsExplainer.of(nps, boosters, customers.iloc[np.argsort(points_of(p))], p.mean(axis=0))
    points, probabilities = explainer.explain(customers)
    assert probabilities == pytest.approx(p)
    assert points.sum(axis=1) + explainer.baseline == pytest.approx(points_of(p), abs=1e-6)


def test_two_latent_scores_are_integrated_along_the_line(customers, boosters):
    """The slopes of m by each score, integrated adaptively from derivatives of the formula itself."""
    weights, bias = CUMULATIVE.calibration.arrays()

    def slopes(f):
        a, b = expit(f)
        logs = np.log([1 - a, a - b, b])
        by_latent = np.array([[-a, 0.0], [a * (1 - a) / (a - b), -b * (1 - b) / (a - b)], [0.0, 1 - b]])
        q = np.exp(weights @ logs + bias)
        q /= q.sum()
        of_logits = weights @ by_latent
        by_class = q[:, None] * (of_logits - q @ of_logits)
        return 100.0 * (by_class[2] - by_class[0])

    start, end = np.array([1.4, 0.1]), np.array([-0.6, -1.5])
    along = [quad(lambda t, j=j: slopes(start + t * (end - start))[j], 0, 1)[0] for j in (0, 1)]
    assert attribution._mean_slopes(CUMULATIVE, start, end[None, :], NO_OFFSETS)[0] == pytest.approx(along, abs=0.01)
    m = points_of(latent_probabilities(CUMULATIVE, np.array([start, end])))
    assert np.dot(along, end - start) == pytest.approx(m[1] - m[0])


def test_parts_that_cancel_take_the_slope_of_the_score():
    nps = model(replace(ODDS, weight=1.0))
    base = pd.DataFrame([[0.0] * 5], columns=NAMES)
    customer = base.assign(mean_days_late_of_delivered=0.5, events_90d_of_delivered=-1.0)
    points, _ = NpsExplainer.of(nps, {}, base, [0.2, 0.3, 0.5]).explain(customer)
    low, high = expit(ODDS.cuts)
    slope = 100.0 * (low * (1 - low) + high * (1 - high))
    assert points[0] == pytest.approx([-0.5 * slope, 0.5 * slope, 0.0, 0.0, 0.0], abs=1e-4)


def test_the_blend_weighs_its_members(customers, boosters):
    few, shares = customers.iloc[:50], [0.2, 0.3, 0.5]
    whole, _ = NpsExplainer.of(model(*BLEND), boosters, customers, shares).explain(few)
    alone = [NpsExplainer.of(model(replace(m, weight=1.0)), boosters, customers, shares).explain(few)[0] for m in BLEND]
    assert whole == pytest.approx(sum(m.weight * points for m, points in zip(BLEND, alone, strict=True)))
    assert not alone[3].any()
