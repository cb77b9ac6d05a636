"""What a run leaves behind, however it ends, and what is deleted again."""

import json
import time

import pandas as pd
import pytest
from matplotlib.figure import Figure

from data.errors import InputError
from data.intake.pipeline import Rules, Source, take_in
from models.registry.tracking import Run, forget_old_quarantine, tracked

DAY = 86_400_000


def the_run(store):
    (run,) = store.client.search_runs([store.experiment_id])
    return run


def artifacts(store, run_id, folder=None):
    return sorted(file.path for file in store.client.list_artifacts(run_id, folder))


def test_a_run_that_ends_well(store):
    with tracked(store, "retrain", {"input": "real"}) as run:
        run.log({"horizon": 90, "text": "x" * 7000}, {"rps": 0.25, "undefined": float("nan"), "endless": float("inf")})
        run.tag(verdict="better")
        run.log_text("hello", "report.txt")
        figure = Figure()
        figure.subplots().plot([1, 2])
        run.log_figure(figure, "plots/tracking.png")
    found = the_run(store)
    assert found.info.run_id == run.run_id
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "retrain"
    assert {"kind": "retrain", "input": "real", "verdict": "better"}.items() <= found.data.tags.items()
    assert found.data.metrics == {"rps": 0.25}
    assert found.data.params == {"horizon": "90", "text": "x" * 6000}
    assert artifacts(store, run.run_id) == ["plots", "report.txt"]
    (picture,) = store.folder.rglob("plots/tracking.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("the file prices.csv is not there"), "FAILED", "the file prices.csv is not there"),
        (ValueError("may hold a customer's row"), "FAILED", "ValueError"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
    ],
)
def test_a_run_that_does_not_says_why(store, error, status, message):
    with pytest.raises(type(error)), tracked(store, "score", {}):
        raise error
    found = the_run(store)
    assert found.info.status == status
    assert found.data.tags["error"] == message


@pytest.fixture
def intake(tmp_path):
    """Three purchases of which one has no amount."""
    file = tmp_path / "purchases.csv"
    file.write_text("customer_id,ts,amount\na,2024-01-01,5\nb,2024-01-02,6\nc,2024-01-03,six\n")
    return take_in({"transactions": Source((str(file),))}, tmp_path / "clean", Rules(quarantine_limit=1.0))


def test_what_was_read_is_kept_with_its_digest_and_the_rows_set_aside(store, intake):
    with tracked(store, "retrain", {}) as run:
        run.log_intake(intake)
    found = the_run(store)
    assert found.data.metrics == {"input/transactions_read": 3, "input/transactions_set_aside": 1}
    (read,) = found.inputs.dataset_inputs
    assert read.dataset.name == "transactions"
    assert read.dataset.digest == intake.tables["transactions"].digest[:36]
    assert "purchases.csv" in read.dataset.source
    assert artifacts(store, run.run_id) == ["intake.json", "quarantine"]
    logged = json.loads(next(store.folder.rglob("intake.json")).read_text())
    assert "folder" not in logged
    rows = pd.read_parquet(next(store.folder.rglob("quarantine.parquet")))
    assert rows[["line", "cell"]].to_numpy().tolist() == [[4, "six"]]


def test_rows_set_aside_are_kept_only_where_there_are_any(store, tmp_path):
    with tracked(store, "retrain", {}) as run:
        run.log_quarantine(tmp_path / "nowhere")
    assert artifacts(store, run.run_id) == []
    assert "quarantine.kept" not in the_run(store).data.tags


def test_retention_deletes_the_rows_of_old_runs_only_and_keeps_their_counts(store, intake):
    now = int(time.time() * 1000)
    runs = {}
    for days in (0, 29, 31, 400):
        created = store.client.create_run(store.experiment_id, start_time=now - days * DAY - 1000)
        runs[days] = Run(store, created.info.run_id)
        runs[days].log_intake(intake)
    assert forget_old_quarantine(store, days=30) == 2
    for days, run in runs.items():
        kept = days <= 30
        assert artifacts(store, run.run_id) == (["intake.json", "quarantine"] if kept else ["intake.json"])
        assert store.client.get_run(run.run_id).data.tags["quarantine.kept"] == str(kept).lower()
        assert store.client.get_run(run.run_id).data.metrics["input/transactions_set_aside"] == 1
    assert len(list(store.folder.rglob("quarantine.parquet"))) == 2
    assert forget_old_quarantine(store, days=30) == 0
    assert forget_old_quarantine(store, days=0) == 2
