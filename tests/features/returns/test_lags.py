"""What came back by lag adds up to what the matching took, and each return has the lag of its own sale."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest

from features.purchases import purchase_days, summarise_purchases
from features.returns.kept import visible_lines
from features.returns.lags import repeat_value_by_age, returned_by_lag, sold_by_age
from features.returns.matching import match
from features.spine import everyone

AS_OF = date(2024, 2, 1)


def rows_of(lines):
    names = ("customer_id", "ts", "amount", "order_id")
    return [dict(zip(names, line, strict=True)) for line in lines]


def test_each_return_has_the_lag_of_the_sale_it_takes_from(shop):
    lines = [
        ("a", "2024-01-01", 50, "A"),
        ("a", "2024-01-10", 30, "B"),
        ("a", "2024-01-11", -20, "A"),  # 10 days after A
        ("a", "2024-01-12", -35, "R"),  # 30 of B after 2 days, 5 of A after 11
        ("a", "2024-01-20", -9, "A"),  # 19 days after A
        ("b", "2024-01-31", 8, None),
        ("b", "2024-01-31", -3, None),  # the same day
        ("c", "2024-01-05", -3, None),  # of no sale
    ]
    transactions = shop(rows_of(lines)).transactions
    spine = everyone(transactions, AS_OF)
    got = returned_by_lag(transactions, spine).to_pyarrow().to_pylist()
    assert [tuple(map(float, row.values())) for row in got] == [
        (1, 0, 3, 1),
        (22, 2, 30, 1),
        (31, 10, 20, 1),
        (31, 11, 5, 1),
        (31, 19, 9, 1),
    ]
    sold = sold_by_age(transactions, spine).to_pyarrow().to_pylist()
    assert [(row["age"], float(row["sold"])) for row in sold] == [(1, 8), (22, 30), (31, 50)]
    summary = summarise_purchases(transactions, spine, with_first_value=True)
    assert repeat_value_by_age(transactions, spine, summary).to_pyarrow().to_pylist() == []


@pytest.mark.parametrize("ids", [3, 0])
def test_random_returns_by_lag_add_up_to_what_each_day_lost(shop, ids):
    random = np.random.default_rng(ids)
    lines = []
    for _ in range(1_200):
        day = date(2024, 1, 1) + timedelta(days=int(random.integers(0, 31)))
        order = f"o{random.integers(0, ids)}" if ids and random.random() < 0.7 else None
        lines.append((str(random.integers(0, 50)), str(day), int(random.integers(-40, 60)), order))
    transactions = shop(rows_of(lines)).transactions
    spine = everyone(transactions, AS_OF)
    got = returned_by_lag(transactions, spine).to_pandas()
    assert (got.lag >= 0).all() and (got.lag < got.age).all()
    by_day = match(visible_lines(transactions, spine), spine.keys).by_day.to_pandas()
    lost = by_day.groupby("day").returned.sum()
    lost = lost[lost > 0]
    summed = got.groupby("age").returned.sum()
    assert {AS_OF - timedelta(days=int(age)): value for age, value in summed.items()} == {
        day.date(): value for day, value in lost.items()
    }
    assert len(summed) > 20
    # Each purchase but a customer's first, one by one.
    days = purchase_days(transactions, spine).to_pandas().sort_values(["customer_id", "day"])
    repeats = {}
    for before, row in pairwise(days.itertuples()):
        if before.customer_id == row.customer_id:
            repeats[row.age] = repeats.get(row.age, 0) + row.net
    summary = summarise_purchases(transactions, spine, with_first_value=True)
    values = repeat_value_by_age(transactions, spine, summary).to_pandas()
    assert dict(zip(values.age, values.net, strict=True)) == {age: net for age, net in repeats.items() if net}
    assert len(repeats) > 20
