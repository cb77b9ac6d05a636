"""``revealed check``: reads and checks the tables, and does nothing else."""

import tempfile
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd
from rich.console import Console

from features.describe import materialise
from features.tables import open_tables
from flows.reports.intake import intake_section
from flows.reports.sections import Section, tell
from flows.settings import Settings
from flows.steps.inputs import read_inputs
from flows.steps.progress import shown_on
from models.population.segment_labels import check_attributes


def run_check(settings: Settings, console: Console) -> None:
    """Read the tables that the settings name, and show which rows are good, which would be set aside, and why.

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
            sections.append(questions_section(settings, tables.answers))
        tell(sections)
        if settings.segments:
            check_attributes(tables, settings.segments)
    console.print("\nThese tables can be used: run `revealed retrain` with the same inputs.", markup=False)


def effort_note(settings: Settings, answers: ir.Table | None) -> str | None:
    """Say that answers to ces on 1-5 were read as effort, where no setting says how they are meant."""
    if answers is None or settings.ces_version is not None:
        return None
    on_five = answers.filter(answers.question == "ces", answers.scale_low == 1, answers.scale_high == 5)
    if not on_five.count().to_pyarrow().as_py():
        return None
    return (
        "Answers to ces on 1-5 are read as how much effort it took, 1 being the best, and turned round. If 5 is the "
        "best, set ces_version = 2."
    )


def questions_section(settings: Settings, answers: ir.Table) -> Section:
    """Write how often each question was asked, answered and commented on."""
    counts = answers.group_by("question").agg(
        scale=(answers.scale_low.min().cast("string") + "-" + answers.scale_high.max().cast("string")),
        asked=answers.count(),
        answered=answers.score.count(),
        comments=answers.comment.count(),
    )
    table = materialise(counts.order_by("question"))
    rows = {name: table[name].map("{:,}".format) for name in ("asked", "answered", "comments")}
    note = effort_note(settings, answers)
    return Section(
        "Questions",
        (note,) if note else (),
        pd.DataFrame({"question": table["question"], "scale": table["scale"], **rows}),
    )
