"""The store: two may make it at once, one at a time holds it."""

import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from filelock import FileLock

from data.errors import InputError, StoreBusyError
from models.registry.location import EXPERIMENT, StoreLocation
from models.registry.locking.holding import holding
from models.registry.store import open_store
from models.registry.upkeep.moved_store import follow_move

# A server without threads imports MLflow once and forks the children: a fork of the worker itself, which has threads,
# may wait for ever for a lock that a thread held.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["models.registry.store"])


def test_an_opened_store_keeps_runs_and_artifacts_in_its_folder(store):
    again = open_store(str(store.folder))
    assert again == store
    assert store.embedded
    assert store.client.get_experiment(store.experiment_id).name == EXPERIMENT
    run = store.client.create_run(store.experiment_id)
    store.client.log_text(run.info.run_id, "hello", "note.txt")
    assert [file.read_text() for file in store.folder.glob("artifacts/*/artifacts/note.txt")] == ["hello"]


def test_a_store_in_the_environment_is_opened(store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    assert open_store(None, Path("/nowhere")) == store


def test_a_database_whose_runs_left_their_files_on_another_machine_is_refused(store, monkeypatch):
    shared = StoreLocation(store.uri, store.folder, embedded=False)
    monkeypatch.setattr("models.registry.store.store_location", lambda *_: shared)
    files = store.folder / "artifacts"
    run_id = store.client.create_run(store.experiment_id).info.run_id
    assert not files.exists()
    # A run that has not ended well may have left no files.
    assert open_store().experiment_id == store.experiment_id
    store.client.set_terminated(run_id)
    with pytest.raises(InputError, match="files of its runs in a folder that is not on this machine"):
        open_store()
    files.mkdir()
    assert open_store().experiment_id == store.experiment_id


def open_and_tell(folder, barrier, line):
    barrier.wait(60)
    opened = open_store(str(folder))
    opened.client.create_run(opened.experiment_id)
    line.send((opened.uri, opened.experiment_id))


def test_two_processes_open_a_new_store_at_once_beside_the_draft_of_a_killed_one(tmp_path, new_store, mlflow_template):
    folder, barrier, lines = tmp_path / "new", processes.Barrier(2), [processes.Pipe(duplex=False) for _ in range(2)]
    folder.mkdir()
    (folder / ".mlflow.db.draft").write_bytes(mlflow_template.read_bytes()[:5000])
    both = [processes.Process(target=open_and_tell, args=(folder, barrier, line)) for _, line in lines]
    for process, (_, line) in zip(both, lines, strict=True):
        process.start()
        line.close()
    for process in both:
        process.join(120)
    assert [process.exitcode for process in both] == [0, 0]
    store = open_store(str(folder))
    assert [line.recv() for line, _ in lines] == [(store.uri, store.experiment_id)] * 2
    assert len(store.client.search_runs([store.experiment_id])) == 2
    assert not list(folder.glob(".*draft*"))


def test_a_folder_that_cannot_be_written_is_told(tmp_path, new_store):
    file = tmp_path / "a-file"
    file.write_text("not a folder")
    with pytest.raises(InputError, match=r"a-file/\*\*\*/mlflow\.db cannot be opened: .*--mlruns"):
        open_store(str(file / "mlruns"))


def test_a_file_that_is_no_database_is_told(tmp_path, new_store):
    (tmp_path / "mlflow.db").write_text("Dear diary, this is no database. " * 99)
    with pytest.raises(InputError, match=r"mlflow\.db cannot be opened: .*not a database.*--mlruns"):
        open_store(str(tmp_path))


def test_a_store_that_is_no_store_is_told_without_its_secrets(tmp_path, new_store, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "carrier-pigeon://me:secret@loft/7")
    with pytest.raises(InputError, match="must be the URL of an MLflow server") as caught:
        open_store(None, tmp_path)
    assert "secret" not in str(caught.value)
    assert "MLFLOW_TRACKING_URI" in str(caught.value)


def test_a_server_that_does_not_answer_is_told_without_its_secrets(tmp_path, new_store, monkeypatch):
    assert int(os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) < 7
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    with pytest.raises(InputError, match=r"the store http://127\.0\.0\.1:9 cannot be opened: .*refused") as caught:
        open_store(None, tmp_path)
    assert "secret" not in str(caught.value)


def hold_until_told(store, what, line):
    with holding(store, what):
        line.send("held")
        line.recv()


@pytest.fixture
def holder(store):
    """A process that holds the store until it is told to let go, or killed."""
    line, its_line = processes.Pipe()
    process = processes.Process(target=hold_until_told, args=(store, "retrain", its_line))
    process.start()
    assert line.poll(60)
    assert line.recv() == "held"
    yield process, line
    if process.is_alive():
        line.send("let go")
    process.join(60)


def test_a_store_that_is_held_says_by_whom(store, holder):
    process, _ = holder
    with (
        pytest.raises(StoreBusyError, match=f"retrain, process {process.pid} on .*, since 20") as caught,
        holding(store, "score"),
    ):
        pass
    assert store.shown_uri in str(caught.value)
    assert caught.value.exit_code == 4


def test_a_store_is_free_after_its_holder_was_killed(store, holder):
    process, _ = holder
    os.kill(process.pid, signal.SIGKILL)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    with holding(store, "score"):
        holder_now = json.loads((store.folder / ".store.holder.json").read_text())
    assert (holder_now["what"], holder_now["pid"]) == ("score", os.getpid())


def test_who_waits_gets_the_store_when_it_is_free(store, holder):
    process, line = holder
    threading.Timer(0.2, line.send, args=("let go",)).start()
    with holding(store, "score", wait_minutes=1):
        process.join(60)
        assert process.exitcode == 0


def test_a_store_is_free_after_a_fault(store):
    with pytest.raises(ZeroDivisionError), holding(store, "retrain"):
        raise ZeroDivisionError
    assert not (store.folder / ".store.holder.json").exists()
    with holding(store, "retrain"), pytest.raises(StoreBusyError, match="retrain"), holding(store, "score"):
        pass


def test_a_holder_that_has_not_written_down_who_it_is_yet(store):
    with holding(store, "retrain"):
        (store.folder / ".store.holder.json").write_text('{"wh')
        with (
            pytest.raises(StoreBusyError, match="its holder has not written down who it is yet"),
            holding(store, "score"),
        ):
            pass


def test_a_store_that_was_copied_works_from_its_new_place_and_leaves_the_old_one_alone(store, tmp_path, caplog):
    def write(opened, text):
        run = opened.client.create_run(opened.experiment_id)
        opened.client.log_text(run.info.run_id, text, "note.txt")
        opened.client.create_model_version("model", source=f"{run.info.artifact_uri}/note.txt", run_id=run.info.run_id)
        return run.info.run_id

    store.client.create_registered_model("model")
    first = write(store, "the first")
    # A run whose place only begins alike is another store's.
    alike = store.folder.as_uri() + "/artifacts-of-another/1"
    with closing(sqlite3.connect(store.database)) as connection, connection:
        connection.execute("UPDATE model_versions SET storage_location = ?", (alike,))
    copied = shutil.copytree(store.folder, tmp_path / "moved to & fro")
    before = {file: file.stat().st_mtime_ns for file in store.folder.rglob("*")}
    moved = open_store(str(copied))
    assert f"from {store.folder} to {copied}" in caplog.text
    second = write(moved, "the second")
    assert Path(moved.client.download_artifacts(first, "note.txt")).read_text() == "the first"
    versions = moved.client.search_model_versions("name='model'")
    place = (copied / "artifacts").as_uri()
    assert {version.source for version in versions} == {f"{place}/{run}/artifacts/note.txt" for run in (first, second)}
    with closing(sqlite3.connect(moved.database)) as connection:
        assert (alike,) in connection.execute("SELECT storage_location FROM model_versions").fetchall()
    assert {file: file.stat().st_mtime_ns for file in store.folder.rglob("*")} == before
    caplog.clear()
    open_store(str(copied))
    assert not caplog.text


def test_a_store_that_is_reached_by_a_link_stays_as_it_is_and_one_that_is_held_is_not_rewritten(
    store, tmp_path, monkeypatch
):
    (store.folder / "artifacts").mkdir(exist_ok=True)
    database = store.database.read_bytes()
    (tmp_path / "link").symlink_to(store.folder)
    open_store(str(tmp_path / "link"))
    assert store.database.read_bytes() == database
    copied = shutil.copytree(store.folder, tmp_path / "copied")
    with FileLock(copied / ".store.lock"), pytest.raises(StoreBusyError):
        follow_move(copied / "mlflow.db", "revealed", lambda: holding(replace(store, folder=copied), "move"))
    assert (copied / "mlflow.db").read_bytes() == database
