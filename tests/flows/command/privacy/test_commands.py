"""Forgetting, pruning and pseudonyms by the command, on a store with a champion and its scores."""

import shutil
import sqlite3
from contextlib import closing

import duckdb
import pyarrow.parquet as pq
import pytest

from models.registry.locking.holding import holding
from models.registry.privacy.key_file import key_file, read_key
from models.registry.published_file import current_file
from models.registry.store import open_store
from models.registry.upkeep.workspaces import workspace
from tests.flows.app.conftest import client_of

MARK = "shopper-"


@pytest.fixture
def own(trained, tmp_path):
    """A copy of the store: what is removed from it is gone."""
    return open_store(str(shutil.copytree(trained, tmp_path / "mlruns")))


@pytest.fixture
def marked(shop, tmp_path):
    """The shop's tables with ids that are found in any file, and one row that is set aside."""
    options = []
    for name in ("transactions", "answers", "events"):
        file = tmp_path / f"{name}.parquet"
        more = f" UNION ALL BY NAME SELECT '{MARK}bad' AS customer_id" if name == "transactions" else ""
        table = f"SELECT * REPLACE ('{MARK}' || customer_id AS customer_id) FROM '{shop[name]}'"
        duckdb.sql(f"COPY ({table}{more}) TO '{file}' (FORMAT parquet)")
        options += [f"--{name}", file]
    return options


def ids_of(store):
    return pq.read_table(current_file(store), columns=["customer_id"])["customer_id"].to_pylist()


def test_a_pseudonymous_store_holds_no_id_and_a_run_leaves_the_forgotten_out(own, marked, revealed):
    forgotten, looked_up = f"{MARK}00000003", f"{MARK}00000004"
    assert "held nothing of this customer" in revealed("forget", forgotten, "--mlruns", own.folder)[1]
    settings = ("--set", "pseudonymise=true", "--set", "publish_features=true")
    code, out, err = revealed("score", *marked, "--mlruns", own.folder, *settings)
    assert code == 0, err
    assert "transactions: rows left out, as their customers are forgotten" in out
    files = [file for file in own.folder.rglob("*") if file.is_file()]
    assert [file for file in files if MARK.encode() in file.read_bytes()] == []
    assert [f for f in files if f.suffix == ".parquet" and MARK in str(pq.read_table(f).to_pylist())] == []

    key, before = read_key(own), ids_of(own)
    assert key.pseudonym(forgotten) not in before
    code, out, _ = revealed("scores", "--customer", f" {looked_up} ", "--mlruns", own.folder)
    assert code == 0
    assert key.pseudonym(looked_up) in out
    code, out, err = revealed("forget", looked_up, "--mlruns", own.folder)
    assert code == 0, err
    assert "versions of the scores written anew, read back and compared: 2" in out
    assert "Fitted parameters" in out
    assert ids_of(own) == [name for name in before if name != key.pseudonym(looked_up)]
    code, _, err = revealed("scores", "--customer", looked_up, "--mlruns", own.folder)
    assert code == 2
    assert "pseudonyms stand for ids" in err


def test_who_has_no_key_is_told_so(own, revealed):
    assert revealed("key", "--mlruns", own.folder)[0] == 0
    key_file(own).unlink()
    code, _, err = revealed("forget", "00000003", "--mlruns", own.folder)
    assert code == 2
    assert "Put it back" in err
    code, out, _ = revealed("key", "--new", "--mlruns", own.folder)
    assert code == 0
    assert "is a new key" in out


def test_beside_a_run_the_customer_is_listed_and_nothing_is_taken_out_yet(own, revealed):
    before = ids_of(own)
    with workspace(own):
        code, _, err = revealed("forget", "00000003", "--mlruns", own.folder)
    assert code == 4
    assert "is on the list of the forgotten now" in err
    assert ids_of(own) == before
    code, out, err = revealed("forget", "00000003", "--mlruns", own.folder)
    assert code == 0, err
    assert ids_of(own) == [name for name in before if name != "00000003"]
    code, out, _ = revealed("forget", "00000003", "--mlruns", own.folder)
    assert code == 0
    assert "held nothing of this customer any more" in out
    with closing(sqlite3.connect(own.database)) as connection:
        assert connection.execute("PRAGMA freelist_count").fetchone() == (0,)


def test_an_app_that_is_open_lets_go_of_the_customer(own, shop, revealed):
    gone, stays = sorted(ids_of(own))[:2]
    with workspace(own) as folder:
        app = client_of(own.folder, folder, transactions=[str(shop["transactions"])])
        address = "/en/customer?id={}".format
        assert app.get(address(gone)).status_code == 200
        # An app that reads the tables still is as a run.
        code, _, err = revealed("forget", gone, "--mlruns", own.folder)
        assert (code, "reads the tables still" in err) == (4, True)
        app.app.state.tables.read()
        file = folder / "transactions.parquet"
        assert gone in pq.read_table(file)["customer_id"].to_pylist()
        code, out, err = revealed("forget", gone, "--mlruns", own.folder)
        assert code == 0, err
        assert "apps that are open on this machine" in out
        assert {app.get(address(name)).status_code for name in (gone, stays)} == {404, 200}
        held = app.app.state.shelf.current()
        held.prepare()
        assert held.scores.total()["customers"] == len(ids_of(own))
        left = pq.read_table(file)["customer_id"].to_pylist()
        assert (gone in left, stays in left) == (False, True)
        before = held.as_of
        assert app.app.state.tables.of_customer(gone, before).purchases == []
        assert app.app.state.tables.of_customer(stays, before).purchases != []


def test_pruning_lists_first_and_removes_with_yes(own, revealed):
    orphan = own.folder / "artifacts" / "no-run"
    orphan.mkdir()
    shutil.copy(own.database, orphan / "file")
    import os

    os.utime(orphan, (0, 0))
    code, out, _ = revealed("prune", "--mlruns", own.folder)
    assert code == 0
    assert "Would be removed: 1 files" in out
    assert orphan.exists()
    with holding(own, "retrain"):
        assert revealed("prune", "--yes", "--mlruns", own.folder, "--set", "wait_minutes=0")[0] in (2, 4)
    assert revealed("prune", "--yes", "--mlruns", own.folder)[0] == 0
    assert not orphan.exists()
    assert "There is nothing to remove." in revealed("prune", "--mlruns", own.folder)[1]
