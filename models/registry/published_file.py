"""Where the file of the current scores lies in an embedded store, read from its database without MLflow.

MLflow takes seconds to be imported, and looking up one customer needs nothing else of it.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

from data.errors import InputError
from models.registry.location import EXPERIMENT, StoreLocation
from models.registry.upkeep.moved_store import has_moved

SCORES = "customer_scores"
CURRENT = "current"
FILE = "scores.parquet"
PUBLISHED = "published"
# Earlier releases set this tag on every version that was read back, and no other: in their stores it has to do.
_READ_BACK = "checked"
_PLACE = (
    "SELECT coalesce(nullif(version.storage_location, ''), version.source) FROM registered_model_aliases AS alias "
    "JOIN model_versions AS version ON version.name = alias.name AND version.version = alias.version "
    "WHERE alias.name = ? AND alias.alias = ?"
)


def is_published(tags: Mapping[str, str]) -> bool:
    """Whether `current` has pointed to a version of the scores, by its tags."""
    return PUBLISHED in tags or tags.get(_READ_BACK) == "true"


def current_file(location: StoreLocation) -> Path | None:
    """Return the file of the current scores, or the folder of Parquet files that a cluster wrote.

    Parameters
    ----------
    location : StoreLocation
        A store that exists.

    Returns
    -------
    Path or None
        The file or folder; None where MLflow has to be asked: of a server, of a store that was moved, or where its
        database is another one than this code knows.

    Raises
    ------
    InputError
        If nothing has been published yet.
    """
    database = location.database
    if database is None:
        return None
    try:
        if has_moved(database, EXPERIMENT):
            return None
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute(_PLACE, (SCORES, CURRENT)).fetchone()
    except sqlite3.Error:
        return None
    if row is None:
        raise nothing_published(location)
    place = urlsplit(str(row[0]))
    file = Path(unquote(place.path)) / FILE
    return file if place.scheme in ("", "file") and file.exists() else None


def nothing_published(location: StoreLocation) -> InputError:
    """Return the error that says so."""
    return InputError(f"no scores have been published to {location.shown_uri} yet; run `revealed score` first")


def pull_line(location: StoreLocation) -> str:
    """Return a line of Python that reads the current scores without this project's code."""
    return (
        "import mlflow, pandas as pd; "
        f"mlflow.set_tracking_uri({location.shown_uri!r}); "
        f'pd.read_parquet(mlflow.artifacts.download_artifacts("models:/{SCORES}@{CURRENT}/{FILE}"))'
    )
