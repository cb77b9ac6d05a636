"""The steps of a retraining that speak of the base: its NPS, that of its segments, how it changed, how it is spread."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from features.describe import describe, materialise
from features.spine import everyone
from flows.inputs import Inputs
from flows.progress import step
from flows.settings import Settings
from models.base_estimate import prepare_survey
from models.change_estimate import estimate_nps_change
from models.monitoring import profiles_of
from models.nps_base import Estimate, estimate_nps
from models.nps_change import NpsChange
from models.registry import SCORER, Registered
from models.release import Release
from models.segment_nps import segment_nps
from models.segments import segment_labels
from models.store import Store
from models.survey import Survey
from models.tracking import read_json

# Where a run keeps the NPS of its base, for the next one to compare with.
BASE_NPS = "nps/base.json"


@dataclass(frozen=True)
class Estimated:
    """What a retraining estimated of its base.

    Attributes
    ----------
    base : Estimate or None
        NPS of the base; None where there are no answers, or too few.
    segments : Mapping of str to pandas.DataFrame
        By segmentation, as `models.segment_nps.segment_nps` gives it; empty without an estimate.
    change : NpsChange or None
        Since the champion's retraining; None where there is no earlier estimate.
    since : datetime.date or None
        The as_of of that one.
    """

    base: Estimate | None = None
    segments: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    change: NpsChange | None = None
    since: date | None = None


def estimate(
    store: Store, settings: Settings, inputs: Inputs, release: Release, champion: Registered | None
) -> Estimated:
    """Estimate the NPS of the base and of its segments, and how it changed since the champion's retraining."""
    with step("estimate the NPS of the base"):
        survey = prepare_survey(inputs.tables, release)
        if survey is None:
            return Estimated()
        base = estimate_nps(survey)
    with step("estimate the NPS of segments"):
        labels = segment_labels(inputs.tables, release.as_of, release, settings.segments)
        segments = {name: segment_nps(survey, _in_order(segment, survey)) for name, segment in labels.items()}
    if champion is None or champion.release.as_of >= release.as_of:
        return Estimated(base, segments)
    since = champion.release.as_of
    with step(f"estimate the change since {since}"):
        change = estimate_nps_change(inputs.tables, release, since, published_nps(store, champion, release))
    return Estimated(base, segments, change, since)


def profile(inputs: Inputs, release: Release) -> Release:
    """Add to a release how features and scores of its base, and those who answered, are spread."""
    with step("profile the base"):
        spine = everyone(inputs.tables.transactions, release.as_of)
        described = materialise(describe(inputs.tables, spine, release.vocabulary))
        return release.with_parameters(profiles=profiles_of(described, release.scorer().score(described), release))


def _in_order(segment: pd.Series, survey: Survey) -> pd.Series:
    return segment.reindex(survey.base_customer)


def published_nps(store: Store, champion: Registered, release: Release) -> float | None:
    """Return the NPS of the base that was published with the champion, if it is that of the same question."""
    if champion.release.parameters["nps_question"] != release.parameters["nps_question"]:
        return None
    run_id = store.client.get_model_version(SCORER, str(champion.version)).run_id
    found: dict[str, Any] | None = read_json(store, str(run_id), BASE_NPS)
    return None if found is None else float(found["nps"])
