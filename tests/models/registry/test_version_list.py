"""Versions, aliases and files of an embedded store without MLflow: they are what MLflow would tell."""

import json
import shutil
import sqlite3
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2
from mlflow.store.artifact import artifact_repository_registry

from data.errors import InputError
from models.registry.location import store_location
from models.registry.publication import make_current
from models.registry.published_file import CURRENT, FILE, SCORES
from models.registry.version_list import SCORER, VersionList
from tests.models.registering import register


@pytest.fixture
def two_versions(store, published):
    run = store.client.create_run(store.experiment_id)
    for day in ("2024-01-31", "2024-02-01"):
        register(store, run.info.run_id, published(day))
    make_current(store, 1)
    store.client.log_text(run.info.run_id, json.dumps({"a": 1}), "report/figures.json")
    return store


def test_versions_are_those_of_mlflow(two_versions, tmp_path):
    listed = VersionList(two_versions, tmp_path)
    two_versions.client.set_registered_model_alias(SCORES, "other", "2")
    versions = listed.versions(SCORES)
    assert [each.version for each in versions] == [2, 1]
    assert [each.aliases for each in versions] == [("other",), (CURRENT,)]
    for each in versions:
        known = two_versions.client.get_model_version(SCORES, str(each.version))
        assert (each.run_id, each.tags) == (known.run_id, known.tags)
        assert int(1000 * each.created.timestamp()) == known.creation_timestamp
        assert listed.file(each.place, FILE).is_file()
        assert listed.file(each.place, "nothing") is None
        assert json.loads(listed.file(each.artifacts, "report/figures.json").read_text()) == {"a": 1}
    assert (listed.alias(SCORES, CURRENT), listed.alias(SCORES, "another")) == (1, None)
    make_current(two_versions, 2)
    assert listed.alias(SCORES, CURRENT) == 2
    assert (listed.versions(SCORER), listed.alias(SCORER, "champion")) == ([], None)


def test_a_store_that_was_moved_is_followed(two_versions, tmp_path):
    two_versions.client.create_registered_model("bare")
    two_versions.client.create_model_version("bare", source="elsewhere")
    before = [VersionList(two_versions, tmp_path).versions(model) for model in (SCORES, "bare")]
    moved = tmp_path / "moved"
    shutil.copytree(two_versions.folder, moved)
    shutil.rmtree(two_versions.folder)
    listed = VersionList(store_location(str(moved), tmp_path), tmp_path)
    assert (listed.alias(SCORES, CURRENT), listed.alias(SCORER, "champion")) == (1, None)
    after = [listed.versions(model) for model in (SCORES, "bare")]
    for plain, followed in zip([*before[0], *before[1]], [*after[0], *after[1]], strict=True):
        assert replace(followed, place="", artifacts="") == replace(plain, place="", artifacts="")
    assert (after[1][0].run_id, after[1][0].artifacts) == ("", "") == (before[1][0].run_id, before[1][0].artifacts)
    for each in after[0]:
        assert listed.file(each.place, FILE).is_relative_to(moved)
        assert listed.file(each.artifacts, "report/figures.json").is_relative_to(moved)


def test_a_server_that_does_not_answer_says_so(two_versions, tmp_path, monkeypatch):
    moved = tmp_path / "moved"
    shutil.copytree(two_versions.folder, moved)
    listed = VersionList(store_location(str(moved), tmp_path), tmp_path)
    assert listed._client is not None
    for code in (databricks_pb2.ABORTED, databricks_pb2.UNAUTHENTICATED):

        def fails(model, code=code):
            raise MlflowException("secret", code)

        monkeypatch.setattr(listed._client, "get_registered_model", fails)
        with pytest.raises(InputError, match="does not answer; is its server running"):
            listed.alias(SCORES, CURRENT)


def test_what_lies_on_a_server_is_copied_to_a_folder_of_its_own(two_versions, tmp_path, monkeypatch):
    asked = []

    class Server:
        def __init__(self, address):
            self.address = address

        def download_artifacts(self, name, folder):
            asked.append((self.address, name, Path(folder)))
            if name == "lost":
                raise OSError
            return f"{folder}/{name}"

    monkeypatch.setattr(artifact_repository_registry, "get_artifact_repository", Server)
    listed = VersionList(two_versions, tmp_path)
    files = [listed.file(address, "scores") for address in ("mlflow-artifacts:/1", "mlflow-artifacts:/2") * 2]
    assert files == [folder / "scores" for _, _, folder in asked]
    assert len(set(files)) == 2
    assert {stat.S_IMODE(file.parent.stat().st_mode) for file in files} == {0o700}
    assert {file.parent.parent for file in files} == {tmp_path}
    assert listed.file("mlflow-artifacts:/1", "lost") is None


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
