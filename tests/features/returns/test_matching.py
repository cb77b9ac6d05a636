"""Returns are matched as a pile of sales says that is worked off by hand, return by return."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import ibis
import numpy as np
import pandas as pd
import pytest

from features.describe import materialise
from features.purchases import purchase_days, summarise_purchases
from features.returns.matching import NO_RETURNS, match, standing_sales
from features.spine import everyone, pairs

AS_OF = date(2024, 3, 1)


CASES = [
    # Lines (day of January, amount, order_id), what each day is worth then, and net revenue.
    # Ten days later, in full: no purchase. In part: worth less.
    ([(1, 50, "A"), (5, 30, "B"), (11, -50, "A")], {5: 30}, 30),
    ([(1, 50, "A"), (5, 30, "B"), (11, -20, "A")], {1: 30, 5: 30}, 60),
    # A receipt of its own, or none: the latest sales before it, as many as it needs.
    ([(1, 50, "A"), (5, 30, "B"), (11, -40, "R")], {1: 40}, 40),
    ([(1, 50, None), (5, 30, None), (11, -40, None)], {1: 40}, 40),
    # Not from what was sold after it, even to an order that has its id.
    ([(1, 50, "A"), (3, -20, "B"), (5, 30, "B")], {1: 30, 5: 30}, 60),
    ([(3, -20, "B"), (5, 30, "B")], {5: 30}, 10),
    # More than the order: from the others, too. More than all: in net revenue only.
    ([(1, 50, "A"), (5, 30, "B"), (11, -60, "A")], {5: 20}, 20),
    ([(1, 50, "A"), (5, 30, "B"), (11, -60, "A"), (12, -40, "A"), (20, 7, "C")], {20: 7}, -13),
    # What an order tells is not taken twice: the return before it lowers the sale before that.
    ([(1, 50, "A"), (5, 30, "B"), (6, -20, None), (11, -30, "B")], {1: 30}, 30),
    # Two orders of a day: one comes back, the day stays a purchase. A gift of value zero cannot come back.
    ([(1, 50, "A"), (1, 30, "B"), (11, -30, "B")], {1: 50}, 50),
    ([(1, 50, "A"), (1, 0, "G"), (11, -50, "A")], {1: 0}, 0),
    ([(1, 50, "A"), (1, 0, "A"), (2, 9, "B"), (11, -50, "A")], {2: 9}, 9),
    # An order sold on two days: its latest lines come back first.
    ([(1, 50, "A"), (5, 30, "A"), (11, -40, "A")], {1: 40}, 40),
    # All of it came back: no purchase, and no customer.
    ([(1, 50, "A"), (5, 30, "B"), (11, -50, "A"), (12, -90, None)], {}, None),
]


def worth(shop, cases, as_of=AS_OF):
    """What each day of January is worth, and net revenue, case by case."""
    lines = [
        {"customer_id": f"{case}", "ts": f"2024-01-{day:02d} 10:00", "amount": amount, "order_id": order}
        for case, rows in enumerate(cases)
        for day, amount, order in rows
    ]
    transactions = shop(lines).transactions
    spine = everyone(transactions, as_of)
    days = materialise(purchase_days(transactions, spine))
    net = dict(materialise(summarise_purchases(transactions, spine))[["customer_id", "total_value"]].to_numpy())
    found = []
    for case in map(str, range(len(cases))):
        own = days[days.customer_id == case]
        found.append((dict(zip(own.day.dt.day, own.net.astype(float), strict=True)), net.get(case)))
    return found


def test_a_return_lowers_the_sale_it_belongs_to(shop):
    expected = [(value, net) for _, value, net in CASES]
    assert worth(shop, [rows for rows, _, _ in CASES]) == expected
    assert worth(shop, [rows[::-1] for rows, _, _ in CASES]) == expected


def test_only_returns_that_are_visible_at_the_date_count(shop):
    rows = [(1, 50, "A"), (5, 30, "B"), (11, -30, "B")]
    assert worth(shop, [rows], date(2024, 1, 11)) == [({1: 50, 5: 30}, 80)]
    assert worth(shop, [rows], date(2024, 1, 12)) == [({1: 50}, 50)]


def piled(lines):
    """What is left of each (day, order) and what no sale was there for, worked off one by one."""
    left, days = defaultdict(Decimal), sorted({day for day, _, _ in lines})
    sold = defaultdict(Decimal)
    beyond = []

    def take(amount, piles):
        for pile in reversed(piles):
            part = min(amount, left[pile])
            left[pile] -= part
            amount -= part
        return amount

    for day in days:
        for _, amount, order in (line for line in lines if line[0] == day and line[1] >= 0):
            sold[day, order] += amount
            left[day, order] += amount
        returned = defaultdict(Decimal)
        for _, amount, order in (line for line in lines if line[0] == day and line[1] < 0):
            returned[order] -= amount
        for order, amount in returned.items():
            piles = sorted(pile for pile in left if pile[1] == order)
            beyond.append((day, take(amount, piles) if order else amount))
    for day, amount in beyond:
        # The day decides here: each order of this test has one line a day, and each day is one pile.
        amount = take(amount, sorted((pile for pile in left if pile[0] <= day), key=lambda pile: (pile[0], pile[1])))
        sold["", ""] -= amount
    return left, sold


def test_random_returns_are_matched_as_by_hand(shop):
    random = np.random.default_rng(8)
    lines = []
    for customer in range(60):
        days = random.choice(np.arange(1, 29), size=random.integers(2, 14), replace=False)
        for day in days:
            amount = Decimal(int(random.integers(-250, 300))) / 4
            # Every day has one order, so that the hand needs no time of day; some ids repeat, some are not there.
            order = "" if random.random() < 0.3 else f"o{random.integers(0, 3)}"
            lines.append((str(customer), int(day), amount, order))
    rows = [
        {"customer_id": who, "ts": f"2024-01-{day:02d}", "amount": amount, "order_id": order or None}
        for who, day, amount, order in lines
    ]
    transactions = shop(rows, threads=2).transactions
    dates = [date(2024, 1, 15), AS_OF]
    people = ibis.memtable(
        {"customer_id": [str(k) for k in range(60)] * 2, "as_of": [d for d in dates for _ in range(60)]}
    )
    spine = pairs(people)
    days = materialise(purchase_days(transactions, spine))
    summary = materialise(summarise_purchases(transactions, spine)).set_index(["customer_id", "as_of"])
    matched = 0
    for as_of in dates:
        last = as_of.day - 1 if as_of.month == 1 else 31
        for customer in range(60):
            own = [line[1:] for line in lines if line[0] == str(customer) and line[1] <= last]
            left, sold = piled(own)
            expected = {pile[0]: left[pile] for pile in left if left[pile] > 0 or sold[pile] == 0}
            got = days[(days.customer_id == str(customer)) & (days.as_of == pd.Timestamp(as_of))]
            assert dict(zip(got.day.dt.day, got.net, strict=True)) == expected
            matched += sum(left[pile] < sold[pile] for pile in left)
            if expected:
                net = summary.total_value.loc[(str(customer), pd.Timestamp(as_of))]
                assert net == float(sum((amount for _, amount, _ in own), Decimal(0)))
    assert matched > 100


def test_orders_that_came_back_in_full_are_no_orders(shop):
    rows = [("2024-01-01", 50, "A"), ("2024-01-01", 30, "B"), ("2024-01-02", 20, "C"), ("2024-01-11", -30, "B")]
    lines = shop([{"customer_id": "a", "ts": ts, "amount": amount, "order_id": o} for ts, amount, o in rows])
    keys, transactions = ["customer_id"], lines.transactions
    kept = standing_sales(transactions, keys, match(transactions, keys)).to_pandas()
    assert sorted(kept.order_id) == ["A", "C"]
    assert list(kept.columns) == list(lines.transactions.columns)


@pytest.mark.parametrize("dialect", ["postgres", "bigquery"])
def test_the_matching_can_be_said_to_other_engines(shop, dialect):
    transactions = shop([]).transactions
    sql = ibis.to_sql(summarise_purchases(transactions, everyone(transactions, AS_OF)), dialect=dialect)
    assert "UNBOUNDED FOLLOWING" in sql


def test_a_shop_without_returns_skips_the_matching_and_is_the_same(shop):
    rows = [("a", "2024-01-01", 5), ("a", "2024-01-04", 0), ("b", "2024-01-02", 7)]
    told = shop([{"customer_id": who, "ts": ts, "amount": amount} for who, ts, amount in rows]).transactions
    sales = told.drop(NO_RETURNS)
    short, long = (summarise_purchases(table, everyone(table, AS_OF)) for table in (told, sales))
    pd.testing.assert_frame_equal(materialise(short), materialise(long), check_exact=True)
    assert "FOLLOWING" in ibis.to_sql(long) and "OVER" not in ibis.to_sql(short)
