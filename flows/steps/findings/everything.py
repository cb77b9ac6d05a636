"""All that looks wrong in the tables of a run."""

from data.intake.report import Intake
from features.tables import Tables
from flows.settings import Settings
from flows.steps.findings.finding import Finding, Names
from flows.steps.findings.records import find_in_ids, find_in_rows, find_repeated
from flows.steps.findings.sales import find_in_amounts, find_in_sizes
from flows.steps.findings.surveys import find_in_answers
from flows.steps.overview import SalesOverview


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
        *find_repeated(intake),
        *find_in_ids(intake, sales),
        *find_in_sizes(sales, names),
    ]
    if tables.answers is not None:
        own = Names("answers", intake.tables["answers"], settings)
        findings += find_in_answers(intake.tables["answers"], tables, own, settings)
    lines = [(each.section, dict(each.values)) for each in findings]
    # What the lines of an earlier finding mend is told once.
    return [each for k, each in enumerate(findings) if not each.values or lines[k] not in lines[:k]]
