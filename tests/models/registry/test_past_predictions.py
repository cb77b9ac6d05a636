"""What was published is judged on the answers that came later, and on no other."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.describe import everyone_described
from models.population.scores_table import METADATA_KEYS, to_table
from models.registry.past_predictions import judge_published
from models.registry.publication import make_current
from models.registry.scorers import SCORER
from models.release.release import Release
from tests.models.registering import register

CUSTOMERS = 80
METADATA = {key: f"the {key}" for key in METADATA_KEYS} | {"nps_question": "nps", "nps_prior": "[0.3, 0.3, 0.4]"}
SHARES = {"low": [0.7, 0.2, 0.1], "high": [0.1, 0.2, 0.7]}


@pytest.fixture
def publish(store, four_customers):
    """Publish the same shares for every customer at a date, by a scorer trained before another."""
    run = store.client.create_run(store.experiment_id)
    store.client.create_registered_model(SCORER)
    many = four_customers.iloc[np.arange(CUSTOMERS) % 4].assign(customer_id=[f"c{i}" for i in range(CUSTOMERS)])

    def build(as_of: str, shares: str, trained: str) -> None:
        table = many.assign(as_of=pd.Timestamp(as_of).as_unit("us"))
        table[["p_detractor", "p_passive", "p_promoter"]] = SHARES[shares]
        metadata = METADATA | {"scorer_version": trained, "nps_as_of": trained}
        make_current(store, register(store, run.info.run_id, to_table(table.reset_index(drop=True), metadata)))

    return build


@pytest.fixture
def answered(take_frames):
    """Tables of a shop whose customers were all asked on a day and answered the next: three in four are promoters."""

    def build(invited: str):
        who = [f"c{i}" for i in range(CUSTOMERS)]
        asked = {"invited_at": pd.Timestamp(invited), "answered_at": pd.Timestamp(invited) + pd.Timedelta(days=1)}
        scores = np.where(np.arange(CUSTOMERS) % 4 == 0, 3, 9)
        bought = pd.DataFrame({"customer_id": who, "ts": pd.Timestamp("2024-01-02"), "amount": 1})
        return take_frames(transactions=bought, answers=pd.DataFrame({"customer_id": who, "score": scores, **asked}))

    return build


def judged(store, tables, a_scorer):
    release = Release(a_scorer(), {})
    described = everyone_described(tables, date(2024, 4, 1), release.vocabulary)
    return judge_published(store, tables, date(2024, 4, 1), release, described)


def test_an_answer_is_beside_the_newest_prediction_before_its_invitation(store, publish, answered, a_scorer):
    publish("2024-02-01", "low", trained="2024-01-31")
    publish("2024-03-01", "high", trained="2024-01-31")
    publish("2024-03-20", "low", trained="2024-01-31")  # after the asking
    found = judged(store, answered("2024-03-10"), a_scorer)
    assert (found.answers, found.customers, found.days_before) == (CUSTOMERS, CUSTOMERS, 9.0)
    assert found.nps.predicted == pytest.approx(60.0)
    assert found.nps.observed == pytest.approx(50.0)
    rps = {"promoter": (0.1**2 + 0.3**2) / 2, "detractor": (0.9**2 + 0.7**2) / 2}
    assert found.figures["rps"] == pytest.approx(0.75 * rps["promoter"] + 0.25 * rps["detractor"])
    of_prior = {"promoter": (0.3**2 + 0.6**2) / 2, "detractor": (0.7**2 + 0.4**2) / 2}
    assert found.figures["rps_prior"] == pytest.approx(0.75 * of_prior["promoter"] + 0.25 * of_prior["detractor"])


def test_a_prediction_by_a_scorer_that_knew_the_answer_does_not_count(store, publish, answered, a_scorer):
    publish("2024-02-01", "low", trained="2024-01-31")
    publish("2024-03-01", "high", trained="2024-03-20")  # yesterday's behaviour, tomorrow's scorer
    assert judged(store, answered("2024-03-10"), a_scorer).nps.predicted == pytest.approx(-60.0)


def test_where_nothing_was_published_before_there_is_nothing_to_judge(store, publish, answered, a_scorer, take_frames):
    tables = answered("2024-03-10")
    assert judged(store, tables, a_scorer) is None
    publish("2024-03-11", "low", trained="2024-01-31")
    assert judged(store, tables, a_scorer).verdict.startswith("Too few to tell: 0 answers")
    bare = take_frames(transactions=pd.DataFrame({"customer_id": ["c0"], "ts": ["2024-01-02"], "amount": [1]}))
    assert judged(store, bare, a_scorer) is None
