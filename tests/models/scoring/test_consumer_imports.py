"""What consumers need: the scorer loads and the scores are pulled where nothing else can be imported."""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import models.registry.scorer_files as scorer_files
from models.population.scores_table import COLUMNS
from models.registry.publication import make_current
from models.registry.published_file import pull_line
from models.registry.scorers import promote, register_scorer
from models.scoring.columns import PURCHASE_COLUMNS
from tests.models.registering import register

# mlflow depends on these two, yet neither pulling scores nor loading the scorer may need them.
BESIDES = frozenset({"matplotlib", "sklearn"})
REFUSED = BESIDES | {
    "data",
    "features",
    "models",
    "flows",
    "duckdb",
    "ibis",
    "prefect",
    "lifetimes",
    "pydantic_settings",
}

# Runs first in the consumer's process: whatever is neither allowed nor of the standard library cannot be imported.
REFUSE = """
import importlib.abc, json, sys
allowed = frozenset(json.loads(sys.argv[1])) | sys.stdlib_module_names

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        # The build's own settings are a module of the standard library with the platform in its name. A scorer imports
        # its own code under a unique name.
        if top not in allowed and not top.startswith(("_sysconfigdata", "customer_scorer_")):
            raise ModuleNotFoundError(f"{name} is not there for a consumer", name=name)

sys.meta_path.insert(0, Refuse())
"""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def with_dependencies(*names: str) -> set[str]:
    """Distributions and, through and through, what they require without extras."""
    found, to_do = set(), [canonical(name) for name in names]
    while to_do:
        name = to_do.pop()
        if name in found:
            continue
        try:
            lines = requires(name) or []
        except PackageNotFoundError:
            continue
        found.add(name)
        to_do += [canonical(re.match(r"[\w.-]+", line)[0]) for line in lines if "extra ==" not in line]
    return found


def modules_of(*names: str) -> list[str]:
    """Top-level modules that these distributions and their dependencies bring."""
    distributions = with_dependencies(*names)
    modules = packages_distributions().items()
    return sorted(top for top, of in modules if distributions & {canonical(name) for name in of} and top not in BESIDES)


