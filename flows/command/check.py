"""``revealed check``: reads and checks the tables, shows what was understood and what looks wrong, and fits nothing."""

import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from data.intake.report import Intake
from flows.cautions.history import short_history
from flows.reports.intake import intake_section
from flows.reports.overview import (
    columns_section,
    findings_section,
    other_sections,
    questions_section,
    rows_sections,
    sales_section,
)
from flows.reports.sections import tell
from flows.settings import Settings
from flows.steps.findings.everything import Understood, understand
from flows.steps.findings.finding import Finding
from flows.steps.findings.secrets import find_tracked_passwords
from flows.steps.progress import shown_on
from models.population.segment_labels import check_attributes
from models.recipe import DEFAULT_HORIZON


def run_check(settings: Settings, console: Console) -> None:
    """Read the tables that the settings name, and show which rows are good, what they hold, and what looks wrong.

    Raises
    ------
    InputError
        Where the input cannot be used, or a segment of the settings is no column of customers.
    RefusedError
        Where more of a table is bad than its limit allows.
    """
    with tempfile.TemporaryDirectory(prefix="revealed-check-") as folder, shown_on(console):
        tell_check(understand(settings, Path(folder)), console)


def tell_check(understood: Understood, console: Console, rows: Sequence[str] = ("transactions",)) -> None:
    """Tell what was understood, with rows of some tables, and what looks wrong; raises as `run_check`."""
    settings, intake, tables, sales = understood.settings, understood.intake, understood.tables, understood.sales
    sections = [
        intake_section(intake),
        columns_section(intake, settings),
        *rows_sections(intake, tables, rows),
        sales_section(intake, settings, sales),
    ]
    if tables.answers is not None:
        sections.append(questions_section(settings, tables))
    sections += other_sections(tables)
    findings = [*understood.findings, *find_tracked_passwords()]
    findings += [Finding(what) for what in _short_history(intake, settings)]
    with shown_on(console):
        tell([*sections, findings_section(findings)] if findings else sections)
    if settings.segments:
        check_attributes(tables, settings.segments)
    console.print(f"\n{_verdict(len(findings))}", markup=False)


def _short_history(intake: Intake, settings: Settings) -> tuple[str, ...]:
    as_of = settings.as_of or intake.newest_day + timedelta(days=1)
    horizons = settings.horizon or DEFAULT_HORIZON, settings.churn_horizon, settings.clv_horizon
    return short_history(intake.first_day, as_of, *horizons)


def _verdict(findings: int) -> str:
    if not findings:
        return "These tables can be used: run `revealed retrain` with the same inputs."
    things = "1 thing looks wrong" if findings == 1 else f"{findings} things look wrong"
    return (
        f"{things}: see above. Compare the figures with what you know of the shop, and mend what is meant otherwise. "
        "Every row kept can be read, so that `revealed retrain` would run with the same inputs."
    )
