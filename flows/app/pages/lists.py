"""The action lists: everyone on them, with reason and value, narrowed down by list and segment, and to take along."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from starlette.responses import HTMLResponse, Response

from flows.app.pages.downloads import csv_file
from flows.app.reading.filters import ROWS
from flows.app.told import not_a_value
from flows.app.visit import Visit

_SCHEMA = pa.schema(
    [
        ("list", pa.string()),
        ("rank", pa.int64()),
        ("customer_id", pa.string()),
        ("segment", pa.string()),
        ("value", pa.float64()),
        ("why", pa.string()),
        ("value_definition", pa.string()),
    ]
)


def lists(visit: Visit) -> Response:
    """Show a page of the lists."""
    rows = _wanted(visit)
    last_page = max(-(-len(rows) // ROWS), 1)
    page = visit.asked.fields.get("page") or "1"
    if not page.isdecimal() or not 1 <= int(page[:9]) <= last_page:
        raise not_a_value("page", page, f"1 – {last_page}")
    first = (int(page) - 1) * ROWS
    kept = visit.edition.lists
    return HTMLResponse(
        visit.write(
            "lists.html",
            is_kept=kept is not None,
            names=list(dict.fromkeys(row["list"] for row in kept or ())),
            segments=sorted({row["segment"] for row in kept or ()}),
            rows=rows[first : first + ROWS],
            found=len(rows),
            page=int(page),
            last_page=last_page,
        )
    )


def download(visit: Visit) -> Response:
    """Send the lists, as they are narrowed down."""
    table = pa.Table.from_pylist(list(_wanted(visit)), schema=_SCHEMA)
    return csv_file([table], f"action-lists-{visit.edition.as_of}-version-{visit.edition.number}.csv")


def _wanted(visit: Visit) -> Sequence[dict[str, Any]]:
    chosen = {name: visit.asked.fields[name] for name in ("list", "segment") if visit.asked.fields.get(name)}
    return [row for row in visit.edition.lists or () if all(row[name] == value for name, value in chosen.items())]
