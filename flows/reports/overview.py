"""What was understood of the tables, and what looks wrong with them: the report of ``revealed check``."""

from collections.abc import Sequence
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from data.contracts import CONTRACTS
from data.intake.report import Intake
from features.tables import Tables
from flows.reports.sections import Section, number
from flows.settings import Settings
from flows.steps.findings.finding import Finding, join_lines
from flows.steps.findings.surveys import tell_unusable
from flows.steps.overview import (
    SalesOverview,
    count_scores,
    describe_attributes,
    describe_events,
    describe_questions,
    first_rows,
)

_SHOWN = 8
"""Kinds of events, attributes and unread columns that are shown; the others are counted."""

_SHOWN_COLUMNS = {
    "transactions": ("customer_id", "ts", "amount", "order_id", "line_id", "quantity", "category", "channel"),
    "answers": ("customer_id", "answered_at", "score", "question", "invited_at", "comment"),
    "events": ("customer_id", "ts", "kind", "value", "due_at"),
    "customers": ("customer_id",),
}
"""Columns of the clean tables that are shown as read, where the files have them."""

_LONGEST_CELL = 18
_WIDEST = 76
"""Letters of a row as read: it fits a line of 80."""


def columns_section(intake: Intake, settings: Settings) -> Section:
    """Say for each table how its files are written, and which column was read as what."""
    sentences = []
    for name, report in intake.tables.items():
        columns = report.columns
        pairs = [ours if ours == theirs else f"{ours} = {theirs}" for ours, theirs in columns.items()]
        computed = settings.formats[name].computed if name in settings.formats else {}
        pairs += [f"{ours} = {text}" for ours, text in computed.items() if ours not in columns]
        absent = [ours for ours in CONTRACTS[name].names if ours not in columns and ours not in computed]
        kinds = {column.name: column.kind for column in CONTRACTS[name].columns}
        times = _by_form({ours: form for ours, form in report.forms.items() if kinds[ours] == "time"})
        numbers = _by_form({ours: form for ours, form in report.forms.items() if kinds[ours] != "time"})
        written = [" and ".join(report.written), times and f"times {times}", numbers and f"numbers {numbers}"]
        sentences.append(
            f"{name} ({'; '.join(filter(None, written))}): {', '.join(pairs)}."
            + (f" Not found: {', '.join(absent)}." if absent else "")
            + (f" Of yours, not read: {_some(report.unread)}." if report.unread else "")
        )
        for pattern, own in settings.files.get(name, {}).items():  # type: ignore[call-overload]
            pairs = [f"{ours} = {theirs}" for ours, theirs in (own.columns | own.computed).items()]
            sentences.append(f"{name}, {pattern}: {', '.join(pairs) or 'written in a way of its own'}.")
    return Section("What was understood (ours = yours)", tuple(sentences))


def _by_form(forms: dict[str, str]) -> str:
    """Write each form once: alone where all columns have it, else with its columns."""
    columns: dict[str, list[str]] = {}
    for name, form in forms.items():
        columns.setdefault(form, []).append(name)
    if len(columns) < 2:
        return next(iter(columns), "")
    return ", ".join(f"{form} ({' '.join(names)})" for form, names in columns.items())


def rows_sections(intake: Intake, tables: Tables, names: Sequence[str] = ("transactions",)) -> list[Section]:
    """Show the first five rows of some tables as they were read, as many columns as fit one line."""
    sections = []
    for name in names:
        chosen, table = _SHOWN_COLUMNS[name], getattr(tables, name)
        if table is None:
            continue
        read = intake.tables[name].columns
        required = CONTRACTS[name].required
        columns = [each for each in chosen if each in required or each in read]
        if name == "customers":
            columns += [each for each in table.columns if each not in columns and each != "valid_from"][:_SHOWN]
        rows = first_rows(table, columns)
        for each in rows:
            decimals = {"amount": 2, "quantity": 0}.get(str(each))
            rows[each] = [_cell(cell, decimals) for cell in rows[each]]
        widths = [max(len(str(each)), rows[each].str.len().max()) + 2 for each in rows]
        fitting = [each for k, each in enumerate(rows) if sum(widths[: k + 1]) <= _WIDEST + 2]
        sections.append(Section(f"The first {name} as read", (), rows[fitting]))
    return sections


