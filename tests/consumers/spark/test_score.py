"""`revealed score` on a cluster publishes what it publishes on one machine, and brings no base to the driver."""

import subprocess
from dataclasses import asdict
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.measures.panel import MEASURES
from flows.score import score
from flows.settings import Settings
from flows.steps.cluster import watching
from models.monitoring.drift import measure_drift
from models.population.scores_table import SCHEMA, read_metadata, read_scores_at
from models.registry.scorers import read_champion
from models.registry.store import open_store
from models.registry.tracking import read_json
from tests.consumers.conftest import AS_OF, BIN, clean_environment
from tests.consumers.spark.conftest import (
    ENGINE,
    assert_figures_alike,
    assert_scores_alike,
    of_cluster,
    pulled,
)

# Counts, sums and samples; the base of the shop has more customers.
MOST_ROWS_COLLECTED = 500
# Of the page; distributions are those of a sample.
SAME_FIGURES = (
    *("base", "categories", "segments", "personas", "rfm", "concentration", "transitions", "actions", "measures"),
    *("cohorts", "cohort_groups"),
    *("drivers", "without_purchase", "without_behaviour", "not_given", "currency", "horizon", "as_of"),
)


def test_the_one_line_reads_the_scores_that_one_machine_gives(project, published):
    here, there, _ = published
    assert there.is_current and there.customers == here.customers
    assert_scores_alike(pulled(project, "@current"), pulled(project, f"/{here.version}"))
    # The earlier scores are beside today's.
    assert pulled(project, "@current")["segment_before"].notna().mean() > 0.8


def test_people_on_lists_and_all_others_have_the_same_reasons(project, published):
    here, there, _ = published
    reasons = pulled(project, f"/{here.version}")["reasons"]
    assert reasons.tolist() == pulled(project, f"/{there.version}")["reasons"].tolist()
    of_others = reasons.dropna().str.startswith('[{"group": "NPS", "points"')
    assert 100 < of_others.sum() < len(of_others) - 100
    store = open_store(str(project / "mlruns"))
    listed = [store.client.download_artifacts(each.run_id, "action_lists.csv") for each in (here, there)]
    own, theirs = (pd.read_csv(file, dtype={"customer_id": str}) for file in listed)
    pd.testing.assert_frame_equal(theirs, own, rtol=1e-9)


def is_unknown(figure):
    """Whether it is the measure that Sail does not know (`test_engine`)."""
    return ENGINE == "sail" and figure["title"] == next(each.title for each in MEASURES if each.name == "activity_time")


def test_the_page_has_the_figures_of_one_machine(project, published):
    here, there, _ = published
    store = open_store(str(project / "mlruns"))
    own, theirs = (
        {name: of[name] for name in SAME_FIGURES}
        | {"respondents": of["stability"]["kinds"]["respondents"]}
        | {"measures": [each for each in of["measures"] if not is_unknown(each)]}
        for of in (read_json(store, each.run_id, "report/figures.json") for each in (here, there))
    )
    # Of cohorts a cell for each month.
    assert assert_figures_alike(theirs, own) > 4000
    page = Path(store.client.download_artifacts(there.run_id, "report/report.html")).read_text()
    assert "Likely detractors of high value" in page


# Of the report: sections about the files, about what a sample is compared by, and about what Sail does not know.
OTHER_SECTIONS = (
    "What was read",
    "Stability",
    "A retrain",
    "No retrain",
    "Not measured",
    "Where the scores",
    "Measures",
)


def sections_of(store, run_id):
    """The text of each section of a report by its title."""
    text = Path(store.client.download_artifacts(run_id, "report.md")).read_text()
    return dict(each.partition("\n")[::2] for each in text.split("\n## ")[1:])


def test_the_report_says_what_that_of_one_machine_says(project, published):
    here, there, _ = published
    store = open_store(str(project / "mlruns"))
    own, theirs = (sections_of(store, each.run_id) for each in (here, there))
    compared = [title for title in own if not title.startswith(OTHER_SECTIONS)]
    assert {"Large accounts", "Predictions published before the answers"} < set(compared)
    assert {title: theirs[title] for title in compared} == {title: own[title] for title in compared}


@pytest.mark.parametrize(
    "file",
    [
        *(
            "measures/by_segment.csv",
            "segments/segments.csv",
            "segments/personas.csv",
            "change/segment_transitions.csv",
        ),
        *("change/segments_by_time.csv", "change/category_transitions.csv", "change/expected_categories.csv"),
        "change/stability_respondents.csv",
    ],
)
def test_files_of_the_run_are_those_of_one_machine(project, published, file):
    here, there, _ = published
    store = open_store(str(project / "mlruns"))
    own, theirs = (pd.read_csv(store.client.download_artifacts(each.run_id, file)) for each in (here, there))
    if file == "measures/by_segment.csv":
        by = own[own["segmentation"] == "cost_to_serve"]
        assert by["group"].str.contains("over|or less").sum() > 5
        assert by["value"].notna().sum() > 50
        own, theirs = (each[[not is_unknown(row) for row in each.to_dict("records")]] for each in (own, theirs))
    pd.testing.assert_frame_equal(theirs.reset_index(drop=True), own.reset_index(drop=True), rtol=1e-9)


