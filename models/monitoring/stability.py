"""What a scoring sees of change: customers who moved since the scores before, and what is distributed otherwise."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from features.describe import feature_names
from features.tables import Tables
from models.monitoring.transitions import category_transitions, count_transitions, expected_categories
from models.nps.training_rows import answers_with_features
from models.release.release import Release
from models.scoring.columns import PROBABILITIES
from models.stats.psi import profile_of, stability

# What of the scores a profile holds, as far as the scorer gives it.
SCORES = ("p_alive", "p_purchase", "expected_revenue", "p_churn", "clv", *PROBABILITIES, "p_satisfied")
OF_BASE, OF_SCORES, OF_RESPONDENTS = "features", "scores", "respondents"


@dataclass(frozen=True)
class Since:
    """Moves since the scores of an earlier date, both dates under today's scorer: its cut points, names and models.

    Attributes
    ----------
    as_of : datetime.date
        The earlier date.
    segments : pandas.DataFrame
        Between RFM segments, as `models.monitoring.transitions.count_transitions` gives it.
    moves, expected : pandas.DataFrame or None
        Between NPS categories, as `models.monitoring.transitions.category_transitions` and
        `models.monitoring.transitions.expected_categories` give them; None where the categories are those of the prior,
        or there are none.
    """

    as_of: date
    segments: pd.DataFrame
    moves: pd.DataFrame | None = None
    expected: pd.DataFrame | None = None


@dataclass(frozen=True)
class Stability:
    """How today differs from the date the scorer was trained at.

    Attributes
    ----------
    trained_as_of : datetime.date
        That date.
    of : dict of str to pandas.DataFrame
        `OF_BASE`, `OF_SCORES` and, where there are new answers, `OF_RESPONDENTS`: as `models.stats.psi.stability`
        gives it, of the base's features, its scores, and the features of those who have answered since.
    new_answers : int
        Answers given since.
    """

    trained_as_of: date
    of: dict[str, pd.DataFrame]
    new_answers: int


def changes_since(
    as_of: date | None, before: pd.DataFrame | None, scores: pd.DataFrame, release: Release
) -> Since | None:
    """Count the moves since an earlier date; None where there is none.

    Parameters
    ----------
    as_of : datetime.date or None
        The earlier date.
    before : pandas.DataFrame or None
        As `models.population.scored.scores_at` gives it for that date.
    scores : pandas.DataFrame
        Today's, as `models.population.scored.assemble_scores` gives them.
    release : Release
        Of the scorer of both.
    """
    if as_of is None or before is None:
        return None
    today = scores.set_index("customer_id")
    segments = count_transitions(before["segment_before"], today["segment"], tuple(release.rfm_segments))
    if release.parameters["nps"]["source"] != "model":
        return Since(as_of, segments)
    then, now = before[list(PROBABILITIES)], today[list(PROBABILITIES)]
    return Since(as_of, segments, category_transitions(then, now), expected_categories(then, now))


def profiles_of(described: pd.DataFrame, scores: pd.DataFrame, release: Release) -> dict[str, Any]:
    """Profile a base, its scores and those who answered, to be stored with the release that was fitted on them.

    Parameters
    ----------
    described : pandas.DataFrame
        The features of everyone at the release's as_of.
    scores : pandas.DataFrame
        What the release's scorer says of them.
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
    tables: Tables, as_of: date, release: Release, described: pd.DataFrame, scores: pd.DataFrame
) -> Stability:
    """Compare a base with the one the release was fitted on.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables: answers given since are looked up there.
    as_of : datetime.date
        Exclusive.
    release : Release
        With the profiles that `profiles_of` made; without them nothing is compared.
    described, scores : pandas.DataFrame
        Features and scores of everyone at ``as_of``.
    """
    profiles, parameters = release.parameters.get("profiles") or {}, release.parameters
    found = {
        name: stability(profiles[name], frame, same_customers=True)
        for name, frame in ((OF_BASE, described), (OF_SCORES, scores))
        if name in profiles
    }
    new_answers = 0
    if tables.answers is not None and OF_RESPONDENTS in profiles and as_of > release.as_of:
        answers = answers_with_features(
            tables,
            parameters["nps_question"],
            release.vocabulary,
            before=as_of,
            since=release.as_of,
            gap_days=parameters["label_gap_days"],
        )
        new_answers = len(answers)
        if new_answers:
            found[OF_RESPONDENTS] = stability(profiles[OF_RESPONDENTS], answers)
    return Stability(release.as_of, found, new_answers)
