"""The sentences on the answers behind the NPS of the base."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from flows.reports.nps import nps_sections
from flows.steps.base import Estimated
from models.scoring.members import CategoryParameters
from models.survey.aipw import BaseNps, Estimate
from models.survey.without_purchase import beside_base

BASE = BaseNps(
    nps=10.0,
    low=5.0,
    high=15.0,
    wide_low=2.0,
    wide_high=18.0,
    unmeasured=3.8,
    unmeasured_gamma=0.07,
    strongest_group="visits",
    standard_error=2.5,
    degrees_of_freedom=200.0,
    n_base=8000,
    n_frame=4467,
    n_answers=1014,
    n_eff=587.0,
    survey_mean=12.0,
    mean_of_predictions=11.0,
    largest_weight=0.005,
    balance={},
    sensitivity={"+0.1": 7.0},
    sign_gamma=None,
    frame="invited",
)


def report(base: BaseNps, **others: object) -> str:
    nps = CategoryParameters("prior", "-")
    release = SimpleNamespace(parameters=SimpleNamespace(nps_question="nps", nps=nps, satisfaction=None))
    estimated = Estimated(
        Estimate(base, pd.Series(dtype=float), pd.Series(dtype=float).to_numpy(), pd.DataFrame()), **others
    )
    return " ".join(nps_sections(release, estimated)[-1].sentences)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "1,014 of 4,467 customers who were asked have answered. Effective number of answers: 587"),
        # A customer may answer in two samples, so answers are not customers.
        (
            {"sampled_answer_share": 0.35},
            "There are 1,014 answers of 4,467 customers who were asked. Effective number of answers: 587",
        ),
        ({"frame": "customers"}, "There are 1,014 answers; who was asked is not known"),
        (
            {"frame": "customers", "sampled_answer_share": 0.35},
            "There are 1,014 answers; who was asked outside the probability samples is not known",
        ),
    ],
)
def test_it_says_what_is_counted(changes, expected):
    assert expected in report(replace(BASE, **changes))


def test_the_headline_holds_the_wide_interval_and_the_next_sentence_the_samples():
    text = report(BASE)
    assert "+10.0, 95 % interval +2.0 to +18.0, of all 8,000 customers." in text
    assert "of the sample alone is +5.0 to +15.0" in text
    assert "the strongest measured group, visits, does: by 3.8 points, as a gamma of 0.07 would" in text
    assert "no feature is measured" in report(replace(BASE, strongest_group=None))


def test_customers_who_gave_everything_back_are_told_beside_the_base():
    text = report(BASE, without_purchase=beside_base(BASE, 200, np.array([60, 25, 15])))
    assert "Not among them: 200 customers who gave everything back, 100 with an answer." in text
    assert "Their answers give -45.0, 95 % interval" in text
    assert "(of the sample -58.0 to -29.3); with them the NPS is +8.7, 95 % interval" in text
    few = report(BASE, without_purchase=beside_base(BASE, 200, np.array([3, 0, 1])))
    assert "4 with an answer, too few for an NPS of their own: whatever they would answer, with them it is" in few
    assert "with them it is +7.3 to +12.2 instead." in few
    assert "gave everything back" not in report(BASE)


def test_it_shows_the_balance_of_what_decides():
    differences = {"log_odds_before": 0.69, "log_odds_after": 0.0}
    assert "log odds of answering 0.69 before weighting, 0.00 after it" in report(
        replace(BASE, balance_of_scores=differences)
    )
