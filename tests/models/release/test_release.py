"""A release is the same from the same input, sees nothing from its as_of on, and is the same after it is stored."""

import json
from dataclasses import asdict, replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from data.errors import InputError
from features.describe import describe, materialise
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import Tables
from features.vocabulary import learn_vocabulary
from models.nps.point_in_time import answers_with_features
from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.fit import fit_purchase_models
from models.purchases.second_stage import train_second_stage
from models.recipe import Recipe
from models.release.parameters import ReleaseParameters
from models.release.release import Release, fit_release
from models.scoring.columns import SCORE_COLUMNS
from models.scoring.scorer import Scorer
from models.segments.rfm import SEGMENTS

TABLES = ("transactions", "answers", "events", "customers")


def assert_same(one: Release, other: Release) -> None:
    assert json.dumps(one.parameters.to_dict()) == json.dumps(other.parameters.to_dict())
    assert one.boosters == other.boosters
    pd.testing.assert_frame_equal(one.fits, other.fits, check_exact=True)
    assert one.notes == other.notes


def described_at(tables: Tables, as_of: date, release: Release) -> pd.DataFrame:
    return materialise(describe(tables, everyone(tables.transactions, as_of), release.vocabulary))


def without_answers(tables: Tables) -> Tables:
    return replace(tables, answers=None)


@pytest.fixture(scope="module")
def raw(simulated_shop) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(simulated_shop.files[name]) for name in TABLES}


def test_shuffled_rows_give_the_same_release_bit_for_bit(simulated_shop, release, raw, take_frames):
    shuffled = {name: frame.sample(frac=1.0, random_state=7) for name, frame in raw.items()}
    assert not shuffled["transactions"].index.equals(raw["transactions"].index)
    assert release.parameters.nps.source == release.parameters.satisfaction.source == "model"
    again = fit_release(take_frames(**shuffled), simulated_shop.as_of, simulated_shop.recipe)
    assert_same(again, release)
    assert np.array_equal(again.training.out_of_fold, release.training.out_of_fold)


def test_a_twin_sees_nothing_at_or_after_its_cut(simulated_shop, raw, take_frames):
    twin = fit_release(simulated_shop.tables, simulated_shop.cut, simulated_shop.recipe)
    assert twin.parameters.nps.source == "model"
    cut = pd.Timestamp(simulated_shop.cut)
    bought, asked, happened, known = (raw[name] for name in TABLES)
    late = bought["ts"] >= cut
    assert late.sum() > 1000
    # After the cut the shop is another one: other amounts, a new channel, new customers, nobody visits, all answer 1.
    new = bought[late].assign(customer_id=lambda rows: "new-" + rows["customer_id"], amount=999, channel="fax")
    known = pd.concat([known, known.assign(customer_id=lambda rows: "new-" + rows["customer_id"], valid_from=cut)])
    answered_late = asked["answered_at"] >= cut
    asked = asked.assign(score=asked["score"].mask(answered_late, 1))
    another = {
        "transactions": pd.concat([bought[~late], new.assign(order_id="new-" + new["order_id"])]),
        "answers": asked[~((asked["invited_at"] >= cut) & asked["answered_at"].isna())],
        "events": happened[happened["ts"] < cut],
        "customers": known,
    }
    assert answered_late.sum() > 100
    assert_same(fit_release(take_frames(**another), simulated_shop.cut, simulated_shop.recipe), twin)


def test_parameters_survive_json_and_score_the_same(simulated_shop, release, described, predicted):
    stored = json.dumps(release.parameters.to_dict(), allow_nan=False)
    back = ReleaseParameters.from_dict(json.loads(stored))
    assert back == release.parameters
    assert json.dumps(back.to_dict()) == stored
    # The layout of format 3, in which versions of earlier releases of this project are stored too.
    values = json.loads(stored)
    assert set(values) == STORED
    assert set(values["spend"]) == {"p", "q", "v", "individual"}
    assert set(values["second_stage"]) == {"used", "why", "features"}
    assert set(values["nps"]) == {"source", "why", "answers", "features", "prior", "members", "noise", "metrics"}
    members = {member["kind"]: set(member) - {"kind", "weight"} for member in values["nps"]["members"]}
    assert members == {kind: MEMBERS[kind] for kind in members}
    pd.testing.assert_frame_equal(Scorer(back, release.boosters).score(described), predicted, check_exact=True)
    read_back = Release(back, release.boosters)
    assert read_back.vocabulary == release.vocabulary
    assert read_back.as_of == simulated_shop.as_of


