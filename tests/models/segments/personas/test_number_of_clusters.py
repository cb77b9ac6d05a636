"""The number of personas: the null reference, the criterion, the silhouette and the space, each checked another way."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from features.catalogue import catalogue_of
from features.vocabulary import TRANSACTION_EXTRAS, Vocabulary
from models.segments.personas import number_of_clusters
from models.segments.personas.null_reference import null_reference
from models.segments.personas.number_of_clusters import (
    CRITERION,
    Trial,
    _with_agreements,
    adjusted_rand_index,
    chosen,
    cluster,
    nearest,
    simplified_silhouette,
    try_numbers,
)
from models.segments.personas.space import fit_space

FEATURES = catalogue_of(
    Vocabulary(
        purchase_columns=TRANSACTION_EXTRAS,
        channels=("app", "web", "shop"),
        event_kinds={"visit": ()},
        numeric_attributes=("age",),
    )
)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(limits=1):
        yield


def test_a_null_reference_has_the_distributions_and_correlations_of_its_features(rng):
    a, b = rng.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 4000).T
    columns = np.array([np.floor(np.exp(a)), np.exp(b), np.where(b > 1, 1.0, 0.0)])
    drawn = null_reference(columns, 4000, rng)
    assert (np.sort(drawn, axis=1) == np.sort(columns, axis=1)).all()
    assert spearmanr(drawn[0], drawn[1])[0] == pytest.approx(spearmanr(columns[0], columns[1])[0], abs=0.06)
    np.testing.assert_allclose(np.corrcoef(drawn), np.corrcoef(columns), atol=0.05)


def test_a_null_reference_of_two_groups_has_none(rng):
    groups = rng.integers(0, 2, 3000) * 6.0
    columns = np.array([groups + rng.standard_normal(3000), groups + rng.standard_normal(3000)])
    reference = null_reference(columns, 3000, rng)
    within = cluster(reference.T, 2, 0)[1]
    assert cluster(columns.T, 2, 0)[1] < 0.7 * within
    assert cluster(null_reference(reference, 3000, rng).T, 2, 0)[1] == pytest.approx(within, rel=0.03)


def test_the_nearest_centre_has_the_least_distance(rng):
    placed, centres = rng.standard_normal((200, 3)), rng.standard_normal((5, 3))
    distances = np.linalg.norm(placed[:, None] - centres[None], axis=2)
    assert (nearest(placed, centres.tolist()) == distances.argmin(axis=1)).all()


def trials(*figures):
    return tuple(Trial(k, agreement, spread, silhouette, 0.1) for k, agreement, spread, silhouette in figures)


def test_the_number_is_chosen_by_the_criterion():
    of_four = trials((2, 0.99, 0.97, 0.70), (3, 0.95, 0.94, 0.56), (4, 0.90, 0.86, 0.58), (5, 0.89, 0.60, 0.65))
    # 2 has the best silhouette but shows no groups; 5 has the next best and is not stable.
    assert chosen(of_four, 1000) == 4
    assert chosen(of_four, 1000, before=3) == 3
    assert chosen(of_four, 1000, before=2) == 2
    assert chosen(of_four, 1000, before=5) == chosen(of_four, 1000, before=8) == 4
    # Without groups two personas are chosen where they are stable, and never more.
    assert chosen(trials((2, 0.95, 0.99, 0.4), (3, 0.95, 0.97, 0.5)), 1000) == 2
    assert chosen(trials((2, 0.85, 0.99, 0.4), (3, 0.95, 0.97, 0.5)), 1000) == 1
    # The number of an earlier fit is kept while it has no more spread than the null reference.
    assert chosen(trials((2, 0.95, 0.99, 0.4), (3, 0.95, 0.97, 0.5)), 1000, before=3) == 3
    assert chosen(trials((2, 0.95, 0.99, 0.4), (3, 0.95, 1.01, 0.5)), 1000, before=3) == 2
    assert "no more spread than the null reference" in CRITERION
    assert chosen((), 1000) == 1
    # A persona has at least ten customers and a fiftieth of the base.
    assert chosen((Trial(2, 1.0, 0.5, 0.5, 0.1),), 100) == 2
    assert chosen((Trial(2, 1.0, 0.5, 0.5, 0.1),), 90) == 1
    assert chosen((Trial(2, 1.0, 0.5, 0.5, 0.019),), 100_000) == 1


def test_the_agreement_is_scikit_learns_to_the_last_bit(rng):
    for k, noise in ((2, 0.0), (3, 0.2), (6, 1.0), (4, 0.01)):
        one = rng.integers(0, k, 3000)
        other = np.where(rng.random(3000) < noise, rng.integers(0, k, 3000), (one + 1) % k)
        assert adjusted_rand_index(one, other, k) == adjusted_rand_score(one, other)
    assert adjusted_rand_index(one, np.zeros_like(one), 4) == adjusted_rand_score(one, np.zeros_like(one)) == 0.0


def test_the_number_is_the_same_where_only_the_agreements_that_it_depends_on_are_computed(rng):
    fewer = 0
    for _ in range(2000):
        figures = [rng.choice(of) for of in ([0.85, 0.95], [0.9, 0.97, 1.1], [0.4, 0.41, 0.5]) for _ in range(5)]
        every = trials(*zip(range(2, 7), figures[:5], figures[5:10], figures[10:], strict=True))[: rng.integers(0, 6)]
        before = rng.choice([None, 2, 4, 8])
        bare = [replace(trial, agreement=None) for trial in every]
        asked = _with_agreements(bare, {t.k: t.agreement for t in every}.__getitem__, 1000, before)
        assert chosen(asked, 1000, before) == chosen(every, 1000, before)
        assert all(a == t or a.agreement is None for a, t in zip(asked, every, strict=True))
        # Where none is chosen, all are told.
        assert chosen(every, 1000, before) > 1 or asked == every
        fewer += asked != every
    assert fewer > 500


def test_a_fit_on_customers_asks_for_no_more(rng, monkeypatch):
    common = rng.standard_normal(400)
    names = ("last_purchase_value", "quantity_per_order")
    orders = pd.DataFrame({name: np.exp(2 * common + rng.standard_normal(400)) for name in names})
    space, asked = fit_space(orders, FEATURES), []
    agreement = number_of_clusters._agreement
    monkeypatch.setattr(
        number_of_clusters, "_agreement", lambda fits, k, seed: asked.append(k) or agreement(fits, k, seed)
    )
    some, with_before = (try_numbers(orders, space, FEATURES, 0, before) for before in (None, 5))
    assert asked == [2, 5, 2]
    assert chosen(some, 400) == chosen(with_before, 400, 5) == 2
    assert [trial.agreement is None for trial in with_before] == [False, True, True, False, True]


def test_the_silhouette_is_that_of_two_distances(rng):
    placed, centres = rng.standard_normal((200, 3)), rng.standard_normal((4, 3))
    distances = np.sort(np.linalg.norm(placed[:, None] - centres[None], axis=2), axis=1)
    by_hand = ((distances[:, 1] - distances[:, 0]) / distances[:, 1]).mean()
    assert simplified_silhouette(placed, centres) == pytest.approx(by_hand)
    assert simplified_silhouette(np.repeat(centres, 5, axis=0), centres) == 1.0


def test_amounts_and_days_count_by_their_doublings_and_shares_by_their_deviation(rng):
    orders = rng.geometric(0.5, 1000).astype(float)
    described = pd.DataFrame(
        {
            "orders_ever": orders,
            "net_value_ever": np.exp(rng.standard_normal(1000)) - 0.1,
            "days_since_last_purchase": rng.integers(0, 700, 1000).astype(float),
            "orders_trend_90d": np.where(rng.random(1000) < 0.2, np.nan, rng.uniform(-1, 1, 1000)),
        }
    )
    by_name = {c.feature: c for c in fit_space(described, FEATURES).coordinates}

    def score(values, unit):
        return np.sign(values) * np.log2(1 + np.abs(values) / unit)

    trend = described["orders_trend_90d"]
    by_hand = {
        "orders_ever": score(orders, np.median(orders)),
        "net_value_ever": score(described["net_value_ever"], described["net_value_ever"].abs().median()),
        "days_since_last_purchase": score(described["days_since_last_purchase"], 30),
        "orders_trend_90d": (trend / trend.std()).fillna(trend.mean() / trend.std()),
    }
    for name, scores in by_hand.items():
        placed = by_name[name].place(described) / by_name[name].weight
        middle = described[name].isna() | described[name].between(*described[name].quantile([0.01, 0.99]))
        assert placed[middle.to_numpy()] == pytest.approx(np.asarray(scores - scores.mean())[middle], abs=0.03)
        assert by_name[name].weight == pytest.approx(min(1, 1 / np.std(placed)), rel=0.03)
    assert (by_name["orders_trend_90d"].place(described)[trend.isna()] == 0).all()
    # The score is constant beyond the outermost knot.
    far = described.assign(net_value_ever=[1e9] * 1000)
    assert by_name["net_value_ever"].place(far)[0] == by_name["net_value_ever"].place(described).max()


def test_a_theme_varies_at_most_as_one_feature_and_few_orders_tell_little_of_a_habit(rng):
    share = rng.random(500)
    described = pd.DataFrame(
        {
            "orders_ever": np.repeat([1.0, 27.0], 250),
            "channel_share_of_app": share,
            "channel_share_of_web": 1 - share,
            "channel_share_of_shop": rng.permutation(share),
            "weekend_share": np.tile([0.0, 1.0], 250),
        }
    )
    coordinates = fit_space(described, FEATURES).coordinates
    of_channels = [c.place(described) for c in coordinates if c.theme == "channels"]
    assert len(of_channels) == 3
    assert sum(column.var() for column in of_channels) == pytest.approx(1.0)
    weekend = next(c for c in coordinates if c.feature == "weekend_share").place(described)
    # n / (n + 3): a quarter of one order, nine tenths of 27.
    assert weekend[1] / weekend[-1] == pytest.approx(0.25 / 0.9)


def test_components_are_what_several_themes_share(rng):
    common, own = rng.standard_normal((2, 3000))
    names = ["last_purchase_value", "quantity_per_order", "orders_trend_90d", "sales_trend_90d", "margin_share"]
    # Two trends are the same and vary strongly, but they are one theme; margin goes with nothing.
    described = pd.DataFrame(
        {
            "last_purchase_value": np.exp(3 * common + rng.standard_normal(3000)),
            "quantity_per_order": np.exp(3 * common + rng.standard_normal(3000)),
            "orders_trend_90d": np.tanh(own),
            "sales_trend_90d": np.tanh(own),
            "margin_share": rng.random(3000),
        }
    )
    space = fit_space(described, FEATURES)
    (component,) = space.components
    at = [coordinate.feature for coordinate in space.coordinates]
    loadings = dict(zip(at, np.abs(component), strict=True))
    assert loadings["last_purchase_value"] == pytest.approx(0.5**0.5, abs=0.05)
    assert loadings["quantity_per_order"] == pytest.approx(0.5**0.5, abs=0.05)
    assert max(loadings[name] for name in names[2:]) < 0.05
    assert fit_space(described.drop(columns="quantity_per_order"), FEATURES).components == ()


def test_of_two_columns_the_shared_variance_is_that_of_regression(rng):
    # Each column's shared variance is the square of their correlation: eigenvalue r^2 + r, less chance, p / n.
    for r, kept in ((0.25, 0), (0.35, 1)):
        a, b = rng.multivariate_normal([0, 0], [[1, r], [r, 1]], 20_000).T
        described = pd.DataFrame({"margin_share": a, "orders_trend_90d": b})
        assert len(fit_space(described, FEATURES).components) == kept


def test_one_or_two_windows_of_a_feature_are_taken_and_no_attribute():
    themes = {name: use.theme or FEATURES[name].group for name in FEATURES if (use := FEATURES[name].persona)}
    assert (themes["orders_365d"], themes["events_365d_of_visit"]) == ("frequency", "visits")
    assert not {"orders_30d", "events_90d_of_visit", "attribute_age", "gap_z"} & set(themes)


def test_three_planted_groups_are_found_by_their_figures(rng):
    names = ["orders_ever", "net_value_ever", "last_purchase_value", "quantity_per_order"]
    kind = rng.integers(0, 3, 600)
    middles = np.array([[0, 0, 0, 6], [8, 8, 0, 0], [0, 8, 8, 0]])[kind]
    described = pd.DataFrame(middles + rng.standard_normal((600, 4)), columns=names)
    by_k = {trial.k: trial for trial in try_numbers(described, fit_space(described, FEATURES), FEATURES, seed=0)}
    assert set(by_k) == {2, 3, 4, 5, 6}
    assert by_k[3].agreement > 0.97
    assert by_k[3].spread < 0.6
    assert by_k[3].smallest == pytest.approx(np.bincount(kind).min() / 600, abs=0.02)
    assert chosen(tuple(by_k.values()), 600) == 3
