"""Everyone described in parts of the customers is everyone described at once, in whatever order the rows lie."""

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.describe import everyone_described
from features.engine import parts
from features.tables import Tables
from features.vocabulary import learn_vocabulary

AS_OF = date(2024, 2, 20)


@pytest.mark.parametrize("scattered", [True, False])
def test_everyone_in_parts_is_everyone_at_once(shop, monkeypatch, scattered):
    random = np.random.default_rng(7)

    def row(customer, **others):
        day = date(2024, 1, 1) + timedelta(days=int(random.integers(0, 50)))
        return {"customer_id": f"{customer:03d}", "ts": f"{day}", **others}

    # The last customers have no event, so that a part of the events is empty.
    buyers, visitors = random.integers(0, 90, 400), random.integers(0, 50, 300)
    if not scattered:
        buyers, visitors = np.sort(buyers), np.sort(visitors)
    sales = [row(each, amount=int(random.integers(-20, 60)), order_id=f"o{k // 2}") for k, each in enumerate(buyers)]
    events = [row(each, kind=str(random.choice(["visit", "call"])), value=1) for each in visitors]

    def described():
        tables = shop(sales, events=events)
        vocabulary = learn_vocabulary(tables, AS_OF, [])
        return everyone_described(tables, AS_OF, vocabulary), tables.workspace

    whole, _ = described()
    monkeypatch.setattr(parts, "PART_ROWS", 150)
    monkeypatch.setattr(parts, "_FIRST_ROWS", 30)
    cut, workspace = described()
    pd.testing.assert_frame_equal(cut.frame(), whole.frame(), check_exact=True)
    assert cut.frame()["customer_id"].is_monotonic_increasing
    assert sorted(folder.name for folder in workspace.folder.glob("parts_*")) == (
        ["parts_events", "parts_transactions"] if scattered else []
    )


def test_with_a_table_in_memory_everyone_is_described_at_once(shop, monkeypatch):
    sales = [{"customer_id": f"{k % 9}", "ts": f"2024-01-{k % 28 + 1:02d}", "amount": k} for k in range(60)]
    tables = shop(sales, customers=[{"customer_id": f"{k}"} for k in range(9)])
    vocabulary = learn_vocabulary(tables, AS_OF, [])
    stored = everyone_described(tables, AS_OF, vocabulary).frame()
    monkeypatch.setattr(parts, "PART_ROWS", 10)
    tables = shop(sales)
    tables = Tables(tables.transactions, customers=ibis.memtable({"customer_id": [f"{k}" for k in range(9)]}))
    in_memory = everyone_described(tables, AS_OF, vocabulary).frame()
    pd.testing.assert_frame_equal(in_memory, stored, check_exact=True)