def run_as_consumer(code: str, *arguments: str, allowed: list[str], folder: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    done = subprocess.run(
        [sys.executable, "-c", REFUSE + code, json.dumps(allowed), *arguments],
        cwd=folder,
        env=kept | {"DO_NOT_TRACK": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"} | environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def imported(said: str) -> set[str]:
    """Top-level modules that were imported, from the last line a consumer printed."""
    return set(json.loads(said.splitlines()[-1]))


def test_the_allowed_modules_are_those_of_the_named_packages_alone():
    allowed = modules_of("mlflow", "lightgbm", "scipy", "numpy", "pandas")
    assert {"mlflow", "lightgbm", "scipy", "numpy", "pandas", "sqlalchemy"} <= set(allowed)
    assert not REFUSED & set(allowed)


PREDICT = """
import mlflow, os, pandas as pd

scorer = mlflow.pyfunc.load_model("models:/customer_scorer@champion")
rows = pd.read_parquet("rows.parquet")
scorer.predict(rows).to_parquet("all.parquet")
few = rows[["frequency", "recency", "T", "spend_frequency", "spend_value"]]
scorer.predict(few).to_parquet("few.parquet")
whole = few.astype({**dict.fromkeys(["frequency", "recency", "T"], "int64"), "spend_frequency": "Int32"})
scorer.predict(whole).to_parquet("integers.parquet")
scorer.predict(few.astype(object).assign(orders_90d=None)).to_parquet("objects.parquet")
for wrong in ("str", "object"):
    try:
        scorer.predict(few.assign(frequency=few["frequency"].astype(str).astype(wrong)))
    except TypeError as error:
        print(error)

# What MLflow's server answers where the scorer holds no model of satisfaction.
from dataclasses import replace
from mlflow.pyfunc.scoring_server import invocations
os.environ["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"
of = scorer.unwrap_python_model().scorer
of.parameters = replace(of.parameters, satisfaction=None)
def served(rows):
    return invocations(json.dumps({"dataframe_split": rows}), "application/json", scorer, None).response
columns = [*few, "orders_90d"]
print(served({"columns": columns, "data": [[2, 60, 100, 2, 25, None], [0, 0, 50, 0, 0, None]]}))
for data in ([[-2, 60, 100, 2, 25]], [["2", 60, 100, 2, 25]]):
    try:
        served({"columns": list(few), "data": data})
    except mlflow.exceptions.MlflowException as error:
        print(error.get_http_status_code(), error.message.partition("Error: ")[2])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_champion_loads_and_predicts_with_its_own_requirements(store, release, described, predicted, tmp_path):
    run = store.client.create_run(store.experiment_id)
    promote(store, register_scorer(store, run.info.run_id, release, None, {}), "the first")
    doubles = described.select_dtypes("float64")
    described.to_parquet(tmp_path / "rows.parquet")
    allowed = modules_of("mlflow", "lightgbm", "scipy", "numpy", "pandas")
    said = run_as_consumer(PREDICT, allowed=allowed, folder=tmp_path, MLFLOW_TRACKING_URI=store.uri)

    everything = pd.read_parquet(tmp_path / "all.parquet")
    pd.testing.assert_frame_equal(everything, predicted, check_exact=True, check_dtype=False)

    # Without any NPS feature the purchase scores are the same and the categories those of a customer not known.
    few = pd.read_parquet(tmp_path / "few.parquet")
    purchase_scores = predicted.columns[: predicted.columns.get_loc("p_detractor")]
    pd.testing.assert_frame_equal(few[purchase_scores], predicted[purchase_scores], check_exact=True)
    unknown = doubles.assign(
        **dict.fromkeys(set(release.parameters.nps.features) - {"frequency", "recency", "T"}, np.nan)
    )
    of_unknown = release.scorer.score(unknown)
    pd.testing.assert_frame_equal(few, of_unknown, check_exact=True, check_dtype=False)
    assert np.isfinite(few[["p_detractor", "p_passive", "p_promoter"]]).all(axis=None)

    # Numbers of any kind are taken as doubles, and text is refused with the column named.
    for name in ("integers", "objects"):
        pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / f"{name}.parquet"), few, check_exact=True)
    lines = said.splitlines()
    assert lines[:2] == ["column frequency must hold numbers, and holds string"] * 2

    # The server's JSON is strict: what is not known is null.
    served = json.loads(lines[2], parse_constant=pytest.fail)["predictions"]
    by_hand = pd.DataFrame([[2, 60, 100, 2, 25.0], [0, 0, 50, 0, 0]], columns=list(PURCHASE_COLUMNS))
    expected = release.scorer.score(by_hand).assign(p_satisfied=None)
    pd.testing.assert_frame_equal(pd.DataFrame(served), expected, check_dtype=False)
    assert [row["p_satisfied"] for row in served] == [None, None]
    assert lines[3].startswith("400 frequency must be a number of repeat purchases")
    assert lines[4] == "400 column frequency must hold numbers, and holds string"
    assert "lightgbm" in imported(said)
    assert not REFUSED & imported(said)


BOTH = """
import mlflow, pandas as pd, shutil
from pathlib import Path

import models

Path("downloads").mkdir()
rows, path = pd.read_parquet("rows.parquet"), list(sys.path)
first = mlflow.pyfunc.load_model("models:/customer_scorer/1", dst_path="downloads")
second = mlflow.pyfunc.load_model("models:/customer_scorer/2", dst_path="downloads")
shutil.rmtree("downloads")
in_place = mlflow.pyfunc.load_model("models:/customer_scorer/1")
for name, scorer in {"first": first, "second": second, "again": first, "in_place": in_place}.items():
    scorer.predict(rows).to_parquet(f"{name}.parquet")
assert models.owner == "the consumer" and sys.path == path
"""


def code_of(store):
    """Files of the versions' code in the store, with when they were written."""
    return {file: file.stat().st_mtime_ns for file in store.folder.rglob("scoring/**/*.py")}


def register_with_code(store, release, folder, **changed):
    """Register a release as a later state of this project would, whose served code is changed."""
    changed_code = shutil.copytree(
        scorer_files.PACKAGE, folder / "scoring", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name, (old, new) in changed.items():
        file = changed_code / f"{name}.py"
        code = file.read_text(encoding="utf-8")
        assert old in code
        file.write_text(code.replace(old, new), encoding="utf-8")
    run = store.client.create_run(store.experiment_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer_files, "PACKAGE", changed_code)
        return register_scorer(store, run.info.run_id, release, None, {})


def test_two_versions_run_their_own_code_in_one_process_beside_a_package_called_models(
    store, release, described, predicted, tmp_path
):
    run = store.client.create_run(store.experiment_id)
    assert register_scorer(store, run.info.run_id, release, None, {}) == 1
    # A constant of a module of the scorer, and one of a module that another module imports by name.
    index, silence = ("100.0 * expected", "200.0 * expected"), ("r + x) * np.log1p((T", "r + x) * 2 * np.log1p((T")
    assert register_with_code(store, release, tmp_path, forecast=index, bg_nbd=silence) == 2
    logged = code_of(store)
    assert {file.suffix for file in logged} == {".py"}
    assert "entry.py" not in {file.name for file in logged}

    consumer = tmp_path / "consumer"
    (consumer / "models").mkdir(parents=True)
    (consumer / "models" / "__init__.py").write_text("owner = 'the consumer'", encoding="utf-8")
    # A module that is named like one of the scorer's must not be imported either.
    (consumer / "parameters.py").write_text("raise ImportError('the consumer has parameters too')", encoding="utf-8")
    described.select_dtypes("float64").to_parquet(consumer / "rows.parquet")
    allowed = [*modules_of("mlflow", "lightgbm", "scipy", "numpy", "pandas"), "models"]
    run_as_consumer(BOTH, allowed=allowed, folder=consumer, MLFLOW_TRACKING_URI=store.uri)

    names = ("first", "second", "again", "in_place")
    first, second, again, in_place = (pd.read_parquet(consumer / f"{name}.parquet") for name in names)
    pd.testing.assert_frame_equal(first, predicted, check_exact=True, check_dtype=False)
    pd.testing.assert_frame_equal(again, first, check_exact=True)
    pd.testing.assert_frame_equal(in_place, first, check_exact=True)
    assert (second["next_purchase_index"] == 200 * second["p_purchase"]).all()
    repeats = described["frequency"].to_numpy() > 0
    assert (second["p_alive"] < first["p_alive"])[repeats].mean() > 0.9
    # Without a place for downloads MLflow loads from the store's own folder, into which nothing is written.
    assert code_of(store) == logged


PULL = """
*statements, expression = sys.argv[2].split("; ")
exec("; ".join(statements))
eval(expression).to_csv("pulled.csv", index=False)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_the_line_pulls_the_scores_with_mlflow_pandas_and_pyarrow(store, published, tmp_path):
    run = store.client.create_run(store.experiment_id)
    make_current(store, register(store, run.info.run_id, published()))
    allowed = modules_of("mlflow", "pandas", "pyarrow")
    said = run_as_consumer(PULL, pull_line(store), allowed=allowed, folder=tmp_path)
    pulled = pd.read_csv(tmp_path / "pulled.csv", dtype={"customer_id": str, "rfm": str})
    assert pulled["customer_id"].tolist() == ["007", "a", "b", "ü"]
    assert pulled["clv"].tolist() == [90.0] * 4
    assert tuple(pulled.columns) == COLUMNS
    assert not (REFUSED | {"lightgbm"}) & imported(said)
    assert not (tmp_path / "mlflow.db").exists()
