"""The registered scorer: its versions, and the aliases champion, challenger and previous.

A version holds everything a consumer needs: a copy of the served code, parameters as JSON, trees as text; and beside
them its holdout refit (twin): the same recipe fitted before the cutoff, which the promotion gate judges it by. No alias
is set before all of a version has been written.
"""

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature

from data.errors import InputError, RefusedError
from models.registry.locking.holding import ensure_held
from models.registry.scorer_files import (
    ENTRY,
    OPTIONAL,
    REQUIRED,
    copy_code,
    example_row,
    metadata_of,
    output_schema,
    read_release,
    without_requirements_check,
    write_release,
)
from models.registry.store import Store
from models.registry.version_list import SCORER as SCORER
from models.release.release import Release
from models.scoring.clock.rows import AS_OF
from models.scoring.parameters import FORMAT

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
ROLLED_BACK = "rolled_back"
"""Tag of a version that a rollback left."""
# Tag of a version that is being promoted: the version that is to become previous.
_REPLACING = "replacing"
REQUIREMENTS = ("mlflow", "lightgbm", "scipy", "numpy", "pandas")


@dataclass(frozen=True)
class Registered:
    """A version of the scorer read back from the registry.

    Attributes
    ----------
    version : int
        Number of the version, from 1.
    release : Release
        What is served.
    twin : Release or None
        Its holdout refit; None for a version that was registered without one.
    """

    version: int
    release: Release
    twin: Release | None

    def check_format(self) -> None:
        """Refuse a version whose parameters have another format than this code reads.

        Raises
        ------
        InputError
            If another release of Revealed registered it.
        """
        stored_format = self.release.parameters.format
        if stored_format != FORMAT:
            raise InputError(
                f"scorer {self.version} was registered by another release of Revealed (format {stored_format}, this "
                f"one reads {FORMAT}); run `revealed retrain` first"
            )


def register_scorer(store: Store, run_id: str, release: Release, twin: Release | None, tags: Mapping[str, str]) -> int:
    """Write a release and its twin as a new version, alias ``challenger``.

    Parameters
    ----------
    store : Store
        Where to.
    run_id : str
        The run that fitted it.
    release : Release
        What is served.
    twin : Release or None
        Its holdout refit: the same recipe fitted before the cutoff.
    tags : Mapping of str to str
        Tags of the version.

    Returns
    -------
    int
        The new version.
    """
    with tempfile.TemporaryDirectory() as folder, mlflow.start_run(run_id=run_id):
        files = write_release(release, Path(folder), "") | copy_code(Path(folder))
        if twin is not None:
            files |= write_release(twin, Path(folder), "twin_")
        with without_requirements_check():
            logged = mlflow.pyfunc.log_model(
                name=SCORER,
                python_model=shutil.copyfile(ENTRY, str(Path(folder) / ENTRY.name)),
                artifacts={name: str(file) for name, file in files.items()},
                signature=ModelSignature(outputs=output_schema()),
                input_example=example_row(release),
                metadata=metadata_of(release),
                pip_requirements=[f"{name}=={installed_version(name)}" for name in REQUIREMENTS],
            )
    # Leaving MLflow's own context ended the run; it goes on.
    store.client.update_run(run_id, status="RUNNING")
    ensure_registered(store, SCORER, "Purchases, value, churn and NPS category of customers from what they do")
    created = store.client.create_model_version(
        SCORER, source=logged.model_uri, run_id=run_id, tags=dict(tags), model_id=logged.model_id
    )
    store.client.set_registered_model_alias(SCORER, CHALLENGER, str(created.version))
    return int(created.version)


def alias_version(store: Store, alias: str, model: str = SCORER) -> int | None:
    """Return the version an alias points to, or None."""
    try:
        version = store.client.get_registered_model(model).aliases.get(alias)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return None
        raise
    return None if version is None else int(version)


def read_scorer(store: Store, version: int) -> Registered:
    """Read a version back.

    Raises
    ------
    InputError
        Where there is no such version.
    """
    try:
        stored = store.client.get_model_version(SCORER, str(version))
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise InputError(f"there is no version {version} of {SCORER} in {store.shown_uri}") from None
        raise
    with tempfile.TemporaryDirectory() as place:
        uri = f"models:/{SCORER}/{stored.version}"
        folder = Path(mlflow.artifacts.download_artifacts(uri, dst_path=place, tracking_uri=store.uri)) / "artifacts"
        release, twin = read_release(folder, ""), read_release(folder, "twin_")
    if release is None:
        raise InputError(f"version {version} of {SCORER} holds no parameters; it was not registered by this project")
    return Registered(int(stored.version), release, twin)


def read_champion(store: Store) -> Registered | None:
    """Read the champion back; None if there is none yet."""
    version = alias_version(store, CHAMPION)
    return None if version is None else read_scorer(store, version)


