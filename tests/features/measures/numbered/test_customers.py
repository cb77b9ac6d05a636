from datetime import date, datetime, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.measures.numbered import customers, visits
from features.measures.panel import measure
from features.measures.windows import Grouping, Windows

UNTIL = date(2024, 3, 1)


def a_shop(rng, count=150):
    """Lines, events and costs of customers, with returns, orders of several days, ties and events within others."""

    def times(n):
        # Few different times, so that many are the same.
        return [datetime(2023, 12, 1) + timedelta(hours=float(h)) for h in rng.integers(0, 95 * 6, n) * 4]

    def some(values, n, missing):
        picked = rng.choice(np.array(values, dtype=object), n)
        return [None if rng.random() < missing else value for value in picked]

    who = [f"c{k:03}" for k in range(count)]
    n, m = 6 * count, 12 * count
    lines = {"customer_id": rng.choice(who, n), "ts": times(n), "amount": rng.integers(0, 90, n) / 4}
    lines = pd.DataFrame(lines | {"order_id": some(["1", "2", "3"], n, 0.4), "category": some(["x", "y", "z"], n, 0.2)})
    lines["cost"] = np.where(rng.random(n) < 0.8, lines["amount"] / 2, None)
    back = lines.sample(n // 5, random_state=1)
    back = back.assign(amount=-back["amount"], ts=back["ts"] + timedelta(days=2))
    events = {"customer_id": rng.choice([*who, "e1", "e2"], m), "ts": times(m), "kind": some(["visit", "search"], m, 0)}
    events = pd.DataFrame(events | {"duration_s": some([5, 900, 20000, 90000], m, 0.5)})
    events.loc[: m // 9, "kind"] = "delivered"
    served = pd.DataFrame({"customer_id": who, "cost_to_serve": some(["1.5", "20"], count, 0.2)})
    return pd.concat([lines, back]), events, served


def rows(frame):
    shuffled = frame.sample(frac=1, random_state=0, ignore_index=True).astype(object)
    return shuffled.where(shuffled.notna(), None).to_dict("records")


@pytest.mark.parametrize("groups", [None, ("a", "b")])
@pytest.mark.parametrize("at_once", [7, 1000])
def test_measures_by_numbers_are_those_by_ids(shop, monkeypatch, groups, at_once):
    lines, events, served = a_shop(np.random.default_rng(7))
    tables = shop(rows(lines), events=rows(events), customers=rows(served))
    grouping, windows = Grouping(), Windows(UNTIL, 20, 4)
    if groups is not None:
        who = served["customer_id"].iloc[::2]
        of_each = pd.DataFrame({"customer_id": who, "group": [groups[k % 2] for k in range(len(who))]})
        grouping = Grouping("letter", customers=ibis.memtable(of_each))
    by_ids = measure(tables, windows, grouping)
    monkeypatch.setattr(customers, "FEWEST_ROWS", 1)
    monkeypatch.setattr(visits, "CUSTOMERS_AT_ONCE", at_once)
    by_numbers = measure(tables, windows, grouping)
    pd.testing.assert_frame_equal(by_numbers, by_ids, check_exact=True)
    assert by_ids["value"].notna().sum() > 40


def test_visits_of_many_customers_fit_the_bits_of_a_number(monkeypatch):
    # Of few bits the order is told in no fine steps, and times are compared one by one.
    rng = np.random.default_rng(3)
    customer, started = rng.integers(0, 2**31, 500).repeat(4), rng.integers(0, 2**52, 2000)
    order = visits._in_order(customer, started)
    assert (order == np.lexsort((started, customer))).all()
    ended = started + rng.integers(0, 2**52, 2000)
    over = visits._latest_before(customer[order], ended[order], 2**54)
    running = pd.Series(ended[order]).groupby(customer[order]).cummax().groupby(customer[order]).shift()
    assert (over[running.notna()] == running.dropna()).all()
