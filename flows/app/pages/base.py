"""The pages of the whole base: its figures with the sections of the report, segments, cohorts, and versions."""

from typing import Any

from starlette.responses import HTMLResponse, Response

from flows.app.rendering import words_of
from flows.app.told import not_a_value
from flows.app.visit import Visit
from flows.reports.page.cohorts import group_tables
from flows.reports.page.views import SectionView, sections
from models.registry.published_file import SCORES
from models.registry.version_list import SCORER

# Sections of the report that are pages of their own here.
_ELSEWHERE = ("rfm", "personas", "cohorts", "actions")


def base(visit: Visit) -> Response:
    """Show the base now and since the last time, and the sections of the report that tell of everyone."""
    told = _sections(visit)
    shown = [section for section in told if section.name not in _ELSEWHERE]
    customers = None if visit.edition.score else visit.edition.scores.total()["customers"]
    return HTMLResponse(visit.write("base.html", has_figures=True, sections=shown, customers=customers))


def segments(visit: Visit) -> Response:
    """Show the groups of customers, each of which leads to its customers, and the report's sections on them."""
    _ = visit.asked.words.gettext
    groups = [
        {"field": field, "title": title, "rows": visit.edition.scores.groups(column)}
        for field, column, title in (
            ("segment", "segment", _("RFM segments")),
            ("persona", "persona", _("Personas")),
            ("category", "nps_category", _("NPS categories")),
        )
    ]
    shown = [section for section in _sections(visit) if section.name in ("rfm", "personas")]
    return HTMLResponse(visit.write("segments.html", has_figures=True, groups=groups, sections=shown))


def cohorts(visit: Visit) -> Response:
    """Show the report's grids of cohorts, and each month of first purchase with its customers as they are scored.

    Beside those by month it shows the grids of one grouping, which the reader chooses.
    """
    rows = visit.edition.scores.months()
    shown = [section for section in _sections(visit) if section.name == "cohorts"]
    tables = group_tables(visit.edition.score or {}, words_of(visit.edition, visit.asked.language))
    names = [table["by"] for table in tables]
    by = visit.asked.fields.get("by") or next(iter(names), "")
    if by not in names and (names or "by" in visit.asked.fields):
        raise not_a_value("by", by, ", ".join(names) or "–")
    choices = [
        {"name": name, "address": f"{visit.asked.address('cohorts', {'by': name})}#groups", "is_here": name == by}
        for name in names
    ]
    chosen = [table for table in tables if table["by"] == by]
    return HTMLResponse(
        visit.write("cohorts.html", has_figures=True, months=rows, sections=shown, groupings=chosen, choices=choices)
    )


def versions(visit: Visit) -> Response:
    """Show the versions of scores and scorer: when, by what, which are in use, and what the gate said of them."""
    listed = visit.shelf.versions
    told: dict[str, Any] = {"published": listed.versions(SCORES), "scorers": listed.versions(SCORER)}
    return HTMLResponse(visit.write("versions.html", has_figures=True, **told))


def _sections(visit: Visit) -> list[SectionView]:
    edition = visit.edition
    if edition.score is None:
        return []
    return sections(edition.score, edition.retrain, words_of(edition, visit.asked.language))
