"""The command starts only where all four packages are the project's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from revealed import PACKAGES, find_mistake

ROOT = Path(__file__).parents[1]


def start(python_path, *arguments):
    return subprocess.run(
        [Path(sys.executable).parent / "revealed", *arguments],
        env={**os.environ, "PYTHONPATH": str(python_path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", PACKAGES)
def test_a_stranger_on_the_path_is_named_in_one_sentence_with_exit_code_2(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise SystemError('the stranger was imported')")
    started = start(tmp_path, "settings")
    assert (started.returncode, started.stdout) == (2, "")
    assert started.stderr == (
        f"revealed: the package {name} is shadowed: Python would import {tmp_path / name}, not {ROOT / name}. Run from "
        f"another folder, take {tmp_path} off PYTHONPATH, or install Revealed in an environment of its own.\n"
    )


def test_a_stranger_that_is_one_file_is_named(tmp_path):
    (tmp_path / "models.py").touch()
    assert f"Python would import {tmp_path / 'models.py'}, not" in start(tmp_path, "--help").stderr


def test_a_folder_of_that_name_without_code_is_no_stranger(tmp_path):
    (tmp_path / "data").mkdir()
    started = start(tmp_path, "--help")
    assert started.returncode == 0
    assert "Usage: revealed" in started.stdout


def test_all_packages_are_beside_the_command_and_a_missing_one_is_named(monkeypatch):
    assert find_mistake(ROOT) is None
    monkeypatch.setattr("revealed.find_spec", lambda name: None)
    assert find_mistake(ROOT) == f"the package data is missing in {ROOT}: install Revealed anew."
