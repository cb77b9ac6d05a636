"""Which column of a file plays which role, by its name and by what it holds; and which table the file is then."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from data.contracts import CONTRACTS
from data.intake.proposals.profiles import Profile
from data.intake.proposals.vocabulary import TABLE_HINTS, fit
from data.intake.reading.matching import normalise_name

_KINDS = {column.name: column.kind for contract in CONTRACTS.values() for column in contract.columns}
_KINDS |= {"unit_price": "number", "kind": "text"}
_HIGHEST_SCORE = 10
_LEAST = 0.3
_CLOSE = 0.04
"""Two names whose scores differ by less are both told."""

_SERIAL = (20_000, 80_000)
"""Days of a spreadsheet look like numbers."""


@dataclass(frozen=True)
class Role:
    """The column that plays a role, how well its name fits, and others that fit nearly as well."""

    column: Profile
    score: float
    others: tuple[Profile, ...] = ()


def find_roles(profiles: Sequence[Profile], wanted: Sequence[str]) -> dict[str, Role]:
    """Find a different column for each role that any column fits.

    Parameters
    ----------
    profiles
        The columns of a file.
    wanted
        Roles, as `data.intake.proposals.vocabulary.ROLES` names them; earlier ones win a tie.
    """
    scored = [
        (round(score, 4), -wanted.index(role), -profile.place, role, profile)
        for role in wanted
        for profile in profiles
        if (score := _score(role, profile)) >= _LEAST
    ]
    roles: dict[str, Role] = {}
    used: set[str] = set()
    for score, _, _, role, profile in sorted(scored, key=lambda each: each[:3], reverse=True):
        if role not in roles and profile.name not in used:
            roles[role] = Role(profile, score)
            used.add(profile.name)
    return {role: _with_others(role, found, scored, used) for role, found in roles.items()}


def _with_others(
    role: str, found: Role, scored: Sequence[tuple[float, int, int, str, Profile]], used: set[str]
) -> Role:
    others = [
        p for _, _, _, r, p in sorted(scored, key=lambda e: e[:3], reverse=True) if r == role and p.name not in used
    ]
    return Role(found.column, found.score, tuple(others))


def _score(role: str, profile: Profile) -> float:
    """Score a column for a role: its name, if its cells can be that at all."""
    own = normalise_name(role) == normalise_name(profile.name)
    by_name = 1.1 if own else fit(role, profile.name)
    if not profile.filled or not by_name:
        return 0.0
    kind = _KINDS[role]
    if kind == "time":
        return by_name if profile.kind == "time" or _is_serial(profile) else 0.0
    if kind == "score":
        return by_name if profile.kind == "number" and _is_small(profile) else 0.0
    if kind == "number":
        return by_name if profile.kind == "number" else 0.0
    if role == "customer_id":
        # A column that is hardly ever filled, or always the same, tells nobody apart.
        share = profile.filled / max(profile.rows, 1)
        return by_name * min(1.0, 0.5 + share) if profile.kind != "time" and profile.different > 1 else 0.0
    if role in ("order_id", "line_id"):
        # Days may be written as numbers are, such as 20240105; but numbers of orders may, too.
        return by_name if profile.different > 1 else 0.0
    if role == "category":
        return by_name if profile.different < max(0.5 * profile.filled, 3) else 0.0
    return by_name if kind != "id" or profile.kind == "text" else 0.0


def _is_serial(profile: Profile) -> bool:
    if profile.kind != "number":
        return False
    try:
        numbers = [float(each.replace(",", ".")) for each in profile.examples]
    except ValueError:
        return False
    return all(_SERIAL[0] < number < _SERIAL[1] for number in numbers)


def _is_small(profile: Profile) -> bool:
    try:
        numbers = [float(each) for each in profile.examples]
    except ValueError:
        return False
    return all(0 <= number <= _HIGHEST_SCORE and number == int(number) for number in numbers)


def find_table(profiles: Sequence[Profile], name: str) -> tuple[str, str]:
    """Say which table a file seems to be, and what tells it; no table where it is none.

    Parameters
    ----------
    profiles
        Its columns.
    name
        The names of the file and of the sheet, which break a tie.
    """
    hints = [table for table, words in TABLE_HINTS.items() if re.search(words, name.lower())]
    sales = find_roles(profiles, ("customer_id", "ts", "amount", "unit_price", "order_id", "quantity"))
    survey = find_roles(profiles, ("customer_id", "score", "answered_at", "comment", "question"))
    happenings = find_roles(profiles, ("customer_id", "ts", "kind"))
    customer = sales.get("customer_id") or survey.get("customer_id")
    money = sales.get("amount") or sales.get("unit_price")
    if customer is None:
        return "", "no column of it looks like a customer"
    own = _own_columns(profiles)
    if {"score"} <= own or (
        "score" in survey
        and (money is None or survey["score"].score > money.score or "answers" in hints)
        and "quantity" not in sales
    ):
        return (
            "answers",
            f"{survey['score'].column.name!r} holds whole scores up to 10" if "score" in survey else "score",
        )
    once = customer.column.different >= 0.98 * customer.column.filled and customer.column.filled > 1
    if once and "order_id" not in sales and "customers" in hints and "transactions" not in hints:
        return "customers", f"each {customer.column.name!r} stands in one row, and the file is named so"
    if money is not None and "ts" in sales:
        return "transactions", f"it has customers, times and money ({money.column.name!r})"
    if "kind" in happenings and "ts" in happenings:
        return (
            "events",
            f"it has customers, times and kinds of events ({happenings['kind'].column.name!r}), and no money",
        )
    if once and money is None:
        return "customers", f"each {customer.column.name!r} stands in one row, and there is no money"
    if "ts" in sales:
        return "transactions", "it has customers and times, and nothing tells that it is something else"
    if once:
        return "customers", f"each {customer.column.name!r} stands in one row, and there is no time of a sale"
    return "", "it has customers, but no times"


def _own_columns(profiles: Sequence[Profile]) -> set[str]:
    return {normalise_name(profile.name) for profile in profiles}


def close_others(role: Role, score_of: str) -> list[Profile]:
    """List the other columns whose names fit a role nearly as well."""
    return [other for other in role.others if _score(score_of, other) >= role.score - _CLOSE]
