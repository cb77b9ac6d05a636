"""Where the store is that the settings name, and how it is opened."""

from pathlib import Path

from data.errors import InputError
from flows.settings import Settings, nearest_settings_file
from models.registry.location import StoreLocation, store_location
from models.registry.store import Store, open_store


def locate_store(mlruns: str | None) -> StoreLocation:
    """Decide where the store is: where ``mlruns`` says, else beside the nearest settings file or in the working folder.

    Parameters
    ----------
    mlruns : str or None
        The setting of this name.
    """
    return store_location(mlruns, project_folder())


def open_settings_store(settings: Settings) -> Store:
    """Open the store; create it if it does not exist yet."""
    return open_store(settings.mlruns, project_folder())


def open_existing_store(settings: Settings) -> Store:
    """Open the store only if it exists: reading from a store must not create one.

    Raises
    ------
    InputError
        If it does not exist.
    """
    location = locate_store(settings.mlruns)
    if location.database is not None and not location.database.exists():
        raise InputError(
            f"there is no store in {location.folder}: run `revealed retrain` first, or name the folder of another "
            "with --mlruns"
        )
    return open_settings_store(settings)


def project_folder() -> Path:
    """Return the folder of the nearest settings file; without one, the working folder."""
    file = nearest_settings_file()
    return file.parent if file else Path.cwd()
