"""Files of one table that are written alike, and those that need settings of their own beside them."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.intake.proposals.proposal import Choice, Line, Proposal
from data.intake.reading.pasting import toml_text

_TOGETHER = {"rows", "decimal", "thousands", "time_format", "repeated"}
"""Settings that are found over all files of a table together, or count for all of them."""

_OVERLAP = 0.1
"""Share of the days of the shorter file from which two files may tell the same sales."""


@dataclass(frozen=True)
class Group:
    """Files of a table that are written alike; `unlike` says how they differ from those of the first group."""

    proposals: tuple[Proposal, ...]
    unlike: str = ""


def group(proposals: Sequence[Proposal]) -> list[Group]:
    """Put the files of one table that are written alike together; the group with most files comes first.

    Parameters
    ----------
    proposals
        What is proposed for the files of one table.
    """
    groups: list[list[Proposal]] = []
    for proposal in proposals:
        alike = next((each for each in groups if _unlike(each[0], proposal, proposals) is None), None)
        if alike is None:
            groups.append([proposal])
        else:
            alike.append(proposal)
    first, *others = sorted(groups, key=lambda each: -len(each))
    return [
        Group(tuple(first)),
        *(Group(tuple(each), _unlike(first[0], each[0], proposals) or "") for each in others),
    ]


def sheet_line(proposal: Proposal, proposals: Sequence[Proposal]) -> Line | None:
    """Name the sheets of a workbook that hold a table; None where it has one only.

    Parameters
    ----------
    proposal
        What is proposed for one sheet.
    proposals
        What is proposed for all files and sheets of the table.
    """
    mine = [each for each in proposals if each.file.path == proposal.file.path]
    every = next((each.sheets for each in mine if each.sheets), ())
    if len(every) < 2:
        return None
    names = [str(each.sheet) for each in mine]
    others = [name for name in every if name not in names]
    section = f"formats.{proposal.table}"
    if not others:
        reason = f"all {len(every)} sheets hold {proposal.table} and are read together, and so are those that come"
        return Line(section, "sheet", "*", reason)
    reason = f"the workbook also has {', '.join(others)}"
    if len(names) == 1:
        return Line(section, "sheet", names[0], reason)
    return Line(section, "sheet", names, f"these hold {proposal.table} and are read together; {reason}")


def with_own_settings(group: Group, others: Sequence[Proposal], sheets: Sequence[Proposal]) -> list[Proposal]:
    """Give the files of a group settings of their own: the lines and questions of each go into its own section.

    Parameters
    ----------
    group
        Files that are written otherwise than most of their table.
    others
        What is proposed for the other files of the table: a pattern of names must fit none of them.
    sheets
        What is proposed for all files and sheets of the table.
    """
    whole: dict[str, Proposal] = {}
    for each in group.proposals:
        mine = [other for other in sheets if other.file.path == each.file.path]
        is_whole = all(other in group.proposals for other in mine)
        whole.setdefault(_short_name(each, sheet=not is_whole), each)
    pattern = _pattern(list(whole), [_short_name(each) for each in others])
    placed = {pattern: group.proposals[0]} if pattern else whole
    return [_placed(proposal, name, group.unlike, sheets) for name, proposal in placed.items()]


def may_tell_the_same(proposal: Proposal, others: Sequence[Proposal]) -> Proposal | None:
    """Return a file of other sales whose days a file covers as well, so that both may tell the same sales."""
    for other in others:
        if proposal.days is None or other.days is None:
            return other
        shared = (min(proposal.days[1], other.days[1]) - max(proposal.days[0], other.days[0])).days + 1
        shorter = min((days[1] - days[0]).days + 1 for days in (proposal.days, other.days))
        if shared > _OVERLAP * shorter:
            return other
    return None


def name_of(proposal: Proposal) -> str:
    """Name a file, and the sheet where it is one of several."""
    return f"{proposal.file.name}/{proposal.sheet}" if proposal.several else proposal.file.name


def _short_name(proposal: Proposal, *, sheet: bool = True) -> str:
    """Name a file without its folder, with its sheet where it is one of several."""
    named = f"/{proposal.sheet}" if sheet and proposal.several else ""
    return re.split(r"[/\\]", proposal.file.name)[-1] + named


def _pattern(names: Sequence[str], others: Sequence[str]) -> str:
    """Return the start and the end that several names have in common, with a star between; empty where others fit."""
    if len(names) < 2:
        return ""
    first = min(names, key=len)
    start = next(first[:k] for k in range(len(first), -1, -1) if all(name.startswith(first[:k]) for name in names))
    end = Path(names[0]).suffix if len({Path(name).suffix for name in names}) == 1 else ""
    fits = [name for name in others if name.startswith(start) and name.endswith(end)]
    return f"{start}*{end}" if len(start) > 2 and not fits and not re.search(r"[\[\]*?]", start) else ""


def _placed(proposal: Proposal, name: str, unlike: str, sheets: Sequence[Proposal]) -> Proposal:
    table = proposal.table
    own = f"files.{table}.{toml_text(name)}"
    sections = {f"formats.{table}": own, f"columns.{table}": f"{own}.columns"}

    def move(lines: Sequence[Line]) -> Iterator[Line]:
        for line in lines:
            yield line if line.key == "repeated" else replace(line, section=sections.get(line.section, line.section))

    lines = list(move(proposal.lines))
    sheet = sheet_line(proposal, sheets) if "/" not in name else None
    lines += move([sheet]) if sheet else []
    keys = {line.key for line in lines}
    for key, value in proposal.written.items():
        if key not in keys and unlike.startswith(key):
            lines.append(Line(own, key, value, "so these files write it, and the others do not"))
    if not any(line.section.startswith(own) for line in lines):
        customer = proposal.customers[0].name
        lines.append(Line(f"{own}.columns", "customer_id", customer, "all of its columns have our names"))
    questions = tuple(
        replace(each, choices=tuple(Choice(one.meaning, tuple(move(one.lines))) for one in each.choices))
        for each in proposal.questions
    )
    return replace(proposal, lines=tuple(lines), questions=questions, section=own)


def _unlike(first: Proposal, other: Proposal, every: Sequence[Proposal]) -> str | None:
    """Say in which setting two files of a table differ; None where they are read alike."""
    for key in ("decimal", "time_format"):
        ways = [each.written.get(key) for each in (first, other)]
        if None not in ways and ways[0] != ways[1]:
            return f"{key}: {ways[1]!r} against {ways[0]!r}"
    ours, theirs = (
        {(line.section, line.key): line.value for line in each.lines if line.key not in _TOGETHER}
        for each in (first, other)
    )
    for place in ours.keys() | theirs.keys():
        if ours.get(place) != theirs.get(place):
            said = [value if value is not None else "none" for value in (theirs.get(place), ours.get(place))]
            return f"{place[1]}: {said[0]!r} against {said[1]!r}"
    sheets = [line and line.value for line in (sheet_line(first, every), sheet_line(other, every))]
    if sheets[0] != sheets[1] and not {None, "*"} >= {str(each) if each else None for each in sheets}:
        return f"sheet: {sheets[1]!r} against {sheets[0]!r}"
    return None
