"""The draft as a commented `revealed.toml`."""

import textwrap
from collections.abc import Iterator

from data.intake.proposals.proposal import Line
from data.intake.reading.pasting import paste, toml_text
from flows.settings import TABLES
from flows.steps.proposing.draft import Draft

_WIDTH = 110
_HEAD = (
    "Written by `revealed init`, which says above each line what told it. Change what is meant otherwise;",
    "`revealed check` then shows what was understood. `revealed settings` lists all settings.",
)


def to_toml(draft: Draft) -> str:
    """Write a draft as a commented settings file."""
    lines = [f"# {line}" for line in _HEAD]
    if draft.assumed:
        lines += ["#", "# PLEASE LOOK AT THESE, which the files do not tell for certain:"]
        lines += [each for text in draft.assumed for each in _comment(text, "- ")]
    for question in draft.open:
        lines += ["#", *_comment(question.what, "OPEN: "), "# Take the # off one of these lines, under its section:"]
        lines += [
            f"#   {_assignment(line)}   # [{line.section}] {choice.meaning}"
            for choice in question.choices
            for line in choice.lines
        ]
    lines.append("")
    for table in TABLES:
        if table in draft.paths:
            paths = ", ".join(map(toml_text, draft.paths[table]))
            lines += [*_comment(f"{table}: {draft.why.get(table, 'you named it')}."), f"{table} = [{paths}]"]
    lines += [each for line in draft.lines.values() if not line.section for each in _with_reason(line)]
    lines += list(_usual(draft))
    for section in sorted({line.section for line in draft.lines.values() if line.section}):
        lines += ["", f"[{section}]" + ("   # our name = yours" if "columns" in section.split(".") else "")]
        lines += [each for line in draft.lines.values() if line.section == section for each in _with_reason(line)]
    return "\n".join(lines) + "\n"


def _with_reason(line: Line) -> Iterator[str]:
    yield from _comment(line.reason if line.reason.endswith(("…", ".")) else f"{line.reason}.")
    yield _assignment(line)
    for other, meaning in line.others.items():
        yield f"# {other}   # {meaning}"


def _assignment(line: Line) -> str:
    value = line.value if not isinstance(line.value, list) else ""
    if isinstance(line.value, list):
        return f"{line.key} = [{', '.join(map(toml_text, line.value))}]"
    return paste("x", {line.key: value}).splitlines()[-1]


def _comment(text: str, mark: str = "") -> list[str]:
    """Write a text as comments; control characters, which TOML refuses, become blanks."""
    plain = "".join(sign if sign.isprintable() else " " for sign in f"{mark}{text}")
    return [f"# {line}" for line in textwrap.wrap(plain, _WIDTH, break_long_words=False, break_on_hyphens=False)]


def _usual(draft: Draft) -> Iterator[str]:
    """Give the settings that most shops need, as comments, where no file tells them."""
    named = {line.key for line in draft.lines.values()}
    for key, line in {
        "currency": '# currency = "EUR"             # of all amounts',
        "timezone": '# timezone = "Europe/Berlin"   # whose days are the days of the shop; UTC unless told',
    }.items():
        if key not in named:
            yield line
