"""What a sale was worth, by the columns of a file: a total, or quantity times price, of a line or of a whole order."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb

from data.intake.proposals.profiles import Profile, number_of
from data.intake.proposals.proposal import Choice, Line, Question
from data.intake.proposals.roles import Role, close_others
from data.intake.raw import RawFile
from data.intake.reading.expressions import in_expression
from data.intake.sql import only_row

_SURE, _FEWEST_ORDERS = 0.95, 2
_COLUMNS, _FORMATS = "columns.transactions", "formats.transactions"


@dataclass(frozen=True)
class Amount:
    """How the amount is read: lines, open questions, and roles that must not be read beside it."""

    lines: tuple[Line, ...]
    questions: tuple[Question, ...] = ()
    unread: frozenset[str] = frozenset()


@dataclass(frozen=True)
class _Orders:
    """Orders with several lines: all of them, those with one total on each line, those with it on one line only."""

    several: int
    on_each: int
    on_one: int


def propose_amount(
    connection: duckdb.DuckDBPyConnection,
    raw: RawFile,
    roles: Mapping[str, Role],
    mark: str | None,
    profiles: Sequence[Profile],
) -> Amount:
    """Propose how the amount of a transaction is read.

    Parameters
    ----------
    connection, raw
        The working database and the file.
    roles
        The columns that seem to be the amount, unit_price, quantity, order_id and line_id, as far as there are any.
    mark
        The decimal mark where it is known.
    profiles
        All columns of the file.
    """
    total, price, quantity = (
        roles[name].column if name in roles else None for name in ("amount", "unit_price", "quantity")
    )
    product = f"{in_expression(quantity.name)} * {in_expression(price.name)}" if quantity and price else ""
    if total is None:
        used = {found.column.name for found in roles.values()}
        return _without_total(price, product, [each for each in profiles if each.name not in used and _is_money(each)])
    share, differ = _product_share(connection, raw, total, price, quantity, mark)
    if price is not None and quantity is not None and differ and share >= _SURE:
        reason = f"it equals {quantity.name} times {price.name} in {share:.0%} of the rows"
        # As an expression: check takes a column named after a price for the price of one piece.
        return Amount((Line(_FORMATS, "amount", in_expression(total.name), reason),))
    orders = _orders(connection, raw, total, roles.get("order_id"))
    if orders.several >= _FEWEST_ORDERS and orders.on_each > 0.9 * orders.several:
        return _total_on_each_line(connection, raw, roles, total, product, orders)
    if orders.several >= _FEWEST_ORDERS and orders.on_one > 0.9 * orders.several:
        name = in_expression(total.name)
        filled = f"{name} <> ''" if total.sql_type == "VARCHAR" else f"{name} is not null"
        why = (
            f"it stands on one line of each order, in {orders.on_one:,} of {orders.several:,} orders with several lines"
        )
        return Amount((*_mapped(total, f"{why}, so it is the order's total"), Line(_FORMATS, "rows", filled, why)))
    if price is not None and quantity is not None and differ and share < 0.5 and not orders.several:
        what = (
            f"{total.name!r} is {quantity.name} times {price.name} in {share:.0%} of the rows only. "
            "Which is the amount?"
        )
        choices = (
            Choice(f"{total.name}, as it stands", _mapped(total, "its name says so")),
            Choice(product, (Line(_FORMATS, "amount", product, "you chose it"),)),
        )
        return Amount((), (Question(what, choices),))
    return _one_of_several(connection, raw, roles["amount"], mark)


def _without_total(price: Profile | None, product: str, others: Sequence[Profile]) -> Amount:
    if product:
        return Amount((Line(_FORMATS, "amount", product, "no column holds the total of a line, but these make it"),))
    if price is not None:
        return Amount(_mapped(price, "it is the only column with money, and there is no quantity"))
    if others:
        what = (
            f"No name says which column is the amount of a sale. These hold numbers that may be it: {_listed(others)}."
        )
        choices = tuple(Choice(each.name, _mapped(each, "it holds numbers that look like money")) for each in others)
        return Amount((), (Question(what, choices, decided=len(others) == 1),))
    what = (
        "No column of it looks like money. Each row can count as a purchase of 1; revenue and value then count "
        "purchases."
    )
    return Amount(
        (),
        (Question(what, (Choice("each row is worth 1", (Line(_FORMATS, "amount", "1", "no column holds money"),)),)),),
    )


def _is_money(profile: Profile) -> bool:
    """Whether a column holds numbers with two decimals or with a currency, as prices have."""
    signed = sum(bool(re.search(r"[.,]\d\d\D*$|\d[^\d.,\s]+$|^[^\d.,\s+-]+\d", each)) for each in profile.examples)
    return profile.kind == "number" and signed > 0.5 * len(profile.examples)


def _listed(columns: Sequence[Profile]) -> str:
    return ", ".join(f"{each.name} ({', '.join(each.examples[:2])})" for each in columns)


def _mapped(column: Profile, reason: str) -> tuple[Line, ...]:
    return (Line(_COLUMNS, "amount", column.name, reason),)


def _product_share(
    connection: duckdb.DuckDBPyConnection,
    raw: RawFile,
    total: Profile,
    price: Profile | None,
    quantity: Profile | None,
    mark: str | None,
) -> tuple[float, int]:
    """Return the share of rows in which the total is quantity times price, and the rows in which that tells."""
    if price is None or quantity is None:
        return 0.0, 0
    numbers = [number_of(connection, raw, each, mark) for each in (total, price, quantity)]
    if None in numbers:
        return 0.0, 0
    t, p, q = numbers
    row = only_row(
        connection,
        f"SELECT avg((abs(abs(t) - abs(q * p)) <= 0.011 + 0.001 * abs(t))::INT), count(*) FILTER (abs(q) <> 1) "
        f"FROM (SELECT {t} AS t, {p} AS p, {q} AS q FROM {raw.relation} WHERE shape = 0) "
        "WHERE t IS NOT NULL AND p IS NOT NULL AND q IS NOT NULL",
    )
    return float(row[0] or 0), int(row[1])


def _orders(connection: duckdb.DuckDBPyConnection, raw: RawFile, total: Profile, order: Role | None) -> _Orders:
    if order is None:
        return _Orders(0, 0, 0)
    row = only_row(
        connection,
        f"""
        SELECT count(*), count(*) FILTER (filled = lines AND different = 1), count(*) FILTER (filled = 1)
        FROM (SELECT count(*) AS lines, count({total.text}) AS filled, count(DISTINCT {total.text}) AS different
              FROM {raw.relation} WHERE shape = 0 AND {order.column.text} IS NOT NULL
              GROUP BY {order.column.text} HAVING count(*) > 1)
        """,
    )
    return _Orders(*map(int, row))


def _total_on_each_line(
    connection: duckdb.DuckDBPyConnection,
    raw: RawFile,
    roles: Mapping[str, Role],
    total: Profile,
    product: str,
    orders: _Orders,
) -> Amount:
    why = (
        f"{total.name!r} is the same on every line of {orders.on_each:,} of {orders.several:,} orders with several "
        "lines, so it is the order's total"
    )
    if product:
        return Amount((Line(_FORMATS, "amount", product, f"{why}; a line is worth this"),))
    line = roles.get("line_id")
    if line is not None and line.column.kind == "number" and _starts_at_one(connection, raw, roles["order_id"], line):
        rows = Line(_FORMATS, "rows", f"{in_expression(line.column.name)} = 1", "the first line stands for the order")
        return Amount((*_mapped(total, why), rows))
    drop = Line(_FORMATS, "repeated", "drop", "one line stands for the order, as no column tells the lines apart")
    apart = frozenset(("line_id", "category", "quantity", "unit_price", "discount", "cost"))
    return Amount((*_mapped(total, why), drop), unread=apart)


def _starts_at_one(connection: duckdb.DuckDBPyConnection, raw: RawFile, order: Role, line: Role) -> bool:
    row = only_row(
        connection,
        f"SELECT bool_and(ones = 1) FROM (SELECT count(*) FILTER ({line.column.text} = '1') AS ones "
        f"FROM {raw.relation} WHERE shape = 0 AND {order.column.text} IS NOT NULL GROUP BY {order.column.text})",
    )
    return bool(row[0])


def _one_of_several(connection: duckdb.DuckDBPyConnection, raw: RawFile, role: Role, mark: str | None) -> Amount:
    """Take the column whose name fits best; where others may be meant as well, ask, with the sum of each."""
    total = role.column
    others = [each for each in (*close_others(role, "amount"), *role.others) if each.kind == "number"]
    others = list({each.name: each for each in others}.values())[:3]
    if not others:
        return Amount(_mapped(total, "its name says so, and it holds numbers"))
    sums = [(each, _sum(connection, raw, each, mark)) for each in (total, *others)]
    told = ", ".join(f"{each.name} ({amount})" for each, amount in sums)
    if len({amount for _, amount in sums}) == 1:
        return Amount(_mapped(total, f"its name says so; {', '.join(each.name for each in others)} has the same sum"))
    choices = tuple(Choice(each.name, _mapped(each, f"of {told}, by its name")) for each, _ in sums)
    return Amount(
        (), (Question(f"Several columns hold money, with these sums: {told}. Which is the amount of a sale?", choices),)
    )


def _sum(connection: duckdb.DuckDBPyConnection, raw: RawFile, column: Profile, mark: str | None) -> str:
    number = number_of(connection, raw, column, mark)
    if number is None:
        return "not clear"
    value = only_row(connection, f"SELECT sum({number}) FROM {raw.relation} WHERE shape = 0")[0]
    return f"{value or 0:,.2f}"
