"""The published scores: versions of ``customer_scores``, and the alias ``current``.

A version counts as published from the moment ``current`` pointed to it, and for good: its tag ``published`` says so.
What a run left that was killed, or that scored a past date or with another scorer on purpose, was never published.
"""

import tempfile
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow.parquet as pq
from mlflow.entities.model_registry import ModelVersion

from models.population.scores_contract import check_stored_scores
from models.population.scores_table import read_metadata, write_features
from models.registry.locking.holding import ensure_held
from models.registry.published_file import CURRENT, FILE, PUBLISHED, SCORES, is_published
from models.registry.reading import local_file, stored_scores
from models.registry.scorers import (
    CHAMPION,
    PREVIOUS,
    ROLLED_BACK,
    SCORER,
    alias_version,
    ensure_registered,
    model_versions,
)
from models.registry.store import Store

FEATURES = "features.parquet"


def register_scores(store: Store, run_id: str, file: Path, described: Path | None = None) -> int:
    """Keep a file of scores as a new version, read it back and check it. No alias changes.

    Parameters
    ----------
    store : Store
        Where the scores are published.
    run_id : str
        The scoring run.
    file : Path
        As `models.population.scores_table.write_scores` writes it, of the name `FILE`.
    described : Path, optional
        The features of the same customers, to be published beside the scores.

    Returns
    -------
    int
        The new version, which was read back and fulfils the contract.
    """
    client = store.client
    # A retry of a run writes into a new folder: the earlier file may be in use already, and is write-protected.
    place = f"scores/{len(client.list_artifacts(run_id, 'scores')) + 1}"
    client.log_artifact(run_id, str(file), place)
    schema, rows = pq.read_schema(file), pq.read_metadata(file).num_rows
    if described is not None:
        with tempfile.TemporaryDirectory() as folder:
            features = Path(folder) / FEATURES
            write_features(described, features, read_metadata(schema))
            client.log_artifact(run_id, str(features), place)
    source = f"{client.get_run(run_id).info.artifact_uri}/{place}"
    for name in (FILE,) if described is None else (FILE, FEATURES):
        _protect(f"{source}/{name}")
    version = create_version(store, run_id, source, rows, _as_of(file), read_metadata(schema))
    with stored_scores(store, version) as kept:
        check_stored_scores(kept, customers=rows)
    return version


def create_version(
    store: Store, run_id: str, source: str, customers: int, as_of: date, metadata: Mapping[str, str]
) -> int:
    """Create a version of the published scores whose files lie at an address; return its number."""
    ensure_registered(store, SCORES, "One row of scores per customer; alias current is the newest")
    tags = {"as_of": as_of.isoformat(), **metadata}
    told = f"{customers:,} customers as of {as_of}, by scorer {tags['scorer_version']}"
    created = store.client.create_model_version(SCORES, source=source, run_id=run_id, tags=tags, description=told)
    return int(created.version)


def register_dataset(
    store: Store, run_id: str, folder: Path, customers: int, as_of: date, metadata: Mapping[str, str]
) -> int:
    """Publish scores that a cluster wrote and that were checked: a version that points to where they lie.

    Parameters
    ----------
    store : Store
        Where they are published. A server of MLflow's must allow versions outside its own artifacts.
    run_id : str
        The scoring run.
    folder : Path
        Holds `scores.parquet`, a folder of Parquet files, and with `publish_features` such a folder of `FEATURES`. They
        are read where they lie, so they must stay.
    customers, as_of, metadata
        The number of rows, the date customers are described at, and the metadata of the scores.
    """
    for part in folder.glob("*/*"):
        part.chmod(part.stat().st_mode & 0o555)
    return create_version(store, run_id, folder.as_uri(), customers, as_of, metadata)


def why_not_current(store: Store, scorer: int, as_of: date) -> str | None:
    """Say why scores of a scorer and a date must not become the current ones; None if they may.

    To be called while the store is locked: the champion may have changed since the scoring began.
    """
    newest = _later_date(store, as_of)
    if newest is not None:
        return f"the current scores are of a later date, {newest}"
    if alias_version(store, CHAMPION) != scorer:
        return f"scorer {scorer} is not the champion"
    return None


def is_outdated(store: Store, scorer: int, as_of: date) -> bool:
    """Whether scores by the champion of a moment ago would be the current ones, were it still the champion.

    To be called while the store is locked.
    """
    return alias_version(store, CHAMPION) != scorer and _later_date(store, as_of) is None


def _later_date(store: Store, as_of: date) -> date | None:
    """Return the date of the current scores where it is later than as_of."""
    current = alias_version(store, CURRENT, SCORES)
    newest = None if current is None else scores_as_of(store, current)
    return newest if newest is not None and as_of < newest else None


