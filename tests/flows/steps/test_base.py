"""What a retraining tells of the base beside the run before: segments, and a change whose parts add up."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import ibis
import numpy as np
import pytest

from features.describe import describe_everyone, materialise
from flows.reports.nps import log_nps, nps_metrics, nps_sections
from flows.reports.personas import log_personas, personas_section
from flows.reports.topics import comments_section, log_comments
from flows.settings import Settings
from flows.steps.base import (
    BASE_NPS,
    Estimated,
    Profiled,
    estimate,
    find_comment_topics,
    profile_base,
    published_nps,
    set_level,
    survey_base,
)
from models.population.segment_labels import RFM, segment_labels
from models.recipe import Recipe
from models.registry.scorers import SCORER, Registered
from models.registry.tracking import Run, tracked
from models.release.parameters import ReleaseParameters
from models.release.release import fit_release
from models.segments.personas.model import places_of, profile
from models.segments.segment_names import PERSONA
from models.survey.aipw import Estimate
from models.survey.prepare import prepare_survey
from models.survey.small_area import segment_nps

DAYS_BEFORE = 120
PUBLISHED = 12.5


@pytest.fixture(scope="module")
def settings(all_tables) -> Settings:
    return Settings(**all_tables, segments=["region"])


@pytest.fixture(scope="module")
def profiled(inputs, release) -> Profiled:
    return profile_base(inputs, release, None)


@pytest.fixture
def champion(store, release) -> Registered:
    """A version of an earlier date, whose run says what its base's NPS was."""
    with tracked(store, "retrain", {}) as run:
        run.log_json({"nps": PUBLISHED}, BASE_NPS)
    store.client.create_registered_model(SCORER)
    version = store.client.create_model_version(SCORER, source="nowhere", run_id=run.run_id)
    earlier = release.as_seen_at(release.as_of - timedelta(days=DAYS_BEFORE))
    return Registered(int(version.version), earlier, None)


@pytest.fixture
def estimated(store, settings, inputs, release, champion) -> Estimated:
    return estimate(store, settings, inputs, release, champion, survey_base(store, inputs, release))


def figures(estimated: Estimated) -> Estimate:
    assert estimated.base is not None
    return estimated.base


def test_base_segments_and_change_are_told_and_kept(store, release, estimated):
    base = figures(estimated).figures
    assert set(estimated.segments) == {RFM, "region"}
    for table in estimated.segments.values():
        assert table["customers"].sum() == base.n_base
    change = estimated.change
    assert change.published == PUBLISHED
    parts = [change.composition, change.behaviour, change.answers, change.model]
    assert sum(part.change for part in parts) == pytest.approx(change.now - PUBLISHED, abs=1e-9)
    assert change.wide_low <= change.low < change.change < change.high <= change.wide_high
    for table in estimated.segments.values():
        told = table.dropna(subset="nps")
        assert (told["wide_low"] <= told["low"]).all() and (told["high"] <= told["wide_high"]).all()

    sections = {section.title: section for section in nps_sections(release, estimated)}
    assert (
        f"{base.nps:+.1f}, 95 % interval {base.wide_low:+.1f} to {base.wide_high:+.1f}"
        in sections["NPS of the base"].sentences[0]
    )
    assert f"Published then: {PUBLISHED:+.1f}" in " ".join(sections[f"Change since {estimated.since}"].sentences)
    shown = sections["NPS by region"].table
    shown_segments = estimated.segments["region"].dropna(subset="nps")
    assert sorted(shown["region"]) == sorted(shown_segments["segment"])

    metrics = nps_metrics(release, estimated)
    assert metrics["nps_base/nps"] == base.nps
    assert metrics["nps_change/change"] == change.change
    with tracked(store, "retrain", {}) as run:
        run.log(metrics=metrics)
        log_nps(run, estimated)
    assert json.loads(read(run, BASE_NPS)) == json.loads(json.dumps(base.to_dict()))
    assert json.loads(read(run, "nps/change.json"))["published"] == PUBLISHED
    assert read(run, "nps/segments.csv").startswith("segmentation,segment,customers,answers,n_eff,nps")
    balance = read(run, "nps/balance.csv").splitlines()
    assert balance[0].startswith("feature,")
    assert len(balance) > 10


