"""The page that finds customers: by the beginning of an id, by groups and figures; and their table to take along."""

from starlette.responses import HTMLResponse, RedirectResponse, Response

from flows.app.pages.downloads import csv_file
from flows.app.reading.filters import CHOICES, RANGES, ROWS, Wanted
from flows.app.visit import Visit


def customers(visit: Visit) -> Response:
    """Show a page of the customers that fulfil the conditions in its address; the only one is shown at once."""
    wanted = Wanted.read(visit.asked.fields, visit.asked.words.gettext)
    conditions = wanted.conditions()
    total = visit.edition.scores.total(conditions)
    last_page = wanted.last_page(total["customers"], visit.asked.words.gettext)
    rows = visit.edition.scores.page(conditions, wanted.order, wanted.first, ROWS)
    if [row["customer_id"] for row in rows] == [wanted.begin]:
        return RedirectResponse(visit.asked.address("customer", {"id": wanted.begin}), 303)
    choices = {name: visit.edition.choices[column] for name, column in CHOICES.items()}
    return HTMLResponse(
        visit.write(
            "customers.html",
            wanted=wanted,
            total=total,
            rows=rows,
            choices=choices,
            ranges=tuple(RANGES),
            last_page=last_page,
        )
    )


def download(visit: Visit) -> Response:
    """Send all scores of the customers that fulfil the conditions, in the order of their ids."""
    wanted = Wanted.read(visit.asked.fields, visit.asked.words.gettext)
    name = f"customers-{visit.edition.as_of}-version-{visit.edition.number}.csv"
    return csv_file(visit.edition.scores.batches(wanted.conditions()), name)
