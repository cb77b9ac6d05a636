"""Sufficient statistics counted in the engine equal those that pandas counts."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from features.describe import materialise
from features.purchases import purchase_changes, purchase_statistics, spend_statistics, summarise_purchases
from features.spine import everyone, pairs
from features.tables import Tables

BEFORE, AS_OF = date(2024, 2, 1), date(2024, 3, 1)
HISTORY = ["frequency", "recency", "T"]
HAND_MADE = pd.DataFrame(
    [
        # frequency, recency, T, spend_frequency, spend_value
        (0.0, 0.0, 30.0, 0.0, 0.0),
        (2.0, 10.0, 30.0, 2.0, 5.5),
        (0.0, 0.0, 30.0, 0.0, 0.0),
        (2.0, 10.0, 30.0, 1.0, 5.5),
        (2.0, 10.0, 30.0, 2.0, 5.5),
        (2.0, 9.0, 30.0, 1.0, -4.0),
        (0.0, 0.0, 29.0, 0.0, 0.0),
    ],
    columns=["frequency", "recency", "T", "spend_frequency", "spend_value"],
)


@pytest.fixture(scope="module")
def hand_made():
    return ibis.duckdb.connect().create_table("summary", HAND_MADE)


@pytest.fixture(scope="module")
def random_summary(shop):
    random = np.random.default_rng(3)
    rows = [
        {
            "customer_id": str(customer),
            "ts": str(pd.Timestamp("2024-01-01") + pd.Timedelta(hours=int(hours))),
            "amount": round(float(amount), 2),
        }
        for customer, hours, amount in zip(
            random.integers(0, 400, 2_000), random.integers(0, 24 * 20, 2_000), random.normal(5, 4, 2_000), strict=True
        )
    ]
    transactions = shop(rows, threads=2).transactions
    return transactions, summarise_purchases(transactions, everyone(transactions, date(2024, 1, 15)))


def counted_by_pandas(frame, names):
    return frame.groupby(names).size().astype(float).rename("customers").reset_index()


def test_purchase_patterns_by_hand(hand_made):
    got = purchase_statistics(hand_made)
    assert [str(kind) for kind in got.schema().values()] == ["float64"] * 4
    assert list(got.to_pandas().itertuples(index=False, name=None)) == [
        (0, 0, 29, 1),
        (0, 0, 30, 2),
        (2, 9, 30, 1),
        (2, 10, 30, 3),
    ]


def test_spend_patterns_by_hand_leave_out_who_tells_nothing(hand_made):
    got = spend_statistics(hand_made)
    assert [str(kind) for kind in got.schema().values()] == ["float64"] * 3
    assert list(got.to_pandas().itertuples(index=False, name=None)) == [(1, 5.5, 1), (2, 5.5, 2)]


def test_patterns_of_a_base_equal_those_of_pandas(random_summary):
    _, summary = random_summary
    frame = summary.to_pandas()
    purchases, spend = purchase_statistics(summary).to_pandas(), spend_statistics(summary).to_pandas()
    pd.testing.assert_frame_equal(purchases, counted_by_pandas(frame, ["frequency", "recency", "T"]))
    assert purchases.customers.sum() == len(frame) > len(purchases) > 10
    priced = frame[(frame.spend_frequency > 0) & (frame.spend_value > 0)]
    pd.testing.assert_frame_equal(spend, counted_by_pandas(priced, ["spend_frequency", "spend_value"]))
    assert spend.customers.sum() == len(priced) < len(frame)


def test_pairs_of_one_customer_count_one_by_one(random_summary):
    transactions, _ = random_summary
    dates = pd.to_datetime(["2024-01-08", "2024-01-15"])
    spine = pairs(ibis.memtable(pd.DataFrame({"customer_id": "7", "as_of": dates})))
    assert purchase_statistics(summarise_purchases(transactions, spine)).to_pandas().customers.sum() == 2


@pytest.mark.parametrize("count", [purchase_statistics, spend_statistics])
def test_no_customer_gives_no_pattern(hand_made, count):
    assert count(hand_made.filter(hand_made["T"] < 0)).to_pandas().empty


@pytest.mark.parametrize("count", [purchase_statistics, spend_statistics])
def test_the_counting_can_be_said_to_postgres(hand_made, count):
    sql = ibis.to_sql(count(hand_made), dialect="postgres")
    assert "GROUP BY" in sql and "DOUBLE PRECISION" in sql


@pytest.fixture
def transactions(shop):
    rows = [
        ("a", "2024-01-05", None, 10),
        ("a", "2024-01-05 12:00", None, -3),
        ("a", "2024-01-20", None, 10),
        ("a", "2024-02-11", None, 10),
        ("a", "2024-02-12", None, -10),  # it takes back the purchase of the day before
        ("b", "2024-01-31 23:59", None, 0),
        ("b", "2024-03-01", None, 5),  # not seen at either date
        ("c", "2024-01-10", None, 5),
        ("c", "2024-01-03", "2024-02-09", 5),  # an earlier first purchase, known late
        ("d", "2024-02-02", None, 5),  # new
        ("d", "2024-02-09", None, 5),
        ("e", "2024-01-10", "2024-02-20", 5),  # new, as nothing was known of them
        ("f", "2024-01-10", None, -5),  # never bought
        ("g", "2024-01-06", None, -5),
        ("g", "2024-01-06", "2024-02-03", 8),  # the day becomes a purchase when its sale is known
        ("h", "2024-01-05", None, 10),  # as what is left of customer a's history
        ("h", "2024-01-20", None, 10),
        ("i", "2024-01-05", None, 10),
        ("i", "2024-01-20", None, 10),
    ]
    columns = ("customer_id", "ts", "available_at", "amount")
    return shop([{k: v for k, v in zip(columns, row, strict=True) if v is not None} for row in rows]).transactions


def summary(transactions, as_of):
    return materialise(summarise_purchases(transactions, everyone(transactions, as_of))).set_index("customer_id")[
        HISTORY
    ]


def test_both_histories_are_those_of_the_summary(transactions):
    now = summary(transactions, AS_OF)
    before = summary(transactions, BEFORE).reindex(now.index).add_suffix("_before")
    expected = now.join(before).groupby([*HISTORY, *before.columns], dropna=False).size().rename("customers")
    got = purchase_changes(Tables(transactions), BEFORE, AS_OF).to_pandas()
    pd.testing.assert_frame_equal(got, expected.astype(float).reset_index(), check_index_type=False)
    assert got["customers"].tolist().count(3.0) == 1
    assert got["customers"].sum() == len(now) == 8


def test_a_purchase_that_came_back_since_stays_in_the_later_history(shop):
    rows = [("a", "2024-01-05", 10), ("a", "2024-01-20", 10), ("a", "2024-02-15", -10), ("b", "2024-01-20", 5)]
    rows += [("b", "2024-02-15", -5), ("c", "2024-01-10", 5), ("c", "2024-01-11", -5)]
    table = shop([{"customer_id": who, "ts": ts, "amount": amount} for who, ts, amount in rows]).transactions
    got = purchase_changes(Tables(table), BEFORE, AS_OF).to_pandas()
    assert got.to_numpy().tolist() == [[0, 0, 40, 0, 0, 11, 1], [1, 15, 55, 1, 15, 26, 1]]
    assert summary(table, AS_OF).index.tolist() == ["a"]


def test_who_was_not_known_has_no_earlier_history(transactions):
    got = purchase_changes(Tables(transactions), date(2024, 1, 1), AS_OF).to_pandas()
    assert got[[f"{name}_before" for name in HISTORY]].isna().all(axis=None)


def test_dates_in_the_wrong_order_are_refused(transactions):
    with pytest.raises(InputError, match=r"must be before 2024-02-01, got 2024-02-01"):
        purchase_changes(Tables(transactions), BEFORE, BEFORE)
