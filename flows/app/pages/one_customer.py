"""The page of one customer: forecast, place in the base, next order, reasons, timeline and the course of the index."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from starlette.responses import HTMLResponse, Response

from flows.app.reading.due import Due, next_order, p_none_of
from flows.app.reading.edition import Edition
from flows.app.reading.tables import ShopTables, Timeline
from flows.app.rendering import image
from flows.app.told import unknown_customer
from flows.app.visit import Visit

# Figures of the forecast: column, ends of its 90 % interval, and how it is written.
_FIGURES = (
    ("p_purchase", None, "pct"),
    ("expected_purchases", None, "two_digits"),
    ("expected_revenue", ("revenue_low", "revenue_high"), "money2"),
    ("clv", ("clv_low", "clv_high"), "money2"),
    ("p_churn", None, "pct"),
)


def customer(visit: Visit) -> Response:
    """Show all that is known of a customer; what a table or version does not hold is told in a sentence."""
    asked, edition = visit.asked, visit.edition
    wanted = asked.fields.get("id", "")
    row = edition.scores.customer(wanted)
    if row is None:
        raise unknown_customer(wanted, edition.scores.near(wanted))
    found = timeline_of(visit.tables, edition, wanted)
    course = course_of(edition, wanted)
    fields = {"id": wanted}
    place = f"picture/{edition.number}"
    return HTMLResponse(
        visit.write(
            "customer.html",
            row=row,
            metadata=edition.metadata,
            figures=_FIGURES,
            below=edition.scores.shares_below(row, [column for column, _ends, _written in _FIGURES]),
            due=_due(row, edition),
            reasons=_reasons(row),
            timeline=found,
            why_not=visit.tables.why_not,
            fault=visit.tables.fault,
            timeline_picture=image(asked.address(f"{place}/timeline.svg", fields)),
            course=course,
            course_picture=image(asked.address(f"{place}/course.svg", fields)),
        )
    )


def timeline_of(tables: ShopTables, edition: Edition, wanted: str) -> Timeline | None:
    """Look a customer up in the shop's tables, before the date of the scores."""
    return tables.of_customer(wanted, edition.as_of)


def course_of(edition: Edition, wanted: str) -> list[tuple[date, float]]:
    """Give the customer's index at the dates of published scores, the oldest first; dates without one are left out."""
    points = []
    for version in reversed(edition.earlier):
        scores = edition.at(version)
        index = None if scores is None else scores.index_of(wanted)
        if index is not None:
            points.append((date.fromisoformat(version.tags["as_of"]), index))
    now = edition.scores.index_of(wanted)
    return [*points, *([] if now is None else [(edition.as_of, now)])]


def _due(row: Mapping[str, Any], edition: Edition) -> Due:
    horizon, longest = (int(edition.metadata.get(name, 0)) for name in ("horizon", "churn_horizon"))
    scorer = edition.scorer_model
    return next_order(row, horizon, longest, None if scorer is None else p_none_of(row, scorer))


def _reasons(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    try:
        reasons = json.loads(row["reasons"] or "[]")
    except ValueError:
        return []
    return [each for each in reasons if isinstance(each, dict) and "group" in each and "text" in each]
