"""The lists of a whole base, and the JSON of the reasons."""

import json

import numpy as np
import pandas as pd
import pytest

from features.engine.stored import StoredTable
from models.actions import lists
from models.actions.plan import find_actions, rows_at_places, to_table
from models.population.scored import assemble_scores
from models.release.release import Release

FEW = 20  # longest list, so that most customers are on none
NAMES = ["orders_90d", "returns_90d", "days_since_last_purchase"]
ODDS = {
    "kind": "proportional_odds",
    "weight": 1.0,
    "knots": [[0.0, 5.0], [0.0, 2.0], [0.0, 400.0]],
    "values": [[-0.5, 1.0], [0.5, -1.5], [0.5, -0.5]],
    "missing": [0.0, 0.0, 0.0],
    "cuts": [-1.0, 0.2],
}
PRIOR = {"source": "prior", "why": "No signal was found.", "prior": [0.2, 0.3, 0.5], "features": NAMES, "members": []}


@pytest.fixture(scope="module")
def base(a_scorer, tmp_path_factory):
    """600 customers, scored by a scorer with an NPS model."""
    rng = np.random.default_rng(5)
    frequency = rng.poisson(1.5, 600).astype(float)
    age = rng.integers(100, 700, 600).astype(float)
    recency = np.where(frequency > 0, np.floor(age * rng.random(600)), 0.0)
    recency = np.where((frequency > 0) & (recency == 0), 1.0, recency)
    value = np.where(frequency > 0, rng.gamma(3.0, 10.0, 600), 0.0)
    described = pd.DataFrame(
        {
            "customer_id": [f"c{i:03d}" for i in rng.permutation(600)],
            "as_of": pd.Timestamp("2024-01-01"),
            "first_purchase": pd.Timestamp("2023-01-01"),
            "last_purchase": pd.Timestamp("2023-06-01"),
            "frequency": frequency,
            "recency": recency,
            "T": age,
            "monetary_value": value,
            "spend_frequency": frequency,
            "spend_value": value,
            "total_value": (frequency + 1) * np.where(frequency > 0, value, 25.0),
            "days_since_last_purchase": age - recency,
            "days_between_purchases": np.where(frequency > 0, recency / np.maximum(frequency, 1), np.nan),
            "orders_90d": rng.poisson(1.0, 600).astype(float),
            "returns_90d": rng.poisson(0.4, 600).astype(float),
        }
    )
    nps = {"source": "model", "why": "", "features": NAMES, "members": [ODDS], "noise": 3.0, "cuts": [0.1, 0.3]}
    release = Release(a_scorer(nps=nps), {})
    return assembled(described, release), stored(described, tmp_path_factory.mktemp("base")), release


def stored(described, folder):
    described.to_parquet(folder / "described.parquet")
    return StoredTable(folder / "described.parquet")


@pytest.fixture(autouse=True)
def short_lists(monkeypatch):
    monkeypatch.setattr(lists, "LONGEST_LIST", FEW)


def assembled(described, release):
    return assemble_scores(described, release.scorer.score(described), release, None)


def test_what_drives_the_nps_comes_with_the_lists_and_adds_up_to_about_nothing(base):
    drivers = find_actions(*base).drivers
    turned = [driver.lifts - driver.lowers for driver in drivers]
    assert turned == sorted(turned, reverse=True)
    assert turned[0] > 1
    # The points are relative to the base, of which the customers are a sample.
    assert abs(sum(driver.lifts + driver.lowers for driver in drivers)) < 1


def test_customers_on_a_list_are_told_of_their_lists_first_then_of_their_nps(base):
    actions = find_actions(*base)
    by_title = {each.title: each for each in actions.lists}
    # Of the valuable only 18 are detractors by the cut points, and no likelier promoters.
    assert [len(each.customers) for each in actions.lists] == [18, FEW, FEW, FEW]
    listed = set().union(*(each.customers.index for each in actions.lists))
    assert set(actions.reasons.dropna().index) == listed
    customers_on_several, customers_with_nps = 0, 0
    for index in listed:
        reasons = json.loads(actions.reasons[index])
        assert all(reason["group"] and reason["text"] for reason in reasons)
        of_lists = [reason for reason in reasons if "worth" in reason]
        of_nps = reasons[len(of_lists) :]
        assert reasons[: len(of_lists)] == of_lists
        assert all(set(reason) == {"group", "points", "text"} for reason in of_nps)
        worth = {reason["group"]: reason["worth"] for reason in of_lists}
        assert list(worth.values()) == sorted(worth.values(), reverse=True)
        assert worth == {
            title: pytest.approx(each.customers.loc[index, "value"], abs=0.006)
            for title, each in by_title.items()
            if index in each.customers.index
        }
        if of_nps:
            assert of_nps[0]["group"] == "NPS"
        customers_on_several += len(of_lists) > 1
        customers_with_nps += len(of_nps) > 0
    assert customers_on_several > 0
    assert FEW < customers_with_nps < len(listed)


