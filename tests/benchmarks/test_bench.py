"""The bench runs on a small shop, and both sides find the same: so it is the same job that is timed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "benchmarks"
STEPS = {
    "summary from transactions",
    "BG/NBD fit",
    "Gamma-Gamma fit",
    "P(alive)",
    "expected purchases",
    "value of 12 months",
}


def run(script, *arguments):
    command = [sys.executable, str(BENCH / script), *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout) if ended.stdout else None


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    run("shop.py", 3_000, folder)
    return folder


def test_both_sides_do_the_same_job(shop):
    ours, theirs = run("ours.py", shop), run("peers.py", "lifetimes", shop)
    for side in (ours, theirs):
        assert {step for step, _, _ in side["parts"]} == STEPS
        assert all(seconds > 0 for _, _, seconds in side["parts"])
        assert 50e6 < side["peak"] < 2e9
    value = "value of 12 months"
    for name in theirs["estimates"].keys() - {value}:
        assert ours["estimates"][name] == pytest.approx(theirs["estimates"][name], rel=1e-3), name
    # lifetimes takes twelve months of 30 days.
    assert 1.01 < ours["estimates"][value] / theirs["estimates"][value] < 1.02


def test_floors_are_measured_for_every_part_that_names_one(shop):
    floors = run("floors.py", shop)
    assert all(seconds > 0 for seconds in floors["floors"].values())
    table = (BENCH / "table.py").read_text()
    assert all(f'"{name}")' in table for name in floors["floors"])
    assert 0 < floors["facts"]["spend histories"] < floors["facts"]["purchase histories"] < floors["facts"]["customers"]
