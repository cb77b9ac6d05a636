"""Published scores read back from the registry: the file of a version where it lies, or a copy of it."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import pyarrow as pa

from models.population.scores_table import read_scores_at
from models.registry.published_file import CURRENT, FILE, SCORES, nothing_published
from models.registry.scorers import alias_version
from models.registry.store import Store


@contextmanager
def stored_scores(store: Store, version: int) -> Iterator[Path]:
    """Give the file, or the folder, of a published version; what lies elsewhere is downloaded for the while."""
    # A local file is read where it is: a copy would hold customers' data and outlive a process that is killed.
    local = place_of(store, version)
    if local is not None:
        yield local
        return
    uri = f"models:/{SCORES}/{version}/{FILE}"
    with tempfile.TemporaryDirectory() as folder:
        yield Path(mlflow.artifacts.download_artifacts(uri, dst_path=folder, tracking_uri=store.uri))


def place_of(store: Store, version: int) -> Path | None:
    """Return the file, or the folder, of a published version that lies on this machine, or on a disk that it shares."""
    return local_file(f"{store.client.get_model_version_download_uri(SCORES, str(version))}/{FILE}")


def read_scores(
    store: Store, version: int, columns: Sequence[str] | None = None, customers: Sequence[str] | None = None
) -> pa.Table:
    """Read a published version back from the store; some columns, and some customers, only where these are named."""
    with stored_scores(store, version) as place:
        return read_scores_at(place, columns, customers)


def read_current(store: Store) -> pa.Table:
    """Read the current scores.

    Raises
    ------
    InputError
        If nothing has been published yet.
    """
    return read_scores(store, current_version(store))


def current_version(store: Store) -> int:
    """Return the version of the current scores.

    Raises
    ------
    InputError
        If nothing has been published yet.
    """
    version = alias_version(store, CURRENT, SCORES)
    if version is None:
        raise nothing_published(store)
    return version


def local_file(uri: str) -> Path | None:
    """Return the file of an artifact that lies on this machine."""
    parts = urlsplit(uri)
    file = Path(unquote(parts.path))
    return file if parts.scheme in ("", "file") and file.exists() else None
