"""Change seen by a scoring: transitions of customers since the last scores, and distributions since the training."""

from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import Any

import pandas as pd

from features.describe import feature_names
from features.engine.stored import StoredTable
from features.tables import Tables
from models.monitoring.transitions import count_transitions, expected_categories, moved_by_time
from models.nps.point_in_time import answers_with_features
from models.population.earlier_scores import EarlierScores
from models.release.release import Release
from models.scoring.columns import CATEGORIES, PROBABILITIES
from models.stats.population_stability import Columns, profile_of, stability

# Columns of the scores that a profile holds, if the scorer gives them.
SCORES = ("p_alive", "p_purchase", "expected_revenue", "p_churn", "clv", *PROBABILITIES, "p_satisfied")
OF_BASE, OF_SCORES, OF_RESPONDENTS = "features", "scores", "respondents"
MOVED_BY = ("customer_id", "segment", "nps_category", *PROBABILITIES, "recency", "T")
"""What transitions are counted from in the scores."""


@dataclass(frozen=True)
class Transitions:
    """Transitions since the last scores, both dates under today's scorer: its cut points, names and models.

    Attributes
    ----------
    as_of : datetime.date
        The date of the last scores.
    segments : pandas.DataFrame
        Customers by RFM segment then and now, as `models.monitoring.transitions.count_transitions` gives them.
    by_time : pandas.DataFrame
        Who left each segment by the passing of time alone, as `models.monitoring.transitions.moved_by_time` gives it.
    categories : pandas.DataFrame or None
        Customers by NPS category then and now, as `models.monitoring.transitions.count_transitions` gives them; None
        without an NPS model.
    expected_categories : pandas.DataFrame or None
        Expected number of customers of each NPS category, as `models.monitoring.transitions.expected_categories` gives
        it; None without an NPS model.
    """

    as_of: date
    segments: pd.DataFrame
    by_time: pd.DataFrame
    categories: pd.DataFrame | None = None
    expected_categories: pd.DataFrame | None = None


@dataclass(frozen=True)
class Stability:
    """How distributions of today differ from those at the date the scorer was trained at.

    Attributes
    ----------
    trained_as_of : datetime.date
        That date.
    tables : dict of str to pandas.DataFrame
        One row per column, as `population_stability.stability` gives it, under each of `OF_BASE` (features of the
        base), `OF_SCORES` (its scores) and, with new answers, `OF_RESPONDENTS` (features of those who answered since).
    new_answers : int
        Answers given since that date.
    """

    trained_as_of: date
    tables: dict[str, pd.DataFrame]
    new_answers: int


def transitions_since(
    as_of: date, before: pd.DataFrame, scores: pd.DataFrame, release: Release, today: date
) -> Transitions:
    """Count the transitions since the last scores.

    Parameters
    ----------
    as_of : datetime.date
        The date of the last scores.
    before : pandas.DataFrame
        Scores at that date, as `models.population.earlier_scores.scores_of_earlier` gives them with days.
    scores : pandas.DataFrame
        The columns `MOVED_BY` of today's scores.
    release : Release
        The release of the scorer that gave both.
    today : datetime.date
        The date of today's scores.
    """
    of_today, names = scores.set_index("customer_id"), tuple(release.rfm_segments)
    segments = count_transitions(before["segment_before"], of_today["segment"], names)
    by_time = moved_by_time(before, of_today, names, (today - as_of).days)
    if release.parameters.nps.source != "model":
        return Transitions(as_of, segments, by_time)
    then, now = before[list(PROBABILITIES)], of_today[list(PROBABILITIES)]
    categories = count_transitions(before["nps_category_before"], of_today["nps_category"], CATEGORIES)
    return Transitions(as_of, segments, by_time, categories, expected_categories(then, now))


def transitions_between(earlier: EarlierScores, scores: StoredTable, release: Release, today: date) -> Transitions:
    """Count the transitions since the last scores, of parts of the customers at once.

    Parameters
    ----------
    earlier : EarlierScores
        Of the date of the last scores.
    scores : StoredTable
        Today's scores, sorted by customer_id.
    release, today
        As in `transitions_since`.
    """
    both = earlier.beside(scores, MOVED_BY)
    return reduce(_added, (transitions_since(earlier.as_of, before, now, release, today) for now, before in both))


def _added(one: Transitions, other: Transitions) -> Transitions:
    segments, by_time = one.segments + other.segments, one.by_time + other.by_time
    if one.categories is None or one.expected_categories is None:
        return Transitions(one.as_of, segments, by_time)
    categories = one.categories + other.categories
    return Transitions(one.as_of, segments, by_time, categories, one.expected_categories + other.expected_categories)


def profiles_of(described: Columns, scores: Columns, release: Release) -> dict[str, Any]:
    """Profile the base, its scores and those who answered; a release keeps these profiles of its training date.

    Parameters
    ----------
    described : pandas.DataFrame or StoredTable
        The features of everyone at the release's as_of.
    scores : pandas.DataFrame or StoredTable
        Their scores by the release's scorer.
    release : Release
        Freshly fitted, with the answers it learned from.
    """
    names = feature_names(release.vocabulary)
    profiles = {
        OF_BASE: profile_of(described, names),
        OF_SCORES: profile_of(scores, [name for name in SCORES if scores[name].notna().any()]),
    }
    if release.answers is not None and len(release.answers):
        profiles[OF_RESPONDENTS] = profile_of(release.answers, names)
    return profiles


def stability_of(
    tables: Tables, as_of: date, release: Release, described: StoredTable, scores: StoredTable
) -> Stability:
    """Compare today's base, scores and new answers with the profiles of the release's training date.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables, which hold the answers given since.
    as_of : datetime.date
        Exclusive.
    release : Release
        With the profiles that `profiles_of` made; without them nothing is compared.
    described, scores : StoredTable
        Features and scores of everyone at ``as_of``.
    """
    profiles, parameters = release.parameters.profiles or {}, release.parameters
    samples: tuple[tuple[str, Columns], ...] = ((OF_BASE, described), (OF_SCORES, scores))
    comparisons = {
        name: stability(profiles[name], sample, same_customers=True) for name, sample in samples if name in profiles
    }
    new_answers = 0
    if tables.answers is not None and OF_RESPONDENTS in profiles and as_of > release.as_of:
        answers = answers_with_features(
            tables,
            parameters.nps_question,
            release.vocabulary,
            before=as_of,
            since=release.as_of,
            gap_days=parameters.label_gap_days,
        )
        new_answers = len(answers)
        if new_answers:
            comparisons[OF_RESPONDENTS] = stability(profiles[OF_RESPONDENTS], answers)
    return Stability(release.as_of, comparisons, new_answers)
