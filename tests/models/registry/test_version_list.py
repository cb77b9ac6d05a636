"""Versions, aliases and files of an embedded store without MLflow: they are what MLflow would tell."""

import json
import shutil
import sqlite3
import subprocess
import sys

import pytest

from data.errors import InputError
from models.registry.location import store_location
from models.registry.publication import make_current, register_scores
from models.registry.published_file import CURRENT, FILE, SCORES
from models.registry.version_list import SCORER, VersionList


@pytest.fixture
def two_versions(store, published):
    run = store.client.create_run(store.experiment_id)
    for day in ("2024-01-31", "2024-02-01"):
        register_scores(store, run.info.run_id, published(day))
    make_current(store, 1)
    store.client.log_text(run.info.run_id, json.dumps({"a": 1}), "report/figures.json")
    return store


def test_versions_are_those_of_mlflow(two_versions, tmp_path):
    listed = VersionList(two_versions, tmp_path)
    versions = listed.versions(SCORES)
    assert [each.version for each in versions] == [2, 1]
    assert [each.aliases for each in versions] == [(), (CURRENT,)]
    for each in versions:
        known = two_versions.client.get_model_version(SCORES, str(each.version))
        assert (each.run_id, each.tags) == (known.run_id, known.tags)
        assert int(1000 * each.created.timestamp()) == known.creation_timestamp
        assert listed.file(each.place, FILE).is_file()
        assert listed.file(each.place, "nothing") is None
        assert json.loads(listed.file(each.artifacts, "report/figures.json").read_text()) == {"a": 1}
    assert (listed.alias(SCORES, CURRENT), listed.alias(SCORES, "other")) == (1, None)
    make_current(two_versions, 2)
    assert listed.alias(SCORES, CURRENT) == 2
    assert (listed.versions(SCORER), listed.alias(SCORER, "champion")) == ([], None)


def test_a_store_that_was_moved_is_followed(two_versions, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(two_versions.folder, moved)
    shutil.rmtree(two_versions.folder)
    listed = VersionList(store_location(str(moved), tmp_path), tmp_path)
    assert listed.alias(SCORES, CURRENT) == 1
    assert listed.file(listed.versions(SCORES)[0].place, FILE).is_relative_to(moved)


def test_a_database_that_is_none_says_so(tmp_path):
    folder = tmp_path / "mlruns"
    folder.mkdir()
    (folder / "mlflow.db").write_text("no database, whatever its name says" * 30)
    with pytest.raises(InputError, match=r"the store sqlite:.* cannot be read: file is not a database"):
        VersionList(store_location(str(folder), tmp_path), tmp_path)


def test_a_lost_table_says_so(two_versions, tmp_path):
    listed = VersionList(two_versions, tmp_path)
    with sqlite3.connect(two_versions.database) as connection:
        connection.execute("DROP TABLE registered_model_aliases")
    with pytest.raises(InputError, match="no such table"):
        listed.alias(SCORES, CURRENT)


def test_mlflow_is_not_imported(two_versions, tmp_path):
    code = (
        "import sys; from pathlib import Path; from flows.app.serving import serve\n"
        "from models.registry.location import store_location; from models.registry.version_list import VersionList\n"
        "VersionList(store_location(sys.argv[1], Path()), Path()).versions('customer_scores')\n"
        "sys.exit(bool({'mlflow', 'prefect', 'ibis', 'pandas', 'lightgbm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(two_versions.folder)], check=False)
    assert done.returncode == 0