def read(run: Run, path: str) -> str:
    return Path(run.store.client.download_artifacts(run.run_id, path)).read_text(encoding="utf-8")


def test_predictions_get_the_level_of_the_base_and_categories_their_shares(store, inputs, release):
    surveyed = survey_base(store, inputs, release)
    levelled = set_level(inputs, release, surveyed)
    described = describe_everyone(inputs.tables, inputs.as_of, release.vocabulary)
    scores = levelled.scorer.score(described)
    p = scores[["p_detractor", "p_passive", "p_promoter"]].to_numpy(float)
    # The mean of what is published of each customer is what is published of the base.
    assert 100 * (p[:, 2] - p[:, 0]).mean() == pytest.approx(surveyed.base.figures.nps, abs=0.01)
    shares = scores["nps_category"].value_counts(normalize=True)
    for name, share in zip(("detractor", "passive", "promoter"), p.mean(axis=0), strict=True):
        assert shares[name] == pytest.approx(share, abs=0.01)
    # It is kept with the version, and the trees are those of before.
    again = ReleaseParameters.from_dict(json.loads(json.dumps(levelled.parameters.to_dict())))
    assert (again.nps.cuts, again.nps.offsets) == (levelled.parameters.nps.cuts, levelled.parameters.nps.offsets)
    assert levelled.boosters == release.boosters


def test_beside_a_run_of_the_same_date_there_is_no_change(store, settings, inputs, release, champion):
    surveyed = survey_base(store, inputs, release)
    estimated = estimate(store, settings, inputs, release, replace(champion, release=release), surveyed)
    assert estimated.base is not None
    assert estimated.change is None


def test_what_was_published_of_another_question_does_not_count(store, release, champion):
    assert published_nps(store, champion, release) == PUBLISHED
    parameters = replace(champion.release.parameters, nps_question="ces")
    other = replace(champion, release=replace(champion.release, parameters=parameters))
    assert published_nps(store, other, release) is None


def test_without_answers_nothing_is_estimated_and_that_is_said(store, settings, inputs):
    bare = replace(inputs, tables=replace(inputs.tables, answers=None))
    release = fit_release(bare.tables, bare.as_of, Recipe())
    surveyed = survey_base(store, bare, release)
    assert set_level(bare, release, surveyed) is release
    estimated = estimate(store, settings, bare, release, None, surveyed)
    assert estimated == Estimated()
    sections = nps_sections(release, estimated)
    assert sections[-1].sentences == ("It is not estimated: this run has no answers, or too few.",)
    assert nps_metrics(release, estimated) == {}
    with tracked(store, "retrain", {}) as run:
        log_nps(run, estimated)
    assert not store.client.list_artifacts(run.run_id)


def test_a_profiled_release_knows_its_base_scores_and_respondents(profiled, release):
    profiles = profiled.release.parameters.profiles
    assert set(profiles) == {"features", "scores", "respondents"}
    assert profiles["respondents"]["rows"] == len(release.answers)
    assert json.loads(json.dumps(profiles)) == profiles
    counted = profiles["features"]["columns"]["frequency"]["counts"]
    assert sum(counted) == profiles["features"]["rows"] == profiles["scores"]["rows"]


@pytest.fixture(scope="module")
def two_personas(inputs, profiled) -> Profiled:
    """The small shop has no stable personas, so the fixture divides its base in two."""
    described = describe_everyone(inputs.tables, inputs.as_of, profiled.release.vocabulary)
    placed = profiled.personas.space.place(described)
    centres = tuple(tuple(end.tolist()) for end in (placed.min(axis=0), placed.max(axis=0)))
    personas = replace(profiled.personas, names=("these", "those"), centres=centres, why="")
    scores = profiled.release.scorer.score(described)
    release = profiled.release.with_base(profiled.release.parameters.profiles, personas)
    places = places_of(personas, described)
    return Profiled(release, personas, profile(personas, described, places, described, scores))


