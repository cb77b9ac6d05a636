"""What a retraining refuses before it fits, and how it judges what it fitted with twins or without."""

from dataclasses import replace
from datetime import timedelta

import pytest

from data.errors import InputError, RefusedError
from flows.settings import Settings
from flows.steps.fitting import Fitted, check_inputs, fit, judge_fit, make_recipe
from flows.steps.recipe_choice import Decision
from models.recipe import Recipe
from models.registry.scorers import Registered
from models.release.release import Release


@pytest.fixture(scope="module")
def champion(releases) -> Registered:
    return Registered(1, *releases)


@pytest.fixture(scope="module")
def fitted(releases, inputs) -> Fitted:
    release, twin = releases
    return Fitted(Decision(Recipe(second_stage=False)), release, twin, twin.as_of)


@pytest.fixture(scope="module")
def without_answers(inputs):
    return replace(inputs, tables=replace(inputs.tables, answers=None))


def test_a_twin_as_good_as_the_champions_is_promoted(inputs, fitted, champion):
    judged = judge_fit(inputs, fitted, champion)
    assert judged.verdict.promote
    assert "log loss of p_purchase" in judged.verdict.reason
    assert len(judged.holdout.customers) > 1000
    assert {"model", "always zero"} <= set(judged.backtest.index)


def test_a_twin_that_fails_the_absolute_checks_is_refused(inputs, fitted, monkeypatch):
    monkeypatch.setattr("models.release.revenue_gate.MAX_BIAS", 1.0)
    verdict = judge_fit(inputs, fitted, None).verdict
    assert not verdict.promote
    assert "the twin expected" in verdict.reason


def test_a_day_before_the_champions_is_refused(inputs, fitted, champion):
    later = replace(champion, release=champion.release.as_seen_at(inputs.as_of + timedelta(days=1)))
    judged = judge_fit(inputs, fitted, later)
    assert not judged.verdict.promote
    assert f"as_of {inputs.as_of} is before the champion's" in judged.verdict.reason
    assert judged.holdout is None


def test_a_scorer_that_cannot_be_judged_does_not_replace_one_that_was(inputs, fitted, champion):
    why = "no twin could be fitted before the cutoff"
    alone = replace(fitted, twin=None, why_no_twin=why)
    verdict = judge_fit(inputs, alone, champion).verdict
    assert not verdict.promote
    assert (
        verdict.reason == "refused: it cannot be judged beside the champion: no twin could be fitted before the cutoff"
    )
    assert judge_fit(inputs, alone, None).verdict.promote
    assert judge_fit(inputs, alone, replace(champion, twin=None)).verdict.promote


def test_a_retrain_that_forgets_the_answers_is_refused_unless_that_is_said(all_tables, without_answers, champion):
    with pytest.raises(RefusedError, match="--without-answers"):
        check_inputs(Settings(), without_answers, champion)
    check_inputs(Settings(without_answers=True), without_answers, champion)
    check_inputs(Settings(), without_answers, None)
    with pytest.raises(InputError, match="there is no champion with one"):
        check_inputs(Settings(without_answers=True), without_answers, None)


def test_a_carried_over_model_is_that_of_the_champion_and_of_its_twin(without_answers, champion):
    carried = fit(Settings(without_answers=True, second_stage="off"), without_answers, champion)
    assert carried.is_carried
    for ours, theirs in ((carried.release, champion.release), (carried.twin, champion.twin)):
        assert nps_of(ours) == nps_of(theirs)
        assert ours.training is None
    assert carried.twin.as_of == champion.twin.as_of


def nps_of(release: Release) -> tuple[object, dict[str, str]]:
    trees = {name: text for name, text in release.boosters.items() if name.startswith(("nps_", "satisfaction_"))}
    return release.parameters.nps, trees


def test_a_carried_over_model_keeps_its_question(inputs, champion):
    with pytest.raises(InputError, match="the NPS model that is carried over predicts 'nps'"):
        make_recipe(Settings(without_answers=True, nps_question="csat"), inputs, champion)
    assert make_recipe(Settings(without_answers=True), inputs, champion).nps_question == "nps"
