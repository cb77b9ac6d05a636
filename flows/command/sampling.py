"""``revealed sample``: how many customers to invite for a wanted margin of error of the NPS, and the list of them."""

import logging
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
from rich.console import Console

from data.errors import InputError
from data.spreadsheet_cells import escape_frame, told
from flows.command.early_checks import check_list_output
from flows.reports.sections import Section, number, show, to_markdown
from flows.settings import Settings
from flows.steps.inputs import Inputs, open_inputs, read_inputs
from flows.steps.progress import shown_on, step
from flows.steps.scoring import choose_scorer
from flows.steps.stores import open_existing_store
from models.population.segment_labels import segment_of, segmentations_of
from models.registry.privacy.forgotten import protection_of
from models.registry.stored_samples import SAMPLE, is_drawn, read_probability_samples, write_probability_sample
from models.registry.tracking import grouped, tracked
from models.registry.upkeep.workspaces import workspace
from models.survey.invitations import Sample, plan_sample
from models.survey.probability_samples import LONGEST_FIELDWORK_DAYS
from models.survey.response_rates import recently_asked

# After everything in any table.
_NEVER = date(9999, 1, 1)
_COLUMNS = {
    "customers": "customers",
    "eligible": "may be asked",
    "invitations": "invitations",
    "expected_answers": "answers expected",
    "margin": "margin, ±",
}


def run_sample(
    settings: Settings,
    margin: float,
    by: str | None,
    output: Path,
    response_rate: float | None,
    console: Console,
    *,
    raw: bool = False,
) -> None:
    """Say how many invitations a wanted margin needs, draw the customers, and keep the probability of each draw.

    Parameters
    ----------
    settings : Settings
        What to read, as of when, by which scorer, and the days in which nobody is asked twice.
    margin : float
        Wanted margin of error: half the width of the 95 % interval, in points of NPS.
    by : str or None
        Segmentation; the margin is then wanted in each of its segments. None: in the base.
    output : Path
        The list, a .csv file that does not exist yet.
    response_rate : float or None
        Share of invitations that are answered, where the data do not hold it.
    console : rich.console.Console
        Where progress and report are shown.

    Raises
    ------
    InputError
        Where the file exists or cannot be written, there is no scorer, the input cannot be used, or no list can have
        this margin.
    RefusedError
        Where more of a table is bad than its limit allows.
    """
    check_list_output(output)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    store = open_existing_store(settings)
    chosen = choose_scorer(store, settings)
    with workspace(store) as folder, shown_on(console):
        protection = protection_of(store, is_pseudonymous=settings.pseudonymise)
        intake = read_inputs(settings, folder, protection=protection)
        inputs = open_inputs(intake, settings)
        with step("draw whom to invite"):
            segment = None
            if by is not None:
                segment = segment_of(inputs.tables, inputs.as_of, segmentations_of(chosen.release), by)
            planned = plan_sample(
                inputs.tables,
                chosen.release,
                as_of=inputs.as_of,
                margin=margin,
                quiet_days=settings.quiet_days,
                segment=segment,
                response_rate=response_rate,
                seed=settings.seed,
                probability_samples=read_probability_samples(store, inputs.as_of),
            )
        replaces = is_drawn(store, inputs.as_of)
        today = datetime.now(ZoneInfo(settings.timezone)).date()
        sections = [
            _sample_section(planned, by),
            _list_section(output, planned.list["customer_id"], inputs, today, replaces=replaces),
        ]
        drawn, escaped = (planned.list, 0) if raw else escape_frame(planned.list)
        draft = _write_draft(drawn, output)
        try:
            tags = {"scorer_version": str(chosen.version), "as_of": inputs.as_of.isoformat(), **settings.tags}
            with tracked(store, SAMPLE, tags) as run:
                run.log_intake(intake)
                run.log({"margin": margin, "by": by or "the base", "seed": settings.seed})
                figures = {name: value for name, value in planned.figures.to_dict().items() if value is not None}
                run.log(metrics=grouped("sample", figures))
                run.log_csv(planned.strata, "sample/strata.csv")
                run.log_csv(planned.segments, "sample/segments.csv")
                run.log_text(to_markdown("Whom to ask", sections), "report.md")
                write_probability_sample(run, planned.list, inputs.as_of, settings.quiet_days)
            # The file comes last, so that nobody can send a list that the store does not have.
            draft.replace(output)
        finally:
            draft.unlink(missing_ok=True)
    show(sections, console)
    if escaped:
        console.print(told(escaped), markup=False)


def _write_draft(drawn: pd.DataFrame, output: Path) -> Path:
    draft = output.with_name(f".{output.name}.draft")
    try:
        drawn.to_csv(draft, index=False)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{output} cannot be written: {error.strerror or error}") from None
    return draft


def _sample_section(planned: Sample, by: str | None) -> Section:
    rows = {"segment": planned.segments["segment"].astype(str)} if by is not None else {}
    for name, title in _COLUMNS.items():
        digits = {"margin": 1}.get(name, 0)
        rows[title] = planned.segments[name].map(lambda value, digits=digits: number(float(value), digits))
    return Section("Whom to ask", (*planned.sentences, *planned.notes), pd.DataFrame(rows))


def _list_section(output: Path, customers: pd.Series, inputs: Inputs, today: date, *, replaces: bool) -> Section:
    first, last = inputs.as_of, inputs.as_of + timedelta(days=LONGEST_FIELDWORK_DAYS)
    sentences = [
        f"{len(customers):,} customers are written to {output}, each with the probability with which they were drawn.",
        f"`revealed retrain` then weighs their answers by it: invite all of them from {first} to {last}.",
    ]
    if today > last:
        sentences.append(
            f"WARNING: {last} has passed, and who is invited later counts as any other: for a list to be sent now, "
            f"take newer data or --as-of {today}."
        )
    asked_since = customers.isin(recently_asked(inputs.tables.answers, _NEVER, (_NEVER - first).days)).sum()
    if asked_since:
        sentences.append(
            f"WARNING: {asked_since:,} of them were invited or answered on {first} or later, which a list as of that "
            "day cannot see: for a list to be sent now, name a later --as-of."
        )
    if replaces:
        sentences.append("It replaces the list drawn before as of the same date: of the two, send this one.")
    return Section("The list", tuple(sentences))
