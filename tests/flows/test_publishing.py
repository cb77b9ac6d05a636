"""What a scoring makes current while others retrain, hold the store, or after a crash."""

from contextlib import contextmanager

from models.registry.locking.holding import holding
from models.registry.published_file import CURRENT, SCORES
from models.registry.scorers import alias_version, model_versions, promote, read_champion, register_scorer
from models.registry.store import open_store
from models.registry.tracking import tracked


def test_scores_by_another_scorer_than_the_champion_become_current_only_if_it_was_promoted_meanwhile(
    trained, revealed, tables, monkeypatch
):
    store = open_store(str(trained))
    champion = read_champion(store)
    with tracked(store, "retrain", {}) as run:
        assert register_scorer(store, run.run_id, champion.release, champion.twin, {}) == 2
    code, out, _ = revealed("score", *tables, "--mlruns", trained, "--scorer", "2")
    assert code == 0
    assert "scorer 2 is not the champion" in out
    assert alias_version(store, CURRENT, SCORES) == 1

    @contextmanager
    def promoting(*arguments):
        """Hold the store after a retrain that held it until now."""
        with holding(*arguments) as left_by:
            promote(store, 2, "better")
            yield left_by

    monkeypatch.setattr("flows.steps.scoring.holding", promoting)
    code, out, _ = revealed("score", *tables, "--mlruns", trained)
    assert code == 0
    assert "with scorer 2" in out
    assert alias_version(store, CURRENT, SCORES) == 3
    assert store.client.get_model_version(SCORES, "3").tags["scorer_version"] == "2"


def test_a_score_that_never_keeps_up_with_the_champions_is_refused(trained, revealed, tables, monkeypatch):
    made = []
    monkeypatch.setattr("flows.steps.scoring.is_outdated", lambda *_: True)
    monkeypatch.setattr("flows.score.score_everyone", lambda *_: made.append("scores"))
    code, _, err = revealed("score", *tables, "--mlruns", trained)
    assert code == 3
    assert "the champion changed while everyone was scored, 3 times in a row, so nothing was published" in err
    assert len(made) == 3
    assert len(model_versions(open_store(str(trained)), SCORES)) == 1


def test_a_second_run_is_told_who_holds_the_store(trained, revealed, tables):
    store = open_store(str(trained))
    with holding(store, "retrain"):
        code, _, err = revealed("retrain", *tables, "--mlruns", trained)
        assert code == 4
        assert "another run holds the store" in err
        assert "retrain, process" in err
        assert revealed("score", *tables, "--mlruns", trained, "--wait", "0")[0] == 4
    assert alias_version(store, CURRENT, SCORES) == 1


def test_a_crash_while_publishing_leaves_the_current_scores_and_running_again_works(
    trained, revealed, tables, monkeypatch
):
    store = open_store(str(trained))
    with monkeypatch.context() as broken:

        def fail(*_, **__):
            raise ConnectionError("the disk is gone")

        broken.setattr("models.registry.publication.stored_scores", fail)
        broken.setattr("flows.steps.tasks.RETRIES", 0)
        code, _, err = revealed("score", *tables, "--mlruns", trained)
        assert code == 1
        assert "a server does not answer. Run it again when that is mended" in err
        assert "the disk is gone" not in err
    assert alias_version(store, CURRENT, SCORES) == 1
    assert revealed("score", *tables, "--mlruns", trained)[0] == 0
    assert alias_version(store, CURRENT, SCORES) == 3
