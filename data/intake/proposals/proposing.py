"""What is proposed for one file: its table, its columns, how it is written, and which of its rows count."""

import re
from collections.abc import Iterator, Mapping, Sequence

import duckdb

from data.contracts import CONTRACTS
from data.errors import InputError
from data.intake.proposals.amounts import propose_amount
from data.intake.proposals.clocks import Joined, join_clock
from data.intake.proposals.days import Order, describe_days, settle_order
from data.intake.proposals.exports import Known, explain_nameless, recognise
from data.intake.proposals.flags import rows_by_flags, rows_without_totals
from data.intake.proposals.opening import Opened
from data.intake.proposals.profiles import Profile, describe_columns, is_unclear, readings_of_mark
from data.intake.proposals.proposal import Choice, Line, Proposal, Question
from data.intake.proposals.returned import as_returns
from data.intake.proposals.roles import Role, close_others, find_roles, find_table
from data.intake.proposals.yearless import add_year
from data.intake.reading.expressions import in_expression
from data.intake.reading.matching import normalise_name

_ROLES = {
    "transactions": (
        *("customer_id", "ts", "amount", "order_id", "unit_price", "quantity", "line_id", "currency", "category"),
        *("channel", "store", "discount", "cost"),
    ),
    "answers": ("customer_id", "answered_at", "score", "invited_at", "question", "comment", "scale", "touchpoint"),
    "events": ("customer_id", "ts", "kind", "value", "due_at", "duration_s"),
    "customers": ("customer_id", "valid_from", "cost_to_serve"),
}
_UNMAPPED = ("unit_price", "amount")
_SHOWN = 40
_GERMAN = r"kunde|datum|betrag|menge|bestell|rechnung|preis|umsatz|[äöüß]"


def propose(connection: duckdb.DuckDBPyConnection, opened: Opened) -> Proposal:
    """Propose how a file is read.

    Parameters
    ----------
    connection
        The database in which the file was opened.
    opened
        The file.
    """
    profiles = describe_columns(connection, opened.raw)
    known = recognise(profiles)
    name = f"{opened.file.path.stem} {opened.sheet or ''}"
    table, reason = ("transactions", f"it is {known.export.name}") if known else find_table(profiles, name)
    reason = (explain_nameless(profiles) or reason) if not table else reason
    if not table:
        return Proposal(opened.file, "", reason, sheet=opened.sheet)
    section = f"formats.{table}"
    lines = [
        Line(section, each.name, each.value, each.reason, _comments(each.name, each.others)) for each in opened.settings
    ]
    questions: list[Question] = []
    roles = _known_roles(known) if known else find_roles(profiles, _ROLES[table])
    marks = readings_of_mark(connection, opened.raw, profiles)
    mark = next(iter(marks)) if len(marks) == 1 else None
    rows: list[tuple[str, str]] = []
    unread: frozenset[str] = frozenset()
    if table == "transactions" and known:
        lines += _known_lines(known)
        rows += [(each, f"{known.export.name} needs it") for each in known.rows]
    elif table == "transactions":
        amount = propose_amount(connection, opened.raw, roles, mark, profiles)
        lines += [line for line in amount.lines if not _is_own(line)]
        questions += amount.questions
        unread = amount.unread
        rows += [(str(line.value), line.reason) for line in lines if line.key == "rows"]
        lines = [line for line in lines if line.key != "rows"]
    if table == "transactions" and not questions:
        lines = as_returns(connection, opened.raw, profiles, roles, lines)
    time = next((name for name in ("ts", "answered_at") if name in roles and name in CONTRACTS[table].names), None)
    joined = None
    if time:
        setting, day = f"{section}.{time}", roles[time].column
        year = add_year(connection, opened, setting, day)
        questions += [year] if isinstance(year, Question) else []
        joined = year if isinstance(year, Joined) else None
        joined = joined or join_clock(connection, opened.raw, setting, day, profiles)
    lines += _columns(table, roles, unread | {time} if joined and time else unread)
    lines += [joined.line] if joined else []
    if table == "transactions":
        rows += list(rows_by_flags(profiles))
        totals = rows_without_totals(connection, opened.raw, profiles, roles["ts"].column) if "ts" in roles else None
        rows += [totals] if totals else []
        questions += _currencies(roles.get("currency"))
    if rows:
        conditions = list(dict.fromkeys(condition for condition, _ in rows))
        why = "; ".join(dict.fromkeys(reason for _, reason in rows))
        text = conditions[0] if len(conditions) == 1 else " and ".join(f"({each})" for each in conditions)
        lines.append(Line(section, "rows", text, why))
    settled, open_times = _times(connection, opened, table, roles, profiles, joined.text if joined else None)
    unclear, open_numbers = _numbers(connection, opened, table, roles, marks)
    notes = (*(known.export.notes if known else ()), *_notes(roles))
    every = (*lines, *settled, *unclear)
    asked = (*questions, *open_times, *open_numbers)
    named = roles.get("customer_id")
    customers = (named.column, *named.others) if named else ()
    written = {"decimal": mark} if mark else {}
    days = None
    if time is not None:
        form, days = describe_days(connection, opened.raw, roles[time].column, joined.text if joined else None)
        written |= {"time_format": form} if form and "%" in form else {}
    return Proposal(
        *(opened.file, table, reason, every, asked, notes, opened.raw.relation, customers, opened.raw.header),
        written=written,
        days=days,
        sheet=opened.sheet,
    )


