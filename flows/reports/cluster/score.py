"""The report of a scoring on a cluster, from sums and counts that the cluster made."""

from collections.abc import Sequence

import pandas as pd

from flows.cautions.accounts import scored_accounts_section
from flows.cautions.history import short_history
from flows.reports.actions import action_sections, log_actions
from flows.reports.drift import drift_metrics, drift_section
from flows.reports.intake import intake_section
from flows.reports.measures import log_measures, measures_sections
from flows.reports.monitoring import log_monitoring, monitoring_metrics, monitoring_sections
from flows.reports.score import base_section, where_section
from flows.reports.sections import Section, to_markdown
from flows.reports.segments import SEGMENT_MEANS, log_transitions, personas_of, segments_of
from flows.settings import Settings
from flows.steps.cluster.scoring import SUMMED, ScoredThere
from flows.steps.cluster.watching import LARGEST_SAMPLE
from flows.steps.inputs import Inputs
from flows.steps.measuring import measures_of
from models.registry.scorers import Registered
from models.registry.store import Store
from models.registry.tracking import Run, grouped

_SAMPLES = (
    "Distributions are compared by a sample of the customers, and of more than "
    f"{LARGEST_SAMPLE:,} answers since then, or since earlier scores, so many are taken."
)


def cluster_sections(
    store: Store,
    settings: Settings,
    inputs: Inputs,
    chosen: Registered,
    scored: ScoredThere,
    version: int,
    why_not_current: str | None,
) -> list[Section]:
    """Write the report: input, base, segments, lists, change, measures, drift, and where the scores are."""
    read, of, groups = intake_section(inputs.intake), chosen.release.parameters, scored.sums.groups
    short = short_history(inputs.intake.first_day, inputs.as_of, of.horizon, of.churn_horizon, of.clv_horizon)
    personas = groups.dropna(subset=["persona"])
    return [
        Section(read.title, (*settings.notes, *read.sentences), read.table),
        base_section(inputs, chosen, scored, scored.customers, _totals(scored)),
        *([Section("A short history", short)] if short else []),
        *([scored_accounts_section(scored.accounts, of.currency or inputs.intake.currency)] if scored.accounts else []),
        segments_of(means_by(groups, "segment"), tuple(chosen.release.rfm_segments)),
        *([personas_of(means_by(personas, "persona"))] if len(personas) else []),
        *action_sections(scored.actions),
        *monitoring_sections(scored.transitions, scored.stability, scored.prospective),
        *measures_sections(scored.measured.history, measures_of(settings), inputs.intake.currency, brief=True),
        drift_section(scored.drift),
        Section("What is compared by samples", (_SAMPLES,)),
        where_section(store, version, why_not_current),
    ]


def log_cluster_score(
    run: Run, chosen: Registered, scored: ScoredThere, version: int, sections: Sequence[Section]
) -> None:
    """Log parameters, totals, lists, segments, change, measures and the report with the run."""
    run.log(
        parameters={"as_of": scored.drift.as_of, "scorer_version": chosen.version, "engine": "spark"},
        metrics=grouped("scores", _totals(scored))
        | grouped("drift", drift_metrics(scored.drift))
        | monitoring_metrics(scored.stability, scored.prospective),
    )
    run.tag(scores_version=str(version), scorer_version=str(chosen.version), retrain=scored.drift.verdict)
    log_actions(run, scored.actions)
    for name in ("segment", "persona"):
        groups = means_by(scored.sums.groups.dropna(subset=[name]), name)
        if len(groups):
            run.log_csv(groups[[*SEGMENT_MEANS, "customers"]].reset_index(), f"segments/{name}s.csv")
    log_transitions(run, scored.transitions)
    log_measures(run, scored.measured.history, scored.measured.by_segment)
    log_monitoring(run, scored.transitions, scored.stability, scored.prospective)
    run.describe(f"{scored.customers:,} customers scored with scorer {chosen.version}: version {version}.")
    run.log_text(to_markdown("Score", sections), "report.md")


def means_by(groups: pd.DataFrame, column: str) -> pd.DataFrame:
    """Turn sums by group into what `flows.reports.segments.group_means` gives."""
    sums = groups.groupby(column)[["customers", *SUMMED]].sum(min_count=1)
    means = sums[list(SEGMENT_MEANS)].div(sums["customers"], axis=0)
    return means.assign(customers=sums["customers"], expected_revenue=sums["expected_revenue"])


def _totals(scored: ScoredThere) -> dict[str, float]:
    sums = scored.sums.groups[list(SUMMED)].sum(min_count=1)
    means = {name: sums[name] / scored.customers for name in ("next_purchase_index", "p_churn")}
    totals = {name: float(value) for name, value in {**sums, **means}.items() if pd.notna(value)}
    return {"customers": float(scored.customers), **totals}
