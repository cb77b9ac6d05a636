import hashlib
from datetime import date

import ibis
import pandas as pd
import pytest

from features.spine import everyone, is_drawn, pairs

SALES = [
    {"customer_id": "a", "ts": "2024-01-01 23:59:59"},
    {"customer_id": "b", "ts": "2024-01-02 00:00:00"},
    # It happened before, but became known later.
    {"customer_id": "c", "ts": "2023-12-01", "available_at": "2024-01-03"},
]


@pytest.fixture
def transactions(shop):
    return shop([{**sale, "amount": 1} for sale in SALES]).transactions


def visible_rows(spine, transactions):
    rows = spine.with_as_of(spine.visible(transactions)).to_pyarrow().to_pylist()
    return sorted((row["customer_id"], row["as_of"]) for row in rows)


@pytest.mark.parametrize(
    ("as_of", "customers"),
    [(date(2024, 1, 1), ""), (date(2024, 1, 2), "a"), (date(2024, 1, 3), "ab"), (date(2024, 1, 4), "abc")],
)
def test_as_of_is_an_exclusive_midnight_of_availability(transactions, as_of, customers):
    expected = [(customer, as_of) for customer in customers]
    spine = everyone(transactions, as_of)
    assert visible_rows(spine, transactions) == expected
    assert sorted((r["customer_id"], r["as_of"]) for r in spine.table.to_pyarrow().to_pylist()) == expected
    everybody = pairs(ibis.memtable({"customer_id": list("abc"), "as_of": [as_of] * 3}))
    assert visible_rows(everybody, transactions) == expected


def test_pairs_take_several_dates_of_a_customer_each_once_and_no_nulls(transactions):
    frame = pd.DataFrame(
        {
            "customer_id": ["a", "a", "a", None, "b", "nobody"],
            "as_of": pd.to_datetime(
                ["2024-01-02", "2024-01-05", "2024-01-05 12:00", "2024-01-05", None, "2024-01-05"], format="ISO8601"
            ),
        }
    )
    spine = pairs(ibis.memtable(frame))
    assert visible_rows(spine, transactions) == [("a", date(2024, 1, 2)), ("a", date(2024, 1, 5))]
    assert spine.table.count().to_pyarrow().as_py() == 3


def test_with_as_of_puts_the_pair_first(transactions):
    described = everyone(transactions, date(2024, 1, 4)).with_as_of(transactions)
    assert described.columns[:2] == ("customer_id", "as_of")


def test_a_sample_is_drawn_by_the_hash_of_the_id_alone():
    ids = [f"{number:05d}" for number in range(20_000)]
    table = ibis.memtable({"customer_id": ids})

    def drawn(share, seed=3, rows=table):
        return set(rows.filter(is_drawn(rows.customer_id, share, seed)).to_pandas()["customer_id"])

    limit = 0.1 * 16**8
    assert drawn(0.1) == {each for each in ids if int(hashlib.md5(f"3:{each}".encode()).hexdigest()[:8], 16) < limit}
    assert abs(len(drawn(0.1)) - 2000) < 4 * (20_000 * 0.1 * 0.9) ** 0.5
    assert drawn(0.05) < drawn(0.1) < drawn(1.0) == set(ids)
    assert drawn(0.1, seed=4) != drawn(0.1)
    # Whether somebody is drawn does not depend on who else is there, or on the order.
    some = ids[:5000:-3]
    assert drawn(0.1, rows=ibis.memtable({"customer_id": some})) == drawn(0.1) & set(some)
