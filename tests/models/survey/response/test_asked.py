"""Who was asked, where the tables hold a sample of the customers and all who answered: what a cluster gives."""

import ibis
import numpy as np
import pandas as pd
import pytest

from features.spine import is_drawn
from features.tables import Sample, Tables
from models.survey.response import asked
from models.survey.response.asked import available_share, describe_asked, tells_who_was_asked, with_non_respondents

SHARE = 0.5


@pytest.fixture(scope="module")
def sample(simulated_shop, release) -> Tables:
    whole = simulated_shop.tables
    answered = whole.answers.filter(whole.answers.answered_at > ibis.timestamp("1970-01-01")).customer_id

    def part(name, *, surveyed):
        rows = getattr(whole, name)
        drawn = is_drawn(rows.customer_id, SHARE, release.parameters.seed)
        return rows.filter(drawn | rows.customer_id.isin(answered) if surveyed else drawn)

    names = ("transactions", "answers", "events", "customers")
    surveyed = Tables(*(part(name, surveyed=True) for name in names))
    return Tables(*(part(name, surveyed=name == "answers") for name in names), Sample(SHARE, 1.0, surveyed))


@pytest.mark.parametrize("fewest", [20_000, 150])
def test_all_answers_and_a_sample_of_the_others_stand_for_everyone_asked(
    simulated_shop, release, sample, fewest, monkeypatch
):
    monkeypatch.setattr(asked, "FEWEST_NON_RESPONDENTS", fewest)
    monkeypatch.setattr(asked, "NON_RESPONDENTS_PER_ANSWER", 0)
    whole = describe_asked(simulated_shop.tables, release, None, None)
    found = describe_asked(sample, release, None, None, sampled=True)
    answers, all_answers = (each.others[each.others["answered"]] for each in (found, whole))
    pd.testing.assert_frame_equal(
        answers.drop(columns="is_drawn").reset_index(drop=True),
        all_answers.drop(columns="is_drawn").reset_index(drop=True),
    )
    others = found.others[~found.others["answered"]]
    number = int((~whole.others["answered"]).sum())
    # All of them that are there, or as many as are learned from, by the estimated number of all.
    assert found.share == (pytest.approx(SHARE) if fewest > number else pytest.approx(fewest / number, rel=0.1))
    assert set(others["represents"]) == {1.0 / found.share}
    assert others["represents"].sum() == pytest.approx(number, rel=0.2)
    # Some of those who answered are of the random sample, too, and no more than their share.
    assert answers["is_drawn"].mean() == pytest.approx(found.share, abs=0.1)


def test_who_did_not_answer_is_a_sample_of_a_sample(sample, release):
    assert available_share(sample) == SHARE
    answered = pd.DataFrame({"customer_id": ["a"], "answered": True, "represents": 1.0, "is_drawn": True})
    base = pd.DataFrame({"customer_id": [f"c{k}" for k in range(100)]})

    class Base:
        def __getitem__(self, name):
            return base[name]

        def take(self, places):
            return base.iloc[places]

    frame, share = with_non_respondents(answered, Base(), 0, SHARE)
    assert share == SHARE
    assert np.unique(frame["represents"]).tolist() == [1.0, 2.0]


def test_few_unanswered_of_many_asked_are_no_record_either():
    def tells(answered, represents=1.0):
        return tells_who_was_asked(pd.DataFrame({"answered": answered, "represents": represents}))

    assert tells(np.arange(1000) >= 50)
    assert not tells(np.arange(1000) >= 49)
    assert tells(np.arange(100) >= 30)
    assert not tells(np.arange(100) >= 29)
    assert not tells(np.ones(0, bool))
    # Ten that stand for five each.
    sampled = np.arange(960) >= 10
    assert tells(sampled, np.where(sampled, 1.0, 5.0))
    assert not tells(sampled, np.where(sampled, 1.0, 4.0))
