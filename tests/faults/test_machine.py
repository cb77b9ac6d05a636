"""Faults of the machine, the store and the servers: one clear sentence, the right code, nothing published."""

import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.population.scores_contract import check_scores
from models.registry.reading import current_version, read_scores
from models.registry.store import open_store
from tests.faults.servers import free_port, tracking_server

DONE, FAULT, MISTAKE, REFUSED = 0, 1, 2, 3


def told(ended, code, sentence):
    """Check that a command ended with a code and one message, in which a sentence stands."""
    assert ended.code == code, ended.text
    assert "Traceback" not in ended.text
    messages = [line for line in ended.text.splitlines() if line.startswith("revealed: ")]
    assert len(messages) == 1, ended.text
    assert sentence in ended.text.partition("revealed: ")[2], ended.text


@contextmanager
def small_disk(place: Path, megabytes: int):
    """A disk of its own at a folder, in memory."""
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=False)
    if made.returncode:
        pytest.skip("a disk in memory can be mounted by root only")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture
def on_small_disk(place, tmp_path):
    """The prepared store on a disk that can be filled."""
    with small_disk(tmp_path / "disk", 64):
        yield Path(shutil.copytree(place[0], tmp_path / "disk" / "store")), place[1]


@pytest.mark.parametrize("free_kb", [0, 400])
def test_a_full_disk(on_small_disk, start, inputs, free_kb):
    folder, kept = on_small_disk
    store = open_store(str(folder))
    before = current_version(store)
    filler = folder.parent / "filler"
    with filler.open("wb") as file:
        file.write(b"0" * (shutil.disk_usage(folder).free - 1024 * free_kb))
    ended = start("score", *inputs["score"], "--mlruns", folder, kept=kept).wait()
    assert ended.code in (FAULT, MISTAKE), ended.text
    told(ended, ended.code, "No space left on device" if ended.code == MISTAKE else "the disk is full")
    # A version is current only when all of its run is written, the page included.
    after = current_version(store)
    assert after == before
    check_scores(read_scores(store, after))
    filler.unlink()
    assert start("score", *inputs["score"], "--mlruns", folder, kept=kept).wait().code == DONE
    assert current_version(store) > after


def test_a_store_that_can_only_be_read(on_small_disk, start, inputs):
    folder, kept = on_small_disk
    assert start("score", *inputs["score"], "--mlruns", folder, kept=kept).wait().code == DONE
    subprocess.run(["mount", "-o", "remount,ro", folder.parent], check=True)
    for command, options in (*inputs.items(), ("rollback", ())):
        told(start(command, *options, "--mlruns", folder, kept=kept).wait(), MISTAKE, "Read-only file system")
    assert start("scores", "--mlruns", folder).wait().code == DONE


@pytest.mark.parametrize(
    ("patch", "code", "sentence"),
    [
        ("lock_database", FAULT, "the store's database is locked by another program"),
        ("set_clock_back", REFUSED, "in the future"),
    ],
)
def test_a_score_that_cannot_go_on_says_why_and_leaves_the_scores(place, start, inputs, patch, code, sentence):
    folder, kept = place
    store = open_store(str(folder))
    before = current_version(store)
    environment = {"FAULTS_DATABASE": str(store.database)}
    arguments = ("score", *inputs["score"], "--mlruns", folder)
    told(start(*arguments, kept=kept, patch=patch, environment=environment).wait(), code, sentence)
    assert current_version(store) == before
    assert start(*arguments, kept=kept).wait().code == DONE
    assert store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'") == []


def test_a_server_of_prefect_that_is_gone(place, start, inputs):
    folder, kept = place
    environment = {"PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api", "PREFECT_CLIENT_MAX_RETRIES": "0"}
    ended = start("score", *inputs["score"], "--mlruns", folder, kept=kept, environment=environment).wait()
    told(ended, FAULT, "Prefect's server does not answer")


def test_a_tracking_server_whose_driver_is_missing(start, inputs):
    environment = {"MLFLOW_TRACKING_URI": "mssql+nothing://me:sesame@127.0.0.1/store"}
    ended = start("score", *inputs["score"], environment=environment).wait()
    told(ended, MISTAKE, "cannot be opened")
    assert "sesame" not in ended.text


def test_a_tracking_server_that_is_stopped_in_mid_run_and_comes_back(start, inputs, kept, tmp_path, monkeypatch):
    port = free_port()
    environment = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    monkeypatch.chdir(tmp_path)

    def run(command, **more):
        return start(command, *inputs[command], kept=kept, **more).wait()

    with tracking_server(tmp_path, port) as server:
        for command in ("retrain", "score"):
            assert (ended := run(command, environment=environment)).code == DONE, ended.text
        gone = {**environment, "FAULTS_SERVER": str(server.pid)}
        told(run("score", patch="stop_server", environment=gone), FAULT, "the tracking server does not answer")
    with tracking_server(tmp_path, port):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", environment["MLFLOW_TRACKING_URI"])
        store = open_store(None, tmp_path)
        before = current_version(store)
        assert (ended := run("score", environment=environment)).code == DONE, ended.text
        assert "was cut off: it is closed now" in ended.text
        assert current_version(store) == before + 1
        assert store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'") == []
