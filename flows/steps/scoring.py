"""The steps of a scoring: choose the scorer, describe the base, predict, explain, assemble the table."""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypeVar

from data.errors import InputError, RefusedError
from features.describe import everyone_described
from features.engine.stored import StoredTable
from features.spine import everyone
from features.tables import Tables
from flows.settings import Settings
from flows.steps.inputs import Inputs, input_digest
from flows.steps.measuring import Measured, measure_run
from flows.steps.progress import step
from models.actions.plan import LISTED_BY, Actions, find_actions
from models.monitoring.drift import Drift, measure_drift
from models.monitoring.prospective_calibration import ProspectiveCalibration
from models.monitoring.stability import Stability, Transitions, stability_of, transitions_between
from models.population.cohort_groups import CohortGroups, choose_groupings, follow_base
from models.population.cohorts import FOLLOWED_BY, Cohorts
from models.population.earlier_scores import score_earlier
from models.population.scored import publishable, score_described, scores_metadata
from models.population.scores_table import write_scores
from models.population.sums_ahead import HISTORY
from models.registry.locking.holding import holding
from models.registry.past_predictions import judge_published
from models.registry.publication import as_of_before, is_outdated
from models.registry.published_file import FILE
from models.registry.scorers import Registered, load_predict, read_champion, read_scorer
from models.registry.store import Store
from models.registry.upkeep.killed_runs import close_runs_elsewhere, mend_aliases
from models.release.release import Release

# Retrains follow each other so closely only where something is wrong.
ATTEMPTS = 3
logger = logging.getLogger("revealed")
Outcome = TypeVar("Outcome")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Scored:
    """The result of a scoring.

    Attributes
    ----------
    scores : StoredTable
        The scores to publish, in the run's workspace as they will be published.
    described : Path
        A Parquet file in the run's workspace with the features that the scorer read.
    actions : Actions
        The action lists and the reasons of the scores.
    transitions : Transitions or None
        Transitions between segments and NPS categories since the last scores; None if there are none.
    stability : Stability
        How features, scores and respondents differ from those at the training of the scorer.
    prospective : ProspectiveCalibration or None
        Calibration of predictions published before the answers came; None if there are no such predictions.
    drift : Drift
        Drift of the scorer's fit.
    measured : Measured
        The standard measures.
    without_behaviour : int
        Customers without the features that the second stage needs: they keep the first stage's predictions.
    without_purchase : int
        Customers with transactions who have kept nothing of what they bought: they have no scores.
    not_given : tuple of str
        Tables that the scorer's features come from, and that this run was not given.
    cohorts : Cohorts or None
        Who bought in each month since the first purchase, and what is to come; None without a forecast.
    cohort_groups : tuple of CohortGroups
        The same of groups of customers, of each grouping; the report shows the first.
    """

    scores: StoredTable
    described: Path
    actions: Actions
    transitions: Transitions | None
    stability: Stability
    prospective: ProspectiveCalibration | None
    drift: Drift
    measured: Measured
    without_behaviour: int
    without_purchase: int = 0
    not_given: tuple[str, ...] = ()
    cohorts: Cohorts | None = None
    cohort_groups: tuple[CohortGroups, ...] = ()


@dataclass(frozen=True)
class Published:
    """The result of a scoring: the published version, whether it is ``current`` now, and the scorer's version."""

    version: int
    is_current: bool
    scorer: int
    customers: int
    run_id: str


