"""The store the settings mean."""

from flows.settings import Settings, nearest_settings_file
from models.store import Store, open_store


def open_settings_store(settings: Settings) -> Store:
    """Open the store beside the nearest settings file, or in the working folder, unless one is named."""
    file = nearest_settings_file()
    return open_store(settings.mlruns, file.parent if file else None)
