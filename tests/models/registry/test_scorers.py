"""Versions of the scorer, and that no crash moves an alias that consumers read."""

import json
from importlib import import_module

import mlflow
import pandas as pd
import pytest
from mlflow.models import infer_signature

from data.errors import InputError, RefusedError
from models.registry.publication import is_rollback_unfinished
from models.registry.scorer_files import write_release
from models.registry.scorers import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    SCORER,
    ensure_registered,
    finish_promotion,
    load_predict,
    model_versions,
    promote,
    read_champion,
    read_scorer,
    refuse,
    register_scorer,
    roll_back,
)
from models.registry.upkeep.killed_runs import mend_aliases
from models.release.release import Release


@pytest.fixture
def versions(store):
    """A store with three empty versions of the scorer: aliases know nothing of what a version holds."""
    ensure_registered(store, SCORER, "versions for aliases")
    for _ in range(3):
        store.client.create_model_version(SCORER, source=store.folder.as_uri())
    return store


def aliases(store):
    return {name: int(version) for name, version in store.client.get_registered_model(SCORER).aliases.items()}


def tags(store, version):
    return store.client.get_model_version(SCORER, str(version)).tags


# --- Writing and reading versions ---


def test_a_version_is_read_back_as_it_was_registered(store, release, a_scorer):
    name = next(name for name in release.boosters if name.startswith("nps_"))
    run = store.client.create_run(store.experiment_id)
    twin = Release(a_scorer(customers=7), {})
    version = register_scorer(store, run.info.run_id, release, twin, {"as_of": "2024-02-05"})
    assert version == 1
    assert aliases(store) == {CHALLENGER: 1}
    assert read_champion(store) is None
    assert tags(store, 1) == {"as_of": "2024-02-05"}
    assert store.client.get_model_version(SCORER, "1").run_id == run.info.run_id
    found = read_scorer(store, 1)
    assert found.version == 1
    assert found.release.parameters == release.parameters
    assert found.release.boosters == release.boosters
    assert found.twin.parameters == twin.parameters
    assert found.twin.boosters == {}
    assert found.release.vocabulary == release.vocabulary

    alone = register_scorer(store, run.info.run_id, twin, None, {})
    assert aliases(store) == {CHALLENGER: 2}
    assert read_scorer(store, alone).twin is None
    promote(store, alone, "first")
    assert read_champion(store).release.parameters == twin.parameters
    # What is stored is text: parameters as JSON, trees as LightGBM writes them, and this project's files of code.
    (artifacts,) = {file.parent for file in store.folder.rglob(f"booster_{name}.txt")}
    trees = [f"booster_{name}.txt" for name in release.boosters]
    assert sorted(file.name for file in artifacts.iterdir()) == sorted(
        [*trees, "parameters.json", "twin_parameters.json", "scoring"]
    )
    assert (artifacts / "parameters.json").read_text() == json.dumps(release.parameters.to_dict(), indent=1)
    assert not list(store.folder.rglob("*.pkl"))
    assert [version.version for version in model_versions(store, SCORER)] == [2, 1]


# A version of format 3 as it was registered when the served code was one file: the same artifacts but for the code.
ONE_FILE = """
import json
from pathlib import Path

import lightgbm, mlflow, pandas as pd


class CustomerScorer(mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self.parameters = json.loads(Path(context.artifacts["parameters"]).read_text())
        [name, *_] = [of["booster"] for of in self.parameters["nps"]["members"] if "booster" in of]
        self.trees = lightgbm.Booster(model_str=Path(context.artifacts[f"booster_nps_{name}"]).read_text())

    def predict(self, context, model_input):
        rates = (self.parameters["purchases"]["r"] + model_input["frequency"]) / model_input["T"]
        return pd.DataFrame({"p_alive": rates, "trees": float(self.trees.num_trees())})


mlflow.models.set_model(CustomerScorer())
"""