def test_drift_is_that_of_one_machine_and_of_a_large_base_that_of_a_sample(project, published, shop):
    _, there, _ = published
    store, as_of = open_store(str(project / "mlruns")), date.fromisoformat(AS_OF)
    release = read_champion(store).release
    here = measure_drift(
        *(shop.embedded, as_of, release.parameters.purchases, release.training_fit, release.parameters.horizon),
        clock=release.scorer.clock,
    )
    found = watching.drift_there(shop.cluster, as_of, release, there.customers)
    assert assert_figures_alike(asdict(found), asdict(here)) > 10
    of_sample = read_json(store, there.run_id, "report/figures.json")["drift"]
    assert any("drawn by a hash of their ids" in note for note in of_sample["notes"])


def test_nothing_of_the_size_of_the_base_comes_to_the_driver(published):
    here, _, collected = published
    assert here.customers > MOST_ROWS_COLLECTED
    assert len(collected) > 10
    # What grows with months, and not with customers, has a row for each group and month.
    by_month = [each for each in collected if "cohort" in getattr(each, "columns", ())]
    assert [sorted({"cohort", "label", "month", "part"} & set(each.columns)) for each in by_month] == [
        ["cohort", "label", "month"],
        ["cohort", "label", "part"],
    ]
    assert not any(each.duplicated(list({"cohort", "label", "month", "part"} & set(each))).any() for each in by_month)
    others = [each for each in collected if "cohort" not in getattr(each, "columns", ())]
    assert max(len(each) if hasattr(each, "__len__") else 1 for each in others) <= MOST_ROWS_COLLECTED


def test_the_version_points_to_files_with_schema_and_metadata(project, published):
    _, there, _ = published
    store = open_store(str(project / "mlruns"))
    version = store.client.get_model_version("customer_scores", str(there.version))
    place = Path(version.source.removeprefix("file://")) / "scores.parquet"
    assert place.parent.parent == project / "shared"
    assert [folder.name for folder in place.parent.parent.iterdir()] == [there.run_id], "the run's own tables are gone"
    table = read_scores_at(place)
    assert table.schema.remove_metadata().equals(SCHEMA)
    assert read_metadata(table)["scorer_version"] == version.tags["scorer_version"] == "1"
    assert "published" in version.tags
    features = place.parent / "features.parquet"
    assert pd.read_parquet(features)["customer_id"].tolist() == table["customer_id"].to_pylist()
    assert not any(part.stat().st_mode & 0o222 for folder in (place, features) for part in folder.glob("*.parquet"))
    assert pq.read_schema(place / "_common_metadata").metadata


def test_the_command_shows_one_customer_of_them(project, published):
    customer = pulled(project, "@current")["customer_id"].iloc[3]
    arguments = ["scores", "--customer", customer, "--mlruns", str(project / "mlruns")]
    done = subprocess.run(
        [BIN / "revealed", *arguments], env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"Customer {customer}, as of {AS_OF}, by scorer 1" in done.stdout


@pytest.mark.parametrize(
    ("command", "settings", "says"),
    [
        ("check", {}, 'engine = "spark" serves retrain, backtest and score'),
        ("retrain", {}, "needs scores_location"),
        ("score", {}, "needs scores_location"),
        ("score", {"scores_location": "/no/such/folder"}, "there is no such folder"),
        ("score", {"scores_location": "s3://lake/scores"}, "must be a folder"),
    ],
)
def test_what_a_cluster_cannot_do_is_told_before_anything_starts(tmp_path, command, settings, says):
    open_store(str(tmp_path / "mlruns"))
    sets = [f"{name}={value}" for name, value in {"engine": "spark", "mlruns": "mlruns", **settings}.items()]
    arguments = [command, "--transactions", "orders"]
    done = subprocess.run(
        [BIN / "revealed", *arguments, *(text for each in sets for text in ("--set", each))],
        env=clean_environment(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert says in done.stderr.replace("\n", " ")


def test_a_failure_on_the_cluster_publishes_nothing_and_leaves_nothing(project, named, remote, monkeypatch):
    from data.errors import RevealedError
    from models.registry.cluster import scorer

    def broken(*_):
        raise RevealedError("the scores break their contract: clv is NaN")

    monkeypatch.setattr(scorer, "assemble_scores", broken)
    store = open_store(str(project / "mlruns"))
    before = store.client.get_model_version_by_alias("customer_scores", "current").version
    with pytest.raises(RevealedError, match="the scores break their contract: clv is NaN"):
        score(Settings(**named, mlruns=str(project / "mlruns"), as_of=AS_OF, **of_cluster(project, remote)))
    assert store.client.get_model_version_by_alias("customer_scores", "current").version == before
    assert not [folder for folder in (project / "shared").iterdir() if folder.name.startswith("work-")]
