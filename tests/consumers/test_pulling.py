"""A consumer without our code pulls the current scores in one line."""

import json

import pandas as pd
import pytest

LINE = (
    "import mlflow, pandas as pd; "
    'pd.read_parquet(mlflow.artifacts.download_artifacts("models:/customer_scores@current/scores.parquet"))'
)
NOT_NEEDED = ("flows", "features", "prefect", "lightgbm", "duckdb", "ibis", "lifetimes")


@pytest.fixture(scope="module")
def reader(consumer_with):
    return consumer_with("mlflow", "pandas", "pyarrow")


def pull(reader, line, **environment):
    """Run the line as it stands, and bring back the table it gives."""
    imports, _, expression = line.rpartition("; ")
    reader.run(f"{imports}; ({expression}).to_parquet('pulled.parquet')", **environment)
    return pd.read_parquet(reader.folder / "pulled.parquet")


def test_the_consumer_has_neither_our_code_nor_what_it_is_built_on(reader):
    importable = reader.run(
        f"import json, importlib.util as u; print(json.dumps([n for n in {NOT_NEEDED} if u.find_spec(n)]))"
    )
    assert json.loads(importable) == []


def test_one_line_pulls_the_current_scores(reader, published):
    pd.testing.assert_frame_equal(pull(reader, LINE, MLFLOW_TRACKING_URI=published.uri), published.current())


def test_the_line_that_a_run_logs_needs_no_setting(reader, scheduler, published):
    (line,) = [line for line in scheduler.logs(published.scored) if line.startswith("import mlflow")]
    pd.testing.assert_frame_equal(pull(reader, line), published.current())


def test_over_a_network_a_small_client_pulls_the_same_line(consumer_with, shared):
    (file,) = shared.folder.rglob("scores.parquet")
    reader = consumer_with("mlflow-skinny", "pandas", "pyarrow")
    pulled = pull(reader, LINE, MLFLOW_TRACKING_URI=shared.uri)
    pd.testing.assert_frame_equal(pulled, pd.read_parquet(file))
    assert 900 < len(pulled) < 1_000  # some gave everything back