def test_a_version_of_one_code_file_still_scores_and_is_read_back(store, release, described, tmp_path):
    code, files = tmp_path / "scorer.py", write_release(release, tmp_path, "")
    code.write_text(ONE_FILE, encoding="utf-8")
    run = store.client.create_run(store.experiment_id)
    with mlflow.start_run(run_id=run.info.run_id):
        logged = mlflow.pyfunc.log_model(
            name=SCORER,
            python_model=str(code),
            artifacts={name: str(file) for name, file in files.items()},
            signature=infer_signature(described.select_dtypes("float64")),
            pip_requirements=[],
        )
    ensure_registered(store, SCORER, "of one file")
    store.client.create_model_version(SCORER, source=logged.model_uri, run_id=run.info.run_id)
    run = store.client.create_run(store.experiment_id)
    assert register_scorer(store, run.info.run_id, release, None, {}) == 2

    old = read_scorer(store, 1)
    old.check_format()
    assert old.release.parameters == release.parameters
    expected = release.scorer.score(described)
    pd.testing.assert_frame_equal(old.release.scorer.score(described), expected)
    # By its own code a version says what it said, also beside one of the package.
    of_old = load_predict(1)(described)
    pd.testing.assert_frame_equal(load_predict(2)(described), expected, check_dtype=False, check_exact=True)
    assert (of_old["p_alive"] == (release.scorer.purchases.r + described["frequency"]) / described["T"]).all()
    assert (of_old["trees"] > 0).all()
    pd.testing.assert_frame_equal(load_predict(1)(described), of_old)


def test_a_version_of_somebody_else_is_told(versions):
    with pytest.raises(InputError, match=f"version 1 of {SCORER} holds no parameters"):
        read_scorer(versions, 1)


def test_a_model_is_registered_once(versions):
    ensure_registered(versions, SCORER, "again")
    assert versions.client.get_registered_model(SCORER).description == "versions for aliases"


# --- Aliases ---


def test_the_champion_so_far_becomes_previous(versions):
    assert promote(versions, 1, "the first") is None
    assert aliases(versions) == {CHAMPION: 1}
    assert promote(versions, 2, "better") == 1
    assert aliases(versions) == {CHAMPION: 2, PREVIOUS: 1}
    assert promote(versions, 3, "better still") == 2
    assert aliases(versions) == {CHAMPION: 3, PREVIOUS: 2}
    assert [tags(versions, n)["verdict"] for n in (1, 2, 3)] == ["the first", "better", "better still"]
    assert "latest" not in aliases(versions)


def test_promoting_the_champion_again_keeps_the_previous_one(versions):
    promote(versions, 1, "")
    promote(versions, 2, "")
    assert promote(versions, 2, "again") == 2
    assert aliases(versions) == {CHAMPION: 2, PREVIOUS: 1}


def test_a_refused_version_moves_no_alias(versions):
    promote(versions, 1, "")
    refuse(versions, 2, "worse by far")
    assert aliases(versions) == {CHAMPION: 1}
    assert tags(versions, 2) == {"verdict": "worse by far"}


def test_rolling_back_makes_previous_the_champion_once(versions):
    promote(versions, 1, "")
    promote(versions, 2, "")
    assert roll_back(versions) == (2, 1)
    assert aliases(versions) == {CHAMPION: 1}
    assert tags(versions, 2)["rolled_back"] == "true"
    assert "rolled_back" not in tags(versions, 1)
    with pytest.raises(RefusedError, match="version 1 has no previous version to go back to"):
        roll_back(versions)
    assert aliases(versions) == {CHAMPION: 1}
    # What was left never becomes previous: from the next champion the way back leads to the one before it.
    promote(versions, 3, "")
    assert aliases(versions) == {CHAMPION: 3, PREVIOUS: 1}
    assert roll_back(versions) == (3, 1)


def test_a_version_that_was_rolled_back_never_becomes_previous(versions):
    promote(versions, 1, "")
    promote(versions, 2, "")
    roll_back(versions)
    promote(versions, 2, "named by hand")
    promote(versions, 3, "")
    assert aliases(versions) == {CHAMPION: 3, PREVIOUS: 1}


def test_there_must_be_something_to_roll_back(versions):
    with pytest.raises(InputError, match=r"there is no champion in .*; run `revealed retrain` first"):
        roll_back(versions)
    promote(versions, 1, "")
    with pytest.raises(RefusedError, match="version 1 has no previous version"):
        roll_back(versions)


def test_an_older_version_may_be_promoted_and_rolled_back(versions):
    promote(versions, 3, "")
    assert promote(versions, 2, "named by hand") == 3
    assert aliases(versions) == {CHAMPION: 2, PREVIOUS: 3}
    assert roll_back(versions) == (2, 3)


