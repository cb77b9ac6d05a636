"""A small shop on disk, Prefect's test server, and a command that runs in this process."""

import os
import pickle
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from data.intake.clean import last_reading
from data.simulation.shop import ShopSettings, write_shop
from flows.settings import Settings
from flows.steps.inputs import Inputs, open_inputs, read_inputs
from models.recipe import Recipe
from models.registry.store import open_store
from models.release.holdout import cutoff_of
from models.release.release import Release, fit_release

TABLES = ("transactions", "answers", "events", "customers")
MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="session")
def shop(made_once: MadeOnce) -> Mapping[str, Path]:
    """1,200 customers over 500 days, with answers, events and attributes."""
    settings = ShopSettings(invited_share=0.5, response_rate=0.4, reliability=0.8)
    folder = made_once("flows-shop", lambda place: write_shop(place, 1200, seed=7, days=500, settings=settings))
    return {file.stem: file for file in folder.glob("*.parquet")}


@pytest.fixture(scope="session")
def all_tables(shop: Mapping[str, Path]) -> Mapping[str, list[str]]:
    """The settings that name all tables of the shop."""
    return {name: [str(shop[name])] for name in TABLES}


@pytest.fixture(scope="session")
def inputs(all_tables: Mapping[str, list[str]], tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    """The shop as the steps of a run see it."""
    settings = Settings(**all_tables)
    return open_inputs(read_inputs(settings, tmp_path_factory.mktemp("clean")), settings)


@pytest.fixture(scope="session")
def releases(inputs: Inputs, made_once: MadeOnce) -> tuple[Release, Release]:
    """A release fitted on the whole shop, and its twin fitted one horizon earlier: fitted once for all workers."""
    recipe = Recipe(second_stage=False)

    def fit(folder: Path) -> None:
        cutoff = cutoff_of(inputs.as_of, recipe.horizon)
        fitted = [fit_release(inputs.tables, inputs.as_of, recipe)]
        fitted.append(fit_release(inputs.tables, cutoff, recipe, is_twin=True))
        (folder / "releases.pickle").write_bytes(pickle.dumps(fitted))

    release, twin = pickle.loads((made_once("flows-releases", fit) / "releases.pickle").read_bytes())
    return release, twin


@pytest.fixture(scope="session")
def release(releases: tuple[Release, Release]) -> Release:
    """The release fitted on the whole shop."""
    return releases[0]


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Work in an empty folder; whatever is set in the environment meanwhile is gone afterwards."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("REVEALED_") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def revealed(own_environment: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process: its exit code, what it printed, and what it said of errors.

    A run tells everything, unless it is asked to be quiet.
    """
    from flows.command.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        told = ["--verbose"] if arguments[0] in ("retrain", "score") and "--quiet" not in arguments else []
        code = main([*(str(argument) for argument in arguments), *told])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server of the tests' own."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture(scope="module")
def tables(shop: Mapping[str, Path]) -> list[str]:
    """Options that name the shop's tables."""
    return [text for name in ("transactions", "answers", "events") for text in (f"--{name}", str(shop[name]))]


@pytest.fixture
def trained(
    revealed: Callable[..., tuple[int, str, str]],
    tables: list[str],
    made_once: MadeOnce,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A store with a champion and its scores: made once for all workers, its database put back before every test."""

    def fill(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as patch:
            # The shop was written just now: its times are relied on all the same, so that it is read once.
            patch.setattr(last_reading, "SETTLED", 0)
            for command in ("retrain", "score"):
                # Without looking back, which costs half of a retraining; `test_retrain` does.
                quick = ["--set", "second_stage=off"] if command == "retrain" else []
                assert revealed(command, *tables, "--mlruns", folder, *quick)[0] == 0

    original, own = made_once("flows-trained", fill), tmp_path_factory.getbasetemp() / "mlruns"
    kept = own.with_name("kept.db")
    if not kept.exists():
        shutil.copytree(original, own)
        open_store(str(own))
        shutil.copyfile(own / "mlflow.db", kept)
    # In place: MLflow keeps its connection to the file.
    shutil.copyfile(kept, own / "mlflow.db")
    return own
