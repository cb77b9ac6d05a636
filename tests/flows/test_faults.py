"""Faults of the machine and of servers are told in one sentence that repeats nothing of what was raised."""

import errno
import sqlite3

import duckdb
import httpx
import pytest
import requests
from sqlalchemy.exc import OperationalError

from data.errors import InputError
from flows.faults import describe_fault, describe_unforeseen, without_words
from flows.steps.tasks import Runner, is_worth_a_retry

SECRET = "open-sesame"


def caused(error: Exception) -> Exception:
    """Wrap an error as MLflow does."""
    try:
        try:
            raise error
        except Exception as cause:
            raise RuntimeError(SECRET) from cause
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, SECRET), "the disk is full"),
        (duckdb.IOException(f"{SECRET}: No space left on device"), "the disk is full"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (OSError(errno.EROFS, SECRET), "the store cannot be written"),
        (PermissionError(errno.EACCES, SECRET), "the store cannot be written"),
        (OperationalError(SECRET, {}, Exception("database is locked")), "locked by another program"),
        (requests.exceptions.ConnectionError(SECRET), "the tracking server does not answer"),
        (httpx.ConnectError(SECRET), "Prefect's server does not answer"),
        (ConnectionResetError(SECRET), "a server does not answer"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_fault_is_told_without_what_was_raised(error, sentence):
    for each in (error, caused(error)):
        told = describe_fault(each)
        assert sentence in told
        assert SECRET not in told
        assert "Run it again" in told


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyError("x"), FileNotFoundError(errno.ENOENT, "x"), sqlite3.Error()]
)
def test_what_is_no_fault_of_the_machine_is_none(error):
    assert describe_fault(error) is None


def test_an_error_that_nobody_foresaw_is_told_by_its_place_and_kind_without_its_words():
    for told in (describe_unforeseen(caused(ValueError(SECRET))), str(without_words(caused(ValueError(SECRET))))):
        assert SECRET not in told
        assert "does not foresee" in told
        assert "test_faults.py" in told
        assert told.index("ValueError") < told.index("RuntimeError")


def test_an_error_that_was_raised_on_purpose_keeps_its_words():
    error = InputError("the file is not there")
    assert without_words(error) is error
    assert is_worth_a_retry(without_words(ValueError("x")))
    assert not is_worth_a_retry(error)


@pytest.mark.parametrize(
    ("error", "words"), [(ValueError(SECRET), "ValueError"), (OSError(errno.ENOSPC, SECRET), "the disk is full")]
)
def test_the_warning_of_a_retry_repeats_nothing_that_may_hold_a_password(error, words, caplog, monkeypatch):
    monkeypatch.setattr("flows.steps.tasks.RETRY_DELAY_SECONDS", 0)
    left = [error]

    def read():
        if left:
            raise left.pop()
        return "done"

    assert Runner().run(read, 1) == "done"
    assert f"read failed ({words}" in caplog.text
    assert SECRET not in caplog.text