def _comments(setting: str, others: Mapping[str, str]) -> dict[str, str]:
    return {f'{setting} = "{value}"': meaning for value, meaning in others.items()}


def _known_roles(known: Known) -> dict[str, Role]:
    roles = {ours: Role(column, 1.0) for ours, column in known.columns.items()}
    if "customer_id" in known.columns:
        roles["customer_id"] = Role(known.columns["customer_id"], 1.0, known.other_customers)
    if known.amount_column is not None:
        roles["amount"] = Role(known.amount_column, 1.0)
    return roles


def _known_lines(known: Known) -> Iterator[Line]:
    why = f"{known.export.name} has it so"
    if known.customer is not None:
        yield Line("formats.transactions", "customer_id", known.customer, why)
    if known.amount is not None:
        yield Line("formats.transactions", "amount", known.amount, why)
    if known.export.unit is not None:
        yield Line("formats.transactions", "unit", known.export.unit, why)


def _columns(table: str, roles: Mapping[str, Role], unread: frozenset[str]) -> Iterator[Line]:
    """Give the mapping of all columns but the amount; a column with our own name needs none."""
    names = CONTRACTS[table].names
    for role, found in roles.items():
        if role in _UNMAPPED or role in unread or role not in names:
            continue
        line = Line(f"columns.{table}", role, found.column.name, _why(role, found))
        if not _is_own(line):
            yield line


def _is_own(line: Line) -> bool:
    return line.section.startswith("columns.") and normalise_name(str(line.value)) == normalise_name(line.key)


def _why(role: str, found: Role) -> str:
    column = found.column
    shown = _some_of(column.examples)
    others = [each.name for each in close_others(found, role)] if found.score < 1.1 else []
    also = f"; it could also be {' or '.join(map(repr, others[:3]))}" if others else ""
    share = f", filled in {column.filled / column.rows:.0%} of the rows" if column.filled < 0.995 * column.rows else ""
    return f"its name says so, and it holds {shown}{share}{also}"


def _some_of(examples: Sequence[str]) -> str:
    """Write the first different examples, whole ones, as far as a line shows them."""
    shown, *others = dict.fromkeys(examples[:20])
    for other in others:
        if len(shown) + len(other) > _SHOWN:
            return f"{shown}, …"
        shown = f"{shown}, {other}"
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


def _notes(roles: Mapping[str, Role]) -> Iterator[str]:
    found = roles.get("customer_id")
    if found is not None and found.column.filled < 0.95 * found.column.rows:
        others = [each for each in found.others if each.filled > found.column.filled]
        better = f" {others[0].name!r} is filled in more of them." if others else ""
        share = 1 - found.column.filled / found.column.rows
        yield f"{found.column.name!r}, which names the customer, is empty in {share:.0%} of the rows.{better}"


