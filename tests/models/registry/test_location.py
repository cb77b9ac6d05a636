"""Where the store lies, and that its address is shown without secrets."""

import os
from pathlib import Path

import pytest

from models.registry.location import StoreLocation, store_location, without_secrets


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://user:pass@mlflow.example:5000/base", "http://***@mlflow.example:5000/base"),
        ("https://token@mlflow.example", "https://***@mlflow.example"),
        ("postgresql+psycopg2://u:p%40ss@db/mlflow?password=x", "postgresql+psycopg2://***@db/mlflow?***"),
        ("https://mlflow.example/?token=abc", "https://mlflow.example/?***"),
        ("https://user:p@ss@mlflow.example/", "https://***@mlflow.example/"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////srv/shop/mlruns/mlflow.db", "sqlite:////srv/shop/mlruns/mlflow.db"),
    ],
)
def test_nobody_is_shown_a_secret(uri, shown):
    assert without_secrets(uri) == shown


def test_a_named_folder_comes_first_then_the_environment_then_the_folder_beside(tmp_path, monkeypatch):
    beside, named = tmp_path / "beside", tmp_path / "named"
    default = StoreLocation(f"sqlite:///{beside}/mlruns/mlflow.db", beside / "mlruns", embedded=True)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_location(None, beside) == default
    assert store_location(str(named), beside) == StoreLocation(f"sqlite:///{named}/mlflow.db", named, embedded=True)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example:5000")
    assert store_location(None, beside) == StoreLocation(
        "http://mlflow.example:5000", beside / "mlruns", embedded=False
    )
    assert store_location(str(named), beside) == StoreLocation(f"sqlite:///{named}/mlflow.db", named, embedded=True)

    other = f"sqlite:///{tmp_path}/other/some.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", other)
    assert store_location(None, beside) == StoreLocation(other, tmp_path / "other", embedded=True)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert store_location(None, beside) == default


def test_a_relative_place_is_that_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert store_location("shop", Path("elsewhere")).folder == tmp_path / "shop"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///some.db")
    assert store_location(None, Path("elsewhere")).uri == f"sqlite:///{tmp_path}/some.db"


def test_user_name_and_password_of_a_server_go_to_mlflow_apart_from_its_address(tmp_path, monkeypatch):
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "to be replaced")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:p%40ss@mlflow.example")
    assert store_location(None, tmp_path).uri == "https://mlflow.example"
    assert (os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"]) == ("me", "p@ss")
