"""Published scores: written once, checked before anybody is pointed to them, and pulled with one line."""

import stat
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError, RevealedError
from models.population.scores_table import COMMON, read_metadata
from models.registry.publication import (
    _protect,
    as_of_before,
    finish_rollback,
    is_outdated,
    is_rollback_unfinished,
    make_current,
    newest_scores_of,
    published_before,
    published_versions,
    register_dataset,
    scores_as_of,
    why_not_current,
)
from models.registry.published_file import CURRENT, PUBLISHED, SCORES, current_file
from models.registry.reading import read_current, read_scores
from models.registry.scorers import CHAMPION, PREVIOUS, SCORER, alias_version, roll_back
from tests.models.registering import register


@pytest.fixture
def run_id(store):
    """A run, in a store whose champion is version 1 of two."""
    run = store.client.create_run(store.experiment_id)
    store.client.create_registered_model(SCORER)
    for _ in range(2):
        store.client.create_model_version(SCORER, source=run.info.artifact_uri, run_id=run.info.run_id)
    store.client.set_registered_model_alias(SCORER, CHAMPION, "1")
    return run.info.run_id


def publish_scores(store, run_id, table):
    """Do as a scoring does: register the scores, and make them current unless there is a reason not to."""
    version = register(store, run_id, table)
    scorer, as_of = int(read_metadata(table)["scorer_version"]), table["as_of"][0].as_py()
    if why_not_current(store, scorer, as_of) is not None:
        return version, False
    make_current(store, version)
    return version, True


def files_of(store):
    return sorted(store.folder.rglob("scores.parquet"))


def test_what_is_published_is_current_and_read_back_equal(store, run_id, published):
    table = published()
    assert publish_scores(store, run_id, table) == (1, True)
    assert read_current(store).equals(table, check_metadata=True)
    version = store.client.get_model_version(SCORES, "1")
    assert version.run_id == run_id
    assert version.tags["as_of"] == "2024-01-31"
    assert version.tags["scorer_version"] == "1"
    assert version.description == "4 customers as of 2024-01-31, by scorer 1"
    assert version.source.endswith("/artifacts/scores/1")
    assert scores_as_of(store, 1) == date(2024, 1, 31)


def test_a_local_file_is_read_in_place_and_another_is_downloaded(store, run_id, published, monkeypatch):
    import mlflow.artifacts

    publish_scores(store, run_id, published())
    with monkeypatch.context() as patched:
        patched.setattr(mlflow.artifacts, "download_artifacts", lambda *_, **__: pytest.fail("a copy was made"))
        assert read_scores(store, 1).equals(published())
    monkeypatch.setattr("models.registry.reading.local_file", lambda uri: None)
    assert read_scores(store, 1).equals(published())


def test_scores_that_a_cluster_wrote_are_published_where_they_lie(store, run_id, published, tmp_path):
    table, folder = published(), tmp_path / "on the cluster"
    parts = folder / "scores.parquet"
    parts.mkdir(parents=True)
    for part in (0, 1):
        pq.write_table(table.slice(2 * part, 2), parts / f"part-{part}.parquet")
    pq.write_metadata(table.schema, parts / COMMON)
    for part in parts.iterdir():
        part.chmod(0o640)
    version = register_dataset(store, run_id, folder, 4, date(2024, 1, 31), read_metadata(table))
    assert {stat.S_IMODE(part.stat().st_mode) for part in parts.iterdir()} == {0o440}
    make_current(store, version)
    assert current_file(store) == parts
    assert read_current(store).equals(table)


def test_the_file_is_write_protected(store, run_id, published):
    publish_scores(store, run_id, published())
    (file,) = files_of(store)
    assert stat.S_IMODE(file.stat().st_mode) & 0o733 == 0o400


def test_only_what_lies_on_this_machine_is_write_protected(tmp_path):
    file = tmp_path / "two words"
    file.touch()
    file.chmod(0o777)
    for elsewhere in ("s3:" + str(file), f"{file.as_uri()}.more", "https://mlflow.example/scores"):
        _protect(elsewhere)
    assert stat.S_IMODE(file.stat().st_mode) == 0o777
    _protect(file.as_uri())
    assert stat.S_IMODE(file.stat().st_mode) == 0o555


def test_nothing_published_yet_is_told(store):
    assert not is_rollback_unfinished(store)
    assert finish_rollback(store) is None
    with pytest.raises(InputError, match=r"no scores have been published to .* yet; run `revealed score` first"):
        read_current(store)


