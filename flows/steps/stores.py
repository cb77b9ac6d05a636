"""The store that the settings mean, and where it lies."""

from pathlib import Path

from data.errors import InputError
from flows.settings import Settings, nearest_settings_file
from models.registry.location import StoreLocation, store_location
from models.registry.store import Store, open_store


def locate_store(mlruns: str | None) -> StoreLocation:
    """Decide where the store lies: beside the nearest settings file, or in the working folder, unless it is named.

    Parameters
    ----------
    mlruns : str or None
        The setting of this name.
    """
    return store_location(mlruns, project_folder())


def open_settings_store(settings: Settings) -> Store:
    """Open the store, and make it where it is not there yet."""
    return open_store(settings.mlruns, project_folder())


def open_existing_store(settings: Settings) -> Store:
    """Open the same store where it is there: reading from it makes none.

    Raises
    ------
    InputError
        Where there is none.
    """
    location = locate_store(settings.mlruns)
    if location.database is not None and not location.database.exists():
        raise InputError(
            f"there is no store in {location.folder}: run `revealed retrain` first, or name the folder of another "
            "with --mlruns"
        )
    return open_settings_store(settings)


def project_folder() -> Path:
    """Return the folder of the nearest settings file; the working folder where there is none."""
    file = nearest_settings_file()
    return file.parent if file else Path.cwd()
