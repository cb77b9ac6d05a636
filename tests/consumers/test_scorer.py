"""A consumer with the scorer's own requirements alone loads the champion and scores rows of their own."""

import json
from dataclasses import replace
from pathlib import Path

import httpx
import mlflow
import pandas as pd
import pytest

from features.describe import describe, materialise
from features.spine import everyone
from flows.settings import TABLES, Settings
from flows.steps.inputs import open_inputs, read_inputs
from models.registry.scorers import read_champion
from models.registry.store import open_store
from models.scoring.columns import PURCHASE_COLUMNS, SCORE_COLUMNS
from models.scoring.parameters import SecondStageParameters
from models.scoring.scorer import Scorer

CHAMPION = "models:/customer_scorer@champion"
PREDICT = f"""
import mlflow, pandas as pd
import models
scorer = mlflow.pyfunc.load_model("{CHAMPION}")
assert models.owner == "the consumer"
features = pd.read_parquet("features.parquet")
named = scorer.metadata.metadata
scorer.predict(features[named["required_columns"] + named["optional_columns"]]).to_parquet("predicted.parquet")
scorer.predict(features[{list(PURCHASE_COLUMNS)}]).to_parquet("purchases_only.parquet")
"""


@pytest.fixture(scope="module")
def requirements(published) -> Path:
    """The requirements.txt that was logged with the champion."""
    mlflow.set_tracking_uri(published.uri)
    return Path(mlflow.pyfunc.get_model_dependencies(CHAMPION))


@pytest.fixture(scope="module")
def scores(published) -> pd.DataFrame:
    """The published scores of the date that was asked for."""
    return published.scores("1")


@pytest.fixture(scope="module")
def consumer(consumer_with, requirements):
    """A consumer with the scorer's own requirements and a module of their own called ``models``."""
    built = consumer_with("-r", requirements)
    (built.folder / "models.py").write_text("owner = 'the consumer'", encoding="utf-8")
    return built


@pytest.fixture(scope="module")
def predictions(consumer, published, scores, tmp_path_factory) -> Path:
    """A consumer's folder with what the champion predicts there for everyone in the published table."""
    described = describe_anew(published.project, scores, tmp_path_factory.mktemp("clean"))
    described.to_parquet(consumer.folder / "features.parquet")
    consumer.run(PREDICT, MLFLOW_TRACKING_URI=published.uri, MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false")
    return consumer.folder


def describe_anew(project: Path, scores: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Compute the features of everyone in a published table, in its order."""
    tables = {name: [str(project / "shop" / f"{name}.parquet")] for name in TABLES}
    settings = Settings.load(**tables, as_of=scores["as_of"].iloc[0])
    inputs = open_inputs(read_inputs(settings, folder), settings)
    vocabulary = read_champion(open_store(str(project / "mlruns"))).release.vocabulary
    spine = everyone(inputs.tables.transactions, inputs.as_of)
    described = materialise(describe(inputs.tables, spine, vocabulary)).set_index("customer_id")
    return described.loc[scores["customer_id"]].reset_index()


def test_the_scorer_names_exact_versions_of_public_packages_only(requirements):
    named = dict(line.split("==") for line in requirements.read_text(encoding="utf-8").split())
    assert set(named) == {"mlflow", "lightgbm", "scipy", "numpy", "pandas"}


def test_nothing_of_the_scorer_is_pickled(requirements):
    files = {file.suffix for file in requirements.parent.rglob("*") if file.is_file()}
    assert files >= {".py", ".json", ".txt"}
    assert not files & {".pkl", ".pickle", ".joblib", ".cloudpickle"}


def test_the_champion_gives_the_published_scores(predictions, scores):
    predicted = pd.read_parquet(predictions / "predicted.parquet")
    assert set(scores["nps_source"]) == {"model"}
    pd.testing.assert_frame_equal(
        predicted, scores[list(SCORE_COLUMNS)], check_dtype=False, check_exact=False, rtol=1e-12, atol=0
    )


def test_purchases_alone_are_enough_for_what_the_purchase_models_say(predictions, published):
    predicted = pd.read_parquet(predictions / "purchases_only.parquet")
    assert predicted["p_detractor"].notna().all()
    names = list(SCORE_COLUMNS[: SCORE_COLUMNS.index("p_detractor")])
    # Of whom no behaviour is given, the second stage says nothing.
    release = read_champion(open_store(str(published.project / "mlruns"))).release
    features = pd.read_parquet(predictions / "features.parquet")[list(PURCHASE_COLUMNS)]
    first = Scorer(replace(release.parameters, second_stage=SecondStageParameters(used=False)), release.boosters).score(
        features
    )
    pd.testing.assert_frame_equal(predicted[names], first[names], check_exact=False, rtol=1e-12, atol=0)


def test_the_champion_is_served_over_http(consumer, predictions, published):
    features = pd.read_parquet(predictions / "features.parquet")[list(PURCHASE_COLUMNS)].head(20)
    rows = features.astype({"frequency": int, "recency": int, "T": int, "spend_frequency": int})
    rows = json.loads(rows.assign(orders_90d=None).to_json(orient="split", index=False, double_precision=15))
    settings = {"MLFLOW_TRACKING_URI": published.uri, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    with consumer.serving(CHAMPION, **settings) as address:
        response = httpx.post(address, json={"dataframe_split": rows}, timeout=60)
        broken = {"dataframe_records": [{"frequency": 1, "recency": 90, "T": 60, "spend_frequency": 1}]}
        refused = httpx.post(address, json=broken, timeout=60)
    response.raise_for_status()
    # Strict JSON has no NaN: this shop asked no satisfaction question.
    served = pd.DataFrame(json.loads(response.text, parse_constant=pytest.fail)["predictions"])
    assert served["p_satisfied"].isna().all()
    expected = pd.read_parquet(predictions / "purchases_only.parquet").head(20)
    pd.testing.assert_frame_equal(
        served.astype({"p_satisfied": float}), expected, check_dtype=False, check_exact=False, rtol=1e-9, atol=1e-12
    )
    assert (refused.status_code, "spend_value" in refused.text) == (400, True)
    assert "Traceback" not in refused.text
