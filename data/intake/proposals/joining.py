"""Which column names the customer in several files: the one by which they join."""

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
