"""Cohorts by groups, counted by hand."""

from dataclasses import replace
from datetime import date

import ibis
import pandas as pd
import pytest

from data.errors import InputError
from features.tables import open_tables
from models.population.cohort_groups import OTHER, UNKNOWN, choose_groupings, follow_base
from models.population.sums_ahead import HISTORY

AS_OF = date(2024, 4, 10)
ROWS = """customer_id,ts,amount,category,channel
a,2024-01-05,10,tea,web
a,2024-02-05,30,honey,web
b,2024-01-20,20,tea,web
c,2024-03-02,8,honey,shop
d,2024-02-01,5,,shop
d,2024-04-02,7,,shop
"""


@pytest.fixture
def tables(tmp_path):
    from data.intake.pipeline import Rules, Source, take_in

    (tmp_path / "sales.csv").write_text(ROWS)
    take_in({"transactions": Source(tmp_path / "sales.csv")}, tmp_path / "clean", Rules())
    return open_tables(tmp_path / "clean")


def followed(tables, release, by, scores):
    """The only grouping, of customers who have bought once so long before; d also on the second of April."""
    bought_once = pd.DataFrame(0.0, range(len(scores)), HISTORY)
    history = bought_once.assign(T=(pd.Timestamp(AS_OF) - scores["first_purchase"]).dt.days - 1.0)
    last = scores["first_purchase"].mask(scores["customer_id"] == "d", pd.Timestamp("2024-04-02"))
    _, (found,) = follow_base(tables, AS_OF, [by], release, history, scores.assign(last_purchase=last))
    return found


def test_ages_count_those_who_lived_through_them_and_the_first_purchase_tells_the_group(tables, release):
    first = pd.to_datetime(["2024-01-05", "2024-01-20", "2024-03-02", "2024-02-01"])
    scores = pd.DataFrame({"customer_id": list("abcd"), "first_purchase": first, "p_purchase": [0.2, 0.4, 0.6, 0.8]})
    found = followed(tables, release, "category", scores.assign(expected_revenue=1.0))
    assert found.groups[["group", "customers", "p_purchase", "expected_revenue"]].values.tolist() == [
        ["tea", 2, pytest.approx(0.3), 1.0],
        ["honey", 1, 0.6, 1.0],
        [UNKNOWN, 1, 0.8, 1.0],
    ]
    for mean, low, high in (
        ("p_purchase", "buyers_low", "buyers_high"),
        ("expected_revenue", "revenue_low", "revenue_high"),
    ):
        assert (found.groups[low] < found.groups[mean]).all()
        assert (found.groups[high] > found.groups[mean]).all()
    cells = {(row.group, row.age): (row.customers, row.share, row.value) for row in found.ages.itertuples()}
    assert cells == {
        ("tea", 0): (2, 1.0, 15.0),
        ("tea", 1): (2, 0.5, 30.0),
        ("tea", 2): (2, 0.0, 30.0),
        ("honey", 0): (1, 1.0, 8.0),
        (UNKNOWN, 0): (1, 1.0, 5.0),
        (UNKNOWN, 1): (1, 0.0, 5.0),
    }
    assert found.groups["value"].tolist() == [30.0, 8.0, 12.0]
    # By the end of each month ahead, the first of which is under way: d has bought in it already.
    months = found.ahead.set_index(["group", "month"])
    assert list(months.index.unique("month")) == [12 * 2024 + 3 + k for k in range(6)]
    assert months.loc[(UNKNOWN, 12 * 2024 + 3), ["share", "low", "high"]].tolist() == [1.0, 1.0, 1.0]
    assert (months.loc["tea", "value"].diff().dropna() > 0).all()
    # All of "tea" came in one month of first purchase, which therefore tells the same.
    tea = found.cohorts["tea"]
    assert tea.sizes.to_dict() == {12 * 2024: 2}
    counted = tea.past.set_index(["cohort", "month"])[["buyers", "value"]]
    assert counted.T.to_dict("list") == {(12 * 2024, 12 * 2024): [2, 30.0], (12 * 2024, 12 * 2024 + 1): [1, 30.0]}
    assert tea.ahead["value"].tolist() == pytest.approx(months.loc["tea", "value"].tolist())


def test_few_groups_are_kept_and_the_rest_are_one(tables, release, monkeypatch):
    monkeypatch.setattr("models.population.counted_groups.MOST_GROUPS", 1)
    first = pd.to_datetime(["2024-01-05", "2024-01-20", "2024-03-02", "2024-02-01"])
    scores = pd.DataFrame({"customer_id": list("abcd"), "first_purchase": first, "p_purchase": 0.5})
    found = followed(tables, release, "category", scores.assign(expected_revenue=1.0))
    assert set(found.groups["group"]) == {"tea", OTHER, UNKNOWN}


def test_columns_of_few_values_group_customers_and_what_is_named_comes_first(tables):
    assert choose_groupings(tables, None, ["region"]) == ["category", "channel"]
    assert choose_groupings(tables, "channel", []) == ["channel", "category"]
    who = {"customer_id": [f"c{k}" for k in range(60)], "valid_from": None, "email": [f"{k}@x" for k in range(60)]}
    who |= {"plan": ["free", "paid"] * 30, "age": range(60), "country": ["DE"] * 60}
    customers = ibis.memtable(pd.DataFrame(who))
    assert choose_groupings(replace(tables, customers=customers), None, []) == ["category", "channel", "plan"]
    assert choose_groupings(replace(tables, customers=customers), "email", ["country"]) == [
        *("email", "category", "channel", "country", "plan")
    ]
    with pytest.raises(InputError, match=r"cohorts_by is a text of 6 characters.*it has: category, channel"):
        choose_groupings(tables, "region", [])
