"""The nearest ``revealed.toml``, in which paths start at its own folder and addresses are secret as soon as read."""

import os
import re
import tomllib
from pathlib import Path
from typing import Any

from data.contracts import CONTRACTS
from data.errors import InputError
from data.intake.databases.address import start_at
from data.secrecy.location import Location

SETTINGS_FILE = "revealed.toml"
LOCATIONS = (*CONTRACTS, "olist", "spark_remote", "scores_location", "mlruns")
"""Settings that may hold a password: their values are secret from the first reading."""

_PLACE = re.compile(r"\((at [^()]*)\)$")


def nearest_settings_file() -> Path | None:
    """Return the ``revealed.toml`` of the working folder or of the nearest folder above it."""
    here = Path.cwd()
    return next((f for folder in (here, *here.parents) if (f := folder / SETTINGS_FILE).is_file()), None)


def read_settings_file() -> dict[str, Any]:
    """Read the nearest settings file; its relative paths start at its own folder.

    Raises
    ------
    InputError
        Where the file is not TOML.
    """
    file = nearest_settings_file()
    if file is None:
        return {}
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not a TOML file in UTF-8: it cannot be read {_place_of(error)}") from None
    except RecursionError:
        raise InputError(f"{file} cannot be read: its brackets are nested too deep") from None
    # With Spark a table may have a name that is no path.
    relative = ("olist", "mlruns", "scores_location", *(() if settings.get("engine") == "spark" else CONTRACTS))
    for name in LOCATIONS:
        folder = file.parent if name in relative else None
        if isinstance(settings.get(name), str):
            settings[name] = _location(settings[name], folder)
        elif isinstance(settings.get(name), list):
            settings[name] = [_location(path, folder) for path in settings[name]]
    return settings


def _location(path: Any, folder: Path | None) -> Any:
    if not isinstance(path, str):
        return path
    if folder is None:
        return Location(path)
    # A glob is no Path.
    return Location(start_at(path, folder) if "://" in path else os.path.join(folder, path))  # noqa: PTH118


def _place_of(error: tomllib.TOMLDecodeError | UnicodeDecodeError) -> str:
    """Say where a file cannot be read; the rest of the message may repeat what stands there."""
    if isinstance(error, UnicodeDecodeError):
        return f"at byte {error.start + 1}"
    place = _PLACE.search(str(error))
    return place[1] if place else "somewhere"
