"""Where the store lies, and that its address is shown without secrets."""

import os
from pathlib import Path

import pytest

from data.errors import InputError
from models.registry.location import StoreLocation, shown_uri, store_location
from models.registry.store import open_store


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://user:pass@mlflow.example:5000/base", "http://***@mlflow.example:5000/***"),
        ("https://token@mlflow.example", "https://***@mlflow.example"),
        ("postgresql+psycopg2://u:p%40ss@db/mlflow?password=x", "postgresql+psycopg2://***@db/***?***"),
        ("https://mlflow.example/?token=abc", "https://mlflow.example/?***"),
        ("https://user:p@ss@mlflow.example/", "https://***@mlflow.example/"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("sqlite:////no/shop/mlruns/mlflow.db", "sqlite:////***/mlflow.db"),
    ],
)
def test_nobody_is_shown_a_secret(uri, shown):
    assert shown_uri(uri) == shown


@pytest.mark.parametrize(
    "uri",
    [
        "me:sesame@db.example/mlflow",
        "htp://me:sesame@mlflow.example",
        "postgresql:/me:sesame@db/mlflow",
        "sqlite://me:sesame@host/x",
        "sqlite:///me:sesame@host/x.db",
        "sqlite:///x.db?password=sesame",
        "sesame",
    ],
)
def test_a_tracking_uri_that_is_none_makes_no_folder_of_its_name(uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI") as refused:
        open_store()
    assert "sesame" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", ["postgresql://me:sesame@db/mlflow", "me:sesame@db", "db/x?password=sesame", "x\0y"])
def test_a_folder_whose_name_looks_like_an_address_is_not_made(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"mlruns .* must be the path of a folder") as refused:
        open_store(folder)
    assert "sesame" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_may_have_any_name(tmp_path):
    (tmp_path / "a@b").mkdir()
    assert store_location(str(tmp_path / "a@b"), tmp_path).folder == tmp_path / "a@b"


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
