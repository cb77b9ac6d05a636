from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest
from lifetimes.utils import summary_data_from_transaction_data

from features.describe import materialise
from features.purchases import summarise_purchases
from features.spine import everyone, pairs


@pytest.fixture(scope="module")
def cdnow_transactions(cdnow):
    rows = ibis.memtable(cdnow)
    day = rows.day.cast("timestamp")
    return ibis.duckdb.connect().create_table(
        "transactions",
        rows.select("customer_id", ts=day, available_at=day, amount=rows.amount.cast("decimal(18, 4)")),
    )


@pytest.mark.parametrize(
    ("last_day", "customers"), [("1997-02-01", 8_151), ("1997-09-30", 23_570), ("1998-06-30", 23_570)]
)
def test_all_of_cdnow_is_summarised_as_lifetimes_does(cdnow, cdnow_transactions, last_day, customers):
    frame = cdnow.assign(amount=cdnow.amount.astype(float))
    expected = summary_data_from_transaction_data(
        frame, "customer_id", "day", "amount", observation_period_end=last_day
    ).sort_index()
    as_of = date.fromisoformat(last_day) + timedelta(days=1)
    got = materialise(summarise_purchases(cdnow_transactions, everyone(cdnow_transactions, as_of)))
    assert len(got) == len(expected) == customers
    assert got.customer_id.tolist() == expected.index.tolist()
    for column in ("frequency", "recency", "T"):
        np.testing.assert_array_equal(got[column], expected[column])
    np.testing.assert_allclose(got.monetary_value, expected.monetary_value, rtol=1e-12, atol=0)


def test_pairs_of_cdnow_equal_everyone_at_each_date(cdnow_transactions):
    dates = [date(1997, 4, 1), date(1998, 1, 1)]
    everywhere = [
        materialise(summarise_purchases(cdnow_transactions, everyone(cdnow_transactions, day))) for day in dates
    ]
    expected = pd.concat(everywhere).sort_values(["customer_id", "as_of"], ignore_index=True)
    spine = pairs(ibis.memtable(expected[["customer_id", "as_of"]]))
    pd.testing.assert_frame_equal(
        materialise(summarise_purchases(cdnow_transactions, spine)), expected, check_exact=True
    )


def summarise(shop, rows, as_of=date(2024, 2, 1)):
    transactions = shop([{"customer_id": "a", "ts": ts, "amount": amount} for ts, amount in rows]).transactions
    return summarise_purchases(transactions, everyone(transactions, as_of)).to_pyarrow().to_pylist()


def test_a_purchase_is_a_day_with_a_sale_and_worth_what_did_not_come_back(shop):
    (row,) = summarise(
        shop,
        [
            ("2024-01-01 09:00", 50),
            ("2024-01-01 21:00", 5),
            ("2024-01-04", -20),  # of what was bought on the 1st: 35 is left
            ("2024-01-11 08:00", 30),
            ("2024-01-11 09:00", -10),  # worth 20
            ("2024-01-21", 0),  # worth nothing, yet a purchase
            ("2024-01-25 08:00", 5),
            ("2024-01-25 09:00", -17),  # no purchase, and 12 less for the 11th
        ],
    )
    assert row == {
        "customer_id": "a",
        "as_of": date(2024, 2, 1),
        "first_purchase": date(2024, 1, 1),
        "last_purchase": date(2024, 1, 21),
        "frequency": 2.0,
        "recency": 20.0,
        "T": 30.0,
        "monetary_value": (20 - 12 + 0) / 2,
        "spend_frequency": 1.0,
        "spend_value": 8.0,
        "total_value": 35.0 + 8.0 + 0.0,
    }


def test_a_first_purchase_alone_has_no_monetary_value(shop):
    (row,) = summarise(shop, [("2024-01-31", 50)])
    assert (row["frequency"], row["recency"], row["T"]) == (0.0, 0.0, 0.0)
    assert (row["monetary_value"], row["spend_frequency"], row["spend_value"]) == (0.0, 0.0, 0.0)


def test_who_only_returned_or_only_bought_later_has_no_row(shop):
    assert summarise(shop, [("2024-01-01", -5), ("2024-02-01", 5)]) == []


def test_money_is_added_up_exactly(shop):
    # In doubles 1e13 + 0.0001 ... - 1e13 would lose the small part.
    (row,) = summarise(
        shop,
        [
            ("2024-01-01", 1),
            ("2024-01-02", "10000000000000"),
            ("2024-01-02", "0.0003"),
            ("2024-01-02", "-10000000000000"),
        ],
    )
    assert row["monetary_value"] == 0.0003


def test_the_first_day_counts_neither_as_repeat_nor_as_spend(shop):
    # The first day is worth nothing, or less; what is paid later is all of the spend.
    for first in (0, -3):
        (row,) = summarise(shop, [("2024-01-02", 0), ("2024-01-02", first), ("2024-01-05", 8), ("2024-01-09", 4)])
        assert (row["frequency"], row["spend_frequency"]) == (2.0, 2.0)
        assert (row["monetary_value"], row["spend_value"], row["total_value"]) == (6.0, 6.0, 12.0 + first)
    (row,) = summarise(shop, [("2024-01-02", 7), ("2024-01-05", 0), ("2024-01-09", 1), ("2024-01-09", -2)])
    assert (row["frequency"], row["monetary_value"]) == (1.0, 0.0)
    assert (row["spend_frequency"], row["spend_value"], row["total_value"]) == (0.0, 0.0, 6.0)
    (row,) = summarise(shop, [("2024-01-02", 1), ("2024-01-02", -9), ("2024-01-05", 0)])
    assert (row["frequency"], row["total_value"]) == (0.0, -8.0)


def test_random_days_with_returns_equal_a_count_by_hand(shop):
    random = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "customer_id": random.integers(0, 60, 1_500).astype(str),
            "ts": pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 20 * 24, 1_500), unit="h"),
            # Whole numbers of a hundredth: sums of floats below are then exact after rounding.
            "amount": random.integers(-300, 900, 1_500) / 100,
        }
    )
    transactions = shop(frame.assign(ts=frame.ts.astype(str)).to_dict("records"), threads=2).transactions
    got = materialise(summarise_purchases(transactions, everyone(transactions, date(2024, 2, 1))))
    frame = frame.assign(day=frame.ts.dt.normalize(), cents=(100 * frame.amount).round().astype(int))
    rows = {row.customer_id: row for row in got.itertuples()}
    for customer, own in frame.groupby("customer_id"):
        pile = {}
        for day, cents in own.groupby("day").cents:
            if (cents >= 0).any():
                pile[day] = [cents[cents >= 0].sum()] * 2
            returned = -cents[cents < 0].sum()
            for left in reversed(pile.values()):
                returned, left[1] = returned - min(returned, left[1]), left[1] - min(returned, left[1])
        kept = [(day, left) for day, (sold, left) in pile.items() if left > 0 or sold == 0]
        assert (customer in rows) == bool(kept)
        if not kept:
            continue
        row, repeats = rows[customer], np.array([left for _, left in kept[1:]])
        assert (row.first_purchase, row.last_purchase) == (kept[0][0], kept[-1][0])
        assert row.frequency == len(repeats)
        assert row.recency == (kept[-1][0] - kept[0][0]).days
        assert row.monetary_value == repeats.sum() / 100 / max(len(repeats), 1)
        assert row.spend_frequency == (repeats > 0).sum()
        assert row.spend_value == repeats.sum() / 100 / max((repeats > 0).sum(), 1)
        assert row.total_value == own.cents.sum() / 100
    assert len(rows) > 50
