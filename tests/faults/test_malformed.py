"""A thousand broken inputs of each kind (FAULTS_EXAMPLES says how many): clear refusals, or no row is lost."""

import os
import subprocess
import sys

import pytest

from data.contracts import CONTRACTS
from tests.faults.conftest import ROOT, SEED
from tests.faults.malformed.files import FORMATS
from tests.faults.malformed.judging import TAKEN, load_broken_environments, load_broken_settings, take_broken_files
from tests.faults.malformed.large import KINDS, MEGABYTES

LONG = (
    *("good", "no number in any row", "too few cells", "quotes of each kind", "objects", "objects in a list"),
    "objects, each with a key of its own",
)
"""Kinds that are taken at five times the size as well, as memory that grows with the file shows only then."""

EXAMPLES = int(os.environ.get("FAULTS_EXAMPLES", "1000"))


@pytest.mark.parametrize("written", FORMATS)
@pytest.mark.parametrize("name", CONTRACTS)
def test_a_broken_file_is_refused_or_each_of_its_rows_is_kept_or_set_aside(name, written, tmp_path):
    judged = take_broken_files(name, written, tmp_path, EXAMPLES, SEED)
    sys.stdout.write(f"\n{name}, {written}: {judged}\n")
    # A grammar of which everything is refused would test refusals only.
    assert judged.ended[TAKEN] > 0 or EXAMPLES < 100


@pytest.mark.parametrize("load", [load_broken_settings, load_broken_environments])
def test_broken_settings_are_read_or_refused(load, tmp_path):
    judged = load(tmp_path, EXAMPLES, SEED)
    sys.stdout.write(f"\n{load.__name__}: {judged}\n")
    assert judged.ended[TAKEN] > 0 or EXAMPLES < 100


@pytest.mark.parametrize(
    ("kind", "megabytes"), [*((kind, MEGABYTES) for kind in KINDS), *((kind, 5 * MEGABYTES) for kind in LONG)]
)
def test_a_large_broken_file_takes_little_time_and_memory(kind, megabytes, tmp_path):
    command = [sys.executable, "-m", "tests.faults.malformed.large", kind, tmp_path, str(megabytes)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    sys.stdout.write(f"\n{done.stdout}")
    assert done.returncode == 0, done.stderr
