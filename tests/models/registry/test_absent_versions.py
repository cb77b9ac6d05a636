"""A version that is not there, or of another format, is told from a store that does not answer."""

from dataclasses import replace

import pytest
from mlflow.exceptions import MlflowException
from mlflow.protos import databricks_pb2

from data.errors import InputError
from models.registry.scorers import CHAMPION, SCORER, Registered, alias_version, ensure_registered, read_scorer
from models.release.release import Release


def test_a_version_that_is_not_there_is_told(store):
    with pytest.raises(InputError, match=f"there is no version 7 of {SCORER} in sqlite:"):
        read_scorer(store, 7)
    assert alias_version(store, CHAMPION) is None


def test_a_version_of_another_format_is_told(a_scorer):
    Registered(7, Release(a_scorer(), {}), None).check_format()
    for other in (1, 4):
        told = rf"scorer 7 .* \(format {other}, this one reads 3\); run `revealed retrain` first"
        with pytest.raises(InputError, match=told):
            Registered(7, Release(replace(a_scorer(), format=other), {}), None).check_format()


@pytest.mark.parametrize("code", [databricks_pb2.ABORTED, databricks_pb2.UNAUTHENTICATED])
@pytest.mark.parametrize(
    ("method", "call"),
    [
        ("get_registered_model", lambda store: alias_version(store, CHAMPION)),
        ("get_model_version", lambda store: read_scorer(store, 1)),
        ("create_registered_model", lambda store: ensure_registered(store, SCORER, "")),
    ],
)
def test_what_else_the_store_says_is_not_taken_for_absence(store, monkeypatch, method, call, code):
    def fails(*_, **__):
        raise MlflowException("no answer", code)

    monkeypatch.setattr(type(store.client), method, fails)
    with pytest.raises(MlflowException, match="no answer"):
        call(store)
