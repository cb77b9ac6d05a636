from datetime import date

import ibis
import pandas as pd
import pytest

from data.errors import InputError
from features.describe import materialise
from features.outcomes import everyones_purchases_by_day, outcomes, purchases_by_day
from features.spine import everyone, pairs

AS_OF = date(2024, 1, 10)
SALES = [
    ("a", "2024-01-01", 10),
    ("a", "2024-01-10 00:00", 7),  # the first moment of the horizon
    ("a", "2024-01-12 08:00", 20),
    ("a", "2024-01-12 09:00", -5),
    ("a", "2024-01-15", -3),  # it lowers what was bought on the 12th
    ("a", "2024-01-19 23:59", 4),  # the last moment of ten days
    ("a", "2024-01-20", 100),
    ("b", "2024-01-02", 10),
    ("c", "2024-01-11", 10),  # not known before as_of
]


@pytest.fixture
def transactions(shop):
    late = {"customer_id": "b", "ts": "2024-01-13", "available_at": "2024-01-25", "amount": 8}
    rows = [{"customer_id": customer, "ts": ts, "amount": amount} for customer, ts, amount in SALES]
    return shop([*rows, late]).transactions


def counted(table):
    return {
        (row["customer_id"], row["as_of"].date()): (row["purchases"], row["revenue"])
        for row in materialise(table).to_dict("records")
    }


def test_outcomes_are_purchase_days_and_their_net_in_the_horizon(transactions):
    got = outcomes(transactions, everyone(transactions, AS_OF), 10, date(2024, 1, 20))
    assert counted(got) == {("a", AS_OF): (3.0, 7.0 + 12.0 + 4.0), ("b", AS_OF): (0.0, 0.0)}


def test_a_return_lowers_the_purchase_of_the_horizon_whenever_it_is_booked(shop):
    rows = [("a", "2024-01-01", 10, "A"), ("a", "2024-01-12", 20, "B"), ("a", "2024-01-14", 5, "C")]
    rows += [("a", "2024-01-13", -10, "A"), ("a", "2024-01-22", -20, "B"), ("a", "2024-01-23", -1, "C")]
    lines = [{"customer_id": who, "ts": ts, "amount": amount, "order_id": order} for who, ts, amount, order in rows]
    sold = shop(lines).transactions
    # What comes back of the purchase before as_of is no matter of the horizon; what came back after it is.
    for known, expected in ((20, (2.0, 25.0)), (23, (1.0, 5.0)), (24, (1.0, 4.0))):
        got = outcomes(sold, everyone(sold, AS_OF), 10, date(2024, 1, known))
        assert counted(got) == {("a", AS_OF): expected}


def test_rows_that_came_later_count_once_they_are_known(transactions):
    got = outcomes(transactions, everyone(transactions, AS_OF), 10, date(2024, 1, 26))
    assert counted(got)["b", AS_OF] == (1.0, 8.0)


def test_outcomes_of_pairs_are_each_from_their_own_date(transactions):
    spine = pairs(ibis.memtable({"customer_id": list("aac"), "as_of": [AS_OF, date(2024, 1, 16), AS_OF]}))
    got = outcomes(transactions, spine, 5, date(2024, 1, 26))
    assert counted(got) == {("a", AS_OF): (2.0, 19.0), ("a", date(2024, 1, 16)): (2.0, 104.0)}


def test_purchases_are_counted_day_by_day(transactions):
    got = materialise(purchases_by_day(transactions, everyone(transactions, AS_OF), date(2024, 1, 20)))
    assert got.as_of.unique().tolist() == got.as_of.tolist()[:1]
    assert [(row.date.date().isoformat(), row.purchases, row.repeat_purchases) for row in got.itertuples()] == [
        ("2024-01-01", 1, 0),
        ("2024-01-02", 1, 0),
        ("2024-01-10", 1, 1),
        ("2024-01-12", 1, 1),
        ("2024-01-19", 1, 1),
    ]


def test_purchases_until_a_date_are_counted_by_day_without_following_anyone(shop):
    rows = [("a", "2024-01-01", 10, "A"), ("a", "2024-01-03", 20, "B"), ("a", "2024-01-05", 5, "C")]
    rows += [("a", "2024-01-06", -10, "A"), ("b", "2024-01-03", 7, "D"), ("c", "2024-01-11", 7, "E")]
    tables = shop(
        [{"customer_id": who, "ts": ts, "amount": amount, "order_id": order} for who, ts, amount, order in rows]
    )
    for as_of in (AS_OF, date(2024, 1, 20)):
        followed = purchases_by_day(tables.transactions, everyone(tables.transactions, as_of), as_of)
        got = everyones_purchases_by_day(tables, as_of, as_of)
        pd.testing.assert_frame_equal(got, materialise(followed))
    # What came back in full on the first day leaves the third as the first purchase.
    assert got["repeat_purchases"].tolist() == [0, 1, 0]


def test_a_horizon_that_is_not_over_is_refused(transactions):
    with pytest.raises(InputError, match="complete at 2024-01-20"):
        outcomes(transactions, everyone(transactions, AS_OF), 10, date(2024, 1, 19))
    spine = pairs(ibis.memtable({"customer_id": ["a", "a"], "as_of": [date(2023, 1, 1), AS_OF]}))
    with pytest.raises(InputError, match="complete at 2024-01-20"):
        outcomes(transactions, spine, 10, date(2024, 1, 19))
    with pytest.raises(InputError, match="at least 1 day, got 0"):
        outcomes(transactions, spine, 0, date(2024, 1, 19))
