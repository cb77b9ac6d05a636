"""Releases of small shops: what cannot be fitted is left out or refused, and the release says so."""

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from features.describe import describe, materialise
from features.spine import everyone
from features.tables import Tables
from features.vocabulary import learn_vocabulary
from models.actions.lists import action_lists
from models.monitoring.drift import measure_drift
from models.nps.point_in_time import answers_with_features
from models.purchases.bg_nbd import BetaGeoModel
from models.recipe import Recipe
from models.release.parameters import ReleaseParameters
from models.release.release import Release, fit_release
from models.scoring.columns import FORECAST_COLUMNS

AS_OF = date(2024, 2, 5)


@pytest.fixture(scope="module")
def purchases(simulated_shop) -> pd.DataFrame:
    """One line for each day on which one of 400 customers bought; ``nth`` counts a customer's days from 0."""
    sales = pd.read_parquet(simulated_shop.files["transactions"]).query("customer_id <= '00000400' and amount > 0")
    days = sales.assign(ts=sales["ts"].dt.normalize()).drop_duplicates(["customer_id", "ts"])
    days = days.sort_values(["customer_id", "ts"], ignore_index=True)[["customer_id", "ts"]]
    return days.assign(nth=days.groupby("customer_id").cumcount())


def described_by(release: Release, tables: Tables) -> pd.DataFrame:
    return materialise(describe(tables, everyone(tables.transactions, AS_OF), release.vocabulary))


def with_amounts(purchases: pd.DataFrame, amount: object) -> pd.DataFrame:
    return purchases[["customer_id", "ts"]].assign(amount=amount)


def history_of(purchases: pd.DataFrame) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Frequency, recency and T at AS_OF, with pandas."""
    days = purchases.groupby("customer_id")["ts"].agg(["min", "max", "size"])
    age = (pd.Timestamp(AS_OF) - days["min"]).dt.days - 1
    return days["size"] - 1, (days["max"] - days["min"]).dt.days, age


def test_without_answers_nothing_is_said_of_the_nps_category(purchases, take_frames):
    tables = take_frames(transactions=with_amounts(purchases, 10 + purchases.index % 7))
    release = fit_release(tables, AS_OF, Recipe())
    assert release.parameters.nps.source is release.parameters.satisfaction.source is None
    assert release.parameters.nps.why == "There are no answers, so no category is predicted."
    assert release.boosters == {}
    assert release.answers is None
    scores = release.scorer.score(described_by(release, tables))
    assert scores[["p_detractor", "p_passive", "p_promoter"]].isna().all(axis=None)
    again = fit_release(tables, AS_OF, Recipe())
    assert (again.parameters, again.boosters, again.notes) == (release.parameters, {}, release.notes)
    pd.testing.assert_frame_equal(again.fits, release.fits, check_exact=True)


@pytest.mark.parametrize(("first", "later"), [(12.5, 12.5), (30.0, 0.0), (0.0, 0.0)])
def test_where_gamma_gamma_cannot_be_fitted_everybody_is_expected_to_spend_the_mean(
    purchases, take_frames, first, later
):
    # Of equal values, or of repeats without a value, Gamma-Gamma learns nothing.
    amounts = np.where(purchases["nth"] == 0, first, later)
    mean = max(amounts.mean(), 0.01)
    tables = take_frames(transactions=with_amounts(purchases, amounts))
    release = fit_release(tables, AS_OF, Recipe())
    described = described_by(release, tables)
    scores = release.scorer.score(described)
    assert not release.parameters.spend.individual
    assert scores["expected_spend"].to_numpy() == pytest.approx(mean, rel=1e-12)
    assert len(release.notes) == 1
    assert f"everybody's expected spend is the mean purchase, {mean:,.2f}" in release.notes[0]
    assert set(release.fits["model"]) == {"BG/NBD"}
    # Value then differs by the number of purchases alone.
    assert scores["expected_revenue"].to_numpy() == pytest.approx(mean * scores["expected_purchases"], rel=1e-12)
    numbers = scores.loc[:, "p_purchase":"next_purchase_index"]
    assert np.isfinite(numbers).all(axis=None)
    assert (scores["clv_low"] <= scores["clv"]).all()
    assert (scores["clv"] <= scores["clv_high"]).all()


def test_answers_before_a_first_purchase_are_not_used(take_frames):
    bought = [("a", "2024-01-05"), ("b", "2024-01-05"), ("c", "2024-01-03"), ("c", "2024-01-14"), ("d", "2024-01-03")]
    answered = [
        ("a", "2024-01-05 08:00", "2024-01-06", 9),  # asked on the day of the first purchase: not visible yet
        ("a", "2024-01-06 00:00", "2024-01-07", 2),
        ("b", "2023-12-24 00:00", "2024-02-01", 10),
        ("c", "2024-01-20 00:00", "2024-02-04 23:59", 7),
        ("d", "2024-01-20 00:00", "2024-02-05 00:00", 8),  # answered at as_of
    ]
    tables = take_frames(
        transactions=pd.DataFrame(bought, columns=["customer_id", "ts"]).assign(amount=1),
        answers=pd.DataFrame(answered, columns=["customer_id", "invited_at", "answered_at", "score"]),
    )
    answers = answers_with_features(tables, "nps", learn_vocabulary(tables, AS_OF), before=AS_OF)
    assert answers[["customer_id", "score", "category", "frequency", "T"]].to_numpy().tolist() == [
        ["a", 2, 0, 0, 0],
        ["c", 7, 1, 1, 16],
    ]


def test_a_small_shop_gets_a_release_that_says_what_it_is_worth(purchases, take_frames):
    few = purchases[purchases["customer_id"] <= "00000030"]
    fit = BetaGeoModel().fit(*history_of(few))
    release = fit_release(take_frames(transactions=with_amounts(few, 10 + few.index % 7)), AS_OF, Recipe())
    assert fit.parameters.limits and release.parameters.purchases == fit.parameters
    assert release.notes[: len(fit.notes)] == fit.notes
    stored = json.loads(json.dumps(release.parameters.to_dict()))
    assert ReleaseParameters.from_dict(stored) == release.parameters


def test_a_shop_without_a_repeat_purchase_has_all_but_a_forecast(purchases, take_frames):
    tables = take_frames(transactions=with_amounts(purchases[purchases["nth"] == 0], 10))
    release = fit_release(tables, AS_OF, Recipe(second_stage=True))
    assert release.notes[0].startswith(
        "There is no purchase forecast: none of the 400 customers bought on more than one day"
    )
    assert "setting" not in release.notes[0] and len(release.notes) == 2
    assert release.fits.empty
    stored = json.loads(json.dumps(release.parameters.to_dict()))
    assert ReleaseParameters.from_dict(stored) == release.parameters
    described = described_by(release, tables)
    scores = release.scorer.score(described)
    assert scores[list(FORECAST_COLUMNS)].isna().all(axis=None)
    assert release.scorer.predict_horizon(described).isna().all(axis=None)
    base = described.assign(**scores, **release.rfm_scores(described))
    lists = {each.name: each for each in action_lists(base, described, release)}
    for name in ("lapsing", "second_purchase"):
        assert "no purchase forecast" in lists[name].meaning + str(lists[name].absent)
    drift = measure_drift(tables, AS_OF, release.parameters.purchases, release.training_fit, 90)
    assert "nobody had bought again" in drift.why
