"""The private folder of a run: nobody else enters it, and nothing of it stays, even of a process that was killed."""

import os
import socket
import stat
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.local_artifact_repo import _TEMP_ARTIFACT_PREFIX
from mlflow.tracking import MlflowClient

from data.errors import InputError
from models.registry.locking.holder import Holder
from models.registry.privacy.artifacts import local_folder
from models.registry.scorers import CHALLENGER, SCORER, alias_version
from models.registry.tracking import tracked
from models.registry.upkeep.killed_runs import close_killed_runs, close_runs_elsewhere, mend_aliases
from models.registry.upkeep.workspaces import WORK, leave_mark, workspace


def folders(store):
    return [each for each in (store.folder / WORK).iterdir() if each.is_dir()]


def test_only_this_user_enters_a_workspace_and_all_that_is_temporary_lies_in_it(store):
    before = tempfile.gettempdir()
    with pytest.raises(ZeroDivisionError), workspace(store) as folder:
        assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)] == [0o700, 0o700]
        assert Path(tempfile.mkdtemp()).parent == folder
        raise ZeroDivisionError
    assert not folders(store)
    assert tempfile.gettempdir() == before


def test_a_place_where_no_folder_can_be_made_is_told(store):
    (store.folder / WORK).write_text("a file")
    with pytest.raises(InputError, match=r"no folder can be made in .*work: .*--mlruns"), workspace(store):
        pass


def killed(store, kind):
    """Leave what a killed run leaves: a run that is still running, and its folder that nobody holds."""
    with tracked(store, kind, {}) as run:
        pass
    store.client.set_terminated(run.run_id, "RUNNING")
    leave_mark(run.folder)
    (run.folder / "transactions.parquet").write_text("customers")
    return run


@pytest.fixture
def with_scorers(store):
    store.client.create_registered_model(SCORER)
    return store


def test_the_next_run_closes_a_killed_one_and_takes_away_what_it_left(with_scorers, caplog):
    store = with_scorers
    run_id = killed(store, "retrain").run_id
    place = local_folder(store.client.get_run(run_id).info.artifact_uri)
    store.client.log_text(run_id, "whole", "sub/whole.txt")
    (place / "sub" / f"{_TEMP_ARTIFACT_PREFIX}half").write_text("half of a row")
    store.client.create_model_version(SCORER, source="nowhere", run_id=run_id)
    store.client.set_registered_model_alias(SCORER, CHALLENGER, "1")
    with tracked(store, "score", {}) as mine:
        assert folders(store) == [mine.folder]
        run = store.client.get_run(run_id)
        assert run.info.status == "KILLED"
        assert [file.name for file in place.rglob("*") if file.is_file()] == ["whole.txt"]
        assert "ended without closing the run" in run.data.tags["error"]
        assert alias_version(store, CHALLENGER) is None
        # One that is alive is left alone.
        close_killed_runs(store)
        assert mine.folder.exists()
        assert store.client.get_run(mine.run_id).info.status == "RUNNING"
    assert store.client.get_run(mine.run_id).info.status == "FINISHED"
    assert f"The run retrain ({run_id}, process" in caplog.text


def test_a_folder_that_is_held_is_that_of_a_living_process(store):
    run = killed(store, "score")
    with FileLock(run.folder / ".lock"):
        close_killed_runs(store)
    assert store.client.get_run(run.run_id).info.status == "RUNNING"
    assert folders(store) == [run.folder]


def test_who_holds_a_store_on_a_server_closes_the_runs_of_machines_that_are_gone(with_scorers):
    store = replace(with_scorers, embedded=False)
    kinds = {"held": "score", "computes": "score", "fits": "retrain"}
    left = {
        name: store.client.create_run(store.experiment_id, tags={"kind": kind}).info.run_id
        for name, kind in kinds.items()
    }
    store.client.create_model_version(SCORER, source="nowhere", run_id=left["fits"])
    store.client.set_registered_model_alias(SCORER, CHALLENGER, "1")

    def statuses():
        return {name: store.client.get_run(run_id).info.status for name, run_id in left.items()}

    running = dict.fromkeys(left, "RUNNING")
    close_runs_elsewhere(with_scorers, Holder("score", os.getpid(), socket.gethostname(), "now", left["held"]))
    assert statuses() == running
    # Another run of the same process number and host is no sign: a score computes without the lock.
    close_runs_elsewhere(store, Holder("score", os.getpid(), socket.gethostname(), "now"))
    assert statuses() == running | {"fits": "KILLED"}
    assert alias_version(store, CHALLENGER) is None
    close_runs_elsewhere(store, Holder("score", 1, "rome", "now", left["held"]))
    assert statuses() == running | {"fits": "KILLED", "held": "KILLED"}


def test_a_score_that_began_on_another_machine_a_week_ago_is_closed(store):
    store = replace(store, embedded=False)
    now = int(time.time() * 1000)
    begun = {
        "old": ("rome", now - 8 * 86_400_000),
        "young": ("rome", now - 6 * 86_400_000),
        "here": (socket.gethostname(), now - 8 * 86_400_000),
    }
    runs = {
        name: store.client.create_run(store.experiment_id, start_time=start, tags={"kind": "score", "host": host})
        for name, (host, start) in begun.items()
    }
    close_runs_elsewhere(store, None)
    statuses = {name: store.client.get_run(run.info.run_id).info.status for name, run in runs.items()}
    assert statuses == {"old": "KILLED", "young": "RUNNING", "here": "RUNNING"}


def test_a_run_that_could_not_be_closed_as_the_store_was_gone_is_closed_by_the_next_one(store, monkeypatch):
    def fail(*_, **__):
        raise MlflowException("the server is gone")

    with monkeypatch.context() as gone, pytest.raises(ZeroDivisionError), tracked(store, "score", {}) as run:
        gone.setattr(MlflowClient, "set_terminated", fail)
        raise ZeroDivisionError
    assert folders(store) == [run.folder]
    assert list(run.folder.iterdir()) == []
    close_killed_runs(store)
    assert store.client.get_run(run.run_id).info.status == "KILLED"
    assert not folders(store)


@pytest.mark.parametrize("verdict", [None, "worse"])
def test_a_version_without_a_verdict_is_no_challenger(with_scorers, verdict):
    store = with_scorers
    tags = {} if verdict is None else {"verdict": verdict}
    store.client.create_model_version(SCORER, source="nowhere", tags=tags)
    store.client.set_registered_model_alias(SCORER, CHALLENGER, "1")
    for _ in range(2):
        mend_aliases(store)
        assert alias_version(store, CHALLENGER) == (None if verdict is None else 1)
