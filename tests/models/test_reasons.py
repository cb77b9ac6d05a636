"""Points add up to the score they explain, equal what other computations give, and stay silent within noise."""

import itertools
import json
import math

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.special import expit

from models import reasons
from models.customer_scorer import category_probabilities, latent_probabilities
from models.reasons import NpsExplainer, least_difference, nps_reasons

NAMES = ["mean_days_late_of_delivered", "events_90d_of_delivered", "returns_90d", "orders_90d", "weekend_share"]
EFFECTS = np.array([-1.0, -0.5, -0.5, 0.3, 0.0])
ODDS = {
    "kind": "proportional_odds",
    "knots": [[-2.0, 2.0]] * 5,
    "values": [[-2.0 * effect, 2.0 * effect] for effect in EFFECTS],
    "missing": [0.3, 0.0, 0.0, 0.0, 0.0],
    "cuts": [-1.2, 0.2],
}
RIDIT = {"kind": "ridit_trees", "booster": "ridit", "slope": 5.0, "cuts": [1.2, 2.7]}
CUMULATIVE = {
    "kind": "cumulative_trees",
    "boosters": ["above_detractor", "above_passive"],
    "calibration": {"weights": [[1.2, 0.1, 0.0], [0.0, 1.1, 0.0], [0.0, 0.1, 1.2]], "bias": [0.0, 0.1, 0.0]},
}
PRIOR = {"kind": "prior", "shares": [0.25, 0.3, 0.45]}


def model(*members, **said):
    return {"source": "model", "why": "", "features": NAMES, "members": list(members), "noise": 3.0} | said


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
    y = np.searchsorted(ODDS["cuts"], latent + np.random.default_rng(2).logistic(size=len(latent)))
    targets = {"ridit": y / 2, "above_detractor": y > 0, "above_passive": y > 1}
    settings = {"num_leaves": 4, "learning_rate": 0.1, "verbosity": -1, "num_threads": 1, "deterministic": True}
    return {
        name: lightgbm.train(
            settings | {"objective": "regression" if name == "ridit" else "binary"},
            lightgbm.Dataset(customers, target.astype(float)),
            40,
        )
        for name, target in targets.items()
    }


