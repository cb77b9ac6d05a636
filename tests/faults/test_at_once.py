"""Retrains and scores at once on one store: what is current is the newest date by the newest champion."""

import json
import sys
from datetime import timedelta
from threading import Event

import pytest

from models.registry.publication import scores_as_of
from models.registry.published_file import SCORES
from models.registry.reading import current_version
from models.registry.scorers import CHAMPION, alias_version
from models.registry.store import open_store
from tests.faults.conftest import PATIENCE, ROUNDS

DONE, HELD = 0, 4


def wait_for_retrain(store):
    """Wait until a retrain holds the store."""
    holder = store.folder / ".store.holder.json"
    for _ in range(PATIENCE * 20):
        try:
            if json.loads(holder.read_text())["what"] == "retrain":
                return
        except (OSError, ValueError):
            pass
        Event().wait(0.05)
    raise AssertionError("no retrain holds the store")


@pytest.mark.parametrize(("scores_at_once", "rounds"), [(3, ROUNDS), (8, max(1, ROUNDS // 5))], ids=["five", "ten"])
def test_two_retrains_and_some_scores_at_once(place, start, inputs, rng, scores_at_once, rounds):
    folder, kept = place
    store = open_store(str(folder))
    newest = scores_as_of(store, current_version(store))
    again = 0
    for _ in range(rounds):
        newest += timedelta(days=1)
        days = [newest - timedelta(days=ago) for ago in range(scores_at_once)]
        rng.shuffle(days)
        retrains = [start("retrain", *inputs["retrain"], "--mlruns", folder, kept=kept) for _ in range(2)]
        wait_for_retrain(store)
        scores = [start("score", *inputs["score"], "--as-of", day, "--mlruns", folder, kept=kept) for day in days]
        ended = [each.wait() for each in retrains]
        assert DONE in {each.code for each in ended} <= {DONE, HELD}, [each.text for each in ended]
        ended = [each.wait() for each in scores]
        assert [each.code for each in ended] == [DONE] * scores_at_once, [each.text for each in ended]
        again += sum("all are scored again" in each.text for each in ended)
        current = store.client.get_model_version(SCORES, str(current_version(store)))
        assert current.tags["as_of"] == newest.isoformat()
        assert int(current.tags["scorer_version"]) == alias_version(store, CHAMPION)
    told = f"{rounds} rounds of {2 + scores_at_once} at once; {again} scores were overtaken and made again"
    sys.stdout.write(f"\n{told}\n")
    assert again > 0
