"""The folders of runs on a disk that a cluster shares: they hold customers' data, and go with the run."""

import shutil
from pathlib import Path

from mlflow.exceptions import MlflowException

from models.registry.store import Store

_PREFIX = "work-"


def shared_folder(place: Path, run_id: str) -> Path:
    """Say where a run keeps its tables in `scores_location` while it goes on."""
    return place / f"{_PREFIX}{run_id}"


def remove_left_by_killed(store: Store, place: Path) -> int:
    """Remove the folders of runs that have ended, which were killed before they did so, and count them.

    Parameters
    ----------
    store : Store
        Whose runs are told; folders of other stores' runs stay.
    place : Path
        `scores_location`.
    """
    left = [folder for folder in place.glob(f"{_PREFIX}*") if _has_ended(store, folder.name.removeprefix(_PREFIX))]
    for folder in left:
        shutil.rmtree(folder, ignore_errors=True)
    return len(left)


def _has_ended(store: Store, run_id: str) -> bool:
    try:
        return bool(store.client.get_run(run_id).info.status != "RUNNING")
    except MlflowException:
        # It is no run of this store.
        return False
