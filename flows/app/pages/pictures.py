"""The pictures of pages, each drawn when it is first asked for: those of the report, and those of one customer."""

import threading
from functools import lru_cache

from starlette.responses import Response

from flows.app.pages.one_customer import course_of, timeline_of
from flows.app.reading.edition import Edition
from flows.app.rendering import specifications_of, words_of
from flows.app.told import no_such_page
from flows.app.visit import Visit
from flows.reports.page.language import Language, Words
from models.charts.customer import course, timeline
from models.charts.drawing import to_svg_file
from models.charts.style import Spec

_lock = threading.Lock()
TIMELINE, COURSE = "timeline", "course"


def picture(visit: Visit) -> Response:
    """Send a picture of a page of the version that its address names, which may have been replaced meanwhile."""
    number, name = visit.places["version"], visit.places["name"]
    edition = visit.shelf.held(number)
    if edition is None:
        raise no_such_page()
    if name in (TIMELINE, COURSE):
        drawn = _draw(_of_customer(visit, edition, name), visit.asked.words)
    else:
        drawn = _of_report(edition, visit.asked.language, name)
    return Response(drawn, media_type="image/svg+xml")


@lru_cache(maxsize=128)
def _of_report(edition: Edition, language: Language, name: str) -> bytes:
    specifications = specifications_of(edition, language)
    if name not in specifications:
        raise no_such_page()
    return _draw(specifications[name], words_of(edition, language))


def _of_customer(visit: Visit, edition: Edition, name: str) -> Spec:
    _, customer = words_of(edition, visit.asked.language).gettext, visit.asked.fields.get("id", "")
    if name == COURSE:
        rows = [{"day": day.isoformat(), "index": index} for day, index in course_of(edition, customer)]
        return course(rows, _("next purchase index"))
    found = timeline_of(visit.tables, edition, customer)
    if found is None:
        raise no_such_page()
    bought = [
        {"day": row["day"].isoformat(), "amount": float(row[column])}
        for row in found.purchases
        for column in ("bought", "returned")
        if row[column] is not None
    ]
    names = [_("answers"), _("events")]
    marks = [
        {"day": row["day"].isoformat(), "series": name}
        for name, rows in zip(names, (found.answers, found.events), strict=True)
        for row in rows or ()
    ]
    shown = [each for each in names if any(mark["series"] == each for mark in marks)]
    return timeline(bought, marks, shown, (_("amount"), _("scored")), edition.as_of.isoformat())


def _draw(spec: Spec, words: Words) -> bytes:
    # The engine of the pictures serves one at a time.
    with _lock:
        return to_svg_file(spec, words.in_charts)
