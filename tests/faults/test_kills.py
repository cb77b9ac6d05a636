"""Commands that are killed at random moments and at each call that writes leave nothing half done and lose nothing."""

import json
import random
import sqlite3
import sys
import time
from collections import Counter
from contextlib import closing

import pytest

from models.population.scores_contract import check_scores
from models.population.scores_table import read_metadata
from models.registry.publication import published_versions
from models.registry.published_file import SCORES
from models.registry.reading import current_version, read_scores
from models.registry.scorers import CHALLENGER, CHAMPION, PREVIOUS, SCORER, alias_version, read_champion
from models.registry.store import open_store
from tests.faults import child
from tests.faults.child import Kill
from tests.faults.conftest import KILLS, MINUTES, processes

KILLED = -9
COMMANDS = ("retrain", "score", "publish", "rollback")


@pytest.fixture
def consumer(place, tmp_path):
    """Somebody who pulls the scores again and again while commands are killed; gives what was seen."""
    store, told, stop = place[0], tmp_path / "seen.json", processes.Event()
    customers = read_scores(opened := open_store(str(store)), current_version(opened)).num_rows
    process = processes.Process(target=child.pull, args=(str(store), tmp_path / "target.db", customers, stop, told))
    process.start()

    def ended():
        stop.set()
        process.join(60)
        return json.loads(told.read_text())

    yield customers, ended
    stop.set()
    process.join(60)


def check_store(store, customers):
    """What must hold after every kill: all that anybody is pointed to is whole."""
    with closing(sqlite3.connect(store.database)) as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    current = current_version(store)
    table = read_scores(store, current)
    check_scores(table, customers)
    assert (
        read_metadata(table)["scorer_version"]
        == store.client.get_model_version(SCORES, str(current)).tags["scorer_version"]
    )
    assert current in published_versions(store)
    assert read_champion(store).release.scorer.has_forecast


def check_recovered(store):
    """What must hold after a run that went well: nothing is left of those that were killed."""
    runs = store.client.search_runs([store.experiment_id], "attributes.status = 'RUNNING'")
    assert runs == []
    assert [each.name for each in (store.folder / "work").iterdir()] == [".lock"]
    challenger = alias_version(store, CHALLENGER)
    assert challenger is None or "verdict" in store.client.get_model_version(SCORER, str(challenger)).tags
    scorer = store.client.get_model_version(SCORES, str(current_version(store))).tags["scorer_version"]
    champion = read_champion(store).version
    assert int(scorer) == champion != alias_version(store, PREVIOUS)
    assert "rolled_back" not in store.client.get_model_version(SCORER, str(champion)).tags


def a_kill(rng: random.Random, calls: list[str], seconds: float) -> Kill:
    """Draw when to kill: at any moment, at any call that writes, or at one that consumers and later runs see."""
    kind, is_after = rng.randrange(3), rng.random() < 0.3
    if kind == 0 or not calls:
        return Kill(seconds=rng.uniform(0, seconds))
    moves = [number for number, name in enumerate(calls, 1) if name.endswith(("_alias", "_version_tag", "execute"))]
    return Kill(call=rng.choice(moves) if kind == 1 and moves else rng.randint(1, len(calls)), is_after=is_after)


def test_killed_commands_leave_nothing_half_done_and_the_next_run_clears_up(
    place, consumer, start, inputs, rng, tmp_path
):
    folder, kept = place
    customers, ended = consumer
    store, target = open_store(str(folder)), tmp_path / "target.db"
    options = {**inputs, "publish": ("--to", f"sqlite:///{target}/scores"), "rollback": ()}

    def run(command, kill=None):
        began = time.monotonic()
        done = start(command, *options[command], "--mlruns", folder, kill=kill, kept=kept).wait()
        return done, time.monotonic() - began

    whole = {command: run(command) for command in ("retrain", "score", "publish", "rollback", "retrain", "score")}
    assert {command: done.code for command, (done, _) in whole.items()} == dict.fromkeys(whole, 0)
    killed, promoted = Counter[str](), 0
    until = time.monotonic() + 60 * MINUTES
    while killed.total() < KILLS and time.monotonic() < until:
        command = rng.choice(COMMANDS)
        if command == "rollback" and alias_version(store, PREVIOUS) is None:
            assert run("retrain")[0].code == 0
        before = alias_version(store, CHAMPION)
        done, _ = run(command, a_kill(rng, whole[command][0].calls, whole[command][1]))
        assert done.code in (0, KILLED), f"{command} ended with {done.code}:\n{done.text}"
        killed[command] += done.code == KILLED
        check_store(store, customers)
        was_promoted = command == "retrain" and alias_version(store, CHAMPION) != before
        if was_promoted or rng.random() < 0.2:
            done, _ = run("score")
            assert done.code == 0, done.text
            check_recovered(store)
        if was_promoted:
            # Killed between two aliases or not: who was champion before is not lost.
            promoted += 1
            assert alias_version(store, PREVIOUS) == before
    done, _ = run("score")
    assert done.code == 0, done.text
    check_recovered(store)
    assert run("publish")[0].code == 0
    seen = ended()
    pulled = f"{seen['polls']} pulls of scores, {seen['tables']} readings of the table"
    sys.stdout.write(f"\n{killed.total()} kills {dict(killed)}; {promoted} promotions; {pulled}\n")
    assert seen["failures"] == []
    assert seen["polls"] > 0
    assert killed.total() >= min(KILLS, 20)
