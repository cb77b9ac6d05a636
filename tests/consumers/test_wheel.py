"""The wheel is all that a user needs: the demo runs from it, in a folder of its own, without a clone."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from .conftest import BIN, ROOT, clean_environment

PACKAGES = ("data", "features", "models", "flows")
CDNOW_CUSTOMERS = 23_570
# The demo fits, judges and scores on two cores that others may use too.
PATIENCE = 1_200.0


def run(*command, folder):
    done = subprocess.run(
        command, cwd=folder, env=clean_environment(), capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(project, tmp_path_factory) -> Path:
    """The wheel of what git tracks, built by way of the source distribution."""
    folder = tmp_path_factory.mktemp("dist")
    locked = ("--build-constraint", ROOT / "requirements.lock")
    run(BIN / "uv", "build", "--quiet", "--python", sys.executable, *locked, "--out-dir", folder, folder=project)
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def revealed(wheel, tmp_path_factory):
    """Run the wheel's command in an empty folder, with the versions of the lock."""
    folder = tmp_path_factory.mktemp("shop")

    def run_revealed(*arguments):
        locked = ("--constraints", ROOT / "requirements.lock", "--python", sys.executable)
        return run(BIN / "uvx", "--quiet", *locked, "--from", wheel, "revealed", *arguments, folder=folder)

    run_revealed.folder = folder
    return run_revealed


def test_the_wheel_holds_every_module_and_says_that_it_is_typed(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    listed = subprocess.run(
        ["git", "ls-files", *PACKAGES, "revealed.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert names == set(listed.stdout.splitlines())
    assert names >= {f"{package}/py.typed" for package in PACKAGES}


def test_the_demo_runs_from_the_wheel_and_publishes_everyone(revealed):
    revealed("demo")
    assert [path.name for path in revealed.folder.iterdir()] == ["mlruns"]
    revealed("scores", "--mlruns", "mlruns/demo", "--output", "scores.parquet")
    assert pq.read_metadata(revealed.folder / "scores.parquet").num_rows == CDNOW_CUSTOMERS
