"""What each section of the page shows: its title, the sentence it is folded into, and its rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flows.reports.page.cohorts import cohort_grids, group_tables, unpacked
from flows.reports.page.headline import points
from flows.reports.page.language import Words
from flows.reports.page.pictures import category_names, parts_of_change, shares_of_categories, topic_rows
from models.segments.segment_names import PERSONA

Figures = Mapping[str, Any]

# Shades of a grid.
_SHADES = 8
_DIGITS = {"%": 1, "points": 1, "days": 1, "seconds": 0, "money": 2, "ratio": 3, "": 2}
_TRACKED_ROWS = 7


@dataclass(frozen=True)
class SectionView:
    """A section that opens: the name of its template, its title, and what it says when it is closed.

    `is_beside` is set where the page of a retraining shows it of the current scores.
    """

    name: str
    title: str
    lead: str = ""
    is_beside: bool = False


def sections(score: Figures | None, retrain: Figures | None, words: Words) -> list[SectionView]:
    """List the sections that the figures allow, in their order."""
    return [*_of_models(score, retrain, words), *_of_scores(score, words), *_of_run(score or retrain or {}, words)]


def _of_models(score: Figures | None, retrain: Figures | None, words: Words) -> Iterator[SectionView]:
    _ = words.gettext
    if retrain is not None:
        lead, nps = "", retrain["nps"]
        if nps is not None:
            told = {"nps": words.signed(nps["nps"]), "survey": words.signed(nps["survey_mean"])}
            lead = _("%(nps)s in the base, where the survey alone says %(survey)s") % told
        yield SectionView("nps", _("NPS"), lead)
    if retrain is not None or (score is not None and score["concentration"]["clv"]):
        yield SectionView("value", _("Purchases and value"), _value_lead(retrain, words))
    if score is not None and score["cohorts"]:
        months = {"months": len(score["cohorts"]["rows"])}
        yield SectionView(
            "cohorts", _("Cohorts"), _("%(months)s months of first purchases, and what is to come") % months
        )
    if score is not None:
        yield SectionView("rfm", _("RFM segments"), _("who bought lately, often and much"))
    if retrain is not None or (score is not None and score["personas"]):
        rows = persona_rows(score, retrain)
        lead = _("%(number)s groups of customers who behave alike") % {"number": len(rows)} if rows else ""
        yield SectionView("personas", _("Personas"), lead)
    if retrain is not None and retrain["topics"] is not None:
        lead = _("%(answers)s comments") % {"answers": words.number(retrain["topics"]["answers"])}
        yield SectionView("topics", _("Topics of comments"), lead)


def _value_lead(retrain: Figures | None, words: Words) -> str:
    held = retrain["holdout"] if retrain is not None else None
    if held is None or not held["tracking"] or not held["tracking"][-1]["actual"]:
        return ""
    last = held["tracking"][-1]
    values = {"expected": words.number(last["expected"]), "came": words.number(last["actual"])}
    return words.gettext("in the backtest %(expected)s purchases were expected and %(came)s came") % values


def _of_scores(score: Figures | None, words: Words) -> Iterator[SectionView]:
    _ = words.gettext
    if score is None:
        return
    if score["measures"]:
        lead = _("%(number)s measures of the field, over twelve windows") % {"number": len(score["measures"])}
        yield SectionView("measures", _("Measures"), lead)
    total = sum(each["customers"] for each in score["actions"])
    lead = _("%(customers)s places on four lists") % {"customers": words.number(total)}
    yield SectionView("actions", _("Action lists"), lead)
    if score["drivers"]:
        yield SectionView("drivers", _("Drivers of the NPS"), _("which behaviour lifts and lowers it"))


def of_current(current: Figures | None, words: Words) -> list[SectionView]:
    """List the sections that the page of a retraining shows of the current scores."""
    if current is None:
        return []
    names = ("cohorts", "rfm", "actions")
    return [replace(each, is_beside=True) for each in sections(current, None, words) if each.name in names]


def _of_run(now: Figures, words: Words) -> Iterator[SectionView]:
    _, tables = words.gettext, now["intake"]["tables"].values()
    values = {name: words.number(sum(table[name] for table in tables)) for name in ("rows_read", "set_aside")}
    yield SectionView("quality", _("Data quality"), _("%(rows_read)s rows read, %(set_aside)s set aside") % values)
    yield SectionView("made", _("How it was made"), _("dates, models, versions, gate"))


def contents(score: Figures | None, retrain: Figures | None, words: Words) -> dict[str, Any]:
    """Give the rows and names that the templates of the sections read."""
    _ = words.gettext
    shown: dict[str, Any] = {
        "category_names": category_names(words),
        "shares": [] if retrain is None else shares_of_categories(score, retrain, words),
        "personas": persona_rows(score, retrain),
        "group_name": lambda name, group: words.persona(group) if name == PERSONA else words.told(group),
        "action_titles": {
            "likely_detractors": _("Likely detractors of high value"),
            "lapsing": _("Valuable customers going silent"),
            "promoters": _("Promoters to ask for a referral"),
            "second_purchase": _("Candidates for a second purchase"),
        },
    }
    if retrain is not None:
        shown |= _of_retrain(retrain, words)
    if score is not None:
        shown |= _of_score(score, words)
    return shown


def _of_retrain(retrain: Figures, words: Words) -> dict[str, Any]:
    nps, held = retrain["nps"], retrain["holdout"]
    by_gamma = (
        {} if nps is None else {float(gamma): each for gamma, each in nps["sensitivity"].items()} | {0.0: nps["nps"]}
    )
    tracked = [] if held is None else held["tracking"]
    step = max(len(tracked) // _TRACKED_ROWS, 1)
    return {
        "sensitivity": sorted(by_gamma.items()),
        "nps_segments": [(name, rows) for name, rows in retrain["nps_segments"].items() if name != PERSONA],
        "change_parts": parts_of_change(retrain, words),
        "tracking": tracked[::-step][::-1],
        "season_rows": retrain["season"][:: max(len(retrain["season"]) // 12, 1)],
        "topic_rows": topic_rows(retrain),
        "model_names": list(dict.fromkeys(row["model"] for row in retrain["made"]["fits"])),
    }


def _of_score(score: Figures, words: Words) -> dict[str, Any]:
    _ = words.gettext
    titles = {
        "due": _("A retrain is due"),
        "not due": _("No retrain is due"),
        "too early": _("Is a retrain due? Too early to tell"),
        "nothing new": _("Is a retrain due? Nothing is new"),
        "not available": _("Is a retrain due? Not available"),
    }
    return {
        # Long tables, which only the templates that show them have written.
        "cohort_grids": partial(cohort_grids, score["cohorts"], words),
        "groupings": lambda: group_tables(score, words)[:1],
        "grids_of": lambda group: cohort_grids(unpacked(group["cohorts"]), words),
        "rfm_grid": rfm_grid(score["rfm"]),
        "measures": [measure_row(row, words) for row in score["measures"]],
        "drift_title": titles[score["drift"]["verdict"]],
    }


def persona_rows(score: Figures | None, retrain: Figures | None) -> list[Figures]:
    """Join today's sizes and means of the personas with the NPS that the retraining estimated, the largest first."""
    of_retrain = [] if retrain is None else retrain["personas"]["rows"]
    today = {} if score is None else {row["name"]: row for row in score["personas"]}
    if not of_retrain:
        return [{"nps": None, "wide_low": None, "wide_high": None, "told_by": "", **row} for row in today.values()]
    nothing = {"nps": None, "wide_low": None, "wide_high": None}
    rows = []
    for row in of_retrain:
        own = {"name": row["persona"], "next_purchase_index": _times_100(row["p_purchase"])}
        rows.append({**nothing, **row, **own, **today.get(row["persona"], {})})
    return sorted(rows, key=lambda row: -row["customers"])


