"""The steps of a retraining that learn about the base: its profile, personas, NPS, change of the NPS, and comments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from typing import Any

import pandas as pd

from features.describe import everyone_described, materialise
from features.engine.stored import StoredTable
from features.labels import commented_answers
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from models.monitoring.stability import SCORES, profiles_of
from models.population.category_level import probabilities_of_everyone, with_level
from models.population.segment_labels import places_of_everyone, segment_labels
from models.population.totals import BASE_COLUMNS, base_totals
from models.registry.scorers import SCORER, Registered
from models.registry.store import Store
from models.registry.stored_samples import read_probability_samples
from models.registry.tracking import read_json
from models.release.release import Release
from models.segments.personas.model import Personas, drawn, fit_personas, profile
from models.segments.topics.model import Topics, find_topics
from models.survey.aipw import Estimate, estimate_nps, level_shares
from models.survey.change import NpsChange
from models.survey.frame import Survey
from models.survey.prepare import prepare_survey
from models.survey.small_area import segment_nps
from models.survey.two_surveys import estimate_nps_change
from models.survey.without_purchase import WithoutPurchase, survey_without_purchase

# The file of a run that holds the NPS of its base. The next retraining compares its NPS with it.
BASE_NPS = "nps/base.json"


@dataclass(frozen=True)
class Estimated:
    """What a retraining estimated about its base.

    Attributes
    ----------
    base : Estimate or None
        NPS of the base; None if there are no answers, or too few.
    segments : Mapping of str to pandas.DataFrame
        By segmentation, as `models.survey.small_area.segment_nps` gives it; empty without an estimate.
    change : NpsChange or None
        Since the champion's retraining; None if there is no earlier estimate.
    since : datetime.date or None
        The as_of of the champion's retraining; None if there is no change.
    without_purchase : WithoutPurchase or None
        Customers who gave everything back, beside the base; None if there are none.
    """

    base: Estimate | None = None
    segments: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    change: NpsChange | None = None
    since: date | None = None
    without_purchase: WithoutPurchase | None = None


@dataclass(frozen=True)
class Surveyed:
    """The survey of a release.

    Attributes
    ----------
    survey : Survey or None
        None if there are no answers, or too few.
    base : Estimate or None
        NPS of the base from it.
    samples : pandas.DataFrame or None
        Customers of the recorded probability samples.
    """

    survey: Survey | None = None
    base: Estimate | None = None
    samples: pd.DataFrame | None = None


@dataclass(frozen=True)
class Profiled:
    """A release with the profile of its base, and the personas of that base.

    Attributes
    ----------
    release : Release
        With the distributions of features, scores and respondents of its base, and with the personas.
    personas : Personas
        A single persona if the base does not separate into groups.
    profile : pandas.DataFrame
        As `models.segments.personas.model.profile` gives it.
    totals : Mapping of str to float or None
        The base in few figures, as `models.population.totals.base_totals` gives them.
    """

    release: Release
    personas: Personas
    profile: pd.DataFrame
    totals: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Base:
    """What a retraining learned about its base.

    Attributes
    ----------
    profiled : Profiled
        The release with the profile of its base, and the personas.
    estimated : Estimated
        NPS of the base and of its segments.
    topics : Topics or None
        Topics of the comments; None if there are no comments.
    """

    profiled: Profiled
    estimated: Estimated
    topics: Topics | None


def learn_base(store: Store, settings: Settings, inputs: Inputs, release: Release, champion: Registered | None) -> Base:
    """Estimate the NPS of a base, set the level of its predictions, profile it and find the topics of its comments."""
    surveyed = survey_base(store, inputs, release)
    levelled = set_level(inputs, release, surveyed)
    profiled = profile_base(inputs, levelled, champion)
    estimated = estimate(store, settings, inputs, profiled.release, champion, surveyed)
    return Base(profiled, estimated, find_comment_topics(inputs, release))


def survey_base(store: Store, inputs: Inputs, release: Release) -> Surveyed:
    """Describe and predict who was asked and everyone, and estimate the NPS of the base."""
    with step("estimate the NPS of the base"):
        recorded = read_probability_samples(store, release.as_of)
        samples = recorded if len(recorded) else None
        survey = prepare_survey(inputs.tables, release, probability_samples=samples)
        return Surveyed(survey, None if survey is None else estimate_nps(survey), samples)


def set_level(inputs: Inputs, release: Release, surveyed: Surveyed) -> Release:
    """Give the release's NPS probabilities the level of its whole base, and cut its scores into categories."""
    with step("set the level and the categories of the NPS model"):
        shares = None if surveyed.survey is None else level_shares(surveyed.survey)
        return with_level(inputs.tables, release, shares)


