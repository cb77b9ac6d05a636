"""Which lock a store has, and what becomes of a run that lost it."""

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.tracking import MlflowClient

from data.errors import InputError, StoreBusyError
from models.registry.location import StoreLocation
from models.registry.locking import holding as place
from models.registry.locking.database import DatabaseLock
from models.registry.locking.folder import FolderLock
from models.registry.locking.holder import Holder
from models.registry.locking.holding import holding
from models.registry.locking.tickets import TICKETS, TicketLock
from models.registry.publication import make_current
from models.registry.published_file import CURRENT, SCORES
from models.registry.scorers import alias_version


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("sqlite:////shop/mlflow.db", FolderLock),
        ("http://127.0.0.1:5000", TicketLock),
        ("https://mlflow.example.com", TicketLock),
        ("mysql+pymysql://me@host/store", TicketLock),
        ("postgresql://me@host/store", DatabaseLock),
        ("postgresql+psycopg2://me@host/store", DatabaseLock),
    ],
)
def test_each_kind_of_store_has_its_lock(uri, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(place, "MlflowClient", lambda **named: None)
    location = StoreLocation(uri, tmp_path, embedded=uri.startswith("sqlite"))
    assert isinstance(place._lock_of(location, Holder.here("score")), kind)


@pytest.fixture
def shared(store, monkeypatch):
    """A store that is locked as one behind a server is."""
    monkeypatch.setattr(place, "_lock_of", lambda location, holder: TicketLock(location.client, holder))
    return store


def test_a_run_that_lost_the_store_moves_no_alias(shared):
    client: MlflowClient = shared.client
    client.create_registered_model(SCORES)
    for _ in range(2):
        client.create_model_version(SCORES, "s3://nowhere")
    with holding(shared, "score"):
        make_current(shared, 1)
        ticket = client.search_model_versions(f"name='{TICKETS}'")[0]
        client.set_model_version_tag(TICKETS, str(ticket.version), "state", "passed over by another")
        with pytest.raises(StoreBusyError, match=r"lost the store .*passed over by another.* run it again") as caught:
            make_current(shared, 2)
    assert caught.value.exit_code == 4
    assert alias_version(shared, CURRENT, SCORES) == 1


def test_who_goes_on_after_a_killed_holder_says_so(store, caplog):
    left = Holder("retrain", 11, "rome", "2026-11-30 08:00:00 UTC")
    (store.folder / ".store.holder.json").write_text(left.to_json())
    with holding(store, "score"):
        pass
    assert f"was held by {left}, which ended without giving it back" in caplog.text
    caplog.clear()
    with holding(store, "score"):
        pass
    assert not caplog.text


def test_a_database_that_cannot_be_reached_is_told_without_its_secrets():
    location = StoreLocation("postgresql://me:sesame@127.0.0.1:9/store", Path("/nowhere"), embedded=False)
    with (
        pytest.raises(InputError, match=r"the store postgresql://.*127\.0\.0\.1.* cannot be held") as caught,
        holding(location, "score"),
    ):
        pass
    assert "sesame" not in str(caught.value)


def test_who_may_not_write_the_tickets_is_told_what_to_ask_for(store, monkeypatch):
    class Refusing:
        def create_model_version(self, *values, **named):
            raise MlflowException("Permission denied", PERMISSION_DENIED)

    monkeypatch.setattr(place, "_lock_of", lambda location, holder: TicketLock(Refusing(), holder))
    with pytest.raises(InputError, match="Give them EDIT there"), holding(replace(store), "score"):
        pass
