"""Planted personas are found and no others, names are kept over refits, and each customer is assigned alone."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import adjusted_rand_score

from data.simulation.behaviour import simulate_behaviour
from features.catalogue import catalogue_of, feature_names
from features.vocabulary import Vocabulary
from models.segments.personas.model import (
    FITTED_ON,
    Personas,
    _why,
    assign_personas,
    drawn,
    fit_personas,
    places_of,
    profile,
)
from models.segments.personas.number_of_clusters import Trial

VOCABULARY = Vocabulary(
    purchase_columns=("order_id", "category", "channel", "discount", "quantity"),
    channels=("web", "app"),
    categories=("toys", "books"),
    event_kinds={"visit": ("duration_s",)},
    numeric_attributes=("age",),
)
# Activity, value, discounts, app and visits of four kinds of customers, in standard deviations.
KINDS = np.array([[1.8, 0.5, -1, 0, 1.5], [-1, 1.8, -1, 0, -1], [-1, -1, 1.8, 0, -1], [1, -1, 1.5, 1.5, 1.5]])
CUSTOMERS = 1200
SHARES = (0.4, 0.3, 0.2, 0.1)


def behaviour(latents: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Features with heavy tails, few values and gaps, from five latents of each customer."""
    n = len(latents)
    activity, value, bargains, app, visits = latents.T

    def noise() -> np.ndarray:
        return 0.3 * rng.standard_normal(n)

    orders = 1 + np.floor(np.exp(0.6 + 0.7 * activity + noise()))
    orders_last_year = np.floor(orders / (1 + np.exp(-activity)))
    value_of_order = np.exp(3 + 0.8 * value + noise())
    by_app = rng.binomial(orders.astype(int), 1 / (1 + np.exp(-1.5 * app))) / orders
    columns = {
        "days_since_last_purchase": np.floor(200 * np.exp(-0.8 * activity + noise())),
        "T": rng.integers(30, 900, n).astype(float),
        "orders_ever": orders,
        "orders_365d": orders_last_year,
        "net_value_ever": orders * value_of_order,
        "net_value_365d": orders_last_year * value_of_order,
        "last_purchase_value": value_of_order * np.exp(noise()),
        "monetary_value": np.where(orders > 1, value_of_order, 0.0),
        "weekend_share": rng.binomial(orders.astype(int), 2 / 7) / orders,
        "discount_share_ever": 1 / (1 + np.exp(1 - 1.5 * bargains - noise())),
        "discount_share_365d": np.full(n, np.nan),
        "channel_share_of_app": by_app,
        "channel_share_of_web": 1 - by_app,
        "events_365d_of_visit": np.floor(np.exp(1 + visits + noise())),
        "mean_duration_s_of_visit": np.where(rng.random(n) < 0.3, np.nan, np.exp(5 + 0.5 * visits + noise())),
        "quantity_per_order": 1.0 + rng.poisson(1, n),
        "attribute_age": np.where(rng.random(n) < 0.5, 20.0, 70.0),
    }
    frame = pd.DataFrame(columns).reindex(columns=feature_names(VOCABULARY))
    return frame.assign(customer_id=[f"c{number:07d}" for number in range(n)])


@pytest.fixture(scope="module")
def planted():
    """Customers of four kinds, and the personas fitted on them."""
    rng = np.random.default_rng(1)
    kind = rng.choice(4, CUSTOMERS, p=SHARES)
    described = behaviour(KINDS[kind] + 0.25 * rng.standard_normal((CUSTOMERS, 5)), rng)
    fitted = fit_personas(described, VOCABULARY, seed=0)
    named = assign_personas(fitted, described)
    return SimpleNamespace(kind=kind, described=described, fitted=fitted, named=named)


def profiled(personas: Personas, described: pd.DataFrame, scores: pd.DataFrame | None = None) -> pd.DataFrame:
    return profile(personas, described, places_of(personas, described), described, scores)


def test_planted_personas_are_found_and_no_others(planted):
    assert len(planted.fitted.names) == 4
    assert adjusted_rand_score(planted.kind, planted.named) > 0.9
    assert planted.fitted.agreement >= 0.9
    assert planted.fitted.why == ""
    shares = profiled(planted.fitted, planted.described)["share"]
    np.testing.assert_allclose(shares, np.bincount(planted.kind) / CUSTOMERS, atol=0.02)


def test_names_say_what_was_planted(planted):
    of_kind = [pd.Series(planted.named[planted.kind == kind]).mode()[0] for kind in range(4)]
    assert "frequent" in of_kind[0]
    assert "large purchases" in of_kind[1]
    assert "on discount" in of_kind[2]
    assert "by app" in of_kind[3]
    assert len(set(of_kind)) == 4


