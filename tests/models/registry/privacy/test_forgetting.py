"""One customer is taken out of a store: everything else stays, and a crash leaves nothing broken."""

from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from models.registry.privacy.artifacts import replace
from models.registry.privacy.beside import KEPT_ROWS, KEPT_TABLES, drop_kept_rows
from models.registry.privacy.customer import Customer
from models.registry.privacy.forgetting import FORGOTTEN_ON, forget_customer
from models.registry.publication import make_current
from models.registry.published_file import SCORES
from models.registry.reading import read_scores
from models.registry.stored_samples import SAMPLE, read_probability_samples, write_probability_sample
from models.registry.tracking import tracked
from models.registry.upkeep.half_written import HALF_WRITTEN
from tests.models.registering import register

IDS = ["007", "gone-1", "other", "ü"]


@pytest.fixture
def whom():
    return Customer(frozenset({"gone-1"}))


@pytest.fixture
def filled(store, published, whom):
    """A store with two versions of the scores, rows set aside, lists, a sample and reports, all with the customer."""
    [name] = whom.ids
    for as_of in ("2024-01-31", "2024-02-29"):
        with tracked(store, "score", {}) as run:
            make_current(store, register(store, run.run_id, published(as_of, customer_id=IDS)))
            aside = pa.table({"cell": [None, "x"], "record": [f'{{"id": " {name} "}}', '{"id": "other"}']})
            pq.write_table(aside, run.folder / "quarantine.parquet")
            run.log_quarantine(run.folder)
            lists = pd.DataFrame({"list": ["a", "b"], "customer_id": [name, "other"], "value": [1.5, 2.5]})
            run.log_csv(lists, "action_lists.csv")
            run.log_table(lists, "action_lists.json")
            run.log_text(f"| {name} | 5 |\n| other | 6 |\n", "report.md")
            run.log_text(f"<table><tr><td>{name}</td></tr><tr><td>other</td></tr></table>", "report/report.html")
            run.describe(f"customer {name}")
    with tracked(store, SAMPLE, {}) as run:
        drawn = pd.DataFrame({"customer_id": [name, "other"], "inclusion_probability": 0.5})
        write_probability_sample(run, drawn, date(2024, 1, 1), 90)
    return store


def is_in_store(store, name):
    files = [file for file in (store.folder / "artifacts").rglob("*") if file.is_file()]
    texts = [str(pq.read_table(f).to_pylist()) if f.suffix == ".parquet" else f.read_text() for f in files]
    tags = [str(run.data.tags) for run in store.client.search_runs([store.experiment_id])]
    return any(name in text for text in (*texts, *tags))


def test_the_customer_is_gone_and_everything_else_stays(filled, whom):
    [name] = whom.ids
    before = {version: read_scores(filled, version) for version in (1, 2)}
    # Killed while it wrote a file, which has no kind yet.
    [scores, *_] = filled.folder.rglob("scores.parquet")
    scores.with_name(f"{HALF_WRITTEN}x1").write_bytes(f"{name}".encode())
    removed = forget_customer(filled, whom)
    assert not is_in_store(filled, name)
    assert sorted(removed.versions) == [1, 2]
    assert dict(removed.rows) == {
        "scores": 2,
        "rows set aside": 2,
        "action lists": 4,
        "reports": 4,
        "lists of whom to ask": 1,
        "descriptions of runs": 2,
    }
    for version, table in before.items():
        rest = table.filter(pc.not_equal(table["customer_id"], name))
        assert read_scores(filled, version).equals(rest, check_metadata=True)
        assert FORGOTTEN_ON in filled.client.get_model_version(SCORES, str(version)).tags
    assert read_probability_samples(filled, date(2024, 6, 1))["customer_id"].tolist() == ["other"]
    assert is_in_store(filled, "other")
    assert all(file.stat().st_mode & 0o222 == 0 for file in filled.folder.rglob("scores.parquet"))
    again = forget_customer(filled, whom)
    assert (again.files, again.versions, again.left) == ({}, [], [])


def test_a_crash_leaves_each_version_old_or_new_and_the_next_one_finishes(filled, whom, monkeypatch):
    [name] = whom.ids
    old = {version: read_scores(filled, version).num_rows for version in (1, 2)}
    seen = {version: set() for version in old}
    is_done, crashes = False, 0

    def crashing(*arguments):
        """Crash before the file is exchanged, the next time after it."""
        if crashes % 2:
            replace(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr("models.registry.privacy.forgetting.replace", crashing)
    while not is_done:
        try:
            forget_customer(filled, whom)
            is_done = True
        except KeyboardInterrupt:
            crashes += 1
        for version in old:
            seen[version].add(read_scores(filled, version).num_rows)
    assert seen == {version: {rows, rows - 1} for version, rows in old.items()}
    assert crashes > 5
    assert not is_in_store(filled, name)
    assert all(FORGOTTEN_ON in filled.client.get_model_version(SCORES, str(version)).tags for version in (1, 2))


def test_files_that_a_cluster_wrote_lose_the_customer_too(store, published, whom, tmp_path):
    [name] = whom.ids
    folder = tmp_path / "shared" / "scores.parquet"
    folder.mkdir(parents=True)
    table = published(customer_id=IDS)
    for part, rows in enumerate((table.slice(0, 2), table.slice(2))):
        pq.write_table(rows, folder / f"part-{part}.parquet")
    pq.write_metadata(table.schema, folder / "_common_metadata")
    with tracked(store, "score", {}) as run:
        pass
    store.client.create_registered_model(SCORES)
    store.client.create_model_version(SCORES, source=folder.parent.as_uri(), run_id=run.run_id)
    untouched = (folder / "part-1.parquet").stat().st_mtime_ns
    assert forget_customer(store, whom).versions == [1]
    left = pq.read_table(folder)["customer_id"].to_pylist()
    assert left == [each for each in table["customer_id"].to_pylist() if each != name]
    assert (folder / "part-1.parquet").stat().st_mtime_ns == untouched


def test_kept_rows_go_with_the_customer_and_kept_tables_go_in_any_case(store, whom):
    files = {}
    for folder in (KEPT_ROWS, KEPT_TABLES):
        (store.folder / folder).mkdir()
        for name, ids in (("with", IDS), ("without", ["other"])):
            files[folder, name] = store.folder / folder / f"{name}.parquet"
            pq.write_table(pa.table({"customer_id": ids}), files[folder, name])
            files[folder, name].with_suffix(".json").touch()
    pq.write_table(pa.table({"record": ["{}"]}), store.folder / KEPT_TABLES / "quarantine.parquet")
    assert drop_kept_rows(store, whom) == 2
    assert [key for key, file in files.items() if file.exists()] == [(KEPT_ROWS, "without")]
    assert list((store.folder / KEPT_TABLES).iterdir()) == []
    assert drop_kept_rows(store, whom) == 0
