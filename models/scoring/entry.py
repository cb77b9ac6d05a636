"""The registered model ``customer_scorer``, in the form of MLflow's "models from code".

MLflow runs this file under a name of its own when it logs or loads the scorer. The other files of this package are an
artifact of the version. They are imported under a name that nothing else has, so several versions live in one process,
whatever a consumer's own package ``models`` is. `sys.path` stays as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import sys
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd

CODE, BOOSTER, DATE = "scoring", "booster_", "as_of"
# MLflow's scoring server sets it in its own process.
SERVED = "_MLFLOW_IS_IN_SERVING_ENVIRONMENT"
_NUMBERS = ("boolean", "decimal", "empty", "floating", "integer", "integer-na", "mixed-integer-float")


def import_folder(folder: Path) -> ModuleType:
    """Import a package under a new unique name, with all its modules, so that its folder may then be deleted."""
    name = f"customer_scorer_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"the scorer's code is not in {folder}")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    # The folder may be the registry's own: nothing is written into it.
    writes_no_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        spec.loader.exec_module(package)
        for module in pkgutil.walk_packages([str(folder)], f"{name}."):
            importlib.import_module(module.name)
    finally:
        sys.dont_write_bytecode = writes_no_bytecode
    return package


def as_doubles(rows: Any, columns: Iterable[str]) -> pd.DataFrame:
    """Take the columns of these names, as far as they are there, and turn numbers of any kind and nulls into doubles.

    The date of a row, which a scorer with a clock reads, stays as it is.

    No signature does it: where one says double, MLflow refuses 64-bit integers, and any looser type it checks cell by
    cell, which takes as long as scoring.

    Raises
    ------
    TypeError
        Naming a column that does not hold numbers.
    """
    table = pd.DataFrame(rows)
    # Chosen as a list of names they would be copied.
    chosen = {name: table[name] for name in columns if name in table}
    table = pd.DataFrame(chosen, index=table.index, copy=False)
    # As a rule all are doubles, and nothing is done.
    others = [name for name, dtype in table.dtypes.items() if name != DATE and dtype != "float64"]
    for name in others:
        column = table[name]
        kind = "floating" if column.dtype.kind in "fiub" else pd.api.types.infer_dtype(column, skipna=True)
        if kind not in _NUMBERS and column.notna().any():
            raise TypeError(f"column {name} must hold numbers, and holds {kind}")
    return table.astype(dict.fromkeys(others, "float64")) if others else table


def with_nulls(scores: pd.DataFrame) -> pd.DataFrame:
    """Put None where a score is not known: the server writes JSON, which has no NaN."""
    unknown = [name for name in scores if scores[name].isna().any()]
    return scores.astype(dict.fromkeys(unknown, object)).where(scores.notna(), None)


class CustomerScorer(mlflow.pyfunc.PythonModel):  # type: ignore[name-defined, misc]
    """Scores features by the code, the parameters and the trees of its own version."""

    def load_context(self, context: Any) -> None:
        """Read code, parameters and trees from the version's artifacts."""
        files = context.artifacts
        # The artifact of trees is named after them: "booster_nps_ridit".
        boosters = {name.removeprefix(BOOSTER): file for name, file in files.items() if name.startswith(BOOSTER)}
        scorer = import_folder(Path(files[CODE])).scorer.Scorer
        self.scorer = scorer.from_files(files["parameters"], boosters)

    def predict(self, context: Any, model_input: pd.DataFrame) -> pd.DataFrame:  # noqa: ARG002 - MLflow's form
        """Return the scores of each row of the features table; horizons and rates belong to the scorer.

        Over HTTP what is not known is null, and what is wrong with the rows is told without a traceback.
        """
        if os.environ.get(SERVED) != "true":
            return self._score(model_input)
        try:
            return with_nulls(self._score(model_input))
        except (TypeError, ValueError) as error:
            raise mlflow.exceptions.MlflowException.invalid_parameter_value(str(error)) from error

    def _score(self, model_input: Any) -> pd.DataFrame:
        scores: pd.DataFrame = self.scorer.score(as_doubles(model_input, self.scorer.columns))
        return scores


mlflow.models.set_model(CustomerScorer())
