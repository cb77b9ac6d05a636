from datetime import date

import pandas as pd
import pytest

from data.errors import InputError
from features.describe import materialise
from features.purchases import purchase_changes, summarise_purchases
from features.spine import everyone

BEFORE, AS_OF = date(2024, 2, 1), date(2024, 3, 1)
HISTORY = ["frequency", "recency", "T"]


@pytest.fixture
def transactions(shop):
    rows = [
        ("a", "2024-01-05", None, 10),
        ("a", "2024-01-05 12:00", None, -3),
        ("a", "2024-01-20", None, 10),
        ("a", "2024-02-11", None, 10),
        ("a", "2024-02-12", None, -10),  # a day with only returns
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
        ("h", "2024-01-05", None, 10),  # as customer a's history but for what came since
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
    got = purchase_changes(transactions, BEFORE, AS_OF).to_pandas()
    pd.testing.assert_frame_equal(got, expected.astype(float).reset_index(), check_index_type=False)
    assert got["customers"].tolist().count(2.0) == 1
    assert got["customers"].sum() == len(now) == 8


def test_who_was_not_known_has_no_earlier_history(transactions):
    got = purchase_changes(transactions, date(2024, 1, 1), AS_OF).to_pandas()
    assert got[[f"{name}_before" for name in HISTORY]].isna().all(axis=None)


def test_dates_in_the_wrong_order_are_refused(transactions):
    with pytest.raises(InputError, match=r"must be before 2024-02-01, got 2024-02-01"):
        purchase_changes(transactions, BEFORE, BEFORE)
