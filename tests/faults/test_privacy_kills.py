"""`forget` and `prune` killed at each call that writes: what is seen is whole, and running again completes it."""

import random
import re
import shutil
import sys
import time
from datetime import timedelta

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from models.population.scores_contract import check_scores
from models.registry.publication import published_versions, scores_as_of
from models.registry.published_file import SCORES
from models.registry.reading import current_version, read_scores
from models.registry.scorers import model_versions
from models.registry.store import open_store
from tests.faults.child import Kill
from tests.faults.conftest import KILLS, MINUTES

DONE, KILLED = 0, -9
# A calendar of scores, of which the old ones may go.
SCORINGS = 4
RETENTION = {"REVEALED_RETENTION_DAYS": '{"scores": 0, "reports": 0, "lists": 0}'}


def moments(rng, calls):
    """The calls to be killed at, before each and after some, in a drawn order and at most so many."""
    each = [Kill(call=number, is_after=rng.random() < 0.3) for number in range(1, calls + 1)]
    return rng.sample(each, min(len(each), KILLS))


def names_of(folder):
    """All that the files of a store's runs say, as text."""
    files = [file for file in (folder / "artifacts").rglob("*") if file.is_file() and "models" not in file.parts]
    return "\n".join(
        str(pq.read_table(file).to_pylist()) if pq_file(file) else file.read_bytes().decode(errors="replace")
        for file in files
    )


def pq_file(file):
    with file.open("rb") as opened:
        return opened.read(4) == b"PAR1"


def tables(store):
    return {version: read_scores(store, version) for version in published_versions(store)}


def test_forget_that_is_killed_leaves_no_half_and_the_next_completes_it(place, start, rng):
    folder, _ = place
    store = open_store(str(folder))
    everyone = read_scores(store, current_version(store))["customer_id"].to_pylist()
    rng.shuffle(everyone)
    whole = start("forget", everyone.pop(), "--mlruns", folder).wait()
    assert whole.code == DONE, whole.text
    until, killed, halfway, planned = time.monotonic() + 60 * MINUTES, 0, 0, moments(rng, len(whole.calls))
    for kill in planned[: len(everyone)]:
        if time.monotonic() >= until:
            break
        customer, before = everyone.pop(), tables(store)
        ended = start("forget", customer, "--mlruns", folder, kill=kill).wait()
        assert ended.code in (DONE, KILLED), ended.text
        killed += ended.code == KILLED
        after = tables(store)
        without = {
            version: table.filter(pc.not_equal(table["customer_id"], customer)) for version, table in before.items()
        }
        for version, table in after.items():
            # Each version is the old one or the new one, and nothing of others is touched.
            check_scores(table, table.num_rows, is_older=True)
            assert table.equals(before[version], check_metadata=True) or table.equals(
                without[version], check_metadata=True
            )
        halfway += len({table.num_rows for table in after.values()}) > 1
        again = start("forget", customer, "--mlruns", folder).wait()
        assert again.code == DONE, again.text
        assert all(table.equals(without[version], check_metadata=True) for version, table in tables(store).items())
        # As a word: digests have many figures.
        assert not re.search(rf"(?<!\w){customer}(?!\w)", names_of(folder))
        assert [each.name for each in (folder / "work").iterdir()] == [".lock"]
    sys.stdout.write(f"\nforget: {killed} kills at {len(planned)} calls that write, {halfway} between two versions\n")
    assert killed >= min(len(planned), 20)


@pytest.fixture
def old_scores(place, start, inputs):
    """A store with scores of several dates, of which some may go."""
    folder, kept = place
    store = open_store(str(folder))
    newest = scores_as_of(store, current_version(store))
    for day in range(1, SCORINGS + 1):
        as_of = newest + timedelta(days=day)
        ended = start("score", *inputs["score"], "--as-of", as_of, "--mlruns", folder, kept=kept).wait()
        assert ended.code == DONE, ended.text
    return folder


def test_prune_that_is_killed_removes_nothing_that_is_pointed_to_and_the_next_completes_it(
    old_scores, start, rng: random.Random, tmp_path
):
    def prune(folder, kill=None):
        return start("prune", "--yes", "--mlruns", folder, kill=kill, environment=RETENTION).wait()

    whole = prune(shutil.copytree(old_scores, tmp_path / "whole"))
    assert whole.code == DONE, whole.text
    left = sorted(int(each.version) for each in model_versions(open_store(str(tmp_path / "whole")), SCORES))
    assert len(left) < len(model_versions(open_store(str(old_scores)), SCORES))
    until, killed, planned = time.monotonic() + 60 * MINUTES, 0, moments(rng, len(whole.calls))
    for number, kill in enumerate(planned):
        if time.monotonic() >= until:
            break
        folder = shutil.copytree(old_scores, tmp_path / f"store-{number}")
        ended = prune(folder, kill)
        assert ended.code in (DONE, KILLED), ended.text
        killed += ended.code == KILLED
        store = open_store(str(folder))
        # Every version that is still there is whole: none points to files that are gone.
        assert {*left, current_version(store)} <= {int(each.version) for each in model_versions(store, SCORES)}
        for version in model_versions(store, SCORES):
            check_scores(read_scores(store, int(version.version)), is_older=True)
        again = prune(folder)
        assert again.code == DONE, again.text
        assert sorted(int(each.version) for each in model_versions(store, SCORES)) == left
        assert len(list((folder / "artifacts").rglob("scores.parquet"))) == len(left)
        last = start("prune", "--mlruns", folder, environment=RETENTION).wait()
        assert "There is nothing to remove." in last.text
        shutil.rmtree(folder)
    sys.stdout.write(f"\nprune: {killed} kills at {len(planned)} calls that write\n")
    assert killed >= min(len(planned), 20)
