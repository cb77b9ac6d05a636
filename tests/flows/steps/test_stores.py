"""The files of a store have the rights that the settings leave to them."""

import os
import stat

import pytest

from data.errors import InputError
from flows.settings import Settings
from flows.steps.stores import open_settings_store


@pytest.fixture
def own_umask():
    """Put the umask back afterwards."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize(
    ("settings", "of_file", "of_folder"),
    [({}, 0o600, 0o700), ({"umask": "027"}, 0o640, 0o750), ({"umask": "0022"}, 0o644, 0o755)],
)
def test_what_is_written_to_a_store_is_its_owners_unless_a_setting_says_otherwise(
    store, own_environment, own_umask, settings, of_file, of_folder
):
    opened = open_settings_store(Settings.load(mlruns=str(store.folder), **settings))
    run = opened.client.create_run(opened.experiment_id)
    opened.client.log_text(run.info.run_id, "a customer's", "note.txt")
    (file,) = store.folder.rglob("note.txt")
    assert stat.S_IMODE(file.stat().st_mode) == of_file
    assert stat.S_IMODE(file.parent.stat().st_mode) == of_folder


def test_a_umask_that_is_none_is_told(own_environment):
    with pytest.raises(InputError, match="umask"):
        Settings.load(umask="rw-")