def _times_100(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def rfm_grid(cells: Sequence[Figures]) -> list[Figures]:
    """Arrange the cells by recency, the best first, and frequency; the shade grows with the number of customers."""
    placed = {(cell["r"], cell["f"]): cell for cell in cells}
    most = max([1, *(cell["customers"] for cell in cells)])
    empty = {"customers": 0, "clv": None}
    return [{"r": r, "cells": [_shaded(placed.get((r, f), empty), most) for f in range(1, 6)]} for r in range(5, 0, -1)]


def _shaded(cell: Figures, most: float) -> Figures:
    return {**cell, "heat": shade(cell["customers"] / most)}


def shade(share: float) -> int:
    """Give the number of a shade, 0 to 7, of a share of the largest value; the root keeps small ones apart."""
    return min(int(_SHADES * max(share, 0.0) ** 0.5), _SHADES - 1)


def measure_row(row: Figures, words: Words) -> dict[str, Any]:
    """Write one measure with its unit: newest value, interval, value before, change, and the windows as a line."""
    digits, unit = _DIGITS[row["unit"]], row["unit"]
    write = partial(words.signed, digits=digits) if unit == "points" else partial(words.number, digits=digits)
    sign = {"%": words.percent_sign, "money": f"\u00a0{words.currency}" if words.currency else ""}.get(unit, "")
    known = [value for value in row["windows"] if value is not None]
    told = {name: "–" if row[name] is None else write(row[name]) + sign for name in ("value", "before")}
    return {
        **row,
        **told,
        "interval": words.interval(row["low"], row["high"], write),
        "change": words.signed(row["change"], digits),
        "points": points(row["windows"]),
        "range": words.interval(min(known), max(known), write) if len(known) > 1 else "",
        "windows": [write(value) for value in row["windows"]],
    }
