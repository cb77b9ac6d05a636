"""The figures that a retraining keeps for the page: the NPS, the backtest, personas, topics, and how it was made."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from features.describe import materialise
from features.labels import invitations
from features.measures.intervals import wilson_interval
from flows.reports.page.figures import Figures, plain, records
from flows.reports.page.holdout import holdout_figures
from flows.settings import Settings
from flows.steps.base import Base, Estimated
from flows.steps.fitting import Fitted, Judged
from flows.steps.inputs import Inputs
from models.charts.season import index_with_band
from models.release.release import Release
from models.segments.segment_names import PERSONA
from models.stats.metrics import calibration_bins

_BINS = 8
_SEGMENT = (
    "segment",
    "customers",
    "answers",
    "nps",
    "low",
    "high",
    "wide_low",
    "wide_high",
    "survey",
    "hidden_because",
)
# Segments of one attribute that a page shows.
_MOST_SEGMENTS = 50
_YEAR = 2023


def retrain_figures(
    settings: Settings, inputs: Inputs, fitted: Fitted, judged: Judged, base: Base, version: int
) -> Figures:
    """Gather the figures of a retraining; ``history`` is added where the one before is known."""
    release, estimated = fitted.release, base.estimated
    of = release.parameters
    return {
        "kind": "retrain",
        "as_of": inputs.as_of.isoformat(),
        "scorer": version,
        "promoted": judged.verdict.promote,
        "verdict": judged.verdict.reason,
        "horizon": of.horizon,
        "churn_horizon": of.churn_horizon,
        "clv_horizon": of.clv_horizon,
        "currency": of.currency,
        "question": of.nps_question,
        "notes": list(settings.notes),
        "intake": _intake(inputs),
        "base": dict(base.profiled.totals),
        "nps": None if estimated.base is None else plain(estimated.base.figures.to_dict()),
        "nps_model": {
            "source": of.nps.source,
            "why": of.nps.why,
            "answers": of.nps.answers,
            "metrics": plain(of.nps.metrics),
        },
        "nps_segments": {name: _segments(table) for name, table in estimated.segments.items()},
        "nps_change": _change(estimated),
        "answers": _answers(release),
        "distribution": _distribution(inputs, release),
        "reliability": _reliability(release),
        "holdout": holdout_figures(inputs, fitted, judged),
        "season": _season(release),
        "personas": _personas(base),
        "topics": _topics(base),
        "made": {
            "fits": records(release.fits),
            "decisions": [*release.notes, *fitted.decision.sentences],
            "recipe": plain(asdict(fitted.recipe) | {"rfm_segments": list(fitted.recipe.rfm_segments)}),
        },
    }


def _intake(inputs: Inputs) -> Figures:
    told: Figures = plain({name: each for name, each in inputs.intake.to_dict().items() if name != "folder"})
    return told


def _segments(table: pd.DataFrame) -> list[Figures]:
    return records(table[list(_SEGMENT)].sort_values(["nps", "segment"], ascending=[False, True]).head(_MOST_SEGMENTS))


def _change(estimated: Estimated) -> Figures | None:
    if estimated.change is None:
        return None
    return {"since": plain(estimated.since), **plain(estimated.change.to_dict())}


def _answers(release: Release) -> list[Figures]:
    """Count the answers of each category that the NPS model learned from."""
    if release.answers is None:
        return []
    counts = release.answers["category"].value_counts()
    return [{"category": k, "answers": int(counts.get(k, 0))} for k in range(3)]


def _distribution(inputs: Inputs, release: Release) -> list[Figures]:
    """Count all answers to the question before as_of by score, each with the category that it makes."""
    if inputs.tables.answers is None:
        return []
    asked = invitations(inputs.tables.answers, release.parameters.nps_question, before=release.as_of)
    known = asked.filter(asked.category.notnull())  # noqa: PD004 - an expression of Ibis
    counts = known.group_by(["score", "category"]).agg(answers=known.count())
    return records(materialise(counts.order_by(["score", "category"])))


def _reliability(release: Release) -> list[Figures]:
    training, answers = release.training, release.answers
    if training is None or training.out_of_fold is None or answers is None:
        return []
    return list(_bins(answers["category"].to_numpy(), np.asarray(training.out_of_fold, dtype=float)))


def _bins(category: np.ndarray, probabilities: np.ndarray) -> Iterator[Figures]:
    """Put predicted beside realised shares of each category, out of fold, with Wilson intervals."""
    for k in range(3):
        _, count, predicted, realised = calibration_bins(category == k, probabilities[:, k], _BINS)
        _, low, high = wilson_interval(realised * count, count)
        for row in zip(count, predicted, realised, low, high, strict=True):
            yield {
                "category": k,
                **plain(dict(zip(("answers", "predicted", "realised", "low", "high"), row, strict=True))),
            }


def _season(release: Release) -> list[Figures]:
    clock = release.parameters.clock
    if clock is None:
        return []
    parts = index_with_band(clock)
    start, days = pd.Timestamp(_YEAR, 1, 1), 365.0 * (np.arange(parts[0].size) + 0.5) / parts[0].size
    names = ("index", "low", "high")
    return [
        {"day": str((start + pd.Timedelta(days=int(day))).date()), **plain(dict(zip(names, row, strict=True)))}
        for day, *row in zip(days, *parts, strict=True)
    ]


def _personas(base: Base) -> Figures:
    from flows.reports.personas import joined

    profiled = base.profiled
    found = len(profiled.personas.names) > 1
    table = joined(profiled, base.estimated.segments.get(PERSONA))
    return {
        "rows": records(table) if found else [],
        "agreement": plain(profiled.personas.agreement),
        "why": profiled.personas.why,
    }


def _topics(base: Base) -> Figures | None:
    topics = base.topics
    if topics is None:
        return None
    rows: list[dict[str, Any]] = [] if topics.why is not None else records(topics.to_frame())
    return {"answers": topics.answers, "nps": plain(topics.nps), "why": topics.why, "rows": rows}