STORED = {
    *("format", "as_of", "horizon", "churn_horizon", "clv_horizon", "annual_rate", "margin", "currency", "seed"),
    *("nps_question", "satisfaction_question", "label_gap_days", "static_attributes", "purchase_model"),
    *("rfm_segments", "returns_policy", "customers", "purchases", "spend", "uncertainty"),
    *("log_likelihood_per_customer", "second_stage", "nps", "satisfaction", "nps_as_of", "vocabulary", "rfm"),
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


def test_parameters_of_an_earlier_version_may_lack_what_came_later(release, described, predicted):
    stored = release.parameters.to_dict()
    assert {"profiles", "personas"}.isdisjoint(stored)
    for question in ("nps", "satisfaction"):
        stored[question] = {name: value for name, value in stored[question].items() if name not in ("noise", "metrics")}
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


def test_it_says_what_it_was_fitted_with_and_to(simulated_shop, release):
    assert release.parameters.horizon == 90
    assert release.parameters.static_attributes == ("region",)
    assert (
        release.parameters.customers == pd.read_parquet(simulated_shop.files["transactions"])["customer_id"].nunique()
    )
    assert release.parameters.nps_as_of == simulated_shop.as_of
    fits = release.fits.set_index(["model", "parameter"])
    assert set(fits.index) == {
        *(("BG/NBD", name) for name in ("r", "alpha", "a", "b", "a / (a + b)")),
        *(("Gamma-Gamma", name) for name in ("p", "q", "v")),
    }
    dropout = fits.loc[("BG/NBD", "a / (a + b)")]
    a, b = fits.loc[("BG/NBD", "a"), "estimate"], fits.loc[("BG/NBD", "b"), "estimate"]
    assert dropout["estimate"] == pytest.approx(a / (a + b))
    assert dropout["low"] < dropout["estimate"] < dropout["high"]
    for (model, name), row in fits.drop(index=("BG/NBD", "a / (a + b)")).iterrows():
        section = release.parameters.purchases if model == "BG/NBD" else release.parameters.spend
        assert getattr(section, name) == row["estimate"]
        assert row["standard_error"] > 0
    assert len(release.answers) == len(release.training.out_of_fold)


def test_the_recipe_names_the_purchase_model(simulated_shop):
    recipe = replace(simulated_shop.recipe, purchase_model="mbg_nbd")
    release = fit_release(without_answers(simulated_shop.tables), simulated_shop.as_of, recipe)
    assert release.parameters.purchases.m == 1
    assert set(release.fits["model"]) == {"MBG/NBD", "Gamma-Gamma"}
    assert release.scorer.purchases.m == 1


def test_a_second_stage_is_part_of_the_release_and_of_what_it_says(simulated_shop, described):
    recipe = replace(simulated_shop.recipe, second_stage=True)
    tables = without_answers(simulated_shop.tables)
    release = fit_release(tables, simulated_shop.as_of, recipe)
    stage = train_second_stage(tables, simulated_shop.as_of, recipe, "bg_nbd", release.vocabulary)
    assert release.parameters.second_stage.used
    assert release.boosters == stage.boosters
    base = summarise_purchases(tables.transactions, everyone(tables.transactions, simulated_shop.as_of))
    fit = fit_purchase_models(base, "bg_nbd")
    expected = stage.predict(described, fit.predict(described, recipe.horizon))
    scores = release.scorer.score(described)
    for name in ("p_purchase", "expected_purchases", "expected_revenue"):
        assert_allclose(scores[name], expected[name], rtol=1e-12)


def test_a_history_too_short_for_a_second_stage_gives_a_release_that_says_so(simulated_shop):
    early = date(2023, 1, 1) + timedelta(days=170)
    recipe = replace(simulated_shop.recipe, second_stage=True)
    release = fit_release(without_answers(simulated_shop.tables), early, recipe)
    assert not release.scorer.has_second_stage
    assert any(note.startswith("There is no second stage: the second stage is trained on") for note in release.notes)


# --- Smaller shops ---

AS_OF = date(2024, 2, 5)


@pytest.fixture(scope="module")
def purchases(raw) -> pd.DataFrame:
    """One line for each day on which one of 400 customers bought; ``nth`` counts a customer's days from 0."""
    some = raw["transactions"].query("customer_id <= '00000400' and amount > 0")
    days = some.assign(ts=some["ts"].dt.normalize()).drop_duplicates(["customer_id", "ts"])
    days = days.sort_values(["customer_id", "ts"], ignore_index=True)[["customer_id", "ts"]]
    return days.assign(nth=days.groupby("customer_id").cumcount())


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
    scores = release.scorer.score(described_at(tables, AS_OF, release))
    assert scores[["p_detractor", "p_passive", "p_promoter"]].isna().all(axis=None)
    assert_same(fit_release(tables, AS_OF, Recipe()), release)


@pytest.mark.parametrize(("first", "later"), [(12.5, 12.5), (30.0, 0.0), (0.0, 0.0)])
def test_where_gamma_gamma_cannot_be_fitted_everybody_is_expected_to_spend_the_mean(
    purchases, take_frames, first, later
):
    # Of equal values, or of repeats without a value, Gamma-Gamma learns nothing.
    amounts = np.where(purchases["nth"] == 0, first, later)
    mean = max(amounts.mean(), 0.01)
    tables = take_frames(transactions=with_amounts(purchases, amounts))
    release = fit_release(tables, AS_OF, Recipe())
    described = described_at(tables, AS_OF, release)
    scores = release.scorer.score(described)
    assert not release.parameters.spend.individual
    assert scores["expected_spend"].to_numpy() == pytest.approx(mean, rel=1e-12)
    assert len(release.notes) == 1
    assert f"everybody's expected spend is the mean purchase, {mean:,.2f}" in release.notes[0]
    assert set(release.fits["model"]) == {"BG/NBD"}
    # Value then differs by the number of purchases alone.
    assert scores["expected_revenue"].to_numpy() == pytest.approx(mean * scores["expected_purchases"], rel=1e-12)
    numbers = scores.loc[:, :"next_purchase_index"]
    assert np.isfinite(numbers).all(axis=None)
    assert (scores["clv_low"] <= scores["clv"]).all()
    assert (scores["clv"] <= scores["clv_high"]).all()


def test_answers_before_a_first_purchase_are_not_used(take_frames):
    bought = [("a", "2024-01-05"), ("b", "2024-01-05"), ("c", "2024-01-03"), ("c", "2024-01-14"), ("d", "2024-01-03")]
    answers = [
        ("a", "2024-01-05 08:00", "2024-01-06", 9),  # asked on the day of the first purchase: not seen yet
        ("a", "2024-01-06 00:00", "2024-01-07", 2),
        ("b", "2023-12-24 00:00", "2024-02-01", 10),
        ("c", "2024-01-20 00:00", "2024-02-04 23:59", 7),
        ("d", "2024-01-20 00:00", "2024-02-05 00:00", 8),  # answered at as_of
    ]
    tables = take_frames(
        transactions=pd.DataFrame(bought, columns=["customer_id", "ts"]).assign(amount=1),
        answers=pd.DataFrame(answers, columns=["customer_id", "invited_at", "answered_at", "score"]),
    )
    found = answers_with_features(tables, "nps", learn_vocabulary(tables, AS_OF), before=AS_OF)
    assert found[["customer_id", "score", "category", "frequency", "T"]].to_numpy().tolist() == [
        ["a", 2, 0, 0, 0],
        ["c", 7, 1, 1, 16],
    ]


def test_it_learns_from_every_answer_of_a_customer_and_from_no_other(simulated_shop, release, raw):
    asked = raw["answers"].query("answered_at < @simulated_shop.as_of.isoformat()")
    first = raw["transactions"].groupby("customer_id")["ts"].min().dt.normalize()
    known = asked["invited_at"].dt.normalize() > asked["customer_id"].map(first)
    is_nps = asked["question"] == "nps"
    assert release.parameters.satisfaction.answers == (known & ~is_nps).sum()
    known &= is_nps
    assert len(release.answers) == known.sum() == release.parameters.nps.answers
    assert sorted(release.answers["answered_at"]) == sorted(asked["answered_at"][known])


def test_a_question_that_nobody_was_asked_is_told_with_those_that_were(simulated_shop):
    recipe = replace(simulated_shop.recipe, nps_question="npss", satisfaction_question="ces")
    release = fit_release(simulated_shop.tables, simulated_shop.as_of, recipe)
    for name, question in (("nps", "npss"), ("satisfaction", "ces")):
        model = getattr(release.parameters, name)
        assert model.source is None
        said = f"None of the answers is to the question '{question}'; asked were: csat, nps."
        assert model.why == said


def test_a_carried_nps_model_is_unchanged_beside_new_purchase_models(simulated_shop, release, described, predicted):
    tables = simulated_shop.tables
    without = Tables(tables.transactions, None, tables.events, tables.customers)
    earlier = simulated_shop.as_of - timedelta(days=20)
    carrying = fit_release(without, earlier, Recipe(horizon=30), carried=release)
    assert carrying.parameters.nps == release.parameters.nps
    assert carrying.boosters == release.boosters
    assert carrying.vocabulary == release.vocabulary
    assert carrying.parameters.nps_as_of == simulated_shop.as_of
    assert carrying.as_of == earlier
    assert carrying.parameters.purchases != release.parameters.purchases
    assert carrying.training is None
    assert any("carried over unchanged" in note for note in carrying.notes)
    assert carrying.parameters.satisfaction == release.parameters.satisfaction
    categories = ["p_detractor", "p_passive", "p_promoter", "nps_category", "nps_source", "p_satisfied"]
    ours = carrying.scorer.score(described)
    pd.testing.assert_frame_equal(ours[categories], predicted[categories], check_exact=True)


def test_a_date_before_the_first_purchase_is_told(simulated_shop):
    with pytest.raises(InputError, match="no purchase is visible before 2023-01-01: name a later date with --as-of"):
        fit_release(simulated_shop.tables, date(2023, 1, 1), Recipe())


def test_a_small_shop_gets_a_release_that_says_what_it_is_worth(purchases, take_frames):
    few = purchases[purchases["customer_id"] <= "00000030"]
    with pytest.raises(InputError, match="BG/NBD is not determined by these 30 customers"):
        BetaGeoModel().fit(*history_of(few))
    release = fit_release(take_frames(transactions=with_amounts(few, 10 + few.index % 7)), AS_OF, Recipe())
    assert release.notes[0].startswith("The 30 customers do not settle the parameters of BG/NBD")
    assert all(0 < value < 1e4 for name, value in asdict(release.parameters.purchases).items() if name != "m")


def test_a_history_without_a_repeat_purchase_is_told(purchases, take_frames):
    tables = take_frames(transactions=with_amounts(purchases[purchases["nth"] == 0], 10))
    with pytest.raises(InputError, match="BG/NBD"):
        fit_release(tables, AS_OF, Recipe())


def test_a_customer_is_scored_the_same_alone_as_among_others(release, described, predicted):
    assert tuple(predicted.columns) == SCORE_COLUMNS
    pd.testing.assert_frame_equal(release.scorer.score(described.iloc[[7]]), predicted.iloc[[7]], check_exact=True)


def test_a_base_is_scored_by_the_names_of_its_own_release(release, described):
    usual = release.rfm_scores(described)
    assert set(usual["segment"]) <= set(SEGMENTS)
    own = {"good": ((4, 5), (1, 5)), "others": ((1, 3), (1, 5))}
    found = replace(release, parameters=replace(release.parameters, rfm_segments=own)).rfm_scores(described)
    assert (found["rfm"] == usual["rfm"]).all()
    assert (found["segment"] == "good").tolist() == found["rfm"].str[0].isin(["4", "5"]).tolist()


def test_recency_scores_count_to_the_last_day_seen(simulated_shop, release, described):
    by_dates = (pd.Timestamp(simulated_shop.as_of) - described["last_purchase"]).dt.days - 1
    cuts = release.parameters.rfm.recency
    digits = [5 - sum(days > cut for cut in cuts) for days in by_dates]
    assert release.rfm_scores(described)["rfm"].str[0].astype(int).tolist() == digits
