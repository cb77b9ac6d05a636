"""The steps of a retraining that fit and judge: check the inputs, fit the release and its twin, judge the twin."""

from dataclasses import dataclass
from datetime import date

import pandas as pd

from data.errors import InputError, RefusedError
from data.secrecy.showing import describe
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from flows.steps.recipe_choice import Decision, decide
from models.population.segment_labels import check_attributes
from models.recipe import DEFAULT_HORIZON, Recipe
from models.registry.scorers import Registered
from models.release.backtest import backtest
from models.release.holdout import build_holdout, cutoff_of
from models.release.promotion_gate import Holdout, Verdict, judge
from models.release.release import Release, fit_release
from models.segments.segment_names import SEGMENTS
from models.stats.deciles import NearlySure, nearly_sure


@dataclass(frozen=True)
class Fitted:
    """What a retraining fitted.

    Attributes
    ----------
    decision : Decision
        The recipe, and why it was chosen.
    release : Release
        Fitted on everything available before as_of.
    twin : Release or None
        The holdout refit: the same recipe, fitted on what was available before the cutoff. The gate judges it.
    cutoff : datetime.date
        One horizon before as_of.
    why_no_twin : str or None
        The reason if there is no twin.
    is_carried : bool
        Whether the NPS model is the champion's, taken over unchanged.
    """

    decision: Decision
    release: Release
    twin: Release | None
    cutoff: date
    why_no_twin: str | None = None
    is_carried: bool = False

    @property
    def recipe(self) -> Recipe:
        """How the release was fitted."""
        return self.decision.recipe


@dataclass(frozen=True)
class Judged:
    """The verdict of the gate, and what it rests on (None without a twin): holdout, backtest, and the nearly sure."""

    verdict: Verdict
    holdout: Holdout | None
    backtest: pd.DataFrame | None
    nearly_sure: NearlySure | None = None


def make_recipe(settings: Settings, inputs: Inputs, champion: Registered | None = None) -> Recipe:
    """Take the recipe of a scorer from the settings; what belongs to a carried-over NPS model comes from the champion.

    Raises
    ------
    InputError
        If the settings name another question than the carried-over model predicts.
    """
    kept = champion.release.parameters if champion and settings.without_answers else None
    if kept and "nps_question" in settings.model_fields_set and settings.nps_question != kept.nps_question:
        raise InputError(
            f"nps_question is {describe(settings.nps_question)}, but the NPS model that is carried over predicts "
            f"{kept.nps_question!r}: leave out --without-answers and name answers, or leave out nps_question"
        )
    return Recipe(
        horizon=settings.horizon or DEFAULT_HORIZON,
        churn_horizon=settings.churn_horizon,
        clv_horizon=settings.clv_horizon,
        annual_rate=settings.annual_rate,
        margin=settings.margin,
        currency=inputs.intake.currency,
        nps_question=settings.nps_question if kept is None else kept.nps_question,
        satisfaction_question=settings.satisfaction_question if kept is None else kept.satisfaction_question,
        label_gap_days=settings.label_gap_days if kept is None else kept.label_gap_days,
        static_attributes=tuple(settings.static_attributes) if kept is None else kept.static_attributes,
        seed=settings.seed,
        country=settings.country,
        rfm_segments=settings.rfm_segments or SEGMENTS,
    )


def check_inputs(settings: Settings, inputs: Inputs, champion: Registered | None) -> None:
    """Check before the fit that segments exist and that no NPS model is lost because answers were forgotten.

    Raises
    ------
    RefusedError
        If the champion has an NPS model, and neither answers nor ``--without-answers`` are given.
    InputError
        If an NPS model is to be carried over and the champion has none, or a segment is no column of customers.
    """
    if settings.segments:
        check_attributes(inputs.tables, settings.segments)
    has_model = champion is not None and champion.release.parameters.nps.source is not None
    if inputs.tables.answers is None and has_model and not settings.without_answers:
        raise RefusedError(
            "the champion predicts NPS categories and this retrain has no answers, so it would lose them. "
            "Name the answers with --answers, or carry its NPS model over unchanged with --without-answers."
        )
    if settings.without_answers and not has_model:
        raise InputError("--without-answers carries over the champion's NPS model, and there is no champion with one")
    if settings.without_answers and champion is not None:
        champion.check_format()


