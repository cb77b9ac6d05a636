"""Where the store is that the settings name. Opens nothing, and imports nothing of MLflow."""

from pathlib import Path

from data.errors import InputError
from data.secrecy.location import Location, text_of
from data.secrecy.showing import shown_location
from flows.settings_file import nearest_settings_file
from models.registry.location import StoreLocation, store_location


def locate_store(mlruns: Location | str | None) -> StoreLocation:
    """Decide where the store is: where ``mlruns`` says, else beside the nearest settings file or in the working folder.

    Parameters
    ----------
    mlruns : Location, str or None
        The setting of this name.
    """
    return store_location(text_of(mlruns), project_folder())


def locate_existing_store(mlruns: Location | str | None) -> StoreLocation:
    """Decide the same, and refuse a store that does not exist.

    Raises
    ------
    InputError
        If it does not exist.
    """
    location = locate_store(mlruns)
    if location.database is not None and not location.database.exists():
        # Of a path only what is there is shown; the name that is ours in any case is no secret.
        is_ours = text_of(mlruns) is None and location.folder.name == "mlruns"
        place = location.folder if is_ours else shown_location(str(location.folder))
        raise InputError(
            f"there is no store in {place}: run `revealed retrain` first, or name the folder of another with --mlruns"
        )
    return location


def project_folder() -> Path:
    """Return the folder of the nearest settings file; without one, the working folder."""
    file = nearest_settings_file()
    return file.parent if file else Path.cwd()
