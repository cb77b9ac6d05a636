"""The report of a scoring, and what is logged with its run."""

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from flows.cautions.accounts import ACCOUNT_COLUMNS, accounts_of, scored_accounts_section
from flows.cautions.history import short_history
from flows.reports.actions import action_sections, log_actions
from flows.reports.drift import drift_metrics, drift_section
from flows.reports.intake import intake_section
from flows.reports.measures import log_measures, measures_sections
from flows.reports.monitoring import log_monitoring, monitoring_metrics, monitoring_sections
from flows.reports.sections import Section, to_markdown
from flows.reports.segments import SEGMENT_COLUMNS, log_segments, log_transitions, personas_section, segments_section
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.measuring import measures_of
from flows.steps.scoring import Scored
from models.population.segment_labels import has_personas
from models.registry.published_file import SCORES, pull_line
from models.registry.scorers import Registered
from models.registry.store import Store
from models.registry.tracking import Run, grouped

if TYPE_CHECKING:
    # It imports pyspark.
    from flows.steps.cluster.scoring import ScoredThere

_SUMMED = ("expected_purchases", "expected_revenue", "clv")
_AVERAGED = ("next_purchase_index", "p_churn")


def score_sections(
    store: Store,
    settings: Settings,
    inputs: Inputs,
    chosen: Registered,
    scored: Scored,
    version: int,
    why_not_current: str | None,
) -> list[Section]:
    """Write the report of a scoring: input, base, action lists, change, measures, drift, and where the scores are."""
    read, of = intake_section(inputs.intake), chosen.release.parameters
    accounts = accounts_of(scored.scores.frame(ACCOUNT_COLUMNS))
    short = short_history(inputs.intake.first_day, inputs.as_of, of.horizon, of.churn_horizon, of.clv_horizon)
    return [
        Section(read.title, (*settings.notes, *read.sentences), read.table),
        base_section(inputs, chosen, scored, len(scored.scores), _totals(scored)),
        *([Section("A short history", short)] if short else []),
        *([scored_accounts_section(accounts, of.currency or inputs.intake.currency)] if accounts else []),
        *_segments(chosen, scored),
        *action_sections(scored.actions),
        *monitoring_sections(scored.transitions, scored.stability, scored.prospective),
        *measures_sections(scored.measured.history, measures_of(settings), inputs.intake.currency, brief=True),
        drift_section(scored.drift),
        where_section(store, version, why_not_current),
    ]


def log_score(
    run: Run, as_of: date, chosen: Registered, scored: Scored, version: int, sections: Sequence[Section]
) -> None:
    """Log parameters, totals, action lists, change and the report with the run."""
    run.log(
        parameters={"as_of": as_of, "scorer_version": chosen.version},
        metrics=grouped("scores", _totals(scored))
        | grouped("drift", drift_metrics(scored.drift))
        | monitoring_metrics(scored.stability, scored.prospective),
    )
    run.tag(scores_version=str(version), scorer_version=str(chosen.version), retrain=scored.drift.verdict)
    log_actions(run, scored.actions)
    log_segments(run, scored.scores.frame(SEGMENT_COLUMNS))
    log_transitions(run, scored.transitions)
    log_measures(run, scored.measured.history, scored.measured.by_segment)
    log_monitoring(run, scored.transitions, scored.stability, scored.prospective)
    run.describe(f"{len(scored.scores):,} customers scored with scorer {chosen.version}: version {version}.")
    run.log_text(to_markdown("Score", sections), "report.md")


def _segments(chosen: Registered, scored: Scored) -> list[Section]:
    scores = scored.scores.frame(SEGMENT_COLUMNS)
    personas = personas_section(scores)
    segments = segments_section(scores, tuple(chosen.release.rfm_segments))
    return [segments] if personas is None else [segments, personas]


def base_section(
    inputs: Inputs,
    chosen: Registered,
    scored: "Scored | ScoredThere",
    customers: int,
    totals: Mapping[str, float],
) -> Section:
    """Tell what is expected of everyone, and what the scores lack and why.

    Parameters
    ----------
    inputs, chosen, scored
        As for `score_sections`, or what a cluster scored.
    customers : int
        Of the base.
    totals : Mapping of str to float
        Of their scores.
    """
    horizon = chosen.release.parameters.horizon
    if chosen.release.scorer.has_forecast:
        forecast = (
            f"In the {horizon} days from {inputs.as_of}: {totals['expected_purchases']:,.0f} purchases and "
            f"{totals['expected_revenue']:,.0f} of revenue expected. "
            f"Next purchase index {totals['next_purchase_index']:.1f}."
        )
    else:
        forecast = (
            f"There is no purchase forecast, and its columns are null: scorer {chosen.version} was trained when nobody "
            "had bought on a second day. Retrain once customers have come back."
        )
    sentences = [forecast]
    if chosen.release.as_of > inputs.as_of:
        sentences.append(
            f"Scorer {chosen.version} was trained after {inputs.as_of} (as of {chosen.release.as_of}): "
            "these scores describe past behaviour by a later scorer."
        )
    if scored.without_purchase:
        sentences.append(
            f"{scored.without_purchase:,} customers are not scored: what they bought came back in full, so they have "
            "no purchase."
        )
    nps = chosen.release.parameters.nps
    if nps.source != "model":
        sentences.append(f"nps_category is null for everyone: {nps.why}")
    personas = has_personas(chosen.release)
    if scored.not_given:
        missing_from = "the NPS, the second stage and the personas" if personas else "the NPS and the second stage"
        sentences.append(
            f"WARNING: scorer {chosen.version} was trained with {' and '.join(scored.not_given)}, which this run does "
            f"not have: their information is missing from {missing_from}. Name these tables for this run too."
        )
    if scored.without_behaviour:
        sentences.append(
            f"WARNING: {scored.without_behaviour:,} customers are scored by the purchase models alone, without the "
            "second stage: events or attributes that the retraining read are missing here. Name them for this run too."
        )
    return Section(f"{customers:,} customers scored with scorer {chosen.version}", tuple(sentences))


def where_section(store: Store, version: int, why_not_current: str | None) -> Section:
    """Say where the scores are, and how to read them."""
    place = f"Version {version} of {SCORES} in {store.shown_uri}"
    if why_not_current:
        return Section("NOT the current scores", (f"{place}. The current scores stay: {why_not_current}.",))
    return Section("Where the scores are", (f"{place}, alias current. Read them with", pull_line(store)))


def _totals(scored: Scored) -> dict[str, float]:
    scores = scored.scores.frame([*_SUMMED, *_AVERAGED])
    totals = {name: scores[name].sum(min_count=1) for name in _SUMMED}
    totals |= {name: scores[name].mean() for name in _AVERAGED}
    # Without a purchase model these columns are null.
    known = {name: float(total) for name, total in totals.items() if not math.isnan(total)}
    return {"customers": float(len(scores)), **known}
