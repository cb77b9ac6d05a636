"""The input in the report of a run: rows read, rows kept, and rows set aside with the reasons."""

import pandas as pd

from data.intake.pipeline import Intake
from flows.reports.sections import Section


def intake_section(intake: Intake) -> Section:
    """Report for each table how many rows were read, kept and set aside, and for which reasons."""
    rows = []
    for name, report in intake.tables.items():
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in report.reasons.items())
        rows.append((name, f"{report.rows_read:,}", f"{report.rows_valid:,}", f"{report.set_aside:,}", reasons or "–"))
    table = pd.DataFrame(rows, columns=["table", "read", "kept", "set aside", "why"])
    return Section("What was read", intake.notes, table)
