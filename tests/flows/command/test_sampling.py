"""A sample from the settings to the file, the store and the console; what it leaves behind when it cannot."""

import io
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from rich.console import Console

from data.errors import InputError
from flows.command.sampling import run_sample
from flows.settings import Settings
from models.registry.scorers import promote, register_scorer
from models.registry.stored_samples import read_probability_samples
from models.registry.tracking import tracked


@pytest.fixture
def settings(store, all_tables, release) -> Settings:
    """Of a store with a champion."""
    with tracked(store, "retrain", {}) as run:
        promote(store, register_scorer(store, run.run_id, release, None, {}), "the first")
    return Settings(**all_tables, mlruns=str(store.folder), quiet_days=30)


def sampled(settings: Settings, output: Path, margin: float = 20.0, by: str | None = None) -> str:
    shown = io.StringIO()
    run_sample(settings, margin, by, output, None, Console(file=shown, width=200))
    return shown.getvalue()


def test_the_list_is_written_kept_and_told(store, settings, release, tmp_path):
    output = tmp_path / "whom.csv"
    shown = sampled(settings, output)
    rows = pd.read_csv(output, dtype={"customer_id": "str"})
    assert {"customer_id", "segment", "stratum", "inclusion_probability"} <= set(rows)
    kept = read_probability_samples(store, release.as_of + pd.Timedelta(days=1))
    assert kept["customer_id"].tolist() == sorted(rows["customer_id"])
    assert kept["inclusion_probability"].sum() == pytest.approx(rows["inclusion_probability"].sum(), rel=1e-12)
    assert kept["drawn_on"].eq(pd.Timestamp(release.as_of)).all()
    assert kept["quiet_days"].eq(settings.quiet_days).all()
    assert f"{len(rows):,} customers are written to" in shown.replace("\n", "")
    assert "replaces" not in shown
    last = release.as_of + timedelta(days=60)
    assert f"invite all of them from {release.as_of} to {last}." in shown
    assert f"WARNING: {last} has passed" in shown
    assert "were invited or answered on" not in shown
    assert [file.name for file in tmp_path.glob("*whom*")] == ["whom.csv"]

    (run,) = store.client.search_runs([store.experiment_id], "tags.kind = 'sample'")
    assert run.data.metrics["sample/invitations"] == len(rows)
    assert run.data.params["margin"] == "20.0"
    assert {file.path for file in store.client.list_artifacts(run.info.run_id)} >= {
        "intake.json",
        "report.md",
        "sample",
    }

    # Of one date the last list counts.
    with pytest.raises(InputError, match="is there already"):
        sampled(settings, output)
    again = sampled(settings, tmp_path / "again.csv", margin=40.0, by="region")
    assert "replaces the list" in again
    rows = pd.read_csv(tmp_path / "again.csv", dtype={"customer_id": "str"})
    assert len(rows["segment"].unique()) > 1
    assert len(read_probability_samples(store, release.as_of + pd.Timedelta(days=1))) == len(rows)


def test_a_list_of_another_day_says_what_it_cannot_see(all_tables, settings, release, tmp_path):
    """As of a day in the past customers are on it who were asked since; as of today there is time to send it."""
    past = release.as_of - timedelta(days=200)
    shown = sampled(settings.model_copy(update={"as_of": past}), tmp_path / "past.csv", margin=40.0)
    rows = pd.read_csv(tmp_path / "past.csv", dtype={"customer_id": "str"})
    raw = pd.read_parquet(all_tables["answers"][0])
    since = raw[raw[["invited_at", "answered_at"]].max(axis=1) >= pd.Timestamp(past)]
    met = rows["customer_id"].isin(since["customer_id"]).sum()
    assert met > 0
    assert f"WARNING: {met:,} of them were invited or answered on {past} or later" in shown
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    shown = sampled(settings.model_copy(update={"as_of": today}), tmp_path / "today.csv", margin=40.0)
    assert "WARNING" not in shown


def test_what_cannot_be_done_is_said_and_draws_nobody(store, settings, release, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"must end in \.csv"):
        sampled(settings, tmp_path / "whom.xlsx")
    with pytest.raises(InputError, match="no folder"):
        sampled(settings, tmp_path / "nowhere" / "whom.csv")
    with pytest.raises(InputError):
        sampled(settings, tmp_path / "whom.csv", margin=0.01)
    with pytest.raises(InputError, match="no store"):
        sampled(settings.model_copy(update={"mlruns": str(tmp_path / "empty")}), tmp_path / "whom.csv")

    def fails(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("flows.command.sampling.write_probability_sample", fails)
    with pytest.raises(OSError, match="disk full"):
        sampled(settings, tmp_path / "whom.csv")
    assert not list(tmp_path.glob("*whom*"))
    assert read_probability_samples(store, release.as_of + pd.Timedelta(days=1)).empty