def test_scores_of_an_older_date_are_kept_but_not_current(store, run_id, published):
    publish_scores(store, run_id, published("2024-01-31"))
    assert publish_scores(store, run_id, published("2024-01-30")) == (2, False)
    assert alias_version(store, CURRENT, SCORES) == 1
    assert read_scores(store, 2)["as_of"].to_pylist() == [date(2024, 1, 30)] * 4
    # The same date again is a correction.
    assert publish_scores(store, run_id, published("2024-01-31")) == (3, True)
    assert publish_scores(store, run_id, published("2024-02-01")) == (4, True)
    assert alias_version(store, CURRENT, SCORES) == 4


def test_a_run_that_publishes_again_leaves_what_it_published_before(store, run_id, published):
    publish_scores(store, run_id, published())
    (first,) = files_of(store)
    before = (first.read_bytes(), first.stat().st_ino, first.stat().st_mtime_ns)
    publish_scores(store, run_id, published(clv=55.0))
    assert (first.read_bytes(), first.stat().st_ino, first.stat().st_mtime_ns) == before
    assert len(files_of(store)) == 2
    assert read_scores(store, 1)["clv"].to_pylist() == [90.0] * 4
    assert read_current(store)["clv"].to_pylist() == [55.0] * 4


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def lose_a_row(file: Path) -> None:
    pq.write_table(pq.read_table(file).slice(1), file)


def spoil_a_number(file: Path) -> None:
    table = pq.read_table(file)
    place = table.schema.get_field_index("p_alive")
    spoiled = pa.array([0.1, 7.0, 0.1, 0.1], pa.float64())
    pq.write_table(table.set_column(place, table.schema.field(place), spoiled), file)


def forget_where_it_comes_from(file: Path) -> None:
    pq.write_table(pq.read_table(file).replace_schema_metadata(None), file)


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (cut_short, pa.ArrowInvalid, "Parquet"),
        (lose_a_row, RevealedError, "customer_id holds 3 of 4 rows"),
        (spoil_a_number, RevealedError, "p_alive is outside 0..1 in 1 rows"),
        (forget_where_it_comes_from, RevealedError, "metadata lacks scorer_version"),
    ],
)
def test_a_file_that_is_not_what_was_written_never_becomes_current(
    store, run_id, published, monkeypatch, damage, error, message
):
    publish_scores(store, run_id, published())
    monkeypatch.setattr("models.registry.publication._protect", lambda uri: damage(files_of(store)[-1]))
    with pytest.raises(error, match=message):
        publish_scores(store, run_id, published("2024-02-28"))
    assert alias_version(store, CURRENT, SCORES) == 1
    assert read_current(store).equals(published())


WRITES = [
    "log_artifact",
    "create_registered_model",
    "create_model_version",
    "set_registered_model_alias",
    "set_model_version_tag",
]


# A crash right after a write leaves the store as one before the next write does, so only the last has an "after".
@pytest.mark.parametrize(("n", "when"), [*((n, "before") for n in (1, 2, 3, 4, 5)), (5, "after")])
def test_a_crash_leaves_current_and_running_again_works(store, run_id, published, crash_at, n, when):
    publish_scores(store, run_id, published())
    with crash_at(n, when) as calls, pytest.raises(KeyboardInterrupt):
        publish_scores(store, run_id, published("2024-02-01"))
    assert calls == WRITES[:n]
    has_moved = n == 5
    assert read_current(store).equals(published("2024-02-01" if has_moved else "2024-01-31"))
    assert published_versions(store) == ([1, 2] if has_moved else [1])
    assert as_of_before(store, date(2024, 3, 1)) == date(2024, 2 if has_moved else 1, 1 if has_moved else 31)
    again, is_current = publish_scores(store, run_id, published("2024-02-01"))
    assert is_current
    assert read_current(store).equals(published("2024-02-01"))
    # What the crash kept from being tagged as published was tagged before the alias moved on.
    assert published_versions(store) == ([1, 2, again] if has_moved else [1, again])


def test_the_newest_scores_of_a_scorer_are_those_of_its_latest_date(store, run_id, published):
    for as_of in ("2024-01-31", "2024-02-01", "2024-01-15", "2024-02-01"):
        publish_scores(store, run_id, published(as_of))
    assert newest_scores_of(store, 1) == 4
    assert newest_scores_of(store, 2) is None


