"""An embedded store that was copied or moved: its database names files by absolute paths, which are rewritten."""

import logging
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from pathlib import Path
from urllib.parse import unquote, urlsplit

# All columns of MLflow's database that hold a place inside the store.
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
logger = logging.getLogger("revealed")


def follow_move(database: Path, experiment: str, hold: Callable[[], AbstractContextManager[object]]) -> None:
    """Make the paths of a store those of the place where it is now, in one transaction, and say so.

    The store's lock is held meanwhile, and only where something is to be rewritten. A store that is reached by another
    name of the same folder, such as a link, stays as it is.

    Parameters
    ----------
    database : Path
        The database, in the store's folder.
    experiment : str
        Name of the experiment that holds all runs.
    hold : callable
        Gives the store's lock.
    """
    artifacts = (database.parent / "artifacts").as_uri()
    before = _place_before(database, experiment, artifacts)
    if before is None:
        return
    with hold(), closing(sqlite3.connect(database)) as connection:
        # Another process may have done it while this one waited.
        if _place_before(database, experiment, artifacts) != before:
            return
        with connection:
            for table, column in _PLACES:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ? || '/'",
                    (artifacts, len(before) + 1, before, len(before) + 1, before),
                )
    logger.warning(
        "The store was copied or moved from %s to %s: the paths in its database are those of the new place now.",
        Path(unquote(urlsplit(before).path)).parent,
        database.parent,
    )


def has_moved(database: Path, experiment: str) -> bool:
    """Whether the store was copied or moved, and `follow_move` has not been called since."""
    return _place_before(database, experiment, (database.parent / "artifacts").as_uri()) is not None


def _place_before(database: Path, experiment: str, artifacts: str) -> str | None:
    """Return the place of artifacts that the database names, where that is another one; else None."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT artifact_location FROM experiments WHERE name = ?"
        row = connection.execute(query, (experiment,)).fetchone()
    # A place that is not the store's own folder of artifacts was chosen by the user.
    if row is None or row[0] == artifacts or not str(row[0]).startswith("file://") or not row[0].endswith("/artifacts"):
        return None
    named, own = Path(unquote(urlsplit(row[0]).path)), database.parent / "artifacts"
    return None if named.exists() and own.exists() and named.samefile(own) else str(row[0])
