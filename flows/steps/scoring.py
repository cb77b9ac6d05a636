"""The steps of a scoring, as plain functions: choose the scorer, describe, predict, explain, assemble."""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from data.errors import InputError
from features.describe import describe_everyone
from flows.settings import Settings
from flows.steps.inputs import Inputs, input_digest
from flows.steps.measuring import Measured, measure_run
from flows.steps.progress import step
from models.actions.plan import Actions, find_actions
from models.monitoring.drift import Drift, measure_drift
from models.monitoring.prospective_calibration import ProspectiveCalibration
from models.monitoring.stability import Stability, Transitions, stability_of, transitions_since
from models.population.scored import assemble_scores, scores_at, scores_table
from models.registry.past_predictions import judge_published
from models.registry.publication import as_of_before
from models.registry.scorers import Registered, predict, read_champion, read_scorer
from models.registry.store import Store
from models.release.release import Release


@dataclass(frozen=True)
class Scored:
    """What a scoring made.

    Attributes
    ----------
    table : pyarrow.Table
        To publish.
    actions : Actions
        Whom to do something about, and why.
    transitions : Transitions or None
        Transitions between segments and NPS categories since the last scores; None without earlier scores.
    stability : Stability
        How features, scores and those who answer differ from when the scorer was trained.
    prospective : ProspectiveCalibration or None
        Calibration of predictions that were published before the answers; None without such pairs.
    drift : Drift
        Of the scorer's fit.
    measured : Measured
        The measures of the field.
    without_behaviour : int
        Customers of whom the second stage knows too little: they keep the first stage.
    not_given : tuple of str
        Tables that the scorer learned its features from and this run was not given.
    """

    table: pa.Table
    actions: Actions
    transitions: Transitions | None
    stability: Stability
    prospective: ProspectiveCalibration | None
    drift: Drift
    measured: Measured
    without_behaviour: int
    not_given: tuple[str, ...] = ()


def choose_scorer(store: Store, settings: Settings) -> Registered:
    """Take the version named, else the champion.

    Raises
    ------
    InputError
        Where there is none, or its horizon is not the one asked for.
    """
    chosen = read_scorer(store, settings.scorer) if settings.scorer else read_champion(store)
    if chosen is None:
        raise InputError(f"there is no champion in {store.shown_uri} to score with; run `revealed retrain` first")
    chosen.check_format()
    horizon = chosen.release.parameters.horizon
    if settings.horizon not in (None, horizon):
        raise InputError(
            f"horizon is {settings.horizon} days, but scorer {chosen.version} was fitted for {horizon}: horizons "
            f"belong to the scorer. Leave out --horizon, or run `revealed retrain --horizon {settings.horizon}`."
        )
    return chosen


def score_base(store: Store, settings: Settings, inputs: Inputs, chosen: Registered, run_id: str) -> Scored:
    """Describe and score everyone with a purchase before as_of.

    Parameters
    ----------
    store : Store
        Holds the scorer and the current scores.
    settings : Settings
        Whose reasons are told.
    inputs : Inputs
        The checked tables and the day.
    chosen : Registered
        The scorer's version.
    run_id : str
        The scoring run.

    Raises
    ------
    InputError
        Where the data's currency is not the scorer's.
    """
    _check_currency(inputs, chosen)
    release, as_of = chosen.release, inputs.as_of
    with step(f"describe everyone as of {as_of}"):
        described = describe_everyone(inputs.tables, as_of, release.vocabulary)
    with step(f"score {len(described):,} customers with scorer {chosen.version}"):
        predicted = predict(chosen.version, described)
        day_before = as_of_before(store, as_of)
        before = None if day_before is None else scores_at(inputs.tables, day_before, release)
        scores = assemble_scores(described, predicted, release, before)
    with step("find whom to do something about, and why"):
        actions = find_actions(scores, described, release, settings.reasons)
        scores["reasons"] = actions.reasons
    with step("look whether a retrain is due"):
        transitions = transitions_since(day_before, before, scores, release)
        stable = stability_of(inputs.tables, as_of, release, described, scores)
        prospective = judge_published(store, inputs.tables, as_of, release)
        purchases, horizon = release.scorer.purchases, release.parameters.horizon
        drift = measure_drift(inputs.tables, as_of, purchases, release.training_fit, horizon)
    currency = release.parameters.currency or inputs.intake.currency or ""
    measured = measure_run(settings, inputs, release)
    said = {"run_id": run_id, "input_digest": input_digest(inputs.intake), "currency": currency}
    table = scores_table(scores, release, chosen.version, as_of, said)
    lacking, not_given = _lacking(release, described), tables_not_given(release, inputs)
    return Scored(table, actions, transitions, stable, prospective, drift, measured, lacking, not_given)


def tables_not_given(release: Release, inputs: Inputs) -> tuple[str, ...]:
    """Name the tables that the release's vocabulary was learned from and this run was not given."""
    known, tables = release.vocabulary, inputs.tables
    needed = {
        "answers": (known.question is not None, tables.answers),
        "events": (bool(known.event_kinds), tables.events),
        "customers": (bool(known.numeric_attributes or known.text_attributes), tables.customers),
    }
    return tuple(name for name, (is_needed, table) in needed.items() if is_needed and table is None)


def _lacking(release: Release, described: pd.DataFrame) -> int:
    """Count the customers who lack what the second stage knew of everybody it learned from."""
    needed = release.parameters.second_stage.needed
    return int(described.reindex(columns=list(needed)).isna().any(axis=1).sum())


def _check_currency(inputs: Inputs, chosen: Registered) -> None:
    fitted, found = chosen.release.parameters.currency, inputs.intake.currency
    if fitted and found and fitted != found:
        raise InputError(
            f"the amounts are in {found}, but scorer {chosen.version} was fitted on {fitted}; retrain first"
        )
