"""Looks at each file that was given, and puts what is proposed for them into one draft."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from data.errors import InputError
from data.intake.casting import create_macros
from data.intake.databases.address import split_addresses, without_password
from data.intake.databases.reading import read_first_rows
from data.intake.proposals.joining import join_customers, tell_apart
from data.intake.proposals.opening import open_file
from data.intake.proposals.proposal import Choice, Line, Proposal, Question
from data.intake.proposals.proposing import propose
from data.intake.rules import Rules
from data.intake.sources import File, Source, find_files
from data.intake.sql import confine
from flows.steps.proposing.draft import Draft
from flows.steps.proposing.grouping import (
    Group,
    group,
    may_tell_the_same,
    name_of,
    sheet_line,
    with_own_settings,
)

_ORDER = ("transactions", "answers", "events", "customers")


def look_at(given: Sequence[str]) -> list[tuple[str, Proposal]]:
    """Propose what each file, and each sheet of a workbook, is.

    Parameters
    ----------
    given
        Paths, folders, globs, URLs, or tables in databases.

    Returns
    -------
    list of (str, Proposal)
        What was given -> what is proposed for a file of it.

    Raises
    ------
    InputError
        Something is not there or cannot be read.
    """
    proposals: list[tuple[str, Proposal]] = []
    with tempfile.TemporaryDirectory(prefix="revealed-init-") as name, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        create_macros(connection, Rules())
        files = list(_files(given, Path(name)))
        confine(connection, [Path(name)], [file.path for _, file in files])
        for place, file in files:
            number = len(proposals)
            opened = open_file(connection, file, f"raw_init_{number}", Path(name))
            sheets = (str(opened.sheet), *opened.sheets) if opened.sheets else ()
            proposals.append((place, replace(propose(connection, opened), sheets=sheets)))
            for k, sheet in enumerate(opened.sheets):
                try:
                    other = open_file(connection, file, f"raw_init_{number}_{k}", Path(name), sheet)
                except InputError:
                    continue
                proposals.append((place, replace(propose(connection, other), sheets=sheets)))
        joined = tell_apart(connection, join_customers(connection, [proposal for _, proposal in proposals]))
    return [(place, proposal) for (place, _), proposal in zip(proposals, joined, strict=True)]


def _files(given: Sequence[str], folder: Path) -> Iterator[tuple[str, File]]:
    for number, path in enumerate(given):
        addresses, paths = split_addresses([path])
        if addresses:
            yield path, read_first_rows(addresses[0], folder / f"database_{number}.parquet")
            continue
        for file in find_files(Source(paths), "init", folder)[0]:
            yield path, file


def draft_of(proposals: Sequence[tuple[str, Proposal]]) -> tuple[Draft, list[Proposal]]:
    """Put the proposals for all files into one draft; return those whose questions are still to be asked as well.

    The files of a table that are written otherwise than most get settings of their own. Sales of the same days in two
    files that are written otherwise may be the same sales, so that it is asked whether both count.
    """
    draft = Draft()
    taken: list[Proposal] = []
    for table in _ORDER:
        mine = [proposal for _, proposal in proposals if proposal.table == table]
        if not mine:
            continue
        first, *others = group(mine)
        base = first.proposals[0]
        sheet = next((line for each in first.proposals if (line := sheet_line(each, mine))), None)
        draft.why[table] = base.reason
        draft.add([*base.lines, *([sheet] if sheet else [])])
        draft.notes += [f"{table}: {note}" for note in base.notes]
        draft.headers[table] = [(f"formats.{table}", base.header)]
        taken.append(base)
        asked = [each for each in others if _is_asked(each, first)]
        _add_paths(draft, [each for one in (first, *others) if one not in asked for each in one.proposals], proposals)
        for unlike in others:
            taken += _add_unlike(draft, unlike, first, mine, proposals, asked=unlike in asked)
    for _, proposal in proposals:
        if not proposal.table:
            draft.notes.append(f"{name_of(proposal)} is not read: {proposal.reason}.")
    return draft, taken


def _is_asked(unlike: Group, first: Group) -> bool:
    """Whether files that are written otherwise may tell what others tell as well, and would count twice."""
    table = unlike.proposals[0].table
    if table == "customers":
        return any(each.apart for each in unlike.proposals)
    return table == "transactions" and any(may_tell_the_same(each, first.proposals) for each in unlike.proposals)


def _add_unlike(
    draft: Draft,
    unlike: Group,
    first: Group,
    mine: Sequence[Proposal],
    proposals: Sequence[tuple[str, Proposal]],
    *,
    asked: bool,
) -> list[Proposal]:
    """Add files with settings of their own to a draft, or give the question whether they count at all."""
    table = unlike.proposals[0].table
    names = ", ".join(map(name_of, unlike.proposals))
    how = (
        f"{names} seems to be {table} as well ({unlike.proposals[0].reason}), but is written otherwise than "
        f"{name_of(first.proposals[0])} ({unlike.unlike})"
    )
    apart = next((each.apart for each in unlike.proposals if each.apart), "")
    if table == "customers" and apart:
        draft.notes.append(f"{names} seems to be customers as well, and is not read: {apart}. Join the files yourself.")
        return []
    placed = with_own_settings(unlike, [each for each in mine if each not in unlike.proposals], mine)
    if asked:
        paths = list(dict.fromkeys(_path(each, proposals) for each in unlike.proposals))
        lines = (Line("", table, paths, ""), *(line for each in placed for line in each.lines))
        choices = (Choice(f"leave out {names}"), Choice("read both, as they tell different sales", lines))
        what = f"{how}, and both have sales of the same days. If they tell the same sales, these would count twice."
        return [replace(placed[0], lines=(), questions=(Question(what, choices),))]
    for each in placed:
        draft.add(each.lines)
        draft.headers[table].append((each.section, each.header))
    also = ", and is joined to it by the customer" if table == "customers" else ""
    draft.notes.append(f"{how}: it has settings of its own{also}.")
    return placed


def _add_paths(draft: Draft, those: Sequence[Proposal], proposals: Sequence[tuple[str, Proposal]]) -> None:
    """Add the files of some proposals to those of their table."""
    for given, proposal in proposals:
        if proposal in those:
            path = _written(given, proposal, those, proposals)
            if "://" in given and path != given:
                draft.whole[path] = given
            paths = draft.paths.setdefault(proposal.table, [])
            paths += [path] if path not in paths else []


def _path(proposal: Proposal, proposals: Sequence[tuple[str, Proposal]]) -> str:
    given = next(place for place, each in proposals if each is proposal)
    return without_password(given) if "://" in given else str(proposal.file.path)


def _written(
    given: str, proposal: Proposal, those: Sequence[Proposal], proposals: Sequence[tuple[str, Proposal]]
) -> str:
    """Return what was given where all of its files are among those that are read, else the file; without a password."""
    if "://" in given:
        return without_password(given)
    is_whole = all(each in those for place, each in proposals if place == given)
    return given if is_whole else str(proposal.file.path)
