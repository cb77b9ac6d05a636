"""Two machines whose tracking database is one of PostgreSQL's: its lock keeps them apart."""

import shutil

import pytest

from tests.consumers.databases.postgresql import OWNER
from tests.consumers.two_machines import check_two_machines


@pytest.fixture
def tracking(server, tmp_path):
    """A tracking database of its own, as the environment names it."""
    server.run_alone("CREATE DATABASE tracking")
    yield {"MLFLOW_TRACKING_URI": f"postgresql://{OWNER}:{server.password}@/tracking?host={server.folder}"}
    server.run_alone("DROP DATABASE tracking WITH (FORCE)")
    shutil.rmtree(tmp_path / "mlruns", ignore_errors=True)


def test_the_database_keeps_two_machines_apart_and_is_free_after_a_kill(tracking, tmp_path):
    check_two_machines(tmp_path, tracking)


def test_a_holder_whose_connection_was_cut_finds_it_out(server, tracking, tmp_path, monkeypatch):
    from data.errors import StoreBusyError
    from models.registry.locking.holding import ensure_held, holding
    from models.registry.store import open_store

    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking["MLFLOW_TRACKING_URI"])
    store = open_store(None, tmp_path)
    with holding(store, "retrain"):
        ensure_held(store)
        server.run(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
        )
        for _ in range(2):
            with pytest.raises(StoreBusyError, match="was cut") as caught:
                ensure_held(store)
            assert server.password not in str(caught.value)
    with holding(store, "score"):
        ensure_held(store)
