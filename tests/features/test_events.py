from datetime import date

import pytest

from features.describe import describe, materialise
from features.events import _orders_of_kinds, completing_kinds
from features.spine import everyone
from features.vocabulary import learn_vocabulary

AS_OF = date(2024, 12, 31)
SALES = [{"customer_id": customer, "ts": "2024-01-01", "amount": 10} for customer in "abc"]


def described(shop, events, as_of=AS_OF):
    """Describe three customers, the events are of the first unless they say another."""
    tables = shop(SALES, events=[{"customer_id": "a", **event} for event in events])
    table = describe(tables, everyone(tables.transactions, as_of), learn_vocabulary(tables, as_of))
    return {row["customer_id"]: row for row in materialise(table).to_dict("records")}


def test_each_kind_is_counted_in_windows_and_since(shop):
    rows = described(
        shop,
        [
            {"ts": "2024-12-30 12:00", "kind": "visit"},
            {"ts": "2024-12-01", "kind": "visit"},
            {"ts": "2024-11-30", "kind": "visit"},
            {"ts": "2024-01-01", "kind": "visit"},
            {"ts": "2023-06-01", "kind": "visit"},
            {"ts": "2024-12-20", "kind": "Support contact!"},
            {"ts": "2024-12-31", "kind": "visit"},  # not seen
        ],
    )
    a, b = rows["a"], rows["b"]
    assert [a[f"events_{w}_of_visit"] for w in ("30d", "90d", "365d", "ever")] == [2, 3, 4, 5]
    assert [a[f"events_{w}d_of_support_contact"] for w in (30, 90, 365)] == [1, 1, 1]
    assert (a["days_since_last_of_visit"], a["days_since_last_of_support_contact"]) == (0, 10)
    assert b["events_365d_of_visit"] == 0
    assert b["days_since_last_of_visit"] != b["days_since_last_of_visit"]


def test_values_and_durations_are_means_and_the_last(shop):
    a = described(
        shop,
        [
            {"ts": "2024-12-01 10:00", "kind": "call", "value": 4, "duration_s": 60},
            {"ts": "2024-12-01 11:00", "kind": "call", "value": 9},
            {"ts": "2024-12-01 11:00", "kind": "call", "value": 8},  # the same moment
            {"ts": "2024-12-02", "kind": "call", "duration_s": 30},  # without a value
        ],
    )["a"]
    assert a["mean_value_of_call"] == 7
    assert a["last_value_of_call"] == 8.5
    assert a["mean_duration_s_of_call"] == 45


def test_a_promise_is_open_until_another_kind_with_its_due_date_comes(shop):
    def promised(due_at, **more):
        return {"ts": "2024-12-01", "kind": "promised", "due_at": due_at, **more}

    def delivered(due_at, ts, **more):
        return {"ts": ts, "kind": "delivered", "due_at": due_at, **more}

    rows = described(
        shop,
        [
            promised("2024-12-10"),
            delivered("2024-12-10", "2024-12-08"),  # kept, two days early
            promised("2024-12-15"),
            delivered("2024-12-15", "2024-12-19"),  # four days late, but no longer open
            promised("2024-12-20"),  # 11 days overdue
            promised("2024-12-28"),  # 3 days
            promised("2024-12-30 23:59"),  # 1 day
            promised("2024-12-31"),  # due today: not overdue
            # Delivered to somebody else, or before it was promised, or not seen yet.
            delivered("2024-12-20", "2024-12-21", customer_id="b"),
            delivered("2024-12-28", "2024-11-30"),
            delivered("2024-12-28", "2024-12-29", available_at="2025-01-05"),
        ],
    )
    assert rows["a"]["overdue_of_promised"] == 3
    assert rows["a"]["days_overdue_of_promised"] == 11
    assert rows["a"]["mean_days_late_of_delivered"] == pytest.approx((-2 + 4 - 28) / 3)
    assert rows["a"]["last_days_late_of_delivered"] == 4
    assert (rows["b"]["overdue_of_promised"], rows["b"]["days_overdue_of_promised"]) == (0, 0)
    assert (rows["c"]["overdue_of_promised"], rows["c"]["days_overdue_of_promised"]) == (0, 0)
    assert "overdue_of_delivered" not in rows["a"]


def test_a_delivery_without_a_promise_is_not_overdue(shop):
    a = described(shop, [{"ts": "2024-12-09", "kind": "delivered", "due_at": "2024-12-04"}])["a"]
    assert a["mean_days_late_of_delivered"] == 5
    assert not [name for name in a if name.startswith("overdue")]


def test_what_follows_promises_completes_them_whatever_its_name(shop, monkeypatch):
    def chain(number, *kinds):
        steps = enumerate(kinds, start=1)
        return [
            {"customer_id": "a", "ts": f"2024-01-{day:02d}", "kind": kind, "due_at": f"2024-02-{number:02d}"}
            for day, kind in steps
        ]

    chains = [chain(n, "ordered", "shipped", "received") for n in range(1, 6)]
    chains += [chain(6, "ordered", "shipped"), chain(7, "ordered")]
    events = shop(SALES, events=[event for events in chains for event in events]).events
    # Shipped follows the order, but is followed itself: a parcel under way is still awaited.
    assert completing_kinds(events) == {"received", "delivered"}

    # Of many those due on some days tell it, unless these lack a kind.
    read: list[int] = []
    monkeypatch.setattr("features.events.MOST_DUE", 6)
    monkeypatch.setattr(
        "features.events._orders_of_kinds",
        lambda due, count=_orders_of_kinds: (read.append(due.count().to_pyarrow().as_py()), count(due))[1],
    )
    due = {"ordered": 7, "shipped": 6, "received": 5}
    assert completing_kinds(events, due) == {"received", "delivered"}
    assert completing_kinds(events, {**due, "returned": 1}) == {"received", "delivered"}
    assert read == [6, 6, 18]


def test_events_that_are_not_given_are_unknown_not_zero(shop):
    tables = shop(SALES, events=[{"customer_id": "a", "ts": "2024-01-02", "kind": "visit"}])
    vocabulary = learn_vocabulary(tables, AS_OF)
    without = shop(SALES)
    frame = materialise(describe(without, everyone(without.transactions, AS_OF), vocabulary))
    assert frame["events_365d_of_visit"].isna().all()
    assert frame["events_365d_of_visit"].dtype == "float64"
