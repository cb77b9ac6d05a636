"""The published scores: versions of ``customer_scores``, and the alias ``current``."""

import tempfile
from datetime import date
from pathlib import Path
from urllib.parse import unquote, urlsplit

import mlflow
import pyarrow as pa
import pyarrow.parquet as pq

from data.errors import InputError
from models.registry import alias_version, ensure_registered, model_versions
from models.scores import check_scores, read_metadata, write_scores
from models.store import Store

SCORES = "customer_scores"
CURRENT = "current"
FILE = "scores.parquet"


def publish_scores(store: Store, run_id: str, table: pa.Table) -> tuple[int, bool]:
    """Write a table of scores as a new version and, once it is read back and checked, move ``current`` to it.

    Parameters
    ----------
    store : Store
        Where to.
    run_id : str
        The scoring run.
    table : pyarrow.Table
        As `models.scores.to_table` gives it.

    Returns
    -------
    tuple of (int, bool)
        The new version, and whether ``current`` moved: it stays where it points to scores of a later date.
    """
    client = store.client
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        write_scores(table, file)
        # A run that tries again writes beside what it wrote before: that may be read already, and is write-protected.
        place = f"scores/{len(client.list_artifacts(run_id, 'scores')) + 1}"
        client.log_artifact(run_id, str(file), place)
    source = f"{client.get_run(run_id).info.artifact_uri}/{place}"
    _protect(f"{source}/{FILE}")
    ensure_registered(store, SCORES, "One row of scores per customer; alias current is the newest")
    metadata, as_of = read_metadata(table), _as_of(table)
    tags = {"as_of": as_of.isoformat(), **metadata}
    version = int(client.create_model_version(SCORES, source=source, run_id=run_id, tags=tags).version)
    check_scores(read_scores(store, version), customers=table.num_rows)
    current = alias_version(store, CURRENT, SCORES)
    if current is not None and as_of < scores_as_of(store, current):
        return version, False
    client.set_registered_model_alias(SCORES, CURRENT, str(version))
    return version, True


def read_scores(store: Store, version: int) -> pa.Table:
    """Read a published version back from the store."""
    uri = f"models:/{SCORES}/{version}/{FILE}"
    return pq.read_table(mlflow.artifacts.download_artifacts(uri, tracking_uri=store.uri))


def read_current(store: Store) -> pa.Table:
    """Read the current scores.

    Raises
    ------
    InputError
        Where nothing has been published yet.
    """
    version = alias_version(store, CURRENT, SCORES)
    if version is None:
        raise InputError(f"no scores have been published to {store.shown_uri} yet; run `revealed score` first")
    return read_scores(store, version)


def scores_as_of(store: Store, version: int) -> date:
    """Return the date at which a published version describes customers."""
    return date.fromisoformat(store.client.get_model_version(SCORES, str(version)).tags["as_of"])


def newest_scores_of(store: Store, scorer: int) -> int | None:
    """Return the version with the latest as_of (the newest of several) that a scorer's version made, or None."""
    of_scorer = [v for v in model_versions(store, SCORES) if v.tags.get("scorer_version") == str(scorer)]
    best = max(of_scorer, key=lambda v: (v.tags["as_of"], int(v.version)), default=None)
    return None if best is None else int(best.version)


def pull_line(store: Store) -> str:
    """Return the line of Python that pulls the current scores, without our code."""
    return (
        "import mlflow, pandas as pd; "
        f"mlflow.set_tracking_uri({store.shown_uri!r}); "
        f'pd.read_parquet(mlflow.artifacts.download_artifacts("models:/{SCORES}@{CURRENT}/{FILE}"))'
    )


def _as_of(table: pa.Table) -> date:
    found: date = table["as_of"][0].as_py()
    return found


def _protect(uri: str) -> None:
    """Make a local artifact read-only: consumers are given the live path, not a copy."""
    parts = urlsplit(uri)
    file = Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
    if file is not None and file.exists():
        file.chmod(0o444)