def choose_scorer(store: Store, settings: Settings) -> Registered:
    """Return the scorer of the version that the settings name, else the champion.

    Raises
    ------
    InputError
        If there is none, or its horizon is not the one in the settings.
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


def by_the_champion(
    store: Store,
    settings: Settings,
    as_of: date,
    run_id: str,
    chosen: Registered,
    score: Callable[[Registered], Outcome],
    publish: Callable[[Registered, Outcome], Result],
) -> tuple[Registered, Outcome, Result]:
    """Score and publish; where another scorer became the champion meanwhile, everyone is scored again.

    Parameters
    ----------
    store : Store
        It is held while the scores are published.
    settings : Settings
        A scorer that they name is not replaced.
    as_of : datetime.date
        Scores of a past date are not replaced either.
    run_id : str
        The scoring run.
    chosen : Registered
        The scorer to begin with.
    score, publish : callable
        Score everyone with a scorer; publish what came of it, while the store is held.

    Returns
    -------
    tuple
        The scorer of the last attempt, what `score` gave with it, and what `publish` gave.

    Raises
    ------
    RefusedError
        If the champion changed at each attempt.
    """
    for _ in range(ATTEMPTS):
        outcome = score(chosen)
        with step("publish"), holding(store, "score", settings.wait_minutes, run_id) as left_by:
            close_runs_elsewhere(store, left_by)
            mend_aliases(store)
            if settings.scorer is not None or not is_outdated(store, chosen.version, as_of):
                return chosen, outcome, publish(chosen, outcome)
            replaced, chosen = chosen.version, choose_scorer(store, settings)
        logger.warning(
            "Scorer %s became the champion while scorer %s scored: all are scored again", chosen.version, replaced
        )
    raise RefusedError(
        f"the champion changed while everyone was scored, {ATTEMPTS} times in a row, so nothing was published; "
        "run it again when no retrain runs"
    )


def score_base(store: Store, settings: Settings, inputs: Inputs, chosen: Registered, run_id: str) -> Scored:
    """Describe and score everyone with a purchase before as_of.

    Parameters
    ----------
    store : Store
        It holds the scorer and the current scores.
    settings : Settings
        ``reasons`` says which customers get reasons; ``segments`` what to measure by.
    inputs : Inputs
        The checked tables and as_of.
    chosen : Registered
        The scorer to score with.
    run_id : str
        The scoring run.

    Raises
    ------
    InputError
        If the data's currency is not the scorer's.
    """
    check_currency(inputs, chosen)
    release, as_of = chosen.release, inputs.as_of
    with step(f"describe everyone as of {as_of}"):
        described = everyone_described(inputs.tables, as_of, release.vocabulary)
    with step(f"score {len(described):,} customers with scorer {chosen.version}"):
        earlier_date = as_of_before(store, as_of)
        place = Path(tempfile.mkdtemp(prefix="scores-", dir=inputs.tables.workspace.folder))
        earlier = None
        if earlier_date is not None:
            earlier = score_earlier(inputs.tables, earlier_date, release, as_of, place / "earlier.parquet")
        scores = score_described(described, load_predict(chosen.version), release, earlier, place / "draft.parquet")
    with step("make the action lists and explain the scores"):
        actions = find_actions(scores.frame(LISTED_BY), described, release, settings.reasons)
    with step("check whether a retrain is due"):
        transitions = None if earlier is None else transitions_between(earlier, scores, release, as_of)
        stability = stability_of(inputs.tables, as_of, release, described, scores)
        prospective = judge_published(store, inputs.tables, as_of, release, described)
        drift = measure_drift(
            inputs.tables,
            as_of,
            release.parameters.purchases,
            release.training_fit,
            release.parameters.horizon,
            clock=release.scorer.clock,
        )
    currency = release.parameters.currency or inputs.intake.currency or ""
    measured = measure_run(settings, inputs, release)
    cohorts: Cohorts | None = None
    groups: tuple[CohortGroups, ...] = ()
    if release.scorer.has_forecast:
        with step("follow the cohorts"):
            by = choose_groupings(inputs.tables, settings.cohorts_by, settings.segments)
            history, followed = described.frame(HISTORY), scores.frame(FOLLOWED_BY)
            cohorts, groups = follow_base(inputs.tables, as_of, by, release, history, followed)
    provenance = {"run_id": run_id, "input_digest": input_digest(inputs.intake), "currency": currency}
    metadata = scores_metadata(release, chosen.version, as_of, provenance)
    write_scores(publishable(scores, actions.reasons, metadata), place / FILE)
    scores.file.unlink()
    return Scored(
        StoredTable(place / FILE, described.folder),
        described.file,
        actions,
        transitions,
        stability,
        prospective,
        drift,
        measured,
        _count_without_behaviour(release, described),
        _count_customers(inputs.tables, as_of) - len(described),
        tables_not_given(release, inputs),
        cohorts,
        groups,
    )


def tables_not_given(release: Release, inputs: Inputs) -> tuple[str, ...]:
    """Name the tables that the release's features come from, and that this run was not given."""
    vocabulary, tables = release.vocabulary, inputs.tables
    needed = {
        "answers": (vocabulary.question is not None, tables.answers),
        "events": (bool(vocabulary.event_kinds), tables.events),
        "customers": (bool(vocabulary.numeric_attributes or vocabulary.text_attributes), tables.customers),
    }
    return tuple(name for name, (is_needed, table) in needed.items() if is_needed and table is None)


def _count_without_behaviour(release: Release, described: StoredTable) -> int:
    """Count the customers who lack a feature that every customer had in the training of the second stage."""
    needed = release.parameters.second_stage.needed
    stored = [name for name in needed if name in described.columns]
    if len(stored) < len(needed):
        return len(described)
    return sum(int(batch.isna().any(axis=1).sum()) for batch in described.batches(stored)) if needed else 0


def _count_customers(tables: Tables, as_of: date) -> int:
    """Count the customers with a transaction before a date."""
    return int(everyone(tables.transactions, as_of).table.count().to_pyarrow().as_py())


def check_currency(inputs: Inputs, chosen: Registered) -> None:
    """Refuse data in another currency than the scorer was fitted on."""
    fitted, current = chosen.release.parameters.currency, inputs.intake.currency
    if fitted and current and fitted != current:
        raise InputError(
            f"the amounts are in {current}, but scorer {chosen.version} was fitted on {fitted}; retrain first"
        )