@pytest.mark.parametrize("challenger", [1, 3])
def test_another_challenger_than_the_champion_stays(versions, challenger):
    versions.client.set_registered_model_alias(SCORER, CHALLENGER, str(challenger))
    versions.client.set_model_version_tag(SCORER, "2", "as_of", "2024-02-05")
    promote(versions, 2, "better")
    assert aliases(versions) == {CHAMPION: 2, CHALLENGER: challenger}
    told = versions.client.get_model_version(SCORER, "2").description
    assert told == "Trained as of 2024-02-05. Promoted: better"


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_a_crash_while_promoting_loses_neither_champion_nor_previous(versions, crash_at, n, when):
    promote(versions, 1, "")
    promote(versions, 2, "")
    with crash_at(n, when), pytest.raises(KeyboardInterrupt):
        promote(versions, 3, "better")
    is_champion = n > 3 or (n, when) == (3, "after")
    finish_promotion(versions)
    assert aliases(versions) == ({CHAMPION: 3, PREVIOUS: 2} if is_champion else {CHAMPION: 2, PREVIOUS: 1})
    promote(versions, 3, "better")
    finish_promotion(versions)
    assert aliases(versions) == {CHAMPION: 3, PREVIOUS: 2}
    assert tags(versions, 3) == {"verdict": "better"}
    assert roll_back(versions) == (3, 2)


def test_promoting_moves_the_champion_before_what_follows_from_it(versions, crash_at):
    promote(versions, 1, "")
    with crash_at(99, "before") as calls:
        promote(versions, 2, "")
    moves = ["set_model_version_tag"] * 2 + ["set_registered_model_alias"] * 2
    assert calls == [*moves, "delete_model_version_tag"]


def test_a_promotion_of_a_version_that_never_became_champion_is_not_finished(versions, crash_at):
    promote(versions, 1, "")
    with crash_at(2, "after"), pytest.raises(KeyboardInterrupt):
        promote(versions, 2, "")
    promote(versions, 3, "")
    assert aliases(versions) == {CHAMPION: 3, PREVIOUS: 1}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_crash_while_rolling_back_leaves_one_of_both_and_running_again_ends_there(versions, crash_at, n, when):
    promote(versions, 1, "")
    promote(versions, 2, "")
    with crash_at(n, when), pytest.raises(KeyboardInterrupt):
        roll_back(versions)
    is_back = (n, when) in {(2, "after"), (3, "before"), (3, "after")}
    assert aliases(versions)[CHAMPION] == (1 if is_back else 2)
    assert is_rollback_unfinished(versions) == ((n, when) in {(2, "after"), (3, "before")})
    mend_aliases(versions)
    # It went back, or it never began.
    assert aliases(versions) == ({CHAMPION: 1} if is_back else {CHAMPION: 2, PREVIOUS: 1})
    assert ("rolled_back" in tags(versions, 2)) == is_back
    if is_back:
        with pytest.raises(RefusedError, match="version 1 has no previous version"):
            roll_back(versions)
    else:
        assert roll_back(versions) == (2, 1)
    assert aliases(versions)[CHAMPION] == 1
    promote(versions, 3, "")
    assert aliases(versions) == {CHAMPION: 3, PREVIOUS: 1}


@pytest.mark.parametrize(("n", "when"), [(1, "before"), (2, "before"), (2, "after"), (3, "before"), (3, "after")])
def test_a_crash_while_registering_leaves_the_champion(versions, a_scorer, crash_at, monkeypatch, n, when):
    promote(versions, 1, "")
    logged = type("Logged", (), {"model_uri": versions.folder.as_uri(), "model_id": None})
    # Imported first: MLflow would load the module lazily, over what is set here.
    monkeypatch.setattr(import_module("mlflow.pyfunc"), "log_model", lambda **_: logged)
    run = versions.client.create_run(versions.experiment_id)
    release = Release(a_scorer(), {})
    with crash_at(n, when) as calls, pytest.raises(KeyboardInterrupt):
        register_scorer(versions, run.info.run_id, release, None, {})
    assert calls == ["create_registered_model", "create_model_version", "set_registered_model_alias"][:n]
    assert aliases(versions)[CHAMPION] == 1
    version = register_scorer(versions, run.info.run_id, release, None, {})
    assert aliases(versions) == {CHAMPION: 1, CHALLENGER: version}
