"""How the store that the settings name is opened."""

import os

from data.secrecy.location import text_of
from flows.settings import Settings
from flows.steps.store_place import locate_existing_store, project_folder
from models.registry.store import Store, open_store


def open_settings_store(settings: Settings) -> Store:
    """Open the store; create it if it does not exist yet.

    What this process writes from now on has the rights that the settings leave to the store's files.
    """
    os.umask(int(settings.umask, 8))
    return open_store(text_of(settings.mlruns), project_folder())


def open_existing_store(settings: Settings) -> Store:
    """Open the store only if it exists: reading from a store must not create one.

    Raises
    ------
    InputError
        If it does not exist.
    """
    locate_existing_store(settings.mlruns)
    return open_settings_store(settings)
