"""Starts the command `revealed`, after it has made sure that the four packages of the project are its own.

The packages' names are common ones: another `models` that stands earlier on Python's path would be imported in place
of ours. Imports nothing of the project before that is ruled out.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

PACKAGES = ("data", "features", "models", "flows")


def find_mistake(folder: Path) -> str | None:
    """Say in one sentence which package would be imported from elsewhere, and what to do; None where all are right.

    Parameters
    ----------
    folder : Path
        Where all four packages must lie.
    """
    for name in PACKAGES:
        spec = find_spec(name)
        if spec is None:
            return f"the package {name} is missing in {folder}: install Revealed anew."
        place = _place(spec)
        if place != folder / name:
            return (
                f"the package {name} is shadowed: Python would import {place}, not {folder / name}. Run from another "
                f"folder, take {place.parent} off PYTHONPATH, or install Revealed in an environment of its own."
            )
    return None


def _place(spec: ModuleSpec) -> Path:
    """Return the folder of a package, or the file of a module that is none."""
    folders = list(spec.submodule_search_locations or ())
    return Path(folders[0] if folders else spec.origin or "?").resolve()


def run() -> NoReturn:
    """Run the command, or end with exit code 2 and one sentence where a package is not the project's own."""
    mistake = find_mistake(Path(__file__).resolve().parent)
    if mistake is not None:
        sys.stderr.write(f"revealed: {mistake}\n")
        sys.exit(2)
    from flows.command.main import run as run_command

    run_command()


if __name__ == "__main__":
    run()
