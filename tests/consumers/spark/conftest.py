"""A Spark Connect server without a JVM (Sail), and a shop whose tables it reads where they lie."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from pysail.spark import SparkConnectServer

from data.intake.cluster.pipeline import TakenIn, take_in_on_cluster
from data.intake.cluster.session import ClusterBackend, connect
from data.intake.sources import Source
from data.samples.cdnow import write_cdnow
from data.simulation.shop import write_shop
from features.tables import Tables, open_tables, tables_of
from flows.settings import TABLES, Settings
from flows.steps.inputs import read_inputs
from tests.consumers.conftest import CUSTOMERS, SHOP

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
