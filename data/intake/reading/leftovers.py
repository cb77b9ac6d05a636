"""What programs leave in tables that is no data: marks by which spreadsheets keep zeros, and repeated headers."""

import re
from collections.abc import Sequence

from data.intake.sql import quote

_MARKED = """^(?:="([^"]*)"|'([0-9]+))$"""
_KEPT = r"\1\2"


def unmark(cell: str) -> str:
    """Take the mark off a cell that a program wrote for spreadsheets: ``="0012"`` and ``'0012`` become 0012."""
    return re.sub(_MARKED, _KEPT, cell) if cell[:1] in ("=", "'") else cell


def without_marks(cells: str) -> str:
    """Write SQL for a list of cells without such marks."""
    return f"list_transform({cells}, lambda cell: regexp_replace(cell, {quote(_MARKED)}, {quote(_KEPT)}))"


def count_marks(cells: str, text: str) -> str:
    """Write SQL that counts cells with such marks over all rows, which `text` joins in each."""
    found = f"len(list_filter({cells}, lambda cell: regexp_full_match(cell, {quote(_MARKED)})))"
    # Most texts hold neither sign, and looking for one is fast.
    signs = " OR ".join(f"contains({text}, {quote(sign)})" for sign in ('="', "'"))
    return f"coalesce(sum(CASE WHEN {signs} THEN {found} END), 0)"


def is_header(header: Sequence[str]) -> str | None:
    """Write SQL that is true for a row of cells c0, c1, ... that repeats the header; None where that tells nothing."""
    if sum(bool(name) for name in header) < 2:
        return None
    # A file that was joined to another one may begin with a byte-order mark.
    blank = quote(" \ufeff")
    return " AND ".join(f"trim(coalesce(c{k}, ''), {blank}) = {quote(name)}" for k, name in enumerate(header))


def tell(table: str, file: str, marked: int, repeated: int) -> tuple[str, ...]:
    """Say what was taken out of a file, in sentences."""
    notes = []
    if marked:
        notes.append(
            f'{table}: {marked:,} cells of {file} are marked for spreadsheets, such as ="0012" or \'0012; '
            "they are read as 0012."
        )
    if repeated:
        notes.append(
            f"{table}: {repeated:,} rows of {file} repeat the names of the columns, as where exports were joined; "
            "they are left out."
        )
    return tuple(notes)