def test_lists_that_nps_makes_say_its_reasons_and_the_others_do_not(base):
    for each in find_actions(*base).lists:
        about_nps = each.customers["why"].str.contains("; such behaviour goes with")
        assert about_nps.all() if each.name in ("likely_detractors", "promoters") else not about_nps.any()


def test_nps_is_explained_for_all_or_for_nobody_where_asked(base):
    scores = base[0]
    everyone = find_actions(*base, reasons="all")
    listed = find_actions(*base)
    nobody = find_actions(*base, reasons="off")
    where = listed.reasons.notna()
    assert 50 < where.sum() < 80 < everyone.reasons.notna().sum() < 600
    assert everyone.reasons[where].equals(listed.reasons[where])
    m = 100 * (scores["p_promoter"] - scores["p_detractor"]).astype(float)
    for index, text in everyone.reasons[~where].dropna().items():
        overall = json.loads(text)[0]
        assert overall["points"] == pytest.approx(m[index] - m.mean(), abs=0.1)
    assert nobody.reasons.notna().equals(where)
    assert not nobody.reasons.str.contains("points").any()
    with pytest.raises(ValueError, match="reasons must be"):
        find_actions(*base, reasons="some")


def test_the_order_of_rows_changes_nothing(base, tmp_path):
    scores, described, release = base
    mixed = np.random.default_rng(0).permutation(600)
    turned = scores.iloc[mixed].reset_index(drop=True), stored(described.frame().iloc[mixed], tmp_path), release
    one, other = find_actions(*base), find_actions(*turned)
    assert one.reasons.iloc[mixed].tolist() == other.reasons.tolist()
    pd.testing.assert_frame_equal(to_table(one.lists), to_table(other.lists))


def test_the_table_holds_every_list_in_its_order(base):
    actions = find_actions(*base)
    table = to_table(actions.lists)
    assert list(table) == ["list", "rank", "customer_id", "segment", "value", "why", "value_definition"]
    assert not table.isna().any(axis=None)
    for each in actions.lists:
        own = table[table["list"] == each.name]
        assert own["rank"].tolist() == list(range(1, len(each.customers) + 1))
        assert (own["value"] > 0).all()
        assert own["value"].is_monotonic_decreasing or each.name == "likely_detractors"
        assert (own["value_definition"] == each.value_definition).all()
        assert own["customer_id"].tolist() == each.customers["customer_id"].tolist()


def test_without_a_signal_two_lists_remain_and_nobody_is_told_of_nps(base, a_scorer):
    _, described, _ = base
    release = Release(a_scorer(nps=PRIOR), {})
    actions = find_actions(assembled(described.frame(), release), described, release, reasons="all")
    assert [each.absent is None for each in actions.lists] == [False, True, False, True]
    assert set(to_table(actions.lists)["list"]) == {"lapsing", "second_purchase"}
    assert not actions.reasons.dropna().str.contains("NPS").any()


@pytest.mark.parametrize("missing", [0, 40, 200])
def test_rows_at_places_are_those_of_a_whole_sort_by_value_and_id(rng, missing):
    values = rng.integers(0, 12, 200) / 7.0
    values[rng.permutation(200)[:missing]] = np.nan
    ids = rng.permutation([f"{name}{number}" for number in range(50) for name in ("a", "B", "é", "客")])
    rows = pd.DataFrame({"value": values, "customer_id": ids})
    places = np.sort(rng.permutation(200)[:60])
    expected = rows.sort_values(["value", "customer_id"]).index[places]
    assert rows_at_places(rows["value"], rows["customer_id"], places).tolist() == expected.tolist()
