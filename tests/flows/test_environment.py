"""Prefect's home is in the store, and matrices and clusters have one thread."""

import os
import subprocess
import sys

import pytest

from flows.environment import set_prefect_home
from flows.steps.store_place import locate_store


@pytest.fixture
def no_profile(own_environment, monkeypatch):
    """A user without a home or a profile of Prefect's."""
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    monkeypatch.setenv("HOME", str(own_environment / "home"))
    return own_environment


def test_prefects_home_is_in_the_store_beside_the_settings_file_whatever_the_working_folder(no_profile, monkeypatch):
    (no_profile / "revealed.toml").touch()
    below = no_profile / "reports" / "weekly"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    set_prefect_home(locate_store(None).folder)
    assert os.environ["PREFECT_HOME"] == str(no_profile / "mlruns" / "prefect")
    assert (no_profile / "mlruns" / "prefect").is_dir()
    assert not list(below.iterdir())


def test_prefects_home_follows_a_named_store_and_one_in_the_environment(no_profile, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    assert locate_store(None).folder == no_profile / "mlruns"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{no_profile}/elsewhere/mlflow.db")
    set_prefect_home(locate_store(None).folder)
    assert os.environ.pop("PREFECT_HOME") == str(no_profile / "elsewhere" / "prefect")
    set_prefect_home(locate_store("named").folder)
    assert os.environ["PREFECT_HOME"] == str(no_profile / "named" / "prefect")


def test_a_home_or_a_profile_of_the_users_stays(no_profile, monkeypatch):
    monkeypatch.setenv("PREFECT_HOME", "/srv/prefect")
    set_prefect_home(no_profile / "mlruns")
    assert os.environ.pop("PREFECT_HOME") == "/srv/prefect"
    (no_profile / "home" / ".prefect").mkdir(parents=True)
    (no_profile / "home" / ".prefect" / "profiles.toml").touch()
    set_prefect_home(no_profile / "mlruns")
    assert "PREFECT_HOME" not in os.environ
    assert not (no_profile / "mlruns").exists()


def test_matrices_and_clusters_have_one_thread_wherever_a_flow_runs_unless_the_user_says_otherwise():
    shown = (
        "import flows, sklearn.cluster, threadpoolctl; "
        "print(*sorted({(each['user_api'], each['num_threads']) for each in threadpoolctl.threadpool_info()}))"
    )
    unset = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}

    def threads(**environment: str) -> str:
        command = [sys.executable, "-c", shown]
        return subprocess.run(command, env=unset | environment, capture_output=True, text=True, check=True).stdout

    assert threads() == "('blas', 1) ('openmp', 1)\n"
    assert "('openmp', 3)" in threads(OMP_NUM_THREADS="3")
