"""What a version of the scorer holds: the served code, parameters, trees, and the names of the columns it reads."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.utils import environment

import models.scoring
from models.release.parameters import ReleaseParameters
from models.release.release import Release
from models.scoring.clock.rows import AS_OF
from models.scoring.columns import PURCHASE_COLUMNS, SCORE_COLUMNS

# What a version's metadata names: columns that each row must have, and those that it may have.
REQUIRED, OPTIONAL = "required_columns", "optional_columns"
# The served code. MLflow runs the entry, which imports the other files from the artifact that has the folder's name.
PACKAGE = Path(str(models.scoring.__file__)).parent
ENTRY = PACKAGE / "entry.py"
_TEXT_COLUMNS = ("nps_category", "nps_source")
_ALWAYS = frozenset(SCORE_COLUMNS[: SCORE_COLUMNS.index("p_detractor")])


def copy_code(folder: Path) -> dict[str, Path]:
    """Write the files of the served code but its entry into a new folder, without what Python compiled of them.

    Parameters
    ----------
    folder : Path
        Where the new folder is made.

    Returns
    -------
    dict of str to Path
        The new folder by the name of its artifact.
    """
    place = folder / PACKAGE.name
    for file in sorted(PACKAGE.rglob("*.py")):
        if file != PACKAGE / ENTRY.name:
            copy = place / file.relative_to(PACKAGE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            # Without the rights of what is installed: those of a store's files are others.
            shutil.copyfile(file, copy)
    return {place.name: place}


def write_release(release: Release, folder: Path, prefix: str) -> dict[str, Path]:
    """Write parameters as JSON and trees as text; return the files by the names of their artifacts."""
    parameters = folder / f"{prefix}parameters.json"
    parameters.write_text(json.dumps(release.parameters.to_dict(), indent=1, allow_nan=False), encoding="utf-8")
    files = {f"{prefix}parameters": parameters}
    for name, trees in release.boosters.items():
        files[f"{prefix}booster_{name}"] = folder / f"{prefix}booster_{name}.txt"
        files[f"{prefix}booster_{name}"].write_text(trees, encoding="utf-8")
    return files


def read_release(folder: Path, prefix: str) -> Release | None:
    """Read back what `write_release` wrote; None where there is nothing of that prefix."""
    parameters = folder / f"{prefix}parameters.json"
    if not parameters.exists():
        return None
    boosters = {}
    for file in sorted(folder.glob(f"{prefix}booster_*.txt")):
        boosters[file.stem.removeprefix(f"{prefix}booster_")] = file.read_text(encoding="utf-8")
    return Release(ReleaseParameters.from_dict(json.loads(parameters.read_text(encoding="utf-8"))), boosters)


def example_row(release: Release) -> pd.DataFrame:
    """Return one example customer, who bought three times in 100 days and has no other features."""
    bought: dict[str, Any] = dict(zip(PURCHASE_COLUMNS, (2.0, 60.0, 100.0, 2.0, 25.0), strict=True))
    bought[AS_OF] = release.as_of.isoformat()
    return pd.DataFrame([{name: bought.get(name, np.nan) for name in release.scorer.columns}])


def metadata_of(release: Release) -> dict[str, list[str]]:
    """Name the columns in the version's metadata.

    They are no input signature, as MLflow would refuse integers where it says double; the entry checks them.
    """
    needed = release.scorer.needed_columns
    return {REQUIRED: list(needed), OPTIONAL: [name for name in release.scorer.columns if name not in needed]}


@contextmanager
def without_requirements_check() -> Iterator[None]:
    """Keep MLflow from comparing a version's requirements with what is installed while it is logged.

    They are made of what is installed. MLflow reads the list of files of every installed package for it, which takes
    longer than all else of the logging: once for the requirements, and once for the example that it serves.
    """
    check = "warn_dependency_requirement_mismatches"
    kept = {module: getattr(module, check) for module in (environment, mlflow.pyfunc) if hasattr(module, check)}
    for module in kept:
        setattr(module, check, lambda _requirements: None)
    try:
        yield
    finally:
        for module, function in kept.items():
            setattr(module, check, function)


def output_schema() -> Schema:
    """Return the names and types of the scorer's columns; what is not known is null."""
    columns: list[ColSpec | TensorSpec] = [
        ColSpec(DataType.string if name in _TEXT_COLUMNS else DataType.double, name, required=name in _ALWAYS)
        for name in SCORE_COLUMNS
    ]
    return Schema(columns)
