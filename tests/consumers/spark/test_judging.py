"""Published predictions are judged on a cluster by the answers since as they are on one machine."""

from dataclasses import asdict
from datetime import date

import pytest
from ibis.backends.pyspark import Backend

from features.describe import describe, everyone_described
from features.returns.kept import everyone_matched
from flows.steps.cluster import judging, watching
from models.registry.past_predictions import judge_published, versions_to_judge
from models.registry.reading import place_of
from models.registry.scorers import read_champion
from models.registry.store import open_store
from models.registry.tracking import read_json
from models.survey.response import propensity
from tests.consumers.spark.conftest import assert_figures_alike

LATER = date(2024, 4, 30)


@pytest.fixture(scope="module")
def later(project, published, shop, backend):
    """What there is to judge two months after the scores: by one machine and by the cluster, whose scores are there."""
    store = open_store(str(project / "mlruns"))
    release = read_champion(store).release
    places = [place_of(store, int(each.version)) for each in versions_to_judge(store, LATER, release)]
    assert [place.is_dir() for place in places] == [False, True]
    here = everyone_described(shop.embedded, LATER, release.vocabulary)
    there = backend.keep(describe(shop.cluster, everyone_matched(shop.cluster, LATER), release.vocabulary), "later")

    def judged(collected):
        execute = Backend.execute

        def counted(self, expr, **options):
            result = execute(self, expr, **options)
            collected.append(len(result) if hasattr(result, "__len__") else 1)
            return result

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Backend, "execute", counted)
            return judging.judge_there(store, backend, project / "shared", shop.cluster, LATER, release, there)

    return lambda: judge_published(store, shop.embedded, LATER, release, here), judged


def test_a_scoring_keeps_what_one_machine_keeps(project, published):
    here, there, _ = published
    store, file = open_store(str(project / "mlruns")), "change/prospective_calibration.json"
    own, theirs = (read_json(store, each.run_id, file) for each in (here, there))
    assert own["nps"] is not None
    assert assert_figures_alike(theirs, own) > 20
    metrics = [store.client.get_run(each.run_id).data.metrics for each in (here, there)]
    found = [{name: each[name] for name in each if name.startswith("prospective/")} for each in metrics]
    assert_figures_alike(found[1], found[0])


@pytest.mark.parametrize("others", [60, 20_000])
def test_scores_of_the_cluster_are_joined_there_with_answers(later, published, monkeypatch, others):
    """Whether a sample of the others is drawn or all are there."""
    monkeypatch.setattr(propensity, "FEWEST_NON_RESPONDENTS", others)
    monkeypatch.setattr(propensity, "NON_RESPONDENTS_PER_ANSWER", 1)
    of_one_machine, of_cluster = later
    rows = []
    here, there = of_one_machine(), of_cluster(rows)
    assert there.answers > 60
    assert assert_figures_alike(asdict(there), asdict(here)) > 20
    if others == 60:
        # Answers and predictions; who answered, and so many others.
        assert rows.count(there.customers) == 2
        assert max(rows) < 400 < published[0].customers


def test_of_many_answers_those_of_customers_drawn_are_judged(later, monkeypatch):
    of_one_machine, of_cluster = later
    rows = []
    whole = of_one_machine()
    monkeypatch.setattr(watching, "LARGEST_SAMPLE", 200)
    drawn = of_cluster(rows)
    assert 0.4 * whole.answers < drawn.answers < 0.75 * whole.answers
    assert drawn.nps.observed == pytest.approx(whole.nps.observed, abs=whole.nps.high - whole.nps.low)