@pytest.mark.parametrize(
    ("alike", "personas", "why"),
    [
        (
            0.3,
            1,
            "No number of personas of 1,200 customers is stable: the best is 3, with an adjusted Rand index of",
        ),
        (0.9, 2, "Behaviour forms no groups: the spread within 2 personas is 100% of that of customers without any."),
    ],
)
def test_customers_without_groups_are_at_most_split_in_two_and_said_to_form_no_groups(alike, personas, why):
    rng = np.random.default_rng(2)
    common, own = rng.standard_normal((CUSTOMERS, 1)), rng.standard_normal((CUSTOMERS, 6))
    normals = (np.sqrt(alike) * common + np.sqrt(1 - alike) * own).T
    # Increasing functions of normals: half the customers bought once, and money has a heavy tail.
    described = pd.DataFrame(
        {
            "orders_ever": 1 + np.floor(np.exp(normals[0])),
            "net_value_ever": np.exp(3 + 1.5 * normals[1]),
            "last_purchase_value": np.exp(2 + normals[2]),
            "days_since_last_purchase": np.floor(600 * norm.cdf(-normals[3])),
            "events_365d_of_visit": np.floor(np.exp(normals[4])),
            "discount_share_ever": norm.cdf(normals[5]),
        }
    )
    described["customer_id"] = [f"{number:04d}" for number in range(CUSTOMERS)]
    fitted = fit_personas(described, VOCABULARY, seed=0)
    assert len(fitted.names) == personas
    assert fitted.why.startswith(why)


def test_stable_numbers_without_groups_are_the_reason_for_one_persona(planted):
    trials = (Trial(2, 0.85, 0.99, 0.4, 0.1), Trial(3, 0.95, 0.97, 0.5, 0.1))
    why = _why(planted.fitted.space, trials, 1, 1000)
    assert why == "Behaviour of 1,000 customers forms no groups, and a split in two is not stable."


def test_features_that_go_with_nothing_make_no_personas():
    rng = np.random.default_rng(3)
    names = ("days_since_last_purchase", "orders_ever", "net_value_ever", "weekend_share", "quantity_per_order")
    described = pd.DataFrame({name: rng.random(500) * 500 for name in names})
    fitted = fit_personas(described.assign(customer_id=[f"{i:03d}" for i in range(500)]), VOCABULARY, seed=0)
    assert fitted.names == ("all customers",)
    assert fitted.why.startswith("Too little of the behaviour of 500 customers")


def test_the_order_of_rows_and_a_second_run_change_no_bit(planted):
    shuffled = planted.described.sample(frac=1.0, random_state=5)
    again = fit_personas(shuffled, VOCABULARY, seed=0).to_dict()
    assert again == planted.fitted.to_dict()
    assert again == json.loads(json.dumps(again))
    stored = Personas.from_dict(json.loads(json.dumps(again)), catalogue_of(VOCABULARY))
    assert stored == planted.fitted
    assert (assign_personas(stored, shuffled) == planted.named[shuffled.index]).all()


def test_a_customer_is_named_by_its_own_row_alone(planted):
    personas = Personas.from_dict(json.loads(json.dumps(planted.fitted.to_dict())), catalogue_of(VOCABULARY))
    alone = [assign_personas(personas, planted.described.iloc[[row]])[0] for row in range(0, CUSTOMERS, 97)]
    assert alone == planted.named[::97].tolist()
    moved = planted.described.iloc[:50].copy()
    moved.loc[:9] = planted.described.iloc[[-1] * 10].to_numpy()
    named = assign_personas(personas, moved)
    assert set(named[:10]) == {planted.named[-1]}
    assert (named[10:] == planted.named[10:50]).all()


def test_a_refit_keeps_the_names_of_the_same_people(planted):
    rng = np.random.default_rng(7)
    # Everyone two weeks on, a tenth of them new; days and money have moved.
    later = planted.described.iloc[200:].copy()
    later["days_since_last_purchase"] += 14
    later["net_value_ever"] *= 1.02
    new = behaviour(KINDS[rng.choice(4, 200, p=SHARES)] + 0.25 * rng.standard_normal((200, 5)), rng)
    later = pd.concat([later, new.assign(customer_id="n" + new["customer_id"])], ignore_index=True)
    # No fit makes these names, so they can only have been kept.
    before = replace(planted.fitted, names=("A", "B", "C", "D"))
    refitted = fit_personas(later, VOCABULARY, seed=0, before=before)
    assert set(refitted.names) == {"A", "B", "C", "D"}
    moved = assign_personas(refitted, later) != assign_personas(before, later)
    assert moved.mean() < 0.02


def test_attributes_are_not_behaviour(planted):
    assert not [c for c in planted.fitted.space.coordinates if c.feature.startswith("attribute_")]
    other = planted.described.assign(attribute_age=33.0)
    assert (assign_personas(planted.fitted, other) == planted.named).all()