def estimate(
    store: Store,
    settings: Settings,
    inputs: Inputs,
    release: Release,
    champion: Registered | None,
    surveyed: Surveyed,
) -> Estimated:
    """Estimate the NPS of segments of the base, and how the base's changed since the champion's retraining."""
    survey, base, samples = surveyed.survey, surveyed.base, surveyed.samples
    if survey is None or base is None:
        return Estimated()
    with step("estimate the NPS of segments"):
        gamma, segments = base.figures.unmeasured_gamma, {}
        base_customer = pd.Index(survey.base_customer)
        for name, labels in segment_labels(inputs.tables, release.as_of, release, settings.segments):
            segments[name] = segment_nps(survey, labels.reindex(base_customer), gamma)
            del labels
        others = survey_without_purchase(inputs.tables, release, base.figures)
    if champion is None or champion.release.as_of >= release.as_of:
        return Estimated(base, segments, without_purchase=others)
    since = champion.release.as_of
    with step(f"estimate the change since {since}"):
        published = published_nps(store, champion, release)
        change = estimate_nps_change(inputs.tables, release, since, published, samples)
    return Estimated(base, segments, change, since, others)


def profile_base(inputs: Inputs, release: Release, champion: Registered | None) -> Profiled:
    """Add the profile of the base and its personas to a release; the champion's personas keep their names."""
    with step("profile the base and find its personas"):
        described = everyone_described(inputs.tables, release.as_of, release.vocabulary)
        # Neither the profile nor the personas tell of intervals.
        score, nps = (
            partial(release.scorer.score, with_intervals=False),
            probabilities_of_everyone(inputs.tables, release),
        )
        kept = list(dict.fromkeys((*SCORES, *BASE_COLUMNS)))
        read = [name for name in release.scorer.columns if name in described.columns]
        scored = (
            score(batch, nps=None if nps is None else nps[batch.index.to_numpy()])[kept].astype(float)
            for batch in described.batches(read)
        )
        scores = StoredTable.of(scored, described.file.with_suffix(".scores.parquet"), described.folder)
        seed = release.parameters.seed
        champions = None if champion is None else champion.release.parameters.personas
        some = described.take(drawn(described["customer_id"], seed))
        personas = fit_personas(some, release.vocabulary, seed, champions, customers=len(described))
        with_profile = release.with_base(profiles_of(described, scores, release), personas)
        places = places_of_everyone(inputs.tables, release.as_of, release.vocabulary, personas)
        return Profiled(with_profile, personas, profile(personas, described, places, some, scores), base_totals(scores))


def find_comment_topics(inputs: Inputs, release: Release) -> Topics | None:
    """Find the topics of the comments given with answers to the release's question; None if there are no comments."""
    if inputs.tables.answers is None:
        return None
    question, seed = release.parameters.nps_question, release.parameters.seed
    answers = materialise(commented_answers(inputs.tables.answers, question, before=release.as_of))
    if answers.empty:
        return None
    with step(f"find the topics of {len(answers):,} comments"):
        return find_topics(answers, seed)


def published_nps(store: Store, champion: Registered, release: Release) -> float | None:
    """Return the NPS of the base as published with the champion; None if the champion's question was another one."""
    if champion.release.parameters.nps_question != release.parameters.nps_question:
        return None
    run_id = store.client.get_model_version(SCORER, str(champion.version)).run_id
    base_nps: dict[str, Any] | None = read_json(store, str(run_id), BASE_NPS)
    return None if base_nps is None else float(base_nps["nps"])
