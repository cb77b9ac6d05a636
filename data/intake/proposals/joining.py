"""Which column names the customer in several files: the one by which they join; and whether files of customers do."""

from collections.abc import Sequence
from dataclasses import replace

import duckdb

from data.intake.proposals.profiles import Profile
from data.intake.proposals.proposal import Line, Proposal
from data.intake.reading.matching import normalise_name

_JOINED, _MOST = 0.5, 4
"""Share of the customers of a file that the transactions must know; columns of a file that are tried."""


def join_customers(connection: duckdb.DuckDBPyConnection, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Name the customer of other tables, or of the transactions, by another column where they do not join as proposed.

    Parameters
    ----------
    connection
        The database in which the files were opened.
    proposals
        What is proposed for each file; the first of transactions is the one to join.
    """
    changed = list(proposals)
    at = next((k for k, each in enumerate(changed) if each.table == "transactions" and each.customers), None)
    if at is None:
        return changed
    for k, other in enumerate(changed):
        sales = changed[at]
        if other.table in ("", "transactions") or not other.customers:
            continue
        shares = {
            (ours, theirs): _share(connection, other, other.customers[theirs], sales, sales.customers[ours])
            for ours in range(min(len(sales.customers), _MOST))
            for theirs in range(min(len(other.customers), _MOST))
        }
        as_proposed = shares[0, 0]
        (ours, theirs), best = max(shares.items(), key=lambda each: (each[1], -sum(each[0])))
        if as_proposed >= _JOINED or best < _JOINED:
            continue
        names = f"{other.customers[theirs].name!r} of {other.file.name} and {sales.customers[ours].name!r} of"
        reason = (
            f"{best:.0%} of the customers are the same by {names} {sales.file.name}, and {as_proposed:.0%} by "
            f"{other.customers[0].name!r} and {sales.customers[0].name!r}"
        )
        changed[k] = _named(other, theirs, reason)
        changed[at] = _named(sales, ours, reason) if ours else sales
    return changed


def tell_apart(connection: duckdb.DuckDBPyConnection, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Say of each further file of customers why it is not joined to the first one by the customer, where it is not.

    Files join where some of their customers are the same, and no column that both have contradicts the other.

    Parameters
    ----------
    connection
        The database in which the files were opened.
    proposals
        What is proposed for each file, with customers as they join the transactions.
    """
    first = next((each for each in proposals if each.table == "customers" and each.customers), None)
    return [
        replace(each, apart=_apart(connection, each, first))
        if first is not None and each is not first and each.table == "customers" and each.customers
        else each
        for each in proposals
    ]


def _apart(connection: duckdb.DuckDBPyConnection, other: Proposal, first: Proposal) -> str:
    ours, theirs = first.customers[0], other.customers[0]
    if not _share(connection, other, theirs, first, ours):
        return f"no {theirs.name!r} of it is one of {ours.name!r} of {first.file.name}"
    places = {normalise_name(name): k for k, name in enumerate(first.header)}
    for at, name in enumerate(other.header):
        place = places.get(normalise_name(name))
        if place is None or theirs.column == f"c{at}" or ours.column == f"c{place}":
            continue
        if name != first.header[place]:
            return f"its column {name!r} is {first.header[place]!r} in {first.file.name}; write them alike"
        sides = (_cells(first, ours, place), _cells(other, theirs, at))
        row = connection.execute(
            f"SELECT a.id, a.cell, b.cell FROM ({sides[0]}) AS a JOIN ({sides[1]}) AS b ON lower(a.id) = lower(b.id) "
            "WHERE a.cell <> b.cell ORDER BY a.id LIMIT 1"
        ).fetchone()
        if row is not None:
            return f"{name!r} of {row[0]} is {row[1]!r} in {first.file.name} and {row[2]!r} here"
    return ""


def _cells(proposal: Proposal, customer: Profile, place: int) -> str:
    """Write SQL for the customers of a file with one of its columns, where that is filled."""
    cell = f"nullif(trim(CAST(c{place} AS VARCHAR)), '')"
    return f"SELECT {customer.text} AS id, {cell} AS cell FROM {proposal.relation}"


def _share(
    connection: duckdb.DuckDBPyConnection, other: Proposal, theirs: Profile, sales: Proposal, ours: Profile
) -> float:
    """Return the share of the customers of a file whom the transactions know; the case of letters does not count."""
    row = connection.execute(
        f"SELECT avg((id IN (SELECT lower({ours.text}) FROM {sales.relation} WHERE {ours.text} IS NOT NULL))::INT) "
        f"FROM (SELECT DISTINCT lower({theirs.text}) AS id FROM {other.relation}) WHERE id IS NOT NULL"
    ).fetchone()
    return float(row[0] or 0) if row else 0.0


def _named(proposal: Proposal, place: int, reason: str) -> Proposal:
    """Name the customer of a file by another of its columns."""
    chosen = proposal.customers[place]
    lines = [line for line in proposal.lines if line.key != "customer_id"]
    others = [each for each in proposal.customers if each is not chosen]
    if normalise_name(chosen.name) != "customerid":
        lines.append(Line(f"columns.{proposal.table}", "customer_id", chosen.name, reason))
    return replace(proposal, lines=tuple(lines), customers=(chosen, *others))
