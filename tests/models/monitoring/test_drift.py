"""Refit or not: the verdict, what a release keeps for it, and CDNOW looked at later than it was fitted."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from features.tables import Tables
from models.monitoring.drift import changes, decide, measure_drift
from models.monitoring.drift_figures import FitDrift, PurchaseTracking
from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.bg_nbd_likelihood import count_sufficient_statistics
from models.purchases.fit import TrainingFit
from models.scoring.parameters import PurchaseParameters

TRAINED = date(1997, 10, 1)
SHOP = PurchaseParameters(0.8, 40.0, 0.7, 3.0)
STEADY = FitDrift(-6.0, -7.01, -6.0, -7.0, error=0.02, notable=0.05)
AS_EXPECTED = PurchaseTracking(950.0, 1000.0, 40.0, 50.0, error=40.0)


@pytest.fixture(scope="module")
def cdnow(take_frames, cdnow_transactions):
    frame = cdnow_transactions.rename(columns={"date": "ts", "value": "amount"})
    return take_frames(transactions=frame.assign(customer_id=frame["customer_id"].astype(str)))


@pytest.fixture(scope="module")
def model(cdnow):
    then = changes(cdnow, date(1990, 1, 1), TRAINED)
    now = then.now
    return BetaGeoModel().fit_sufficient_statistics(count_sufficient_statistics(now.x, now.t_x, now.T, then.customers))


@pytest.fixture(scope="module")
def training(model):
    covariance = tuple(map(tuple, model.log_covariance.tolist()))
    return TrainingFit(TRAINED, 2357, model.log_likelihood_ / 2357, covariance)


def look(cdnow, model, training, days):
    return measure_drift(cdnow, TRAINED + timedelta(days=days), model.parameters, training, horizon=90)


def test_cdnow_after_39_weeks_is_as_published(cdnow, model, training):
    drift = look(cdnow, model, training, 273)
    assert (drift.days, drift.customers, drift.new_customers) == (273, 2357, 0)
    assert [note.split(":")[0] for note in drift.notes] == ["The drift is measured without seasons"]
    # 1,882 purchases, 12.15 % fewer expected.
    assert drift.purchases.actual == 1882
    assert_allclose(1 / drift.purchases.ratio - 1, -0.1215, atol=5e-4)
    # Summed log-likelihood in weeks, and the change to days.
    repeats = 2457
    assert_allclose(drift.fit.at_training, (-9582.43 - repeats * np.log(7)) / 2357, atol=1e-5)
    assert drift.verdict == "due"
    assert "1,882 purchases since 1997-10-01 where 1,653 were expected (+13.8 %" in drift.why
    assert drift.why.endswith("273 days beyond the training, further than the horizon of 90.")


def test_cdnow_after_90_days(cdnow, cdnow_sample, model, training):
    drift = look(cdnow, model, training, 90)
    frame = cdnow.transactions.to_pandas()
    within = frame[(frame["ts"] >= "1997-10-01") & (frame["ts"] < "1997-12-30")]
    assert drift.purchases.actual == len(within.drop_duplicates(["customer_id", "ts"]))
    # The same customers, fitted and foretold one by one in weeks.
    histories = (cdnow_sample[name] for name in ("frequency", "recency", "T"))
    weekly = BetaGeoModel().fit(*histories)
    foretold = weekly.predict(90 / 7, cdnow_sample["frequency"], cdnow_sample["recency"], cdnow_sample["T"])
    assert_allclose(drift.purchases.expected, foretold.sum(), rtol=1e-5)
    assert drift.verdict == "due"
    assert "718 purchases since 1997-10-01 where 622 were expected (+15.5 %" in drift.why


def test_cdnow_the_day_it_is_trained_and_a_few_days_later(cdnow, model, training):
    same = look(cdnow, model, training, 0)
    assert (same.verdict, same.fit, same.purchases, same.days) == ("nothing new", None, None, 0)
    assert same.why == "Nothing is new: the scorer was trained as of 1997-10-01, and these data are as of 1997-10-01."
    soon = look(cdnow, model, training, 3)
    assert soon.verdict == "too early"
    assert "3 days since the training, 7 days are needed" in soon.why


def test_what_came_available_later_changes_nothing(cdnow, model, training):
    drift = look(cdnow, model, training, 30)
    as_of = TRAINED + timedelta(days=30)
    available_then = cdnow.transactions.filter(cdnow.transactions.available_at < pd.Timestamp(as_of))
    assert measure_drift(Tables(available_then, None, None, None), as_of, model.parameters, training, 90) == drift


def test_other_data_than_those_of_the_training_are_told(cdnow, model, training):
    assert look(cdnow, model, training, 30).notes == ()
    other = replace(training, customers=3000, log_covariance=None)
    drift = look(cdnow, model, other, 30)
    assert "2,357 customers before 1997-10-01" in drift.notes[0]
    assert "the training had 3,000" in drift.notes[0]
    assert "too narrow" in drift.notes[1]
    assert drift.purchases.error < look(cdnow, model, training, 30).purchases.error


def test_an_old_scorer_has_no_drift(cdnow):
    drift = measure_drift(cdnow, date(1998, 1, 1), SHOP, None, horizon=90)
    assert (drift.verdict, drift.days, drift.fit, drift.purchases) == ("not available", 0, None, None)


def test_a_shop_in_which_nobody_has_bought_yet(cdnow):
    training = TrainingFit(date(1996, 1, 1), 10, -1.0)
    drift = measure_drift(cdnow, date(1996, 2, 1), SHOP, training, horizon=90)
    assert (drift.verdict, drift.customers) == ("too early", 0)


def test_a_shop_whose_customers_are_all_new(cdnow):
    training = TrainingFit(date(1996, 12, 1), 10, -1.0)
    drift = measure_drift(cdnow, date(1997, 2, 1), SHOP, training, horizon=90)
    assert drift.fit is None
    assert drift.new_customers == drift.customers == 781
    assert "0 customers before 1996-12-01, where" in drift.notes[0]


@pytest.mark.parametrize(
    ("days", "customers", "fit", "purchases", "verdict", "words"),
    [
        (
            30,
            500,
            STEADY,
            AS_EXPECTED,
            "not due",
            "990 purchases since 1997-10-01 where 1,050 were expected (-5.7 %",
        ),
        (30, 500, STEADY, AS_EXPECTED, "not due", "has not drifted notably (-0.010"),
        (30, 500, None, AS_EXPECTED, "not due", "interval 972 to 1,128)."),
        (30, 500, STEADY, replace(AS_EXPECTED, error=10.0), "not due", "which is less than 10 % off"),
        (30, 500, STEADY, replace(AS_EXPECTED, actual_new=400.0), "due", "1,350 purchases since"),
        (30, 500, replace(STEADY, now=-7.1), AS_EXPECTED, "due", "has drifted (-0.100"),
        (30, 500, replace(STEADY, now=-6.9), AS_EXPECTED, "due", "has drifted (+0.100"),
        (90, 500, STEADY, AS_EXPECTED, "not due", "No retrain is due"),
        (91, 500, STEADY, AS_EXPECTED, "due", "A retrain is due: the data reach 91 days beyond the training"),
        (91, 500, replace(STEADY, now=-7.1), AS_EXPECTED, "due", "notable from 0.050); the data reach 91 days"),
        (6, 500, STEADY, replace(AS_EXPECTED, actual_new=400.0), "too early", "6 days since the training, 7 days are"),
        (1, 500, STEADY, AS_EXPECTED, "too early", "1 day since"),
        (30, 99, STEADY, replace(AS_EXPECTED, actual_new=400.0), "too early", "99 customers, 100 customers are needed"),
        (91, 99, STEADY, AS_EXPECTED, "due", "91 days beyond"),
    ],
)
def test_the_verdict_says_why(days, customers, fit, purchases, verdict, words):
    got, why = decide(TRAINED, TRAINED + timedelta(days=days), 90, customers, fit, purchases)
    assert got == verdict
    assert words in why
    assert why.endswith(".")
