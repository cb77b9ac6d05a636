"""The store the settings mean."""

from pathlib import Path

from data.errors import InputError
from flows.settings import Settings, nearest_settings_file
from models.registry.store import Store, open_store, store_location


def open_settings_store(settings: Settings) -> Store:
    """Open the store beside the nearest settings file, or in the working folder, unless one is named."""
    return open_store(settings.mlruns, _beside())


def open_existing_store(settings: Settings) -> Store:
    """Open the same store where it is there: reading from it makes none.

    Raises
    ------
    InputError
        Where there is none.
    """
    uri, folder, embedded = store_location(settings.mlruns, _beside() or Path.cwd())
    if embedded and not Path(uri.removeprefix("sqlite:///")).exists():
        raise InputError(
            f"there is no store in {folder}: run `revealed retrain` first, or name the folder of another with --mlruns"
        )
    return open_settings_store(settings)


def _beside() -> Path | None:
    file = nearest_settings_file()
    return file.parent if file else None
