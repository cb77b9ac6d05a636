"""All that looks wrong in the tables of a run."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from data.intake.report import Intake
from features.tables import Tables, open_tables
from flows.settings import Settings
from flows.steps.findings.finding import Finding, Names
from flows.steps.findings.gaps import find_gaps
from flows.steps.findings.records import find_in_ids, find_in_rows, find_repeated
from flows.steps.findings.sales import find_in_amounts, find_in_sizes
from flows.steps.findings.surveys import find_in_answers
from flows.steps.inputs import read_inputs
from flows.steps.overview import SalesOverview, describe_sales


@dataclass(frozen=True)
class Understood:
    """What was understood of the tables that some settings name, and what looks wrong in them."""

    settings: Settings
    intake: Intake
    tables: Tables
    sales: SalesOverview
    findings: list[Finding]


def understand(settings: Settings, folder: Path) -> Understood:
    """Read the tables that settings name into a folder, and look for what is wrong; raises as `read_inputs`."""
    intake = read_inputs(settings, folder)
    tables = open_tables(folder)
    sales = describe_sales(tables.transactions)
    return Understood(settings, intake, tables, sales, find_what_looks_wrong(intake, settings, sales, tables))


def find_what_looks_wrong(intake: Intake, settings: Settings, sales: SalesOverview, tables: Tables) -> list[Finding]:
    """List what looks wrong in the tables.

    Parameters
    ----------
    intake
        What was taken in.
    settings
        They may say already how the files are meant.
    sales
        What the transactions hold.
    tables
        The clean tables.
    """
    report = intake.tables["transactions"]
    names = Names("transactions", report, settings)
    findings = [
        *find_in_amounts(sales, names),
        *find_in_rows(report, sales, names),
        *find_repeated(intake, names),
        *find_in_ids(intake, sales),
        *find_in_sizes(sales, names),
        *find_gaps(tables.transactions),
    ]
    findings = _in_each_section(findings, names)
    if tables.answers is not None:
        own = Names("answers", intake.tables["answers"], settings)
        of_answers = find_in_answers(intake.tables["answers"], tables, own, settings)
        findings += _in_each_section(of_answers, own)
    lines = [(each.section, dict(each.values)) for each in findings]
    # What the lines of an earlier finding mend is told once.
    return [each for k, each in enumerate(findings) if not each.values or lines[k] not in lines[:k]]


def _in_each_section(findings: Iterable[Finding], names: Names) -> list[Finding]:
    """Say of what files of a table have in common that files with settings of their own need it there."""
    return [
        replace(each, own_sections=names.own_sections)
        if each.own_sections is None and each.section == f"formats.{names.table}"
        else each
        for each in findings
    ]
