"""Removing what may go."""

import shutil

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from models.registry.privacy.artifacts import local_folder
from models.registry.privacy.retention import Removal, versions_to_keep
from models.registry.published_file import SCORES
from models.registry.store import Store
from models.registry.stored_samples import DRAWN_ON, LIST


def remove(store: Store, removal: Removal) -> None:
    """Remove what `find_removals` found; to be called while the store is locked.

    A version of the scores goes before its files, so a kill leaves files that no version points to, which go next time.
    """
    if removal.version is not None:
        # A rollback may have made it current since it was found.
        if removal.version in versions_to_keep(store):
            return
        source = store.client.get_model_version(SCORES, str(removal.version)).source
        store.client.delete_model_version(SCORES, str(removal.version))
        outside = local_folder(str(source))
        if not removal.paths and outside is not None:
            shutil.rmtree(outside, ignore_errors=True)
    if removal.place is not None:
        shutil.rmtree(removal.place) if removal.place.is_dir() else removal.place.unlink(missing_ok=True)
    if removal.run_id is not None and removal.paths:
        run = store.client.get_run(removal.run_id)
        if LIST in removal.paths and run.info.lifecycle_stage == "active" and DRAWN_ON in run.data.tags:
            # Without its date a sample counts no more.
            store.client.delete_tag(removal.run_id, DRAWN_ON)
        uri = run.info.artifact_uri
        for path in removal.paths:
            get_artifact_repository(uri).delete_artifacts(path)  # type: ignore[no-untyped-call]
