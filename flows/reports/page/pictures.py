"""The pictures of the page: which charts its figures allow, with their words in its language."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from flows.reports.page.language import Words
from flows.reports.page.readings import NPS_READINGS
from models.charts import by_group, forecasts, nps
from models.charts.style import Spec
from models.segments.segment_names import PERSONA

Figures = Mapping[str, Any]

# Rows of a chart of segments; the table has all.
_MOST_ROWS = 15


def category_names(words: Words) -> tuple[str, str, str]:
    """Name detractors, passives and promoters."""
    _ = words.gettext
    return _("detractors"), _("passives"), _("promoters")


def specifications(score: Figures | None, retrain: Figures | None, words: Words) -> Iterator[tuple[str, Spec]]:
    """Yield the name and the specification of each picture."""
    if retrain is not None:
        yield from _nps(score, retrain, words)
        yield from _holdout(retrain, words)
        yield from _topics(retrain, words)
    if score is not None:
        yield from _score(score, words)


def shares_of_categories(score: Figures | None, retrain: Figures, words: Words) -> list[Figures]:
    """Give the shares of the three categories in the base, and among the answers that were learned from."""
    _ = words.gettext
    rows: list[Figures] = []
    if score is not None and score["categories"]:
        rows.append({"label": _("base, predicted"), "shares": [each["share"] for each in score["categories"]]})
    total = sum(each["answers"] for each in retrain["answers"])
    if total:
        rows.append({"label": _("answers"), "shares": [each["answers"] / total for each in retrain["answers"]]})
    return rows


def parts_of_change(retrain: Figures, words: Words) -> list[Figures]:
    """Give the parts that the difference to the published NPS is made of, in points."""
    _, change = words.gettext, retrain["nps_change"]
    if change is None:
        return []
    names = {
        "composition": _("other customers are in the base"),
        "behaviour": _("the same customers behave differently"),
        "answers": _("customers of equal behaviour answer differently"),
        "model": _("today's model estimates the earlier date differently"),
    }
    return [
        {"label": told, "points": change[name]["change"], "standard_error": change[name]["standard_error"]}
        for name, told in names.items()
        if change.get(name) is not None
    ]


def _nps(score: Figures | None, retrain: Figures, words: Words) -> Iterator[tuple[str, Spec]]:
    _, figures = words.gettext, retrain["nps"]
    if figures is None:
        return
    survey = figures["survey_mean"]
    rows = [
        {"label": _("base"), "nps": figures["nps"], "low": figures["wide_low"], "high": figures["wide_high"]},
        {"label": _("survey alone"), "nps": survey, "low": survey, "high": survey},
    ]
    yield "gauge", nps.nps_gauge(rows, _levels(words), _("net promoter score"))
    shares = shares_of_categories(score, retrain, words)
    names = category_names(words)
    if shares:
        parts = [
            {"label": row["label"], "category": names[k], "order": k, "share": share, "told": words.percent(share, 0)}
            for row in shares
            for k, share in enumerate(row["shares"])
        ]
        yield "shares", nps.category_shares(parts, names, _("share"))
    if retrain["distribution"]:
        scores = [
            {**row, "score": f"{row['score']:g}", "category": names[int(row["category"])]}
            for row in retrain["distribution"]
        ]
        yield "distribution", nps.answer_counts(scores, names, (_("score"), _("answers")))
    by_gamma = {float(gamma): value for gamma, value in figures["sensitivity"].items()} | {0.0: figures["nps"]}
    yield "sensitivity", nps.sensitivity(by_gamma, (_("gamma"), "NPS"))
    segmentations = [(name, rows) for name, rows in retrain["nps_segments"].items() if name != PERSONA]
    for k, (_name, of_segments) in enumerate(segmentations, 1):
        shown = [_interval(row, words) for row in of_segments if row["hidden_because"] is None][:_MOST_ROWS]
        if shown:
            yield f"segments{k}", by_group.intervals_by_group(shown, "NPS", (-100, 100))
    change = parts_of_change(retrain, words)
    if change:
        whole = sum(row["points"] for row in change)
        bars = [{**row, "is_whole": False} for row in change]
        bars.append({"label": _("together"), "points": whole, "is_whole": True})
        yield "change", by_group.parts_of_change(bars, _("points"))
    if retrain["reliability"]:
        yield "reliability", nps.reliability(retrain["reliability"], names, (_("predicted share"), _("realised share")))


def _interval(row: Figures, words: Words) -> Figures:
    return {"label": words.told(row["segment"]), "value": row["nps"], "low": row["wide_low"], "high": row["wide_high"]}


def _levels(words: Words) -> list[Figures]:
    """Give the usual readings of an NPS with their ends, the lowest first."""
    steps = [(-100.0, "needs improvement"), *reversed(NPS_READINGS), (100.0, "")]
    return [{"start": start, "end": end, "label": words.told(name)} for (start, name), (end, _) in pairwise(steps)]


def _holdout(retrain: Figures, words: Words) -> Iterator[tuple[str, Spec]]:
    _, held = words.gettext, retrain["holdout"]
    if retrain["season"]:
        yield "season", forecasts.season(retrain["season"], _("index"))
    if held is None:
        return
    names = _("came"), _("expected")
    yield "tracking", forecasts.tracking(held["tracking"], names, _("purchases"))
    last = held["by_frequency"][-1]["frequency"]
    rows = [
        {**row, "group": f"{row['frequency']}{'+' if row['frequency'] == last else ''}"} for row in held["by_frequency"]
    ]
    yield "by_frequency", forecasts.calibration(rows, names, (_("earlier repeat purchases"), _("mean purchases")))
    rows = [{**row, "group": str(row["group"])} for row in held["by_decile"]]
    yield "by_decile", forecasts.calibration(rows, names, (_("group, the lowest first"), _("mean revenue")))
    yield "lift", _tenths(held["lift"]["revenue"], _("share of the revenue"), words)


def _topics(retrain: Figures, words: Words) -> Iterator[tuple[str, Spec]]:
    rows = topic_rows(retrain)
    if rows:
        shown = [
            {
                "label": words.told(row["topic"]),
                "value": row["nps"],
                "low": row["nps_low"],
                "high": row["nps_high"],
            }
            for row in rows
        ]
        yield "topics", by_group.intervals_by_group(shown, "NPS", (-100, 100))


def topic_rows(retrain: Figures) -> Sequence[Figures]:
    """Give the topics, the lowest NPS first."""
    rows = (retrain["topics"] or {}).get("rows", [])
    return sorted(rows, key=lambda row: (row["topic"] == "other", row["nps"], row["topic"]))


def _score(score: Figures, words: Words) -> Iterator[tuple[str, Spec]]:
    _ = words.gettext
    if score["concentration"]["clv"]:
        yield "concentration", _tenths(score["concentration"]["clv"], _("share of the lifetime value"), words)
    if score["drivers"]:
        rows = [{**row, "label": words.told(row["group"])} for row in score["drivers"]]
        yield "drivers", by_group.drivers(rows, _("points"))


def _tenths(shares: Sequence[float], title: str, words: Words) -> Spec:
    _ = words.gettext
    rows = [{"tenth": k, "share": share} for k, share in enumerate(shares, 1)]
    return forecasts.shares_by_tenth(rows, (_("tenth of the customers, the best first"), title))