def make_current(store: Store, version: int) -> None:
    """Set the alias that consumers read, and tag the version as published.

    A crash between the two leaves a version without its tag, which counts as long as it is current: it gets the tag
    before the alias moves on.
    """
    before = alias_version(store, CURRENT, SCORES)
    if before is not None:
        _tag_published(store, before)
    ensure_held(store)
    store.client.set_registered_model_alias(SCORES, CURRENT, str(version))
    _tag_published(store, version)


def _tag_published(store: Store, version: int) -> None:
    if not is_published(store.client.get_model_version(SCORES, str(version)).tags):
        now = datetime.now(UTC).isoformat(timespec="seconds")
        store.client.set_model_version_tag(SCORES, str(version), PUBLISHED, now)


def scores_as_of(store: Store, version: int) -> date:
    """Return the date as of which a published version describes customers."""
    return date.fromisoformat(store.client.get_model_version(SCORES, str(version)).tags["as_of"])


def published_versions(store: Store) -> list[int]:
    """Return the versions that `current` has pointed to, in the order of their numbers."""
    return sorted(int(version.version) for version in _published(store))


def newest_scores_of(store: Store, scorer: int) -> int | None:
    """Return the published version of a scorer with the latest as_of (of equal dates the newest), or None."""
    of_scorer = (each for each in _published(store) if each.tags.get("scorer_version") == str(scorer))
    best = max(of_scorer, key=_date_and_number, default=None)
    return None if best is None else int(best.version)


def published_before(store: Store, as_of: date, days: int, most: int) -> list[ModelVersion]:
    """Return published versions whose as_of is in the days before a date: at most `most`, evenly spread over time.

    Parameters
    ----------
    store : Store
        Where they were published.
    as_of : datetime.date
        Exclusive.
    days : int
        How far to look back.
    most : int
        The period is divided into so many equal spans; the first version in each span is returned.

    Returns
    -------
    list of mlflow.entities.model_registry.ModelVersion
        In the order of their dates; of equal dates the newest version.
    """
    chosen: dict[int, ModelVersion] = {}
    # Of equal dates the newest comes first, as versions are listed.
    for version in sorted(_published(store), key=lambda version: version.tags["as_of"]):
        ago = (as_of - date.fromisoformat(version.tags["as_of"])).days
        if 0 < ago <= days:
            chosen.setdefault((days - ago) * most // days, version)
    return list(chosen.values())


def as_of_before(store: Store, as_of: date) -> date | None:
    """Return the latest earlier as_of of published scores; None if there is none or the current one is later."""
    current = alias_version(store, CURRENT, SCORES)
    if current is None or scores_as_of(store, current) > as_of:
        return None
    earlier = [date.fromisoformat(version.tags["as_of"]) for version in _published(store)]
    return max((day for day in earlier if day < as_of), default=None)


def finish_rollback(store: Store) -> int | None:
    """Set ``current`` to the champion's newest scores.

    Returns
    -------
    int or None
        The version that is current now; None if the champion has no published scores, and nothing changes.
    """
    champion = alias_version(store, CHAMPION)
    newest = None if champion is None else newest_scores_of(store, champion)
    if newest is not None:
        with stored_scores(store, newest) as place:
            check_stored_scores(place, is_older=True)
        make_current(store, newest)
    return newest


def is_rollback_unfinished(store: Store) -> bool:
    """Whether a rollback was killed after the scorer had changed: before `previous` was removed, or the scores changed.

    To be called before `mend_aliases`, which removes what tells the first.
    """
    champion, current = alias_version(store, CHAMPION), alias_version(store, CURRENT, SCORES)
    if champion is not None and champion == alias_version(store, PREVIOUS):
        return True
    if current is None:
        return False
    scorer = store.client.get_model_version(SCORES, str(current)).tags["scorer_version"]
    # A newer champion came after the rollback, which is over.
    if champion is None or champion >= int(scorer):
        return False
    return store.client.get_model_version(SCORER, scorer).tags.get(ROLLED_BACK) == "true"


def _published(store: Store) -> list[ModelVersion]:
    current = alias_version(store, CURRENT, SCORES)
    return [each for each in model_versions(store, SCORES) if is_published(each.tags) or int(each.version) == current]


def _date_and_number(version: ModelVersion) -> tuple[str, int]:
    return version.tags["as_of"], int(version.version)


def _as_of(file: Path) -> date:
    """Read the date of a file of scores, which all its rows have."""
    with pq.ParquetFile(file) as stored:
        as_of: date = next(stored.iter_batches(1, columns=["as_of"]))["as_of"][0].as_py()
    return as_of


def _protect(uri: str) -> None:
    """Make a local artifact read-only: consumers get the path of the file itself, not a copy."""
    file = local_file(uri)
    if file is not None:
        file.chmod(file.stat().st_mode & 0o555)
