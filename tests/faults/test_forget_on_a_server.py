"""`forget` where scores and runs lie on an MLflow server: it takes the customer out of all that the server keeps."""

import duckdb
import pyarrow.parquet as pq

from models.registry.publication import published_versions
from models.registry.published_file import SCORES
from models.registry.reading import read_scores
from models.registry.scorers import model_versions
from models.registry.store import open_store
from tests.faults.conftest import QUICK
from tests.faults.servers import free_port, tracking_server
from tests.faults.test_privacy_kills import pq_file

DONE, BUSY = 0, 4
# Found in any file.
MARK = "shopper-"


def files_with(folder, customer):
    """The files of a folder, packed ones too, in which a customer stands."""
    found = []
    for file in folder.rglob("*"):
        if file.is_file():
            text = str(pq.read_table(file).to_pylist()) if pq_file(file) else file.read_bytes().decode(errors="replace")
            found += [file] if customer in text else []
    return found


def test_a_customer_is_taken_out_of_all_that_a_server_keeps(start, shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file, port = tmp_path / "sales.parquet", free_port()
    bad = f"SELECT '{MARK}5' AS customer_id, NULL AS amount"
    marked = f"SELECT * REPLACE ('{MARK}' || customer_id AS customer_id) FROM '{shop}'"
    duckdb.sql(f"COPY ({marked} UNION ALL BY NAME {bad}) TO '{file}' (FORMAT parquet)")
    inputs = ("--transactions", file)
    environment = {"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}
    with tracking_server(tmp_path, port):
        for command, more in (("retrain", QUICK), ("score", ()), ("score", ("--set", "publish_features=true"))):
            ended = start(command, *inputs, *more, environment=environment).wait()
            assert ended.code == DONE, ended.text
        monkeypatch.setenv("MLFLOW_TRACKING_URI", environment["MLFLOW_TRACKING_URI"])
        store = open_store(None, tmp_path)
        before = {version: read_scores(store, version) for version in published_versions(store)}
        customer = min(before[1]["customer_id"].to_pylist())
        assert len(files_with(tmp_path / "files", customer)) > len(before)
        ended = start("forget", customer, environment=environment).wait()
        assert ended.code == DONE, ended.text
        assert "NOT removed" not in ended.text
        assert f"read back and compared: {', '.join(map(str, sorted(before)))}" in ended.text
        for version, table in before.items():
            rows = [row for row in table.to_pylist() if row["customer_id"] != customer]
            after = read_scores(store, version)
            assert after.to_pylist() == rows
            assert after.schema.equals(table.schema, check_metadata=True)
        assert all("forgotten_on" in each.tags for each in model_versions(store, SCORES))
        # Nor does a later run bring them back.
        ended = start("score", *inputs, environment=environment).wait()
        assert ended.code == DONE, ended.text
        assert "as their customers are forgotten" in ended.text
        assert files_with(tmp_path / "files", customer) == []
        assert files_with(tmp_path / "mlruns", customer) == []
        # Freed pages of the server's own database are the server's to overwrite: what can be asked for is clean.
        assert customer not in str([run.data.tags for run in store.client.search_runs([store.experiment_id])])