@pytest.mark.parametrize("customers", [0, 1, 2, 5, 30])
def test_small_shops_have_few_personas_or_one(planted, customers):
    described = planted.described.iloc[:customers]
    fitted = fit_personas(described, VOCABULARY, seed=0)
    assert 1 <= len(fitted.names) <= 3
    assert (fitted.why != "") == (len(fitted.names) == 1)
    assert len(assign_personas(fitted, described)) == customers
    assert profiled(fitted, described)["customers"].sum() == customers


def test_a_shop_where_all_are_equal_has_one_persona(planted):
    equal = planted.described.iloc[[0] * 100].assign(customer_id=[f"{i:03d}" for i in range(100)])
    assert fit_personas(equal, VOCABULARY, seed=0).names == ("all customers",)


def test_a_customer_without_defined_features_is_at_the_mean_of_the_base(planted):
    space = planted.fitted.space
    assert (space.place(pd.DataFrame(index=range(3))) == 0.0).all()
    # The mean is 0 but for shares, which few orders shrink, and for values between knots.
    np.testing.assert_allclose(space.place(planted.described).mean(axis=0), 0.0, atol=0.1)


def test_the_profile_counts_as_pandas_does(planted):
    scores = pd.DataFrame({"clv": planted.described["net_value_ever"], "p_purchase": 0.25})
    rows = profiled(planted.fitted, planted.described, scores)
    assert rows["persona"].tolist() == list(planted.fitted.names)
    by_hand = planted.described.groupby(planted.named)
    assert rows.set_index("persona")["customers"].to_dict() == by_hand.size().to_dict()
    assert rows.set_index("persona")["clv"].to_dict() == pytest.approx(by_hand["net_value_ever"].mean().to_dict())
    assert (rows["p_purchase"] == 0.25).all()
    largest = by_hand.get_group(rows["persona"][0])
    value = f"value bought in 365 days {largest['net_value_365d'].median():,.2f}"
    assert f"{value} (all {planted.described['net_value_365d'].median():,.2f})" in rows["told_by"][0]


def test_a_sample_tells_what_sets_a_persona_apart_and_everyone_how_far(planted):
    place, some = places_of(planted.fitted, planted.described), planted.described.iloc[::3]
    rows, of_all = profile(planted.fitted, planted.described, place, some), profiled(planted.fitted, planted.described)
    for each in (rows, of_all):
        # Which one comes later may turn on one that comes near.
        each["told_by"] = each["told_by"].str.split(";").str[0]
    pd.testing.assert_frame_equal(rows, of_all)
    of_others = planted.described.assign(net_value_365d=0.0)
    told = profile(planted.fitted, of_others, place, some)["told_by"][0]
    assert told and "value bought in 365 days" not in told


def test_of_a_large_base_mostly_the_same_customers_are_fitted_on():
    base = pd.Series([f"c{number}" for number in range(3 * FITTED_ON)])
    later = base.sample(frac=0.97, random_state=0)
    places, others = drawn(base, seed=0), drawn(base, seed=1)
    fitted_on, fitted_later = set(base.iloc[places]), set(later.iloc[drawn(later, seed=0)])
    assert len(fitted_on) == len(fitted_later) == FITTED_ON
    assert (np.diff(places) > 0).all()
    assert len(fitted_on & fitted_later) > 0.96 * FITTED_ON
    assert fitted_on != set(base.iloc[others])


def test_columns_that_are_no_features_do_not_matter():
    simulated = simulate_behaviour(300, seed=4, r_squared=0.2).features
    described = simulated.assign(customer_id=[f"{i:03d}" for i in range(300)])
    assert fit_personas(described, VOCABULARY, seed=0).names == ("all customers",)


@pytest.mark.parametrize("seed", range(3))
def test_personas_of_customers_of_two_kinds_can_be_stored_as_json(seed):
    """A null reference of customers of two kinds may have only two distinct points, and no spread around them."""
    other = np.repeat([0.0, 1.0], 20)
    two = pd.DataFrame({"customer_id": [f"c{number:02d}" for number in range(40)], "T": 300.0})
    two["orders_ever"], two["net_value_ever"] = 1 + 9 * other, 8 + 800 * other
    two["days_since_last_purchase"] = np.where(other, 10.0, 400.0)
    fitted = fit_personas(two, VOCABULARY, seed)
    json.dumps(fitted.to_dict(), allow_nan=False)
    assert pd.Series(assign_personas(fitted, two)).groupby(other).nunique().tolist() == [1, 1]
    assert len(fitted.names) == 2


def test_too_little_shared_behaviour_is_said_to_be_the_reason():
    other = np.repeat([0.0, 1.0], 20)
    alike = pd.DataFrame({"customer_id": [f"c{number:02d}" for number in range(40)], "T": 300.0})
    alike["orders_ever"], alike["net_value_ever"] = 9 + other, 8 + other
    why = fit_personas(alike, VOCABULARY, 0).why
    assert why == "Too little of the behaviour of 40 customers is shared by several features."
