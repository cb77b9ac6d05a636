"""Looks at each file that was given, and puts what is proposed for them into one draft."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from data.errors import InputError
from data.intake.casting import create_macros
from data.intake.databases.address import split_addresses, without_password
from data.intake.databases.reading import read_first_rows
from data.intake.proposals.joining import join_customers
from data.intake.proposals.opening import open_file
from data.intake.proposals.proposal import Proposal
from data.intake.proposals.proposing import propose
from data.intake.rules import Rules
from data.intake.sources import File, Source, find_files
from flows.steps.proposing.draft import Draft

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
        for place, file in _files(given, Path(name)):
            number = len(proposals)
            opened = open_file(connection, file, f"raw_init_{number}", Path(name))
            proposals.append((place, propose(connection, opened)))
            for k, sheet in enumerate(opened.sheets):
                try:
                    other = open_file(connection, file, f"raw_init_{number}_{k}", Path(name), sheet)
                except InputError:
                    continue
                proposals.append((place, propose(connection, other)))
        joined = join_customers(connection, [proposal for _, proposal in proposals])
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

    Files of one table must be written alike: of those that are not, the first counts, and the others are told.
    """
    draft = Draft()
    taken: list[Proposal] = []
    for table in _ORDER:
        first: Proposal | None = None
        for given, proposal in proposals:
            if proposal.table != table:
                continue
            if first is None:
                first = proposal
                draft.why[table] = proposal.reason
                draft.add(proposal.lines)
                draft.notes += [f"{table}: {note}" for note in proposal.notes]
                taken.append(proposal)
            elif (unlike := _unlike(first, proposal)) is not None:
                draft.notes.append(
                    f"{proposal.file.name} seems to be {table} as well ({proposal.reason}), but is written otherwise "
                    f"than {first.file.name} ({unlike}), and is not read. Write the files alike, or join them."
                )
                continue
            path = _written(given, proposal, proposals)
            if "://" in given and path != given:
                draft.whole[path] = given
            paths = draft.paths.setdefault(table, [])
            paths += [path] if path not in paths else []
    for _, proposal in proposals:
        if not proposal.table:
            draft.notes.append(f"{proposal.file.name} is not read: {proposal.reason}.")
    return draft, taken


def _written(given: str, proposal: Proposal, proposals: Sequence[tuple[str, Proposal]]) -> str:
    """Return what was given where all of its files are this table, else the file; without a password."""
    if "://" in given:
        return without_password(given)
    tables = {each.table for place, each in proposals if place == given}
    return given if len(tables) == 1 else str(proposal.file.path)


def _unlike(first: Proposal, other: Proposal) -> str | None:
    """Say in which line two proposals differ; None where they do not."""
    values = {(line.section, line.key): line.value for line in first.lines if line.key != "rows"}
    for line in other.lines:
        known = values.pop((line.section, line.key), None)
        if line.key not in ("rows", "decimal", "thousands", "time_format") and known != line.value:
            return f"{line.key} = {line.value!r} against {known!r}"
    return None
