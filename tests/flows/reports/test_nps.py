"""The sentences on the answers behind the NPS of the base."""

from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest

from flows.reports.nps import nps_sections
from flows.steps.base import Estimated
from models.scoring.parameters import CategoryParameters
from models.survey.aipw import BaseNps, Estimate

BASE = BaseNps(
    nps=10.0,
    low=5.0,
    high=15.0,
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


def report(base: BaseNps) -> str:
    nps = CategoryParameters("prior", "-")
    release = SimpleNamespace(parameters=SimpleNamespace(nps_question="nps", nps=nps, satisfaction=None))
    estimated = Estimated(Estimate(base, pd.Series(dtype=float), pd.Series(dtype=float).to_numpy(), pd.DataFrame()))
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
