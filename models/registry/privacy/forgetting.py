"""Taking one customer out of everything that a store keeps of single customers.

Each file is exchanged in one move for one without the customer, so a kill leaves it old or new; what was left undone is
done when the same is run again, for the customer is on the list of the forgotten before anything is exchanged.
"""

import stat
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pyarrow.parquet as pq
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from data.errors import RevealedError
from models.registry.privacy.artifacts import Artifact, all_runs, artifacts_of, fetch, local_folder, replace
from models.registry.privacy.customer import Customer
from models.registry.privacy.kinds import KINDS, kind_of
from models.registry.privacy.rewriting import may_name_customers, same_but_for, write_without
from models.registry.publication import FEATURES
from models.registry.published_file import FILE, SCORES
from models.registry.scorers import model_versions
from models.registry.store import Store
from models.registry.upkeep.half_written import remove_half_written
from models.registry.upkeep.workspaces import workspace

FORGOTTEN_ON = "forgotten_on"
"""Tag of a version of the scores from which customers were taken, with the time of the last of them."""

Place = tuple[str, str]


@dataclass
class Removed:
    """What was taken out.

    Attributes
    ----------
    files, rows : Counter
        By kind of file: how many were written anew, and how many rows and names they lost.
    versions : list of int
        Versions of the scores among them.
    left : list of str
        Places that could not be written, in words.
    """

    files: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    versions: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def add(self, kind: str, rows: int) -> None:
        """Count a file that was written anew."""
        self.files[kind] += 1
        self.rows[kind] += rows


def forget_customer(store: Store, customer: Customer) -> Removed:
    """Take a customer out of all files and tags of a store's runs, and out of all its versions of the scores.

    To be called while the store is locked and no run is going on, with the customer on the list of the forgotten.

    Parameters
    ----------
    store : Store
        Whose artifacts can be written.
    customer : Customer
        Who is to be forgotten.

    Raises
    ------
    RevealedError
        Where a file reads back otherwise than it was written.
    """
    removed = Removed()
    versions = _places(store)
    with workspace(store):
        for run in all_runs(store):
            # What a process that was killed left may hold the customer under a name that says no kind.
            remove_half_written(run.info.artifact_uri)
            for artifact in artifacts_of(run):
                if may_name_customers(artifact.name):
                    _exchange(store, run, artifact, customer, versions, removed)
            _clear_tags(store, run, customer, removed)
        _exchange_parts(store, customer, removed)
    return removed


def _places(store: Store) -> Mapping[Place, int]:
    """Give the version of the scores that lie at a path of a run."""
    return {
        (str(version.run_id), "scores/" + str(version.source).rpartition("/scores/")[2]): int(version.version)
        for version in model_versions(store, SCORES)
        if "/scores/" in str(version.source)
    }


def _exchange(
    store: Store, run: Run, artifact: Artifact, customer: Customer, versions: Mapping[Place, int], removed: Removed
) -> None:
    """Exchange one file of a run, where the customer is in it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        local = local_folder(run.info.artifact_uri)
        (folder / "old").mkdir()
        old = local / artifact.path if local else fetch(artifact, folder / "old")
        new = folder / artifact.name
        gone = write_without(customer, old, new)
        if not gone:
            return
        _check(customer, old, new)
        version = versions.get((artifact.run_id, artifact.path.rpartition("/")[0]))
        if version is not None:
            # Before it is written, so that a kill leaves no version that was written and has no tag.
            _tag_version(store, version)
        if local:
            new.chmod(stat.S_IMODE(old.stat().st_mode))
        (folder / "back").mkdir()
        replace(artifact, new, folder / "back")
    if version is not None and version not in removed.versions:
        removed.versions.append(version)
    removed.add(KINDS[kind_of(artifact.path)], gone)


def _check(customer: Customer, old: Path, new: Path) -> None:
    """Make sure that a table of scores or features lost the customer and nothing else."""
    if old.suffix != ".parquet" or "record" in pq.read_schema(old).names:
        return
    if not same_but_for(customer, pq.read_table(old), pq.read_table(new)):
        raise RevealedError(f"{old.name} without the customer differs in other rows; nothing was exchanged.")


def _tag_version(store: Store, version: int) -> None:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    store.client.set_model_version_tag(SCORES, str(version), FORGOTTEN_ON, now)


def _exchange_parts(store: Store, customer: Customer, removed: Removed) -> None:
    """Exchange the parts that a cluster wrote, of scores and of features beside them, in which the customer is."""
    for version in model_versions(store, SCORES):
        source = str(version.source)
        folder = local_folder(source)
        if folder is None or not (folder / FILE).is_dir():
            if urlsplit(source).scheme not in ("", "file") and "/scores/" not in source:
                removed.left.append(f"version {version.version} of {SCORES}, whose files lie outside the store")
            continue
        for part in sorted(part for name in (FILE, FEATURES) for part in (folder / name).glob("*.parquet")):
            draft = part.with_name(f".{part.name}.draft")
            draft.unlink(missing_ok=True)
            gone = write_without(customer, part, draft)
            if gone:
                _check(customer, part, draft)
                _tag_version(store, int(version.version))
                draft.chmod(stat.S_IMODE(part.stat().st_mode))
                # Spark reads no part whose checksum is another one; without any it reads.
                part.with_name(f".{part.name}.crc").unlink(missing_ok=True)
                draft.replace(part)
                if int(version.version) not in removed.versions:
                    removed.versions.append(int(version.version))
                removed.add(KINDS["scores"], gone)


def _clear_tags(store: Store, run: Run, customer: Customer, removed: Removed) -> None:
    """Take the customer out of what tags of a run say: its description, and the error that ended it."""
    for name, value in run.data.tags.items():
        told, places = customer.out_of_text(str(value))
        if not places:
            continue
        try:
            store.client.set_tag(run.info.run_id, name, told)
        except MlflowException:
            # MLflow changes no tag of a run that was deleted.
            removed.left.append(f"the tag {name} of the deleted run {run.info.run_id}: `mlflow gc` removes it")
        else:
            removed.add("descriptions of runs", places)
