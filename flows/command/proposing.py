"""The conversation of ``revealed init``: what was found, what is asked, what is written."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from data.errors import InputError
from data.intake.databases.address import without_password
from data.intake.proposals.proposal import Choice, Line, Question
from data.intake.proposals.proposing import check_one_table
from flows.command.check import run_check, tell_check
from flows.reports.overview import rows_sections
from flows.reports.sections import show
from flows.settings import TABLES, Settings
from flows.settings_file import SETTINGS_FILE
from flows.steps.progress import shown_on, step
from flows.steps.proposing.draft import Draft, lines_of
from flows.steps.proposing.gather import draft_of, look_at
from flows.steps.proposing.ignored import ignore_in_git
from flows.steps.proposing.improve import improve
from flows.steps.proposing.written import to_toml

_SIGNS = 300
"""Longest reason that is shown; the file has the whole."""


def run_init(files: list[str], console: Console, *, yes: bool, overwrite: bool, given: dict[str, Any]) -> None:
    """Propose settings for files, write them, and check the tables as they say.

    Parameters
    ----------
    files
        What to look at.
    console
        Where everything is shown.
    yes
        Whether nothing is asked.
    overwrite
        Whether a settings file that is there may be replaced.
    given
        Settings that the user gives.

    Raises
    ------
    InputError
        A file cannot be read, none is a table of transactions, or a settings file is there already.
    """
    target = Path.cwd() / SETTINGS_FILE
    _check_target(target, yes=yes, overwrite=overwrite)
    if not yes and not sys.stdin.isatty():
        raise InputError("init asks what the files do not tell: run it in a terminal, or with --yes.")
    with shown_on(console), step("look at the files"):
        proposals = look_at(files)
    check_one_table([proposal for _, proposal in proposals])
    draft, taken = draft_of(proposals)
    asking = _Asking(console, draft, yes=yes)
    draft.add(lines_of(given, "you gave it"))
    for proposal in taken:
        for question in proposal.questions:
            if not _is_answered(question, given):
                draft.add(asking.choose(question))
    with tempfile.TemporaryDirectory(prefix="revealed-init-") as folder, shown_on(console):
        understood = None if draft.open else improve(draft, asking.of_finding, Path(folder))
        draft.add(lines_of(given, "you gave it"))
        _show(draft, console)
        if not yes and understood is not None:
            show(rows_sections(understood.intake, understood.tables, TABLES), console)
        if not yes and not typer.confirm(f"Write {SETTINGS_FILE}?", default=True):
            console.print("Nothing was written.")
            return
        target.write_text(to_toml(draft), encoding="utf-8")
        console.print(f"\nWrote {target}.", markup=False, soft_wrap=True)
        _keep_out_of_git(files, target, console)
        _check_open(draft)
        if understood is not None:
            tell_check(understood, console, TABLES)
            return
    # It refuses, and says what is wrong.
    run_check(Settings.load(**draft.given_urls()), console)


class _Asking:
    """Asks on the terminal; with --yes takes the likeliest answer and says so."""

    def __init__(self, console: Console, draft: Draft, *, yes: bool) -> None:
        self._console, self._draft, self._yes = console, draft, yes

    def choose(self, question: Question) -> tuple[Line, ...]:
        if not self._yes:
            return self._ask(question).lines
        if not question.decided:
            self._draft.open.append(question)
            return ()
        self._draft.assumed.append(f"{question.what} Taken: {question.choices[0].meaning}.")
        return question.choices[0].lines

    def of_finding(self, question: Question) -> Choice | None:
        """Answer a question about what looks wrong; what is left as it is, check tells."""
        if not self._yes:
            return self._ask(question)
        if question.choices[0].lines:
            self._draft.assumed.append(f"{question.what} Taken: {question.choices[0].meaning}.")
        return question.choices[0]

    def _ask(self, question: Question) -> Choice:
        self._console.print(f"\n{question.what}", markup=False, soft_wrap=True)
        for number, choice in enumerate(question.choices, start=1):
            self._console.print(f"  {number}  {choice.meaning}", markup=False, soft_wrap=True)
        most = len(question.choices)
        default = 1 if question.decided else None
        number = 0
        while not 1 <= number <= most:
            number = typer.prompt("Which", type=int, default=default)
        return question.choices[number - 1]


def _check_target(target: Path, *, yes: bool, overwrite: bool) -> None:
    if not target.exists() or overwrite:
        return
    if yes or not sys.stdin.isatty():
        raise InputError(
            f"{target} is there already and was not touched. Run again with --overwrite to replace it, or move it away."
        )
    if not typer.confirm(f"{target} is there already. Replace it?", default=False):
        raise InputError("nothing was done; the settings file is as it was.")


def _is_answered(question: Question, given: dict[str, Any]) -> bool:
    answered = {(line.section, line.key) for line in lines_of(given, "")}
    return any((line.section, line.key) in answered for choice in question.choices for line in choice.lines)


def _show(draft: Draft, console: Console) -> None:
    """Show what is proposed, each line with its reason."""
    for table in TABLES:
        if table in draft.paths:
            console.print(f"\n[bold]{table}[/]")
            files = ", ".join(draft.paths[table][:5])
            _say(console, f"{files}: {draft.why[table]}.")
            for line in draft.lines.values():
                kind, _, rest = line.section.partition(".")
                own = f"{rest.removeprefix(f'{table}.')}: " if kind == "files" else ""
                if rest == table or (own and rest.startswith(f"{table}.")):
                    _say(console, f"  {own}{line.key} = {line.value}: {line.reason}")
    for line in draft.lines.values():
        if not line.section or "." not in line.section:
            _say(console, f"  {line.section and f'{line.section}.'}{line.key} = {line.value}: {line.reason}")
    for title, texts in (
        ("Please look at these: the files do not tell them for certain", draft.assumed),
        ("Open: nothing tells these, so they are not guessed", [_open(question) for question in draft.open]),
        ("Also found", draft.notes),
    ):
        if texts:
            console.print(f"\n[bold]{title}[/]")
            for text in texts:
                _say(console, f"- {text}")


def _open(question: Question) -> str:
    """Say what is open, and how to answer it."""
    lines = [line for choice in question.choices for line in choice.lines]
    ways = " or ".join(f"--set '{line.section}.{line.key}=\"{line.value}\"'" for line in lines)
    return f"{question.what} Answer with {ways}."


def _say(console: Console, text: str) -> None:
    shown = text if len(text) <= _SIGNS else text[:_SIGNS] + " …"
    console.print(shown, markup=False, highlight=False, soft_wrap=True)


def _keep_out_of_git(files: list[str], target: Path, console: Console) -> None:
    secret = any(without_password(each) != each for each in files) or any("://" in each for each in files)
    names = ["mlruns/", *([SETTINGS_FILE] if secret else [])]
    added = ignore_in_git(target.parent, names)
    if added:
        console.print(f"Added {', '.join(added)} to {target.parent / '.gitignore'}.", markup=False, soft_wrap=True)
    hidden = [each for each in files if without_password(each) != each]
    if hidden:
        console.print(
            f"What is secret in {', '.join(map(without_password, hidden))} was not written: give a password by "
            "PGPASSWORD or ~/.pgpass, or the whole URL by an environment variable such as REVEALED_TRANSACTIONS.",
            markup=False,
            soft_wrap=True,
        )


def _check_open(draft: Draft) -> None:
    """Stop before the check where something is open."""
    if draft.open:
        raise InputError(
            f"{SETTINGS_FILE} was written, but the files leave open what decides the figures (see Open above). "
            "Answer it in the file, then run `revealed check`; or run init again with --overwrite and the --set named."
        )
