"""A Spark Connect server without a JVM (Sail), and a shop whose tables it reads where they lie."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from ibis.backends.pyspark import Backend
from pysail.spark import SparkConnectServer

from data.intake.cluster.pipeline import TakenIn, take_in_on_cluster
from data.intake.cluster.session import ClusterBackend, connect
from data.intake.sources import Source
from data.samples.cdnow import write_cdnow
from data.simulation.shop import write_shop
from features.tables import Tables, open_tables, tables_of
from flows.retrain import retrain
from flows.score import score
from flows.settings import TABLES, Settings
from flows.steps.cluster import watching
from flows.steps.inputs import read_inputs
from models.actions import lists, plan
from models.monitoring import large_accounts
from models.population.scores_table import SCHEMA
from models.survey.response import propensity
from tests.consumers.conftest import AS_OF, CUSTOMERS, SHOP

ATTRIBUTES = ("region", "loyalty_tier")


# The address of a server of Spark's own that sees this disk, if the tests are to run there.
SERVER = os.environ.get("SPARK_SERVER_OF_TESTS")
ENGINE = "spark" if SERVER else "sail"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What an engine does not do fails as its mark says; a mark that it does not need any more fails, too."""
    for item in items:
        for mark in item.iter_markers("notyet"):
            if ENGINE in mark.args:
                item.add_marker(pytest.mark.xfail(strict=True, **mark.kwargs))


@pytest.fixture(scope="session")
def remote() -> Iterator[str]:
    """The address of a server of the tests' own, unless another one is named."""
    if SERVER:
        yield SERVER
        return
    server = SparkConnectServer("127.0.0.1", 0)
    server.start(background=True)
    yield f"sc://127.0.0.1:{server.listening_address[1]}"
    server.stop()


@pytest.fixture(scope="session")
def backend(remote: str, tmp_path_factory: pytest.TempPathFactory) -> ClusterBackend:
    """A session whose tables are kept in a folder."""
    return connect(remote, tmp_path_factory.mktemp("cluster"))


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A simulated shop with all four tables, whose customers return things."""
    return write_shop(tmp_path_factory.mktemp("shop"), CUSTOMERS, seed=7, settings=SHOP)


@dataclass(frozen=True)
class Both:
    """The same tables in the embedded engine and on the cluster."""

    embedded: Tables
    cluster: Tables
    taken: TakenIn


def on_both(backend: ClusterBackend, files: Mapping[str, Path], folder: Path) -> Both:
    """Take files in by both ways."""
    intake = read_inputs(Settings(**{name: [str(path)] for name, path in files.items() if name in TABLES}), folder)
    sources = {name: Source(str(path)) for name, path in files.items() if name in TABLES}
    taken = take_in_on_cluster(backend, sources, folder)
    cluster = tables_of(taken.tables["transactions"], *(taken.tables.get(name) for name in TABLES[1:]))
    return Both(open_tables(intake.folder), cluster, taken)


@pytest.fixture(scope="session")
def shop(backend: ClusterBackend, files: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The simulated shop by both ways."""
    return on_both(backend, files, tmp_path_factory.mktemp("clean-shop"))


@pytest.fixture(scope="session")
def cdnow(backend: ClusterBackend, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """CDNOW by both ways."""
    folder = tmp_path_factory.mktemp("cdnow")
    return on_both(backend, write_cdnow(folder / "files"), tmp_path_factory.mktemp("clean-cdnow"))


@pytest.fixture(scope="session")
def named(files):
    return {name: [str(path)] for name, path in files.items() if name in TABLES}


@pytest.fixture(scope="session")
def project(named, tmp_path_factory):
    """A store with a champion and scores of an earlier date, and an empty folder for those of the cluster.

    Some were asked and have answered since.
    """
    folder = tmp_path_factory.mktemp("project")
    of_store = {"mlruns": str(folder / "mlruns")}
    retrain(Settings(**named, **of_store, as_of=str(date.fromisoformat(AS_OF) - timedelta(days=66))))
    score(Settings(**named, **of_store, as_of=str(date.fromisoformat(AS_OF) - timedelta(days=66))))
    (folder / "shared").mkdir()
    return folder


def of_cluster(project, remote):
    return {"engine": "spark", "spark_remote": remote, "scores_location": str(project / "shared")}


@pytest.fixture(scope="session")
def published(project, named, remote):
    """The scores of one machine and of the cluster, and what each query brought to the driver.

    What is bounded by a number of customers is bounded by a smaller one than the shop has. An attribute of many numbers
    is measured by, and everyone's score is explained.
    """
    settings = {**named, "mlruns": str(project / "mlruns"), "as_of": AS_OF}
    settings |= {"segments": ["cost_to_serve"], "reasons": "all", "publish_features": True}
    collected, execute = [], Backend.execute

    def counted(self, expr, **options):
        result = execute(self, expr, **options)
        collected.append(result)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "LONGEST_LIST", 100)
        patch.setattr(plan, "REFERENCE", 120)
        patch.setattr(watching, "LARGEST_SAMPLE", 300)
        patch.setattr(watching, "MOST_HISTORIES", 400)
        patch.setattr(large_accounts, "LARGE_SHARE", 0.005)
        patch.setattr(propensity, "FEWEST_NON_RESPONDENTS", 100)
        patch.setattr(propensity, "NON_RESPONDENTS_PER_ANSWER", 2)
        here = score(Settings(**settings))
        patch.setattr(Backend, "execute", counted)
        there = score(Settings(**settings, **of_cluster(project, remote)))
    return here, there, collected


def pulled(project: Path, version: str) -> pd.DataFrame:
    """What the one line reads that every run prints."""
    mlflow.set_tracking_uri(f"sqlite:///{project}/mlruns/mlflow.db")
    return pd.read_parquet(mlflow.artifacts.download_artifacts(f"models:/customer_scores{version}/scores.parquet"))


def assert_scores_alike(there: pd.DataFrame, here: pd.DataFrame) -> None:
    assert list(there.columns) == list(here.columns) == SCHEMA.names
    for name in here.columns:
        if pd.api.types.is_float_dtype(here[name]):
            np.testing.assert_allclose(there[name], here[name], rtol=1e-9, atol=1e-9, err_msg=name)
        else:
            assert there[name].fillna("").astype(str).tolist() == here[name].fillna("").astype(str).tolist(), name


def leaves(figures, path=""):
    """Every figure by the path to it."""
    if isinstance(figures, dict | list):
        items = figures.items() if isinstance(figures, dict) else enumerate(figures)
        return {place: value for name, each in items for place, value in leaves(each, f"{path}/{name}").items()}
    return {path: figures}


def assert_figures_alike(there, here):
    """Texts to the letter, numbers to 1e-9; how many numbers there are."""
    numbers, texts = ({}, {}), ({}, {})
    for side, figures in enumerate((here, there)):
        for path, value in leaves(figures).items():
            (numbers if isinstance(value, int | float) else texts)[side][path] = value
    assert texts[0] == texts[1]
    assert numbers[1] == pytest.approx(numbers[0], rel=1e-9, abs=1e-9, nan_ok=True)
    return len(numbers[0])
