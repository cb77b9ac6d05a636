"""The pages of the whole base: its figures with the sections of the report, segments, cohorts, and versions."""

from collections.abc import Callable, Iterable
from typing import Any

from starlette.responses import HTMLResponse, Response

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
        {"field": field, "title": title, "name": name, "rows": visit.edition.scores.groups(column)}
        for field, column, title, name in (
            ("segment", "segment", _("RFM segments"), _("segment")),
            ("persona", "persona", _("Personas"), _("persona")),
            ("category", "nps_category", _("NPS categories"), _("NPS category")),
        )
    ]
    shown = [section for section in _sections(visit) if section.name in ("rfm", "personas")]
    return HTMLResponse(visit.write("segments.html", has_figures=True, groups=groups, sections=shown))


def cohorts(visit: Visit) -> Response:
    """Show the report's grids of cohorts, and each month of first purchase with its customers as they are scored.

    Beside those of everyone it shows the grids of one grouping, and of one of its groups, which the reader chooses.
    """
    rows = visit.edition.scores.months()
    shown = [section for section in _sections(visit) if section.name == "cohorts"]
    tables = {table["by"]: table for table in group_tables(visit.edition.score or {}, visit.words)}
    by = _chosen("by", list(tables), visit)
    groups = {group["name"]: group for group in tables[by]["groups"] if group["cohorts"]} if by else {}
    of_group = _chosen("group", list(groups), visit)
    told: dict[str, Any] = {
        "groupings": lambda: [tables[by]] if by else [],
        "choices": _choices(visit, tables, by, "groups", lambda name: {"by": name}),
    }
    if of_group:
        chosen = _choices(visit, groups, of_group, "group", lambda name: {"by": by, "group": name})
        told["group_choices"] = [{**groups[each["name"]], **each} for each in chosen]
    return HTMLResponse(visit.write("cohorts.html", has_figures=True, months=rows, sections=shown, **told))


def _chosen(field: str, names: list[str], visit: Visit) -> str:
    """Give what the address chooses of these names, the first where it chooses none; nothing where there are none."""
    name = visit.asked.fields.get(field) or next(iter(names), "")
    if name not in names and (names or field in visit.asked.fields):
        raise not_a_value(field, name, ", ".join(names) or "–")
    return name


def _choices(
    visit: Visit, names: Iterable[str], here: str, place: str, fields: Callable[[str], dict[str, str]]
) -> list[dict[str, Any]]:
    return [
        {"name": name, "address": f"{visit.asked.address('cohorts', fields(name))}#{place}", "is_here": name == here}
        for name in names
    ]


def versions(visit: Visit) -> Response:
    """Show the versions of scores and scorer: when, by what, which are in use, and what the gate said of them."""
    listed = visit.shelf.versions
    told: dict[str, Any] = {"published": listed.versions(SCORES), "scorers": listed.versions(SCORER)}
    return HTMLResponse(visit.write("versions.html", has_figures=True, **told))


def _sections(visit: Visit) -> list[SectionView]:
    edition = visit.edition
    if edition.score is None:
        return []
    return sections(edition.score, edition.retrain, visit.words)
