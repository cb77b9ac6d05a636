"""The input in the report of a run: rows read, rows kept, rows set aside with the reasons, and rows repeated."""

import pandas as pd

from data.intake.pipeline import Intake, TableReport
from data.intake.quarantine import GUESTS
from flows.reports.sections import Section

_SHOWN = 3
"""Pairs of files that are shown; the others are counted."""


def intake_section(intake: Intake) -> Section:
    """Report for each table how many rows were read, kept, set aside and repeated, and for which reasons."""
    rows = []
    for name, report in intake.tables.items():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.reasons.items())
        rows.append((name, f"{report.rows_read:,}", f"{report.rows_valid:,}", f"{report.set_aside:,}", reasons or "–"))
    table = pd.DataFrame(rows, columns=["table", "read", "kept", "set aside", "why"])
    repeated = [note for name, report in intake.tables.items() for note in _notes(name, report)]
    return Section("What was read", (*intake.files_read, *intake.notes, *repeated), table)


def _notes(table: str, report: TableReport) -> list[str]:
    notes = []
    guests = report.reasons.get("customer_id is missing", 0)
    if guests and table == "transactions":
        notes.append(f"{GUESTS} Rows: {guests:,}, {100 * guests / report.rows_read:.1f} %, within quarantine_limit.")
    if report.identical_lines:
        of_orders = f", {report.identical_of_orders:,} of them with its order_id" if report.identical_of_orders else ""
        notes.append(
            f"{table}: rows that equal another one in every column that is read, and count: "
            f"{report.identical_lines:,}{of_orders}."
        )
    if report.overlaps:
        told = [f"{each.rows:,} rows of {each.file} stand in {each.other}" for each in report.overlaps[:_SHOWN]]
        others = len(report.overlaps) - _SHOWN
        more = f"; so do rows of {others:,} more pairs of files" if others > 0 else ""
        notes.append(f"{table}: {'; '.join(told)}{more}.")
    return notes