def _currencies(role: Role | None) -> Iterator[Question]:
    """Ask which currency to read, where there are several."""
    if role is None or not 1 < len(role.column.values) <= 20:
        return
    column, values = role.column, role.column.values
    shown = ", ".join(f"{value} ({rows:,} rows)" for value, rows in values.items())
    choices = []
    for value in values:
        condition = f"{in_expression(column.name)} = '{value}'"
        reason = f"amounts in {shown} cannot be added"
        choices.append(Choice(f"only {value}", (Line("formats.transactions", "rows", condition, reason),)))
    yield Question(f"Amounts are in several currencies: {shown}. Which is read?", tuple(choices))


def _times(
    connection: duckdb.DuckDBPyConnection,
    opened: Opened,
    table: str,
    roles: Mapping[str, Role],
    profiles: Sequence[Profile],
    joined: str | None,
) -> tuple[list[Line], list[Question]]:
    """Settle the order of days and months of the times of a table, or ask; the first may be joined of two columns."""
    names = [column.name for column in CONTRACTS[table].columns if column.kind == "time" and column.name in roles]
    language = _language(profiles)
    for name in names:
        column = roles[name].column
        order = settle_order(
            connection, opened.raw, column, language, joined if name in ("ts", "answered_at") else None
        )
        if not isinstance(order, Order):
            continue
        line = Line(f"formats.{table}", "time_format", order.form, order.reason or "you chose it")
        if order.certain:
            return [line], []
        other = Line(f"formats.{table}", "time_format", order.other, "you chose it")
        what = f"{column.name} ({column.examples[0]}): is the day or the month first? No row tells it."
        choices = (Choice(f'day first, "{order.form}"', (line,)), Choice(f'month first, "{order.other}"', (other,)))
        return [], [Question(what, choices, decided=bool(order.reason))]
    return [], []


def _numbers(
    connection: duckdb.DuckDBPyConnection, opened: Opened, table: str, roles: Mapping[str, Role], marks: set[str]
) -> tuple[list[Line], list[Question]]:
    """Settle whether a mark before three digits is of thousands or of decimals, or ask."""
    used = [name for name in ("amount", "unit_price", "quantity", "discount", "cost", "value") if name in roles]
    for name in used:
        column = roles[name].column
        if column.kind != "number" or not is_unclear(connection, opened.raw, column):
            continue
        cell = next(each for each in column.examples if re.search(r"\d[.,]\d{3}", each))
        mark = "," if "," in cell else "."
        section = f"formats.{table}"
        if len(marks) == 1:
            found = next(iter(marks))
            reason = f"other columns can only be read so, and {column.name} ({cell}) does not tell it"
            return [Line(section, "decimal", found, reason)], []
        digits = re.sub(r"\D", "", cell)
        choices = (
            Choice(f"of thousands: {digits}", (Line(section, "thousands", mark, "you chose it"),)),
            Choice(f"of decimals: {cell.replace(',', '.')}", (Line(section, "decimal", mark, "you chose it"),)),
        )
        what = f"{column.name}: each number with a mark has three digits after it, such as {cell}. What is the mark?"
        return [], [Question(what, choices, decided=False)]
    return [], []


def _language(profiles: Sequence[Profile]) -> str:
    names = " ".join(profile.name.lower() for profile in profiles)
    if re.search("[а-я]", names):
        return "ru"
    if re.search("[\u4e00-\u9fff]", names):
        return "zh"
    return "de" if re.search(_GERMAN, names) else ""


def check_one_table(proposals: Sequence[Proposal]) -> None:
    """Raise InputError where no file is the transactions."""
    if any(each.table == "transactions" for each in proposals):
        return
    olist = next((each.file.path.parent for each in proposals if each.file.path.name.startswith("olist_")), None)
    if olist is not None:
        raise InputError(f"These are the public Olist files, which need no settings: revealed retrain --olist {olist}")
    told = [f"  {each.file.name} seems to be {each.table or 'no table'}: {each.reason}" for each in proposals]
    raise InputError(
        "\n".join(["No file looks like transactions, which need a customer, a time and an amount.", *told])
        + "\nIf one file has the customers and another one the amounts, such as orders and their items, join them into "
        "one. If a column has a name that says nothing, `revealed check --transactions FILE` says how to name it."
    )