def sales_section(intake: Intake, settings: Settings, sales: SalesOverview) -> Section:
    """Tell the figures of the transactions that a person can compare with what is known of the shop."""
    orders = f"{sales.orders:,} orders, with {sales.lines / sales.orders:.2f} lines an order"
    few = min(5, sales.customers)
    currency = f" {intake.currency}" if intake.currency else ""
    rows = {
        "customers": f"{sales.customers:,}; {orders}",
        "days": f"{sales.first_day} to {sales.last_day}, in the zone {settings.timezone}",
        "total": f"{sales.total:,.2f}{currency}, {_percent(sales.five_share)} of it of the {few} largest customers",
        "amount of a line": f"median {number(sales.median, 2)}, smallest {number(sales.smallest, 2)}, "
        f"largest {number(sales.largest, 2)}",
        "zero, negative": f"{_percent(sales.zero_lines / sales.lines)} of the lines are zero, "
        f"{_percent(sales.negative_lines / sales.lines)} are negative",
    }
    unnamed = () if intake.currency else ('The currency is not named: currency = "EUR" in revealed.toml names it.',)
    return Section("Transactions", unnamed, pd.DataFrame({"figure": list(rows), "as read": list(rows.values())}))


def questions_section(settings: Settings, tables: Tables) -> Section:
    """Write for each question how often it was asked and answered, its scores, and how many answers are of no use."""
    answers = tables.answers
    table, scores = describe_questions(answers), count_scores(answers)
    shares = []
    for question, answered in zip(table["question"], table["answered"], strict=True):
        own = scores[scores["question"] == question]
        pairs = zip(own["value"], own["answers"], strict=True)
        shares.append(" ".join(f"{score:.0f}:{100 * count / answered:.0f}" for score, count in pairs) or "–")
    counts = {name: table[name].map("{:,}".format) for name in ("asked", "answered", "comments")}
    scale = [f"{low}-{high}" for low, high in zip(table["low"], table["high"], strict=True)]
    note = effort_note(settings, answers)
    unusable = [
        f"Of the {count:,} answers to {question}, {some:,} cannot be learned from: {why}."
        for question, count, some, why in tell_unusable(tables, settings)
    ]
    return Section(
        "Questions",
        (*((note,) if note else ()), *unusable),
        pd.DataFrame({"question": table["question"], "scale": scale, **counts, "score:% of answers": shares}),
    )


def effort_note(settings: Settings, answers: ir.Table | None) -> str | None:
    """Say that answers to ces on 1-5 were read as effort, where no setting says how they are meant."""
    if answers is None or settings.ces_version is not None:
        return None
    on_five = answers.filter(answers.question == "ces", answers.scale_low == 1, answers.scale_high == 5)
    if not on_five.count().to_pyarrow().as_py():
        return None
    return (
        "Answers to ces on 1-5 are read as how much effort it took, 1 being the best, and turned round. If 5 is the "
        "best, set ces_version = 2."
    )


def other_sections(tables: Tables) -> list[Section]:
    """Tell the kinds of events, and the attributes of customers, of those tables that were given."""
    sections = []
    if tables.events is not None:
        kinds = describe_events(tables.events)
        counts = {name: kinds[name].map("{:,}".format) for name in ("events", "customers")}
        days = {name: kinds[name].dt.date.astype(str) for name in ("first", "last")}
        others = len(kinds) - _SHOWN
        more = (f"{others:,} rarer kinds are not shown.",) if others > 0 else ()
        sections.append(Section("Events", more, pd.DataFrame({"kind": kinds["kind"], **counts, **days}).head(_SHOWN)))
    if tables.customers is not None:
        customers, attributes = describe_attributes(tables.customers)
        told = [
            f"{row['attribute']} ({row['values']:,} values"
            + (f", {row['customers']:,} customers)" if row["customers"] < customers else ")")
            for row in attributes.to_dict("records")
            if row["customers"]
        ]
        words = f"{customers:,} customers with {_some(told) if told else 'no attribute'}."
        sections.append(Section("Customers", (words,)))
    return sections


def findings_section(findings: list[Finding]) -> Section:
    """Tell what looks wrong, each with what mends it."""
    sentences = [f"{place}. {finding.text}" for place, finding in enumerate(findings, 1)]
    with_lines = [finding for finding in findings if finding.values]
    if len(with_lines) > 1:
        sentences.append(f"All of these lines together:\n{join_lines(with_lines)}")
    return Section("What looks wrong", tuple(sentences))


def _cell(value: Any, decimals: int | None) -> str:
    """Write a cell: a number with at least so many decimals, and at most four; a text cut to its start."""
    if pd.isna(value):
        return "–"
    if decimals is not None:
        whole, _, rest = f"{value:,.4f}".partition(".")
        rest = rest.rstrip("0").ljust(decimals, "0")
        return f"{whole}.{rest}" if rest else whole
    text = str(value)
    return text if len(text) <= _LONGEST_CELL + 1 else text[:_LONGEST_CELL] + "…"


def _percent(share: float) -> str:
    return "0 %" if share == 0 else f"{100 * share:.1f} %"


def _some(names: tuple[str, ...] | list[str]) -> str:
    others = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {others} more" if others > 0 else "")
