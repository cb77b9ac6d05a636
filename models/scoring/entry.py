"""The registered model ``customer_scorer``, in the form of MLflow's "models from code".

MLflow runs this file under a name of its own when it logs or loads the scorer. The other files of this package are an
artifact of the version. They are imported under a name that nothing else has, so several versions live in one process,
whatever a consumer's own package ``models`` is. `sys.path` stays as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import uuid
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd

CODE, BOOSTER = "scoring", "booster_"


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
        for module in pkgutil.iter_modules([str(folder)]):
            importlib.import_module(f"{name}.{module.name}")
    finally:
        sys.dont_write_bytecode = writes_no_bytecode
    return package


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
        """Return the scores of each row of the features table; horizons and rates belong to the scorer."""
        scores: pd.DataFrame = self.scorer.score(model_input)
        return scores


mlflow.models.set_model(CustomerScorer())
