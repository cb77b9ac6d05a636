"""What is done about runs that were killed: the next run closes them and takes away what they left."""

import logging
import socket
import time

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from models.registry.locking.holder import Holder
from models.registry.scorers import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    ROLLED_BACK,
    SCORER,
    alias_version,
    finish_promotion,
)
from models.registry.store import Store
from models.registry.upkeep.half_written import remove_half_written
from models.registry.upkeep.workspaces import remove_abandoned

WORKSPACE, PROCESS, HOST = "workspace", "process", "host"
"""Tags of a run: the name of its folder in the store, and who runs it."""
RETRAIN = "retrain"
"""The kind of a run that holds the store from its beginning."""
LONGEST_DAYS = 7
"""No run takes so many days: one of another machine that is older has ended with it."""

logger = logging.getLogger("revealed")


def close_killed_runs(store: Store) -> None:
    """Close the runs whose process ended without closing them, and remove their folders.

    Such a run is told by its folder, which is there and held by nobody. A run on another machine is left alone, for
    its folder lies there; `close_runs_elsewhere` closes those of which the lock tells that they have ended.
    """

    def close(workspace: str) -> None:
        for run in store.client.search_runs([store.experiment_id], f"tags.{WORKSPACE} = '{workspace}'"):
            if run.info.status == "RUNNING":
                _close(store, run)

    remove_abandoned(store, close)


def close_runs_elsewhere(store: Store, left_by: Holder | None) -> None:
    """Close the runs of other machines that ended while they held a store on a server: they may never come back.

    So are those of other machines that began more than `LONGEST_DAYS` ago, such as scores that were killed while they
    computed, without the lock.

    To be called while the store is held, before a retraining begins a run of its own. No process is asked after by its
    number: the same number may be in use here.

    Parameters
    ----------
    store : Store
        Where the runs are kept.
    left_by : Holder or None
        Who held the store before, and did not give it back.
    """
    if store.embedded:
        # Their folders lie in the store.
        return
    running = store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'")
    oldest = (time.time() - LONGEST_DAYS * 86_400) * 1000
    for run in running:
        # A retraining holds the store as long as it runs; of a run here its folder tells.
        has_ended = run.data.tags.get("kind") == RETRAIN or (left_by is not None and run.info.run_id == left_by.run)
        is_elsewhere = run.data.tags.get(HOST) not in (None, socket.gethostname())
        if has_ended or (is_elsewhere and run.info.start_time < oldest):
            _close(store, run, f"go with the next run on {run.data.tags.get(HOST)}")


def _close(store: Store, run: Run, files: str = "are removed") -> None:
    client, tags, run_id = store.client, run.data.tags, run.info.run_id
    holder = f"process {tags.get(PROCESS)} on {tags.get(HOST)}"
    _drop_challenger_of(store, run_id)
    remove_half_written(run.info.artifact_uri)
    client.set_tag(run_id, "error", f"{holder} ended without closing the run, which was done by the next one")
    client.set_terminated(run_id, "KILLED")
    logger.warning(
        "The run %s (%s, %s) was cut off: it is closed now, and its temporary files %s.",
        tags.get("mlflow.runName", run_id),
        run_id,
        holder,
        files,
    )


def _drop_challenger_of(store: Store, run_id: str) -> None:
    version = alias_version(store, CHALLENGER)
    if version is not None and store.client.get_model_version(SCORER, str(version)).run_id == run_id:
        _drop_alias(store, CHALLENGER)


def mend_aliases(store: Store) -> None:
    """Settle a promotion and a rollback that were killed; a version that was not judged is no ``challenger`` any more.

    To be called while the store is locked, when no version waits for its verdict.
    """
    finish_promotion(store)
    _settle_rollback(store)
    version = alias_version(store, CHALLENGER)
    if version is not None and "verdict" not in store.client.get_model_version(SCORER, str(version)).tags:
        _drop_alias(store, CHALLENGER)


def _settle_rollback(store: Store) -> None:
    """Take what a killed rollback left: its tag where the champion had not changed yet, else the alias ``previous``."""
    champion = alias_version(store, CHAMPION)
    if champion is None:
        return
    if alias_version(store, PREVIOUS) == champion:
        _drop_alias(store, PREVIOUS)
    if ROLLED_BACK in store.client.get_model_version(SCORER, str(champion)).tags:
        store.client.delete_model_version_tag(SCORER, str(champion), ROLLED_BACK)


def _drop_alias(store: Store, alias: str) -> None:
    try:
        store.client.delete_registered_model_alias(SCORER, alias)
    except MlflowException as error:
        # Another run was faster.
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