def load_predict(version: int) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Load the scorer as it is registered, as a consumer loads it, and return what scores rows of features."""
    with tempfile.TemporaryDirectory() as folder:
        # The code and the trees are in memory once it is loaded. Its warnings compare the installed packages with the
        # version's requirements, which takes longer than loading.
        return load_predict_from(f"models:/{SCORER}/{version}", folder)


def load_predict_from(uri: str, folder: str | None = None) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Load a scorer from a folder or an address of MLflow's, and return what scores rows of features."""
    model = mlflow.pyfunc.load_model(uri, suppress_warnings=True, dst_path=folder)
    # A version of an earlier release has an input signature.
    schema, named = model.metadata.get_input_schema(), model.metadata.metadata or {}
    wanted = [*named[REQUIRED], *named[OPTIONAL]] if schema is None else schema.input_names()
    # The date of a row is read by a scorer with a clock.
    numbers = [name for name in wanted if name != AS_OF]

    def predict(described: pd.DataFrame) -> pd.DataFrame:
        # Column by column: a selection of columns would copy all of them.
        columns = {name: described.get(name, np.nan) for name in wanted}
        rows = pd.DataFrame(columns, index=described.index, copy=False)
        # As a rule all are doubles: giving each the type that it has would take as long as changing it.
        dtypes = rows.dtypes
        others = [name for name in numbers if dtypes[name] != np.float64]
        return pd.DataFrame(model.predict(rows.astype(dict.fromkeys(others, "float64")) if others else rows))

    return predict


def promote(store: Store, version: int, reason: str) -> int | None:
    """Make a version the champion; the champion so far becomes ``previous``, unless it had been rolled back.

    Setting ``champion`` is the one move that consumers and later runs see; what follows it is finished by the next run
    where this one is killed.

    Returns
    -------
    int or None
        The version that was champion before.
    """
    client = store.client
    before = alias_version(store, CHAMPION)
    _record_verdict(store, version, "Promoted", reason)
    if before is not None and before != version and not _is_rolled_back(store, before):
        client.set_model_version_tag(SCORER, str(version), _REPLACING, str(before))
    ensure_held(store)
    client.set_registered_model_alias(SCORER, CHAMPION, str(version))
    finish_promotion(store)
    return before


def finish_promotion(store: Store) -> None:
    """Do what follows once a champion is set: the one it replaced becomes ``previous``, and it is no challenger.

    To be called while the store is locked, by every run that changes aliases: a promotion may have been killed after
    ``champion`` was set. Nothing happens where nothing is left to do.
    """
    client, champion = store.client, alias_version(store, CHAMPION)
    if champion is None:
        return
    replaced = client.get_model_version(SCORER, str(champion)).tags.get(_REPLACING)
    if replaced is not None:
        client.set_registered_model_alias(SCORER, PREVIOUS, replaced)
    if alias_version(store, CHALLENGER) == champion:
        client.delete_registered_model_alias(SCORER, CHALLENGER)
    if replaced is not None:
        client.delete_model_version_tag(SCORER, str(champion), _REPLACING)


def refuse(store: Store, version: int, reason: str) -> None:
    """Tag a version with the reason why it was not promoted; no alias changes."""
    _record_verdict(store, version, "Not promoted", reason)


def _record_verdict(store: Store, version: int, what: str, reason: str) -> None:
    store.client.set_model_version_tag(SCORER, str(version), "verdict", reason)
    as_of = store.client.get_model_version(SCORER, str(version)).tags.get("as_of")
    trained = f"Trained as of {as_of}. " if as_of else ""
    store.client.update_model_version(SCORER, str(version), description=f"{trained}{what}: {reason}")


def roll_back(store: Store) -> tuple[int, int]:
    """Make ``previous`` the champion again; the version that was left never becomes ``previous``.

    Returns
    -------
    tuple of (int, int)
        The version left and the version that is champion now.

    Raises
    ------
    InputError
        If there is no champion.
    RefusedError
        If there is no previous version: after the first version, or after a rollback.
    """
    left, target = alias_version(store, CHAMPION), alias_version(store, PREVIOUS)
    if left is None:
        raise InputError(f"there is no champion in {store.shown_uri} to roll back; run `revealed retrain` first")
    # A rollback that was killed after the champion was set, or a promotion of an earlier release that was killed before
    # it, leaves both aliases on one version: then there is none to go back to.
    if target is None or target == left:
        raise RefusedError(
            f"version {left} has no previous version to go back to: it is the first, or a rollback was the last thing "
            "done. Run `revealed retrain`, or score with a version you name: `revealed score --scorer VERSION`."
        )
    client = store.client
    ensure_held(store)
    client.set_model_version_tag(SCORER, str(left), ROLLED_BACK, "true")
    client.set_registered_model_alias(SCORER, CHAMPION, str(target))
    client.delete_registered_model_alias(SCORER, PREVIOUS)
    return left, target


def _is_rolled_back(store: Store, version: int) -> bool:
    return ROLLED_BACK in store.client.get_model_version(SCORER, str(version)).tags


def model_versions(store: Store, model: str) -> list[ModelVersion]:
    """Return all versions of a registered model, newest first."""
    versions = store.client.search_model_versions(f"name='{model}'", max_results=10_000)
    return sorted(versions, key=lambda version: int(version.version), reverse=True)


def ensure_registered(store: Store, model: str, description: str) -> None:
    """Create a registered model unless it exists."""
    try:
        store.client.create_registered_model(model, description=description)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