BLEND = (
    ODDS | {"weight": 0.4},
    RIDIT | {"weight": 0.2},
    CUMULATIVE | {"weight": 0.3},
    PRIOR | {"weight": 0.1},
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
    assert points.sum(axis=1) == pytest.approx(points_of(p) - explainer.baseline, abs=1e-9)
    assert explainer.baseline == pytest.approx(points_of(p).mean(), abs=0.3)


def test_what_a_feature_adds_to_the_log_odds_is_shared_by_the_difference_quotient(customers, boosters):
    """One latent score: integrated gradients are its parts times (m(x) - m(b)) / (s(x) - s(b))."""
    nps = model(ODDS | {"weight": 1.0})
    base, others = customers.iloc[[3]], customers.iloc[5:60].fillna(0.5)
    points, p = NpsExplainer.of(nps, {}, base, [0.2, 0.3, 0.5]).explain(others)
    parts = np.clip(others.to_numpy(), -2, 2) * EFFECTS - np.clip(base.to_numpy(), -2, 2) * EFFECTS
    gain = points_of(p) - points_of(category_probabilities(nps, {}, base))
    assert points == pytest.approx(parts * (gain / parts.sum(axis=1))[:, None], abs=0.01)


def shapley(value, k):
    """Average gain from adding a player over all orders of k players (Shapley 1953)."""
    found = np.zeros(k)
    for order in itertools.permutations(range(k)):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            found[player] += value(before | {player}) - value(before)
    return found / math.factorial(k)


def test_points_are_near_shapley_values_of_the_score_itself():
    """m is curved, so that the two differ; but not by what a reader would see."""
    nps = model(ODDS | {"weight": 1.0})
    base = pd.DataFrame([[0.0] * 5], columns=NAMES)
    for row in ([1.0, -0.5, 0.4, 2.0, 1.0], [-1.0, -0.8, -1.2, 1.0, 0.0], [1.5, 1.5, 1.5, -1.5, 0.3]):
        customer = pd.DataFrame([row], columns=NAMES)

        def value(known, customer=customer):
            mixed = customer.where([[j in known for j in range(5)]], base)
            return float(points_of(category_probabilities(nps, {}, mixed))[0])

        points, _ = NpsExplainer.of(nps, {}, base, [0.2, 0.3, 0.5]).explain(customer)
        assert points[0] == pytest.approx(shapley(value, 5), abs=2.0)
        assert np.sign(points[0]).tolist() == np.sign(np.array(row) * EFFECTS).tolist()


def test_parts_of_trees_are_shapley_values_by_hand(customers, boosters):
    """From each tree's text: a split on an unknown feature is passed by the training rows' shares."""
    booster = boosters["ridit"]
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
        _, parts = reasons._latents(RIDIT, boosters, row[None, :])
        assert parts[0, :, 0] == pytest.approx(by_hand, abs=1e-9)


def test_two_latent_scores_are_integrated_along_the_line(customers, boosters):
    """The slopes of m by each score, integrated adaptively from derivatives of the formula itself."""
    weights, bias = (np.array(CUMULATIVE["calibration"][name]) for name in ("weights", "bias"))

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
    assert reasons._mean_slopes(CUMULATIVE, start, end[None, :])[0] == pytest.approx(along, abs=0.01)
    m = points_of(latent_probabilities(CUMULATIVE, np.array([start, end])))
    assert np.dot(along, end - start) == pytest.approx(m[1] - m[0])


def test_parts_that_cancel_take_the_slope_of_the_score():
    nps = model(ODDS | {"weight": 1.0})
    base = pd.DataFrame([[0.0] * 5], columns=NAMES)
    customer = base.assign(mean_days_late_of_delivered=0.5, events_90d_of_delivered=-1.0)
    points, _ = NpsExplainer.of(nps, {}, base, [0.2, 0.3, 0.5]).explain(customer)
    low, high = expit(ODDS["cuts"])
    slope = 100.0 * (low * (1 - low) + high * (1 - high))
    assert points[0] == pytest.approx([-0.5 * slope, 0.5 * slope, 0.0, 0.0, 0.0], abs=1e-4)
    assert NpsExplainer.of(nps, {}, base, [0.2, 0.3, 0.5]).reasons(customer) == [None]


def test_the_blend_weighs_its_members(customers, boosters):
    few, shares = customers.iloc[:50], [0.2, 0.3, 0.5]
    whole, _ = NpsExplainer.of(model(*BLEND), boosters, customers, shares).explain(few)
    alone = [NpsExplainer.of(model(m | {"weight": 1.0}), boosters, customers, shares).explain(few)[0] for m in BLEND]
    assert whole == pytest.approx(sum(m["weight"] * points for m, points in zip(BLEND, alone, strict=True)))
    assert not alone[3].any()


def test_a_late_customer_is_told_of_deliveries_and_the_rates_once(explainer):
    customer = pd.DataFrame([[2.0, 0.4, 0.3, 0.0, 0.0]], columns=NAMES)
    (said,) = explainer.reasons(customer)
    _, p = explainer.explain(customer)
    overall, first = said[0], said[1]
    assert overall["group"] == "NPS"
    assert overall["text"] == (
        f"such behaviour goes with {100 * p[0, 0]:.0f} % detractors and {100 * p[0, 2]:.0f} % promoters; "
        f"base {100 * explainer.base[0]:.0f} % and {100 * explainer.base[2]:.0f} %"
    )
    assert overall["points"] == pytest.approx(points_of(p)[0] - explainer.baseline, abs=0.005)
    assert first["group"] == "deliveries" and first["points"] < -20
    usual = explainer.usual[0]
    assert first["text"] == (
        f"deliveries {first['points']:+,.0f} points: mean days late of delivered 2.0 (base {usual:z.1f})"
    )
    (glad,) = explainer.reasons(-customer)
    assert glad[0]["points"] > 0 and glad[1]["points"] > 20


def test_every_group_leans_the_way_of_the_score_and_most_come_first(explainer, customers):
    found = explainer.reasons(customers, top=2)
    json.dumps(found)
    points, _ = explainer.explain(customers)
    within = np.abs(points.sum(axis=1)) <= least_difference(explainer.nps)
    assert [each is None for each in found] == within.tolist() and 0 < within.sum() < len(within)
    for each, own in zip(found, points, strict=True):
        if each is None:
            continue
        groups = {"deliveries": own[:2].sum(), "returns": own[2], "purchase rhythm": own[3:].sum()}
        leaning = sorted((value for value in groups.values() if value * own.sum() > 0), key=lambda v: -abs(v))
        told = [reason["points"] for reason in each[1:]]
        assert told == pytest.approx([value for value in leaning[:2] if abs(value) >= 0.5], abs=0.006)
        assert all(groups[reason["group"]] == pytest.approx(reason["points"], abs=0.006) for reason in each[1:])


def test_noise_says_what_needs_no_reason():
    assert least_difference({"noise": 4.0}) == pytest.approx(1.645 * 4)
    assert least_difference({"noise": None}) == least_difference({}) == 2.0


def test_chunks_change_nothing_and_tell_how_far_they_are(explainer, customers, monkeypatch):
    whole = list(nps_reasons(explainer, customers.iloc[:50]))
    monkeypatch.setattr(reasons, "ROWS_AT_ONCE", 7)
    done = []
    parts = list(nps_reasons(explainer, customers.iloc[:50], progress=lambda *now: done.append(now)))
    assert parts == whole
    assert done == [(7, 50), (14, 50), (21, 50), (28, 50), (35, 50), (42, 50), (49, 50), (50, 50)]
    assert list(nps_reasons(explainer, customers.iloc[:0])) == []
