"""The change of the base's NPS from the tables of a simulated shop: who was in the base and who answered, when."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from features.describe import describe, everyone_described, materialise
from features.spine import everyone
from features.tables import Tables
from features.vocabulary import learn_vocabulary
from models.nps.out_of_fold import predict_base
from models.survey import prepare, two_surveys
from models.survey.change import nps_change
from models.survey.prepare import prepare_survey
from models.survey.two_surveys import estimate_nps_change, prepare_change
from tests.models.kept_orders import kept_sales


@pytest.fixture(scope="module")
def surveys(simulated_shop, release):
    return prepare_change(simulated_shop.tables, release, simulated_shop.cutoff)


def test_each_date_has_its_customers_and_its_answers(simulated_shop, release, surveys):
    before, now = surveys
    bought = pd.read_parquet(simulated_shop.files["transactions"])
    assert set(before.base_customer) == set(kept_sales(bought, simulated_shop.cutoff)["customer_id"])
    assert set(now.base_customer) == set(kept_sales(bought, simulated_shop.as_of)["customer_id"])

    cut = pd.Timestamp(simulated_shop.cutoff)
    answers = release.answers
    earlier = answers[(answers["invited_at"] < cut) & (answers["answered_at"] < cut)]
    since = answers[answers["invited_at"] >= cut]
    assert len(since) > 50
    for survey, replies in ((before, earlier), (now, since)):
        assert set(survey.customer[survey.answered]) == set(replies["customer_id"])
        newest = replies.sort_values("as_of").groupby("customer_id")["category"].last()
        assert newest[survey.customer[survey.answered]].tolist() == survey.category[survey.answered].tolist()
    assert len(before.fold_points) == len(now.fold_points) == len(release.training.fold_models)


def test_only_the_asked_are_cut_at_the_date_not_what_describes_them(simulated_shop, release):
    """How stores were judged before the date still tells of their customers after it."""
    given, cut, as_of = simulated_shop.tables, simulated_shop.cutoff, simulated_shop.as_of
    bought = given.transactions
    tables = replace(given, transactions=bought.mutate(store=bought.customer_id.right(1)))
    vocabulary = learn_vocabulary(tables, as_of, ("region",))
    release = replace(release, parameters=replace(release.parameters, vocabulary=vocabulary))
    spine = everyone(tables.transactions, as_of)
    wanted = materialise(describe(tables, spine, vocabulary))
    late = replace(tables, answers=tables.answers.filter(tables.answers.invited_at >= pd.Timestamp(cut)))
    truncated = materialise(describe(late, spine, vocabulary))
    assert not truncated["store_satisfaction"].equals(wanted["store_satisfaction"])
    now = prepare_survey(tables, release, cut)
    assert now.base_customer.tolist() == wanted["customer_id"].tolist()
    assert "store_satisfaction" in now.features.columns
    for name in now.features:
        pd.testing.assert_series_equal(now.base_features[name], wanted[name])


def test_the_change_of_the_shop(surveys):
    found = nps_change(*surveys, published=12.0)
    assert found.why is None
    # The simulated customers are as satisfied as ever.
    assert found.low < 0 < found.high
    parts = (found.composition, found.behaviour, found.answers, found.model)
    assert sum(part.change for part in parts) == pytest.approx(found.now - 12.0, abs=1e-9)


def test_where_nobody_was_asked_since_the_predictions_are_told(simulated_shop, release):
    given = simulated_shop.tables
    early = given.answers.filter(given.answers.invited_at < pd.Timestamp(simulated_shop.cutoff))
    found = estimate_nps_change(Tables(given.transactions, early), release, simulated_shop.cutoff, published=12.0)
    assert "0 customers answered since" in found.why
    assert (found.change, found.answers, found.model) == (None, None, None)
    assert found.n_answers_before > 100
    bought = pd.read_parquet(simulated_shop.files["transactions"])
    then, now = (set(kept_sales(bought, day)["customer_id"]) for day in (simulated_shop.cutoff, simulated_shop.as_of))
    assert (found.customers_before, found.customers_now) == (len(then), len(now))
    assert found.customers_common == len(then & now)
    assert found.behaviour.change != 0.0


def test_without_a_fresh_model_or_a_past_there_is_none(simulated_shop, release):
    tables, cut = simulated_shop.tables, simulated_shop.cutoff
    assert estimate_nps_change(replace(tables, answers=None), release, cut) is None
    assert estimate_nps_change(tables, replace(release, training=None, answers=None), cut) is None
    with pytest.raises(InputError, match="a later date"):
        prepare_change(tables, release, simulated_shop.as_of)
    assert prepare_change(tables, release, simulated_shop.as_of - timedelta(days=4000)) is None


def test_a_base_without_answers_is_predicted_like_one_with_them(simulated_shop, release, monkeypatch):
    """Nobody's own answers, and no more customers by every fold's model than the jackknife needs."""
    monkeypatch.setattr(prepare, "LARGEST_SAMPLE", 300)
    monkeypatch.setattr(prepare, "MOST_UNLIKE", 1.0)
    given = simulated_shop.tables
    early = replace(given, answers=given.answers.filter(given.answers.invited_at < pd.Timestamp(simulated_shop.cutoff)))
    now, with_answers = two_surveys._without_answers(early, release), prepare_survey(early, release)
    assert not now.answered.any()
    assert with_answers.answered.any()
    assert now.base_customer.tolist() == with_answers.base_customer.tolist()
    assert now.base_probabilities == pytest.approx(with_answers.base_probabilities)
    assert now.base_sample.tolist() == with_answers.base_sample.tolist()
    assert now.fold_base_points == pytest.approx(with_answers.fold_base_points)
    assert now.fold_base_points.shape == (len(release.training.fold_models), 300)


def test_members_of_the_model_that_are_known_change_no_prediction(simulated_shop, release):
    base = everyone_described(simulated_shop.tables, release.as_of, release.vocabulary)
    columns = ["customer_id", *release.training.model.features]
    anew = predict_base(base.batches(columns), release.training, release.answers["customer_id"].to_numpy(str))
    survey = prepare_survey(simulated_shop.tables, release)
    np.testing.assert_array_equal(survey.base_probabilities, anew)
