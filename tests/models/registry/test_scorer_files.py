"""The rights of a version's files."""

import os
import stat

import pytest

from models.registry.scorers import register_scorer
from models.release.release import Release


@pytest.fixture
def private():
    """What is written meanwhile is its owner's, as where the settings leave a store its rights."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_a_versions_code_is_its_owners_whoever_may_read_what_is_installed(store, a_scorer, private):
    run = store.client.create_run(store.experiment_id)
    register_scorer(store, run.info.run_id, Release(a_scorer(), {}), None, {})
    files = [file for file in (store.folder / "artifacts").rglob("*") if file.is_file()]
    assert {"entry.py", "__init__.py"} <= {file.name for file in files}
    assert [file for file in files if stat.S_IMODE(file.stat().st_mode) & 0o077] == []
