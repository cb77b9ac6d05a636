"""What is described beside a few rows is the same where their customers' rows are put apart first."""

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.describe import described_beside
from features.engine import few
from features.vocabulary import learn_vocabulary

AS_OF = date(2024, 2, 20)


def test_rows_of_few_customers_are_put_apart_and_change_nothing(shop, monkeypatch):
    random = np.random.default_rng(3)

    def row(**others):
        day = date(2024, 1, 1) + timedelta(days=int(random.integers(0, 50)))
        return {"customer_id": f"{random.integers(0, 40):03d}", "ts": f"{day}", **others}

    tables = shop(
        [row(amount=int(random.integers(-20, 60)), order_id=f"o{k // 2}") for k in range(200)],
        events=[row(kind="visit", value=1) for _ in range(100)],
    )
    vocabulary = learn_vocabulary(tables, AS_OF, [])
    # One customer at two dates, and one of whom nothing is known.
    rows = pd.DataFrame({"customer_id": ["003", "017", "017", "x"], "as_of": [AS_OF, AS_OF, date(2024, 2, 1), AS_OF]})
    asked = tables.transactions.get_backend().create_table("asked", rows.assign(score=range(4)))
    asked = asked.mutate(as_of=asked.as_of.cast("date"))
    whole = described_beside(tables, asked, vocabulary)
    assert len(whole) == 3

    monkeypatch.setattr(few, "PART_ROWS", 250)
    large = {"transactions": tables.transactions, "events": tables.events}
    with few.of_few(large, asked) as own:
        for name, table in own.items():
            of_both = large[name].filter(large[name].customer_id.isin(["003", "017"]))
            assert table.count().execute() == of_both.count().execute() > 0
    pd.testing.assert_frame_equal(described_beside(tables, asked, vocabulary), whole, check_exact=True)


@pytest.mark.parametrize(("part_rows", "most_pairs"), [(2, 0), (3, 9)])
def test_tables_stay_where_pairs_are_many_or_tables_small(shop, monkeypatch, part_rows, most_pairs):
    tables = shop([{"customer_id": f"{k}", "ts": "2024-01-05", "amount": 5} for k in range(3)])
    monkeypatch.setattr(few, "PART_ROWS", part_rows)
    monkeypatch.setattr(few, "MOST_PAIRS", most_pairs)
    large = {"transactions": tables.transactions}
    with few.of_few(large, tables.transactions.select("customer_id")) as own:
        assert own is large
    in_memory = {"transactions": ibis.memtable({"customer_id": ["a", "b", "c", "d"]})}
    with few.of_few(in_memory, tables.transactions) as own:
        assert own is in_memory
