"""Parameters of a release: read back as they were stored, also those of earlier versions of the format."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd

from models.release.parameters import ReleaseParameters
from models.release.release import Release
from models.scoring.gamma_gamma import kept_spend
from models.scoring.parameters import ReturnsToCome
from models.scoring.scorer import Scorer

STORED = {
    *("format", "as_of", "horizon", "churn_horizon", "clv_horizon", "annual_rate", "margin", "currency", "seed"),
    *("nps_question", "satisfaction_question", "label_gap_days", "static_attributes", "purchase_model"),
    *("rfm_segments", "returns_policy", "customers", "purchases", "spend", "uncertainty"),
    *("log_likelihood_per_customer", "second_stage", "nps", "satisfaction", "nps_as_of", "vocabulary", "rfm"),
    "returns",
}
MEMBERS = {
    "proportional_odds": {"knots", "values", "missing", "cuts"},
    "ridit_trees": {"booster", "slope", "cuts"},
    "cumulative_trees": {"boosters", "calibration"},
    "prior": {"shares"},
}
# Entries that came into format 3 later than others, or are there only after more steps.
MAY_BE_ABSENT = (
    *("satisfaction", "satisfaction_question", "purchase_model", "rfm_segments", "uncertainty", "returns_policy"),
    *("log_likelihood_per_customer", "second_stage", "currency", "profiles", "personas"),
)


def test_parameters_survive_json_and_score_the_same(simulated_shop, release, described, predicted):
    stored = json.dumps(release.parameters.to_dict(), allow_nan=False)
    back = ReleaseParameters.from_dict(json.loads(stored))
    assert back == release.parameters
    assert json.dumps(back.to_dict()) == stored
    # The layout of format 3, in which versions of earlier releases of this project are stored too.
    values = json.loads(stored)
    assert set(values) == STORED
    assert set(values["spend"]) == {"p", "q", "v", "individual", "limits"}
    assert set(values["second_stage"]) == {"used", "why", "features"}
    of_nps = {"source", "why", "answers", "features", "prior", "members", "noise", "offsets", "cuts", "metrics"}
    assert set(values["nps"]) == of_nps
    members = {member["kind"]: set(member) - {"kind", "weight"} for member in values["nps"]["members"]}
    assert members == {kind: MEMBERS[kind] for kind in members}
    pd.testing.assert_frame_equal(Scorer(back, release.boosters).score(described), predicted, check_exact=True)
    read_back = Release(back, release.boosters)
    assert read_back.vocabulary == release.vocabulary
    assert read_back.as_of == simulated_shop.as_of


def test_returns_to_come_are_stored_and_lower_the_spend(release, described):
    returns = ReturnsToCome((0, 10), (0.9, 0.6), 0.05)
    # As an earlier version, which has none.
    values = {name: value for name, value in release.parameters.to_dict().items() if name != "returns"}
    before = Scorer(ReleaseParameters.from_dict(values), release.boosters).score(described)
    parameters = replace(release.parameters, returns=returns)
    back = ReleaseParameters.from_dict(json.loads(json.dumps(parameters.to_dict())))
    assert back == parameters
    money = ["expected_spend", "expected_revenue", "revenue_low", "revenue_high", "clv", "clv_low", "clv_high"]
    scores = Scorer(back, release.boosters).score(described)
    x, t_x, T = (described[name].to_numpy(float) for name in ("frequency", "recency", "T"))
    kept = kept_spend(x, t_x, T, release.parameters.purchases, returns)
    assert kept.min() < 0.9
    for name in money:
        np.testing.assert_allclose(scores[name], before[name] * kept, rtol=1e-12, err_msg=name)
    pd.testing.assert_frame_equal(scores.drop(columns=money), before.drop(columns=money), check_exact=True)


# What the section of the NPS did not hold at first.
LATER = ("noise", "metrics", "offsets", "cuts")


def test_parameters_of_an_earlier_version_may_lack_what_came_later(release, described, predicted):
    stored = release.parameters.to_dict()
    assert {"profiles", "personas"}.isdisjoint(stored)
    for question in ("nps", "satisfaction"):
        stored[question] = {name: value for name, value in stored[question].items() if name not in LATER}
    stored["vocabulary"] = {k: v for k, v in stored["vocabulary"].items() if k not in ("categories", "question")}
    earlier = {name: value for name, value in stored.items() if name not in MAY_BE_ABSENT}
    read = Release(ReleaseParameters.from_dict(json.loads(json.dumps(earlier))), release.boosters)
    assert read.training_fit is None
    assert not read.scorer.has_second_stage
    assert read.parameters.nps.noise is None
    assert {"satisfaction", "uncertainty", "profiles"}.isdisjoint(read.parameters.to_dict())
    scores = read.scorer.score(described)
    assert scores["p_satisfied"].isna().all()
    same = ["p_alive", "p_purchase", "expected_revenue", "clv", "p_detractor", "nps_category"]
    pd.testing.assert_frame_equal(scores[same], predicted[same], check_exact=True)
    pd.testing.assert_frame_equal(read.rfm_scores(described), release.rfm_scores(described))


def test_parameters_of_another_format_are_read_as_far_as_formats_agree(release):
    multiclass = {"source": "model", "why": "It was the best.", "features": ["T"], "booster": "multiclass"}
    of_first = ReleaseParameters.from_dict(release.parameters.to_dict() | {"format": 1, "nps": multiclass})
    assert of_first.format == 1
    assert (of_first.nps.source, of_first.nps.why, of_first.nps.members) == ("model", "It was the best.", ())
    assert of_first.horizon == release.parameters.horizon
