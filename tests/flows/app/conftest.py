"""The app over the trained store, and versions of the scores that a test publishes beside those that are there."""

from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from flows.app.reading.edition import Shelf
from flows.app.reading.tables import ShopTables
from flows.app.site import build
from flows.settings import Settings
from models.population.scores_table import read_metadata, write_scores
from models.registry.location import store_location
from models.registry.publication import create_version, make_current
from models.registry.published_file import FILE
from models.registry.reading import read_current
from models.registry.store import open_store
from models.registry.version_list import VersionList


@pytest.fixture
def app(trained: Path, tmp_path: Path) -> Iterator[TestClient]:
    """The app over the trained store, without the shop's tables."""
    yield client_of(trained, tmp_path)


def client_of(store: Path, folder: Path, **named: list[str]) -> TestClient:
    """Build the app as `revealed app` does, and a client that follows no redirect."""
    shelf = Shelf(VersionList(store_location(str(store), store.parent), folder))
    site = build(shelf, ShopTables(Settings(**named), folder), "en", {"localhost"})
    return TestClient(site, base_url="http://127.0.0.1", follow_redirects=False)


@pytest.fixture
def scores(trained: Path) -> pa.Table:
    """The current scores of the trained store."""
    return read_current(open_store(str(trained)))


@pytest.fixture
def publish(trained: Path, tmp_path: Path) -> Callable[[pa.Table], int]:
    """Publish a table as a new version, and make it current."""

    def publish_table(table: pa.Table) -> int:
        store = open_store(str(trained))
        as_of: date = table["as_of"][0].as_py()
        place = tmp_path / f"scores-{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        write_scores([table], place / FILE)
        run = store.client.create_run(store.experiment_id).info.run_id
        version = create_version(store, run, place.as_uri(), table.num_rows, as_of, read_metadata(table))
        make_current(store, version)
        return version

    return publish_table


def replaced(table: pa.Table, **columns: list[object]) -> pa.Table:
    """Replace columns of a table of scores."""
    for name, values in columns.items():
        place, field = table.schema.get_field_index(name), table.schema.field(name)
        table = table.set_column(place, field, pa.array(values, type=field.type))
    return table
