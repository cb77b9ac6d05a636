"""The current scores are found in an embedded store without MLflow, where it would find them."""

import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError
from models.population.scores_table import read_metadata
from models.registry.location import StoreLocation, store_location
from models.registry.publication import FEATURES, make_current
from models.registry.published_file import CURRENT, FILE, PUBLISHED, SCORES, current_file, is_published, pull_line
from models.registry.reading import read_current, read_scores
from models.registry.store import Store
from tests.models.registering import register

LOOK_UP = """
import sys
from flows.command.main import main
code = main(sys.argv[1:])
print("imported:", *({"mlflow", "prefect", "lightgbm", "duckdb", "ibis", "pandas", "sklearn"} & set(sys.modules)))
sys.exit(code)
"""


@pytest.fixture
def two_versions(store, published):
    """A store with two versions of scores."""
    run = store.client.create_run(store.experiment_id)
    for day in ("2024-01-31", "2024-02-01"):
        register(store, run.info.run_id, published(day))
    return store


def test_a_version_is_published_by_its_tag_or_by_that_of_an_earlier_release():
    tags = ({}, {PUBLISHED: "then"}, {"checked": "true"}, {"checked": "false"}, {PUBLISHED: "then", "checked": "no"})
    assert [is_published(each) for each in tags] == [False, True, True, False, True]


def test_features_lie_beside_the_scores_of_one_customer_too(store, published, tmp_path):
    run = store.client.create_run(store.experiment_id).info.run_id
    table, described = published().slice(0, 1), tmp_path / "described.parquet"
    pq.write_table(pa.table({"customer_id": table["customer_id"], "frequency": [1.0]}), described)
    assert read_scores(store, register(store, run, table, described)).equals(table)
    (features,) = store.folder.rglob(FEATURES)
    assert features.with_name(FILE).is_file()
    assert stat.S_IMODE(features.stat().st_mode) & 0o222 == 0
    read = pq.read_table(features)
    assert read.equals(pq.read_table(described)) and read_metadata(read) == read_metadata(table)


def test_the_file_is_that_of_the_version_with_the_alias(two_versions):
    client = two_versions.client
    # Other aliases of the scores, and the same alias of another model, point elsewhere.
    client.create_registered_model("another")
    client.create_model_version("another", source="elsewhere")
    client.set_registered_model_alias("another", CURRENT, "1")
    client.set_registered_model_alias(SCORES, "a", "2")
    for version in (1, 2, 1):
        make_current(two_versions, version)
        file = current_file(two_versions)
        assert file is not None
        assert pq.read_table(file).equals(read_current(two_versions), check_metadata=True)


def test_nothing_published_is_told_as_by_mlflow(two_versions):
    with pytest.raises(InputError, match=r"no scores have been published to .* yet; run `revealed score` first"):
        current_file(two_versions)


def test_mlflow_is_asked_where_the_database_does_not_tell(two_versions, tmp_path):
    make_current(two_versions, 1)
    copy = tmp_path / "copy"
    shutil.copytree(two_versions.folder, copy)
    assert current_file(store_location(str(copy), tmp_path)) is None
    assert current_file(StoreLocation("https://mlflow.example", tmp_path, embedded=False)) is None
    with closing(sqlite3.connect(two_versions.database)) as connection, connection:
        connection.execute("ALTER TABLE model_versions RENAME TO of_another_mlflow")
    assert current_file(two_versions) is None


def test_a_customer_is_looked_up_without_anything_heavy(two_versions):
    make_current(two_versions, 1)
    arguments = ["scores", "--mlruns", str(two_versions.folder), "--customer"]
    found, near = (
        subprocess.run(
            [sys.executable, "-c", LOOK_UP, *arguments, customer], capture_output=True, text=True, check=False
        )
        for customer in ("007", "7 ")
    )
    assert (found.returncode, near.returncode) == (0, 2), found.stderr
    assert "Customer 007, as of 2024-01-31" in found.stdout
    assert found.stdout.endswith("imported:\n")
    assert "customer '7 ' has no scores" in near.stderr
    assert "Nearest: 007" in near.stderr


def test_one_line_pulls_the_table(two_versions, published):
    table = published()
    make_current(two_versions, 1)
    *statements, expression = pull_line(two_versions).split("; ")
    names: dict[str, object] = {}
    exec("; ".join(statements), names)  # the line is what is tested
    pulled = eval(expression, names)
    pd.testing.assert_frame_equal(pulled, table.to_pandas())


def test_the_line_shows_no_password(tmp_path):
    remote = Store("https://me:secret@mlflow.example", tmp_path, embedded=False, experiment_id="1")
    assert "secret" not in pull_line(remote)
    assert "mlflow.example" in pull_line(remote)
