"""A password in a settings file that git tracks is told, and not shown."""

import subprocess

import pytest

from flows.steps.findings.secrets import find_tracked_passwords

HIDDEN = (
    'transactions = ["https://shop:hunter2@example.org/sales.csv"]\nanswers = "https://example.org/a?sig=hunter2"\n'
)


@pytest.fixture
def repository(own_environment):
    subprocess.run(["git", "init", "-q"], cwd=own_environment, check=True)
    return own_environment


def put(folder, text, *, tracked=True):
    (folder / "revealed.toml").write_text(text)
    if tracked:
        subprocess.run(["git", "add", "revealed.toml"], cwd=folder, check=True)
    return [each.text for each in find_tracked_passwords()]


def test_a_tracked_password_is_told_and_not_shown(repository):
    (text,) = put(repository, HIDDEN)
    assert "holds a password (transactions, answers), and git tracks the file" in text
    assert "REVEALED_TRANSACTIONS" in text
    assert ".gitignore" in text
    assert "hunter2" not in text


def test_nothing_is_told_of_other_files(repository):
    assert put(repository, HIDDEN, tracked=False) == []
    assert put(repository, 'transactions = ["https://example.org/sales.csv?page=2", "sales.csv"]\n') == []


def test_nothing_is_told_where_git_is_absent(repository, monkeypatch):
    assert len(put(repository, HIDDEN)) == 1
    monkeypatch.setenv("PATH", "")
    assert put(repository, HIDDEN, tracked=False) == []


def test_nothing_is_told_outside_of_a_repository(own_environment):
    assert put(own_environment, HIDDEN, tracked=False) == []
