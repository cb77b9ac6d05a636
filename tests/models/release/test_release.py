"""A release is the same from the same input, sees nothing from its as_of on, and is the same after it is stored."""

import json
from dataclasses import replace
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from data.errors import InputError
from features.measures.orders import sales as standing
from features.purchases import summarise_purchases
from features.spine import pairs
from features.tables import Tables
from models.purchases.fit import fit_purchases_at
from models.purchases.second_stage.training import train_second_stage
from models.recipe import Recipe
from models.release.release import Release, fit_release
from models.scoring.columns import SCORE_COLUMNS
from models.segments.segment_names import SEGMENTS

TABLES = ("transactions", "answers", "events", "customers")


def assert_same(one: Release, other: Release) -> None:
    assert json.dumps(one.parameters.to_dict()) == json.dumps(other.parameters.to_dict())
    assert one.boosters == other.boosters
    pd.testing.assert_frame_equal(one.fits, other.fits, check_exact=True)
    assert one.notes == other.notes


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


def test_a_twin_sees_nothing_at_or_after_its_cutoff(simulated_shop, raw, take_frames):
    twin = fit_release(simulated_shop.tables, simulated_shop.cutoff, simulated_shop.recipe)
    assert twin.parameters.nps.source == "model"
    cutoff = pd.Timestamp(simulated_shop.cutoff)
    sales, answers, events, customers = (raw[name] for name in TABLES)
    late = sales["ts"] >= cutoff
    assert late.sum() > 1000
    # After the cutoff the shop differs: other amounts, a new channel, new customers, no visits, all answers are 1.
    new = sales[late].assign(customer_id=lambda rows: "new-" + rows["customer_id"], amount=999, channel="fax")
    customers = pd.concat(
        [customers, customers.assign(customer_id=lambda rows: "new-" + rows["customer_id"], valid_from=cutoff)]
    )
    answered_late = answers["answered_at"] >= cutoff
    answers = answers.assign(score=answers["score"].mask(answered_late, 1))
    another = {
        "transactions": pd.concat([sales[~late], new.assign(order_id="new-" + new["order_id"])]),
        "answers": answers[~((answers["invited_at"] >= cutoff) & answers["answered_at"].isna())],
        "events": events[events["ts"] < cutoff],
        "customers": customers,
    }
    assert answered_late.sum() > 100
    assert_same(fit_release(take_frames(**another), simulated_shop.cutoff, simulated_shop.recipe), twin)


def test_it_says_what_it_was_fitted_with_and_to(simulated_shop, release):
    assert release.parameters.horizon == 90
    assert release.parameters.static_attributes == ("region",)
    kept = standing(simulated_shop.tables, simulated_shop.as_of)
    assert release.parameters.customers == kept.customer_id.nunique().to_pyarrow().as_py()
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
    stage = train_second_stage(tables, simulated_shop.as_of, recipe, release.vocabulary)
    assert release.parameters.second_stage.used
    assert release.boosters == stage.boosters
    fit = fit_purchases_at(tables, simulated_shop.as_of, "bg_nbd")
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


def test_it_learns_from_every_answer_of_a_customer_and_from_no_other(simulated_shop, release, raw):
    asked = raw["answers"].query("answered_at < @simulated_shop.as_of.isoformat()")
    asked = asked.reset_index(drop=True)
    # Of customers who had bought something before the day of the invitation and not given all of it back.
    spine = pairs(ibis.memtable(asked[["customer_id", "invited_at"]].rename(columns={"invited_at": "as_of"})))
    described = summarise_purchases(simulated_shop.tables.transactions, spine).to_pandas()
    there = set(zip(described["customer_id"], pd.to_datetime(described["as_of"]), strict=True))
    own = zip(asked["customer_id"], asked["invited_at"].dt.normalize(), strict=True)
    is_visible = pd.Series([pair in there for pair in own])
    is_nps = asked["question"] == "nps"
    assert release.parameters.satisfaction.answers == (is_visible & ~is_nps).sum()
    is_visible &= is_nps
    assert len(release.answers) == is_visible.sum() == release.parameters.nps.answers
    assert sorted(release.answers["answered_at"]) == sorted(asked["answered_at"][is_visible])


def test_a_question_that_nobody_was_asked_is_told_with_those_that_were(simulated_shop):
    recipe = replace(simulated_shop.recipe, nps_question="npss", satisfaction_question="ces")
    release = fit_release(simulated_shop.tables, simulated_shop.as_of, recipe)
    for name, question in (("nps", "npss"), ("satisfaction", "ces")):
        model = getattr(release.parameters, name)
        assert model.source is None
        why = f"None of the answers is to the question '{question}'; asked were: csat, nps."
        assert model.why == why


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


def test_a_customer_is_scored_the_same_alone_as_among_others(release, described, predicted):
    assert tuple(predicted.columns) == SCORE_COLUMNS
    pd.testing.assert_frame_equal(release.scorer.score(described.iloc[[7]]), predicted.iloc[[7]], check_exact=True)


def test_a_base_is_scored_by_the_names_of_its_own_release(release, described):
    usual = release.rfm_scores(described)
    assert set(usual["segment"]) <= set(SEGMENTS)
    own = {"good": ((4, 5), (1, 5)), "others": ((1, 3), (1, 5))}
    renamed = replace(release, parameters=replace(release.parameters, rfm_segments=own)).rfm_scores(described)
    assert (renamed["rfm"] == usual["rfm"]).all()
    assert (renamed["segment"] == "good").tolist() == renamed["rfm"].str[0].isin(["4", "5"]).tolist()


def test_recency_scores_count_to_the_last_day_seen(simulated_shop, release, described):
    by_dates = (pd.Timestamp(simulated_shop.as_of) - described["last_purchase"]).dt.days - 1
    cut_points = release.parameters.rfm.recency
    digits = [5 - sum(days > cut_point for cut_point in cut_points) for days in by_dates]
    assert release.rfm_scores(described)["rfm"].str[0].astype(int).tolist() == digits
