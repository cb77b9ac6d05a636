"""Reads the tables as a draft says, and applies what `revealed check` proposes until it proposes nothing more."""

import math
import shutil
from collections.abc import Callable
from pathlib import Path

from data.errors import InputError, RefusedError
from data.intake.proposals.proposal import Choice, Line, Question
from data.intake.reading.pasting import toml_text
from data.intake.sameness.ids import JOINING
from data.intake.sameness.rows import RepeatedFileError
from flows.steps.findings.everything import Understood, understand
from flows.steps.findings.finding import Finding
from flows.steps.inputs import read_inputs
from flows.steps.proposing.draft import Draft, lines_of

_MOST_ROUNDS, _LIMIT = 8, 0.05
Ask = Callable[[Question], Choice | None]
"""Gives the answer to a question; None where it stays open."""


def improve(draft: Draft, ask: Ask, folder: Path) -> Understood | None:
    """Apply to a draft what looks wrong and has lines that mend it, until nothing more does.

    Parameters
    ----------
    draft
        The draft; lines, assumptions and notes are added to it.
    ask
        Asks about a finding that need not be a mistake.
    folder
        Where the clean tables are written.

    Returns
    -------
    Understood or None
        What was understood at last; None where the tables cannot be used as the draft says, so that a check refuses.
    """
    asked: set[str] = set()
    for number in range(_MOST_ROUNDS):
        place = folder / f"round_{number}"
        try:
            understood = understand(draft.settings(), place)
        except RepeatedFileError as error:
            _leave_out(draft, error)
            continue
        except (RefusedError, InputError) as error:
            is_mended = _join_ids(draft, str(error), ask, asked)
            if not is_mended and not (isinstance(error, RefusedError) and _allow_guests(draft, place)):
                return None
            continue
        if not _apply_all(draft, understood.findings, ask, asked):
            return understood
        shutil.rmtree(place)
    return None


def _apply_all(draft: Draft, findings: list[Finding], ask: Ask, asked: set[str]) -> bool:
    """Apply the first finding that is to be applied, as the later ones were written for the settings as they were."""
    for finding in findings:
        is_new = finding.what not in asked
        asked.add(finding.what)
        if finding.values and is_new and _apply(draft, finding, ask):
            return True
    return False


def _apply(draft: Draft, finding: Finding, ask: Ask) -> bool:
    """Apply one finding as its advice says; return whether a line was added."""
    if finding.advice == "take":
        draft.add(_lines(draft, finding))
        return True
    lines = _lines(draft, finding)
    named = ", ".join(f"{line.key} = {line.value!r}" for line in lines)
    mend, leave = Choice(f"yes: {named}", lines), Choice("no: leave it as it is")
    choices = (mend, leave) if finding.advice == "assume" else (leave, mend)
    answer = ask(Question(finding.what, choices))
    if answer is None or not answer.lines:
        return False
    draft.add(answer.lines)
    return True


def _lines(draft: Draft, finding: Finding) -> tuple[Line, ...]:
    lines = lines_of(finding.values, finding.what.rstrip("."), finding.section)
    return tuple(placed for line in lines for placed in draft.placed(line))


def _join_ids(draft: Draft, refusal: str, ask: Ask, asked: set[str]) -> bool:
    """Take ids for one that differ in how they are written, where a table is refused for it, and say so."""
    told = next((line for line in refusal.splitlines() if "have an id that equals a known one" in line), None)
    if told is None or told in asked:
        return False
    asked.add(told)
    what = told.partition(" Put ")[0].replace("of these rows", "rows of customers who are not known")
    setting = next(name for name, value in JOINING.items() if f"{name} = {toml_text(value)}" in refusal)
    finding = Finding(
        f"{what} If they are the same customers, join them.", "", {setting: JOINING[setting]}, advice="assume"
    )
    return _apply(draft, finding, ask)


def _allow_guests(draft: Draft, folder: Path) -> bool:
    """Allow for sales without a customer where these alone are too many, as they are no mistake in the file."""
    try:
        intake = read_inputs(draft.settings(quarantine_limit=1.0), folder)
    except InputError:
        return False
    report = intake.tables["transactions"]
    guests = report.reasons.get("customer_id is missing", 0)
    others = report.set_aside - guests
    if others > _LIMIT * report.rows_read or report.set_aside <= _LIMIT * report.rows_read:
        return False
    share = math.ceil(100 * report.set_aside / report.rows_read + 1) / 100
    reason = f"{guests:,} of {report.rows_read:,} rows name no customer, such as sales to guests; they are set aside"
    line = Line("quarantine_limit", "transactions", share, reason)
    is_new = draft.lines.get((line.section, line.key)) != line
    draft.add([line])
    return is_new


def _leave_out(draft: Draft, error: RepeatedFileError) -> None:
    for table, paths in draft.paths.items():
        rest = [path for path in paths if path != error.file]
        if len(rest) < len(paths) and rest:
            draft.paths[table] = rest
            draft.notes.append(f"{table}: {error.file} is left out, as all of its rows stand in {error.other} as well.")
            return
    draft.add(
        [Line(f"formats.{error.table}", "repeated", "drop", f"all rows of {error.file} stand in {error.other} as well")]
    )