def test_scores_that_were_never_current_count_nowhere(store, run_id, published):
    publish_scores(store, run_id, published())
    # A run that was killed before the alias moved, another scorer on purpose, and a past date.
    register(store, run_id, published("2024-02-01"))
    assert publish_scores(store, run_id, published("2024-02-02", 2)) == (3, False)
    assert publish_scores(store, run_id, published("2024-01-02")) == (4, False)
    assert newest_scores_of(store, 1) == 1
    assert newest_scores_of(store, 2) is None
    assert published_versions(store) == [1]
    assert as_of_before(store, date(2024, 3, 1)) == date(2024, 1, 31)
    assert [version.version for version in published_before(store, date(2024, 3, 1), 90, 12)] == [1]


def test_in_a_store_of_an_earlier_release_what_was_read_back_counts(store, run_id, published):
    for as_of, tags in (("2024-01-31", {"checked": "true"}), ("2024-02-01", {"checked": "true"}), ("2024-02-02", {})):
        version = register(store, run_id, published(as_of))
        for name, value in tags.items():
            store.client.set_model_version_tag(SCORES, str(version), name, value)
    assert published_versions(store) == [1, 2]
    assert newest_scores_of(store, 1) == 2


def test_scores_of_another_scorer_than_the_champion_do_not_become_current(store, run_id, published):
    publish_scores(store, run_id, published())
    assert publish_scores(store, run_id, published("2024-02-01", 2)) == (2, False)
    assert why_not_current(store, 2, date(2024, 2, 1)) == "scorer 2 is not the champion"
    assert "of a later date, 2024-01-31" in why_not_current(store, 1, date(2024, 1, 1))
    # Only what would be current else has to be made again.
    assert [
        is_outdated(store, *of) for of in ((2, date(2024, 2, 1)), (2, date(2024, 1, 1)), (1, date(2024, 2, 1)))
    ] == [
        True,
        False,
        False,
    ]


def test_the_change_is_against_the_latest_earlier_date_and_never_a_later_one(store, run_id, published):
    assert as_of_before(store, date(2024, 1, 31)) is None
    for as_of in ("2024-01-15", "2024-01-31"):
        publish_scores(store, run_id, published(as_of))
    assert as_of_before(store, date(2024, 2, 7)) == date(2024, 1, 31)
    assert as_of_before(store, date(2024, 1, 31)) == date(2024, 1, 15)
    assert as_of_before(store, date(2024, 1, 20)) is None


def test_of_many_dates_a_few_evenly_spread_ones_are_looked_back_at(store, run_id):
    store.client.create_registered_model(SCORES)
    for day in (*range(1, 15), 14, 25):
        tags = {"as_of": f"2024-01-{day:02d}", PUBLISHED: "then"}
        store.client.create_model_version(SCORES, source="scores", run_id=run_id, tags=tags)

    def found(as_of, days, most):
        versions = published_before(store, as_of, days, most)
        return [(int(version.tags["as_of"][-2:]), int(version.version)) for version in versions]

    assert found(date(2024, 1, 15), 14, 20) == [*((day, day) for day in range(1, 14)), (14, 15)]
    assert found(date(2024, 1, 15), 10, 5) == [(5, 5), (7, 7), (9, 9), (11, 11), (13, 13)]
    assert found(date(2024, 1, 30), 20, 2) == [(10, 10), (25, 16)]
    assert found(date(2024, 1, 1), 20, 2) == []
    assert found(date(2024, 1, 25), 11, 20) == [(14, 15)]


def test_a_rollback_that_was_interrupted_before_the_scores_moved_can_be_finished(store, run_id, published):
    publish_scores(store, run_id, published())
    store.client.set_registered_model_alias(SCORER, PREVIOUS, "1")
    store.client.set_registered_model_alias(SCORER, CHAMPION, "2")
    assert publish_scores(store, run_id, published("2024-02-01", 2)) == (2, True)
    assert not is_rollback_unfinished(store)
    roll_back(store)
    assert is_rollback_unfinished(store)
    # A newer champion has nothing to do with it.
    store.client.create_model_version(SCORER, source="nowhere")
    store.client.set_registered_model_alias(SCORER, CHAMPION, "3")
    assert not is_rollback_unfinished(store)
    store.client.set_registered_model_alias(SCORER, CHAMPION, "1")
    # They may be of an earlier release, which knew fewer columns.
    (older,) = files_of(store)[:1]
    older.chmod(0o600)
    pq.write_table(pq.read_table(older).drop_columns(["reasons"]), older)
    assert finish_rollback(store) == 1
    assert read_current(store).equals(published().drop_columns(["reasons"]))
    assert not is_rollback_unfinished(store)
