"""``revealed check``: read and validate, and nothing else."""

import tempfile
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd
from rich.console import Console

from features.describe import materialise
from features.tables import open_tables
from flows.inputs import read_inputs
from flows.intake_report import intake_section
from flows.progress import shown_on, tell
from flows.report import Section
from flows.settings import Settings
from models.segments import check_attributes


def run_check(settings: Settings, console: Console) -> None:
    """Read the tables the settings name and tell what is good, what would be set aside, and why.

    Raises
    ------
    InputError
        Where the input cannot be used, or a segment of the settings is no column of customers.
    RefusedError
        Where more of a table is bad than its limit allows.
    """
    with tempfile.TemporaryDirectory(prefix="revealed-check-") as folder, shown_on(console):
        sections = [intake_section(read_inputs(settings, Path(folder)))]
        tables = open_tables(Path(folder))
        if tables.answers is not None:
            sections.append(questions_section(tables.answers))
        tell(sections)
        if settings.segments:
            check_attributes(tables, settings.segments)
    console.print("\nThese tables can be used: run `revealed retrain` with the same inputs.", markup=False)


def questions_section(answers: ir.Table) -> Section:
    """Write how often each question was asked, answered and commented on."""
    counts = answers.group_by("question").agg(
        scale=(answers.scale_low.min().cast("string") + "-" + answers.scale_high.max().cast("string")),
        asked=answers.count(),
        answered=answers.score.count(),
        comments=answers.comment.count(),
    )
    found = materialise(counts.order_by("question"))
    rows = {name: found[name].map("{:,}".format) for name in ("asked", "answered", "comments")}
    return Section("Questions", (), pd.DataFrame({"question": found["question"], "scale": found["scale"], **rows}))