def fit(settings: Settings, inputs: Inputs, champion: Registered | None) -> Fitted:
    """Fit a release on what was available before as_of, and its twin on what was available before the cutoff.

    Raises
    ------
    InputError
        If no purchase is visible before as_of.
    RefusedError
        If the champion has an NPS model and the answers are too few to train another one, or it forecasts purchases
        and nobody bought again in these data.
    """
    decision = decide(settings, inputs, make_recipe(settings, inputs, champion))
    recipe = decision.recipe
    cutoff = cutoff_of(inputs.as_of, recipe.horizon)
    carried = champion if settings.without_answers else None
    with step("fit purchases, spend and NPS category"):
        release = fit_release(inputs.tables, inputs.as_of, recipe, carried.release if carried else None)
    _check_nps_is_kept(release, champion)
    _check_forecast_is_kept(release, champion)
    if carried is not None and carried.twin is None:
        why = f"the NPS model is carried over from scorer {carried.version}, which has no twin"
        return Fitted(decision, release, None, cutoff, why, True)
    with step(f"fit the twin on what was available before {cutoff}"):
        try:
            twin = fit_release(inputs.tables, cutoff, recipe, carried.twin if carried else None, is_twin=True)
        except InputError as error:
            why = f"no twin could be fitted before {cutoff}: {error}"
            return Fitted(decision, release, None, cutoff, why, carried is not None)
    return Fitted(decision, release, twin, cutoff, None, carried is not None)


def judge_fit(inputs: Inputs, fitted: Fitted, champion: Registered | None) -> Judged:
    """Compare the twin with the champion's twin and with baselines."""
    verdict = _verdict_without_holdout(fitted, champion)
    if verdict is not None:
        return Judged(verdict, None, None)
    assert fitted.twin is not None
    with step(f"judge the twin on what happened from {fitted.cutoff}"):
        holdout = _holdout_for(fitted.twin, inputs, fitted)
        champion_twin = champion.twin if champion else None
        champion_holdout = _holdout_for(champion_twin, inputs, fitted) if champion_twin else None
        verdict = judge(fitted.twin, champion_twin, holdout, champion_holdout)
        if not _can_be_measured(holdout, fitted.twin):
            return Judged(verdict, holdout, None)
        predicted = fitted.twin.scorer.predict_horizon(holdout.customers)
        measured = backtest_of(holdout, fitted.twin, predicted)
        sure = nearly_sure(predicted["p_purchase"].to_numpy(float), holdout.customers["purchases"].to_numpy(float) > 0)
    return Judged(verdict, holdout, measured, sure)


def _verdict_without_holdout(fitted: Fitted, champion: Registered | None) -> Verdict | None:
    """Return the verdict if twins cannot be judged: there is no twin, or as_of is before the champion's."""
    if champion is not None and fitted.release.as_of < champion.release.as_of:
        return Verdict(
            False,
            f"refused: as_of {fitted.release.as_of} is before the champion's, {champion.release.as_of}, which was "
            "fitted on what this scorer would be judged on",
        )
    if fitted.twin is None and champion is not None and champion.twin is not None:
        return Verdict(False, f"refused: it cannot be judged beside the champion: {fitted.why_no_twin}")
    if fitted.twin is None:
        return Verdict(True, f"not comparable: {fitted.why_no_twin}")
    return None


def backtest_of(holdout: Holdout, twin: Release, predicted: pd.DataFrame) -> pd.DataFrame:
    """Measure the twin's predictions of the horizon and the baselines on the holdout."""
    customers = pd.concat([holdout.customers, predicted.drop(columns="expected_spend")], axis=1)
    return backtest(customers, holdout.customers, twin.parameters.horizon)


def _can_be_measured(holdout: Holdout, twin: Release) -> bool:
    return len(holdout.customers) > 0 and twin.scorer.has_forecast


def _holdout_for(twin: Release, inputs: Inputs, fitted: Fitted) -> Holdout:
    """Describe the customers and answers of the holdout with the features that a twin reads."""
    behaviour = twin.scorer.has_second_stage
    return build_holdout(inputs.tables, inputs.as_of, fitted.recipe, twin.vocabulary, behaviour=behaviour)


def _check_forecast_is_kept(release: Release, champion: Registered | None) -> None:
    if champion is not None and champion.release.scorer.has_forecast and not release.scorer.has_forecast:
        raise RefusedError(
            f"the champion forecasts purchases and this release would not: {release.notes[0]} Check that these are "
            "the transactions of the same shop, and all of them."
        )


def _check_nps_is_kept(release: Release, champion: Registered | None) -> None:
    had = champion is not None and champion.release.parameters.nps.source is not None
    if had and release.parameters.nps.source is None:
        raise RefusedError(
            f"the champion predicts NPS categories and this release would not: {release.parameters.nps.why} "
            "Give more answers, or carry the champion's NPS model over unchanged with --without-answers."
        )
