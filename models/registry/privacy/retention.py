"""What of a store may go: what nothing points to, and what is older than its retention. Nothing is removed here."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from models.registry.privacy.artifacts import Artifact, all_runs, artifacts_of, local_folder
from models.registry.privacy.beside import KEPT_ROWS, KEPT_TABLES
from models.registry.privacy.kinds import KINDS, Kind, kind_of
from models.registry.publication import newest_scores_of, published_versions
from models.registry.published_file import CURRENT, SCORES
from models.registry.scorers import CHAMPION, PREVIOUS, SCORER, alias_version, model_versions
from models.registry.store import Store
from models.registry.upkeep.shared_folders import shared_folder

_DAY = 86_400


@dataclass(frozen=True)
class Removal:
    """Something that may go.

    Attributes
    ----------
    kind : str
        In words, for people.
    why : str
        The reason, for people.
    files, size : int
        How many files it is, and their bytes.
    version : int or None
        A version of the scores, which goes as a whole.
    run_id, paths
        Files of a run.
    place : Path or None
        A file or folder of the store's own folder.
    """

    kind: str
    why: str
    files: int
    size: int
    version: int | None = None
    run_id: str | None = None
    paths: tuple[str, ...] = ()
    place: Path | None = None


def find_removals(
    store: Store, retention: Mapping[Kind, int], now: float | None = None, shared: Path | None = None
) -> list[Removal]:
    """List what may go, in the order in which it is removed.

    The current scores, those before them, those of the champion and of the previous scorer that a rollback would make
    current, and whatever an alias points to always stay. So do the files of their runs and of these scorers' runs, but
    for the rows set aside.

    Parameters
    ----------
    store : Store
        The store.
    retention : Mapping of str to int
        Days by kind; what is of a kind that is not named stays.
    now : float, optional
        Seconds since 1970; the present unless given.
    shared : Path, optional
        `scores_location`, where runs on a cluster leave theirs.
    """
    now = time.time() if now is None else now
    held = _held(store)
    runs = list(all_runs(store))
    return [
        *_old_versions(held, runs, retention, now),
        *(removal for run in runs for removal in _old_files(held, run, retention, now)),
        *_without_a_run(store, runs, now),
        *(_left_on_cluster(held, runs, shared) if shared is not None and shared.is_dir() else ()),
        *_old_kept_rows(store, retention, now),
    ]


@dataclass(frozen=True)
class _Held:
    """What is pointed to: all versions of the scores, those that stay, the runs that stay, and folders of versions."""

    versions: list[ModelVersion]
    staying: frozenset[int]
    runs: frozenset[str]
    folders: frozenset[tuple[str, str]]


def _held(store: Store) -> _Held:
    versions, staying = model_versions(store, SCORES), versions_to_keep(store)
    scorers = {alias_version(store, alias) for alias in (CHAMPION, PREVIOUS)}
    runs = {str(each.run_id) for each in versions if int(each.version) in staying}
    runs |= {str(each.run_id) for each in model_versions(store, SCORER) if int(each.version) in scorers}
    folders = {(str(each.run_id), "scores/" + str(each.source).rpartition("/scores/")[2]) for each in versions}
    return _Held(versions, staying, frozenset(runs), frozenset(folders))


def versions_to_keep(store: Store) -> frozenset[int]:
    """Return the versions of the scores that are never removed."""
    published, current = published_versions(store), alias_version(store, CURRENT, SCORES)
    before = [version for version in published if current is not None and version < current][-1:]
    rollback = [
        newest_scores_of(store, scorer)
        for alias in (CHAMPION, PREVIOUS)
        if (scorer := alias_version(store, alias, SCORER)) is not None
    ]
    return frozenset(version for version in (current, *before, *rollback, *_with_alias(store)) if version is not None)


def _with_alias(store: Store) -> list[int]:
    if not model_versions(store, SCORES):
        return []
    return [int(version) for version in store.client.get_registered_model(SCORES).aliases.values()]


def _old_versions(held: _Held, runs: list[Run], retention: Mapping[Kind, int], now: float) -> Iterator[Removal]:
    """Versions of the scores past their retention, the oldest first."""
    if "scores" not in retention:
        return
    folders = {run.info.run_id: run.info.artifact_uri for run in runs}
    for version in sorted(held.versions, key=lambda each: int(each.version)):
        number, made = int(version.version), version.creation_timestamp / 1000
        if number in held.staying or made >= now - retention["scores"] * _DAY:
            continue
        files, size, paths = _files_of_version(version, folders.get(str(version.run_id)))
        why = f"version {number} as of {version.tags['as_of']}, {_days(now, made)}"
        yield Removal(KINDS["scores"], why, files, size, version=number, run_id=version.run_id, paths=paths)


def _files_of_version(version: ModelVersion, folder: str | None) -> tuple[int, int, tuple[str, ...]]:
    """Count the files of a version, and give their folder within the run; none for those that a cluster wrote."""
    source = str(version.source)
    if folder is not None and source.startswith(f"{folder}/"):
        path = source.removeprefix(f"{folder}/")
        files = [each for each in get_artifact_repository(folder).list_artifacts(path) if not each.is_dir]
        return len(files), sum(each.file_size or 0 for each in files), (path,)
    outside = local_folder(source)
    return *_count(outside), ()


def _count(folder: Path | None) -> tuple[int, int]:
    """Count the files in a folder, those of the features among them, and their bytes; 0 where it is none."""
    files = [file for file in folder.rglob("*") if file.is_file()] if folder is not None else []
    return len(files), sum(file.stat().st_size for file in files)


def _old_files(held: _Held, run: Run, retention: Mapping[Kind, int], now: float) -> Iterator[Removal]:
    """Files of a run past the retention of their kind, and scores that no version points to."""
    if run.info.status == "RUNNING":
        return
    age = (now - run.info.start_time / 1000) / _DAY
    old: dict[Kind, list[Artifact]] = {}
    for artifact in artifacts_of(run):
        kind = kind_of(artifact.path)
        if kind == "scores":
            may_go = (run.info.run_id, artifact.path.rpartition("/")[0]) not in held.folders
        else:
            # Rows set aside go with their own retention, whatever else the run is needed for.
            is_needed = run.info.run_id in held.runs and kind != "quarantine"
            may_go = kind in retention and age > retention[kind] and not is_needed
        if may_go:
            old.setdefault(kind, []).append(artifact)
    for kind, artifacts in old.items():
        why = "no version points to them" if kind == "scores" else f"{age:,.0f} days old"
        yield Removal(
            KINDS[kind],
            f"of {run.info.run_name}, {why}",
            len(artifacts),
            sum(artifact.size for artifact in artifacts),
            run_id=run.info.run_id,
            paths=tuple(artifact.path for artifact in artifacts),
        )


def _without_a_run(store: Store, runs: list[Run], now: float) -> Iterator[Removal]:
    """Folders of artifacts whose run the store does not know any more, once they are a day old."""
    artifacts = store.folder / "artifacts"
    if not store.embedded or not artifacts.is_dir():
        return
    known = {run.info.run_id for run in runs} | {"models"}
    for folder in sorted(each for each in artifacts.iterdir() if each.is_dir()):
        if folder.name not in known and folder.stat().st_mtime < now - _DAY:
            yield Removal("files without a run", folder.name, *_count(folder), place=folder)


def _left_on_cluster(held: _Held, runs: list[Run], shared: Path) -> Iterator[Removal]:
    """Folders of runs that were killed: their tables, and scores that were put in place and never registered."""
    versions = {folder.resolve() for each in held.versions if (folder := local_folder(str(each.source))) is not None}
    for run in runs:
        if run.info.status == "RUNNING":
            continue
        for folder in (shared / run.info.run_id, shared_folder(shared, run.info.run_id)):
            if folder.is_dir() and folder.resolve() not in versions:
                why = f"of {run.info.run_name}, no version points to them"
                yield Removal("files on the cluster", why, *_count(folder), place=folder)


def _old_kept_rows(store: Store, retention: Mapping[Kind, int], now: float) -> Iterator[Removal]:
    if "kept_rows" not in retention:
        return
    folders = [folder for name in (KEPT_ROWS, KEPT_TABLES) if (folder := store.folder / name).is_dir()]
    for file in (file for folder in folders for file in sorted(folder.iterdir())):
        if file.stat().st_mtime < now - retention["kept_rows"] * _DAY:
            why = f"not used, {_days(now, file.stat().st_mtime)}"
            yield Removal(KINDS["kept_rows"], why, 1, file.stat().st_size, place=file)


def _days(now: float, then: float) -> str:
    return f"{(now - then) / _DAY:,.0f} days old, since {date.fromtimestamp(then)}"
