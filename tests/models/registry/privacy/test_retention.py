"""What may go: never what is current, what was current before, what a rollback needs, or what an alias points to."""

import os
import time
from datetime import date

import pandas as pd
import pytest

from models.registry.privacy.pruning import remove
from models.registry.privacy.retention import find_removals, versions_to_keep
from models.registry.publication import make_current, register_dataset
from models.registry.published_file import CURRENT, SCORES
from models.registry.reading import read_scores
from models.registry.scorers import CHAMPION, SCORER, alias_version, model_versions
from models.registry.stored_samples import SAMPLE, read_probability_samples, write_probability_sample
from models.registry.tracking import tracked
from models.registry.upkeep.shared_folders import shared_folder
from tests.models.registering import register

LATER = time.time() + 100 * 86_400
EVERYTHING = dict.fromkeys(("scores", "quarantine", "reports", "lists", "samples", "kept_rows", "runs"), 30)


@pytest.fixture
def filled(store, published):
    """Five versions of the scores, the last but one never published; an alias of a consumer points to the first."""
    store.client.create_registered_model(SCORER)
    for number in range(1, 6):
        with tracked(store, "score", {}) as run:
            version = register(store, run.run_id, published(f"2024-0{number}-01"))
            run.log_text("page", "report/report.html")
            run.log_text("more", "fits.csv")
            run.log_csv(pd.DataFrame({"customer_id": ["a"]}), "action_lists.csv")
            if number != 4:
                make_current(store, version)
            if number == 1:
                store.client.create_model_version(SCORER, source=str(run.folder), run_id=run.run_id)
                store.client.set_registered_model_alias(SCORER, CHAMPION, "1")
    store.client.set_registered_model_alias(SCORES, "of_a_consumer", "1")
    return store


def versions_of(store):
    return sorted(int(version.version) for version in model_versions(store, SCORES))


def test_only_what_nothing_needs_and_is_past_its_retention_may_go(filled):
    assert versions_to_keep(filled) == {1, 3, 5}
    removals = find_removals(filled, EVERYTHING, LATER)
    assert [removal.version for removal in removals if removal.version is not None] == [2, 4]
    runs = {int(each.version): each.run_id for each in model_versions(filled, SCORES)}
    assert {removal.run_id for removal in removals} == {runs[2], runs[4]}
    assert find_removals(filled, EVERYTHING) == []
    assert find_removals(filled, {"quarantine": 30}, LATER) == []
    lists = [removal.paths for removal in find_removals(filled, {"lists": 30}, LATER)]
    assert lists == [("action_lists.csv",)] * 2


def test_what_was_removed_is_gone_and_the_rest_is_as_it_was(filled):
    current = read_scores(filled, 5)
    for removal in find_removals(filled, EVERYTHING, LATER):
        remove(filled, removal)
    assert versions_of(filled) == [1, 3, 5]
    assert alias_version(filled, CURRENT, SCORES) == 5
    assert read_scores(filled, 5).equals(current)
    assert len(list(filled.folder.rglob("scores.parquet"))) == len(list(filled.folder.rglob("report.html"))) == 3
    assert find_removals(filled, EVERYTHING, LATER) == []


def test_a_version_that_became_needed_meanwhile_stays(filled):
    removals = find_removals(filled, EVERYTHING, LATER)
    filled.client.set_registered_model_alias(SCORES, "of_another", "2")
    for removal in removals:
        if removal.version is not None:
            remove(filled, removal)
    assert versions_of(filled) == [1, 2, 3, 5]


def test_a_crash_leaves_files_that_no_version_points_to_which_go_next_time(filled, crash_at):
    [second, *_] = find_removals(filled, EVERYTHING, LATER)
    with crash_at(1, "after"), pytest.raises(KeyboardInterrupt):
        remove(filled, second)
    assert 2 not in versions_of(filled)
    assert len(list(filled.folder.rglob("scores.parquet"))) == 5
    for removal in find_removals(filled, {}, LATER):
        remove(filled, removal)
    assert len(list(filled.folder.rglob("scores.parquet"))) == 4


def test_a_sample_that_was_removed_counts_no_more(store):
    with tracked(store, SAMPLE, {}) as run:
        drawn = pd.DataFrame({"customer_id": ["a"], "inclusion_probability": 0.5})
        write_probability_sample(run, drawn, date(2024, 1, 1), 90)
    for removal in find_removals(store, {"samples": 30}, LATER):
        remove(store, removal)
    assert read_probability_samples(store, date(2024, 6, 1)).empty


def test_files_without_a_run_and_old_kept_rows_go(store):
    orphan, *kept = (store.folder / name for name in ("artifacts/no-run", "kept_rows", "kept_tables"))
    for folder in (orphan, *kept):
        folder.mkdir(parents=True)
        (folder / "file.parquet").write_text("rows")
    for old in (orphan, *(folder / "file.parquet" for folder in kept)):
        os.utime(old, (0, 0))
    for removal in find_removals(store, {"kept_rows": 30}):
        remove(store, removal)
    assert not orphan.exists()
    assert [list(folder.iterdir()) for folder in kept] == [[], []]


def test_scores_and_tables_that_killed_runs_left_on_a_cluster_go(store, tmp_path):
    shared = tmp_path / "shared"
    registered, killed, running = (store.client.create_run(store.experiment_id).info.run_id for _ in range(3))
    for run_id in (registered, killed, running, "of-another-store"):
        for name in ("scores.parquet", "features.parquet"):
            (shared / run_id / name).mkdir(parents=True)
            (shared / run_id / name / "part.parquet").write_text("rows")
    shared_folder(shared, killed).mkdir()
    register_dataset(store, registered, shared / registered, 1, date(2024, 1, 1), {"scorer_version": "1"})
    store.client.set_terminated(registered, "FINISHED")
    store.client.set_terminated(killed, "KILLED")
    assert find_removals(store, {}) == []
    removals = find_removals(store, {}, shared=shared)
    assert [(each.place, each.files, each.size) for each in removals] == [
        (shared / killed, 2, 8),
        (shared_folder(shared, killed), 0, 0),
    ]
    for removal in removals:
        remove(store, removal)
    assert {folder.name for folder in shared.iterdir()} == {registered, running, "of-another-store"}
    # Of a version all goes that lies beside the scores, and all of it is counted.
    [version] = find_removals(store, {"scores": 30}, LATER, shared)
    assert (version.version, version.files, version.size) == (1, 2, 8)
    remove(store, version)
    assert not (shared / registered).exists()
