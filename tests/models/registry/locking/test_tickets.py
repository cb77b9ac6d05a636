"""Tickets hold a store behind a server: one at a time, in turn, and none for longer than it is heard of."""

import threading

import pytest

from models.registry.locking import tickets
from models.registry.locking.holder import HeldError, Holder, LostError
from models.registry.locking.tickets import LEASE, TICKETS, TicketLock

ROME, OSLO, LIMA = (
    Holder(what, pid, host, "2026-11-30 08:00:00 UTC")
    for what, pid, host in (("retrain", 11, "rome"), ("score", 22, "oslo"), ("forget", 33, "lima"))
)


class ServerClock:
    """The clock of the server: everything it writes has this time."""

    def __init__(self):
        self.seconds = 1_800_000_000.0

    def __call__(self):
        return int(self.seconds * 1000)


@pytest.fixture
def clock(monkeypatch):
    clock = ServerClock()
    monkeypatch.setattr("mlflow.store.model_registry.sqlalchemy_store.get_current_time_millis", clock)
    return clock


@pytest.fixture
def lock(store, clock):
    """Make locks of one store; those that are held at the end are given back."""
    made = []

    def make(holder, pause=lambda seconds: None):
        made.append(TicketLock(store.client, holder, pause))
        return made[-1]

    yield make
    for each in made:
        each.release()


def open_tickets(store):
    return [int(each.version) for each in store.client.search_model_versions(f"name='{TICKETS}' AND tags.state='open'")]


def test_one_holds_and_the_other_is_told_by_whom_until_it_is_given_back(lock, store, clock):
    first, second = lock(ROME), lock(OSLO)
    assert first.acquire(0) is None
    clock.seconds += 7
    with pytest.raises(HeldError, match=r"retrain, process 11 on rome, since 2026.* UTC; last heard of 7 s"):
        second.acquire(0)
    assert open_tickets(store) == [first.number]
    first.release()
    third = lock(LIMA)
    assert third.acquire(0) is None
    assert open_tickets(store) == [third.number]


def test_a_holder_that_is_heard_of_no_more_is_passed_over_and_finds_it_out(lock, store, clock):
    killed, early = lock(ROME), lock(OSLO)
    killed.acquire(0)
    clock.seconds += LEASE
    with pytest.raises(HeldError, match="retrain"):
        early.acquire(0)
    clock.seconds += 1
    next_one = lock(LIMA)
    assert next_one.acquire(0) == ROME
    with pytest.raises(LostError, match="passed over by forget, process 33 on lima"):
        killed.confirm()
    # That it ends does not free what the other holds.
    killed.release()
    assert open_tickets(store) == [next_one.number]
    next_one.confirm()


def test_a_holder_that_renews_its_ticket_holds_as_long_as_it_likes(lock, clock):
    holder = lock(ROME)
    holder.acquire(0)
    for _ in range(3):
        clock.seconds += LEASE
        holder.confirm()
    with pytest.raises(HeldError, match="last heard of 0 s ago"):
        lock(OSLO).acquire(0)


def test_the_ticket_is_renewed_by_itself(lock, store, clock, monkeypatch):
    monkeypatch.setattr(tickets, "RENEWAL", 0.01)
    renewed = threading.Event()
    update = store.client.update_model_version
    holder = lock(ROME)
    holder.acquire(0)

    def told(*values, **named):
        if threading.current_thread().name == "store-lock":
            renewed.set()
        return update(*values, **named)

    monkeypatch.setattr(holder._client, "update_model_version", told)
    assert renewed.wait(60)


def test_who_waits_gets_it_in_turn_and_one_killed_while_waiting_holds_nobody_up(lock, clock):
    first = lock(ROME)
    first.acquire(0)
    waits = 0

    def while_waiting(seconds):
        nonlocal waits
        waits += 1
        if waits == 1:
            # Drawn later, so it comes later.
            with pytest.raises(HeldError, match="retrain"):
                lock(LIMA).acquire(0)
            first.release()

    killed = lock(LIMA)
    killed.number = killed._draw()
    clock.seconds += LEASE / 2
    first.confirm()
    second = lock(OSLO, while_waiting)
    clock.seconds += LEASE / 2 + 1
    first.confirm()
    assert second.acquire(60) is None
    assert waits == 1


def test_a_ticket_that_somebody_deleted_is_lost(lock, store):
    holder = lock(ROME)
    holder.acquire(0)
    store.client.delete_model_version(TICKETS, str(holder.number))
    with pytest.raises(LostError, match="was deleted"):
        holder.confirm()