def test_personas_are_told_with_share_value_and_nps(store, inputs, two_personas, release):
    profiled, personas, with_personas = two_personas, two_personas.personas, two_personas.release
    labels = dict(segment_labels(inputs.tables, inputs.as_of, with_personas))
    assert set(labels) == {RFM, PERSONA}
    shares = labels[PERSONA].value_counts()
    table = profiled.profile.set_index("persona")
    assert table["customers"].to_dict() == shares.to_dict()
    described = describe_everyone(inputs.tables, inputs.as_of, with_personas.vocabulary)
    clv = with_personas.scorer.score(described)["clv"].groupby(labels[PERSONA].to_numpy()).mean()
    assert table["clv"].to_dict() == pytest.approx(clv.to_dict())

    survey = prepare_survey(inputs.tables, release)
    nps = segment_nps(survey, labels[PERSONA].reindex(survey.base_customer))
    section = personas_section(profiled, nps)
    nps_by_persona = nps.set_index("segment")["nps"]
    for row in section.table.to_dict("records"):
        assert row["customers"] == f"{shares[row['persona']]:,}"
        assert row["NPS"].startswith(f"{nps_by_persona[row['persona']]:+.1f} (")
    assert set(personas_section(profiled, None).table["NPS"]) == {"–"}
    assert "form no groups" not in " ".join(section.sentences)
    forced = replace(profiled, personas=replace(personas, why="Behaviour forms no groups."))
    assert personas_section(forced, nps).sentences[1] == "Behaviour forms no groups."
    with tracked(store, "retrain", {}) as run:
        log_personas(run, profiled, nps)
    assert json.loads(read(run, "personas/choice.json"))["k"] == len(personas.names)
    assert "nps,low,high,wide_low,wide_high,answers,hidden_because" in read(run, "personas/personas.csv")


def test_where_no_personas_are_told_apart_that_is_said_and_none_are_published(inputs, profiled):
    alone = replace(profiled.personas, names=("everyone",), why="all behave alike")
    assert personas_section(replace(profiled, personas=alone), None).sentences == ("There are none: all behave alike.",)
    release = profiled.release.with_base(profiled.release.parameters.profiles, alone)
    assert set(dict(segment_labels(inputs.tables, inputs.as_of, release))) == {RFM}


def test_comments_are_told_by_topic_with_their_nps(store, inputs, release):
    assert find_comment_topics(inputs, release) is None
    assert find_comment_topics(replace(inputs, tables=replace(inputs.tables, answers=None)), release) is None
    answers = materialise(inputs.tables.answers)
    is_nps_answer = answers["score"].notna() & (answers["question"] == "nps")
    adjectives = np.where(answers["score"] >= 9, "helpful", "rude")
    numbers = np.arange(len(answers))
    answers["comment"] = [
        f"The agent on the phone was {adjective}, call {chr(97 + n % 26)}{chr(97 + n // 26 % 26)} answered in minutes"
        if n % 2
        else f"The parcel came late again, courier {chr(97 + n % 26)}{chr(97 + n // 26 % 26)} left it outside"
        for n, adjective in zip(numbers, adjectives, strict=True)
    ]
    tables = replace(inputs.tables, answers=ibis.memtable(answers))
    topics = find_comment_topics(replace(inputs, tables=tables), release)
    assert topics.answers == is_nps_answer.sum()
    section = comments_section(topics)
    assert section.title == f"Topics of {is_nps_answer.sum():,} comments"
    with tracked(store, "retrain", {}) as run:
        log_comments(run, topics)
    assert topics.why is None
    text = read(run, "comments/topics.json")
    assert "NaN" not in text
    kept = json.loads(text)
    assert kept[-1]["topic"] == "other"
    assert kept[-1]["stability"] is None
    assert sum(row["answers"] for row in kept) == topics.answers
    assert section.table["comments"].tolist() == [
        f"{topic.answers:,}" for topic in sorted(topics.topics, key=lambda topic: (topic.nps, topic.name))
    ]
    few = replace(inputs, tables=replace(tables, answers=ibis.memtable(answers[is_nps_answer].head(50))))
    assert "There are none" in comments_section(find_comment_topics(few, release)).sentences[0]
