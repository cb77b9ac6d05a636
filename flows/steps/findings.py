"""What looks wrong in tables that were read without complaint, each with what mends it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import ibis.expr.types as ir
import sqlglot
from sqlglot import exp

from data.intake.reading.matching import normalise_name
from data.intake.reading.pasting import paste
from data.intake.report import Intake, TableReport
from flows.settings import Settings
from flows.steps.overview import SalesOverview, describe_questions

_ZERO_SHARE = 0.05
_REPEATED_SHARE = 0.01
_YEARS_BEFORE = timedelta(days=5 * 365)
_OLDEST = date(1990, 1, 1)
_TIMES_MEDIAN = 1000
_CUSTOMER_SHARE = 0.1
_TIMES_AVERAGE = 5
"""A customer's share is told only where it is so many times the average one: each of five customers has a fifth."""
_FEWEST_SCORES = 3

_PAID = {
    *("paid", "partially_refunded", "partially_paid", "complete", "completed", "closed", "delivered", "shipped"),
    *("sent", "fulfilled", "succeeded", "success", "successful", "captured", "settled", "approved", "done", "ok"),
    *("bezahlt", "abgeschlossen", "payé", "pagado", "pagato", "оплачен", "оплачено", "завершен", "выполнен"),
    *("доставлен", "已支付", "已付款", "已完成", "交易成功"),
}
"""Values of a state that mean a sale which counts."""
_PRICES = ("price", "preis", "precio", "prix", "prezzo", "цена", "单价", "unitcost")
_OF_LINE = ("linetotal", "lineamount", "linenet", "linevalue", "itemtotal", "itemamount", "subtotal")


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Parameters
    ----------
    what
        What was found and what it would mean, in sentences.
    section, values
        A section of `revealed.toml`, and the setting and value in it that mend it; none where an action does.
    """

    what: str
    section: str = ""
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def sets_rows(self) -> bool:
        """Whether it is mended by leaving out rows."""
        return "rows" in self.values

    @property
    def text(self) -> str:
        """The finding with the lines to paste."""
        return f"{self.what} {paste(self.section, self.values)}" if self.values else self.what


def find_what_looks_wrong(
    intake: Intake, settings: Settings, sales: SalesOverview, answers: ir.Table | None
) -> list[Finding]:
    """List what looks wrong in the transactions and answers.

    Parameters
    ----------
    intake
        What was taken in.
    settings
        They may say already how the files are meant.
    sales
        What the transactions hold.
    answers
        Clean answers, if given.
    """
    names = _Names(intake.tables["transactions"], settings)
    findings = [
        *_of_amounts(sales, names),
        *_of_rows(intake.tables["transactions"], sales, names),
        *_of_size(sales, names),
    ]
    if answers is not None:
        findings += _of_scores(intake.tables["answers"], answers)
    return findings


class _Names:
    """How the columns of the transactions are called in the files, written as in an expression of the settings."""

    def __init__(self, report: TableReport, settings: Settings) -> None:
        own = settings.formats.get("transactions")
        self.unread = report.unread
        self.theirs = report.columns
        self.rows = own.rows if own else None
        self._amount = own.amount if own else None

    def __getitem__(self, ours: str) -> str:
        if ours == "amount" and self._amount:
            return f"({self._amount})"
        return in_expression(self.theirs.get(ours, ours))

    def leave_out(self, condition: str) -> dict[str, Any]:
        """Return the setting `rows` that keeps what meets a condition, beside the one that is set."""
        rows = f"({self.rows}) and {condition}" if self.rows else condition
        return {"section": "formats.transactions", "values": {"rows": rows}}


def in_expression(name: str) -> str:
    """Write a column's name as it stands in an expression: in double quotes where SQL needs them."""
    if re.fullmatch(r"\w+", name):
        try:
            tree = sqlglot.parse_one(f"{name} <> 0", read="duckdb")
        except sqlglot.errors.SqlglotError:
            tree = None
        if isinstance(tree, exp.NEQ) and isinstance(tree.this, exp.Column):
            return name
    return '"' + name.replace('"', '""') + '"'


def _of_amounts(sales: SalesOverview, names: _Names) -> Iterator[Finding]:
    if sales.repeated_amounts >= 2 and 2 * sales.repeated_amounts > sales.several_lines and sales.different_amounts > 1:
        price = next((name for name in names.unread if _has(name, (*_OF_LINE, *_PRICES))), None)
        what = (
            f"The same amount stands on every line of {sales.repeated_amounts:,} of {sales.several_lines:,} orders "
            "with several lines. If it is the total of the order, it is counted several times; name the amount of the "
            "line instead."
        )
        if price is not None and not _has(price, _OF_LINE) and "quantity" in names.theirs:
            values = {"amount": f"{names['quantity']} * {in_expression(price)}"}
            yield Finding(what, "formats.transactions", values)
        else:
            yield Finding(what, "columns.transactions", {"amount": price or "the column with the amount of the line"})
    amount = names.theirs.get("amount", "")
    if _has(amount, _PRICES) and "quantity" in names.theirs and sales.several_pieces:
        yield Finding(
            f"The amount is read from {amount}, and {sales.several_pieces:,} lines have a quantity above one. If it is "
            "the price of one piece, the total is too small.",
            "formats.transactions",
            {"amount": f"{names['quantity']} * {names['amount']}"},
        )
    if sales.returns_as_sales:
        yield Finding(
            f"Lines with a negative quantity and a positive amount: {sales.returns_as_sales:,}. They are counted as "
            "sales; if they are returns, their amount is negative.",
            "formats.transactions",
            {"amount": f"case when {names['quantity']} < 0 then -{names['amount']} else {names['amount']} end"},
        )
    if sales.zero_lines > _ZERO_SHARE * sales.lines:
        yield Finding(
            f"{sales.zero_lines:,} of {sales.lines:,} lines ({100 * sales.zero_lines / sales.lines:.1f} %) have the "
            "amount zero, and each counts as a purchase. If they are gifts or failed payments, leave them out.",
            **names.leave_out(f"{names['amount']} <> 0"),
        )


def _of_rows(report: TableReport, sales: SalesOverview, names: _Names) -> Iterator[Finding]:
    for name, states in report.states.items():
        other = [value for value in states if value.casefold() not in _PAID]
        if names.rows or len(states) < 2 or not other:
            continue
        paid = [value for value in states if value.casefold() in _PAID] or other[:1]
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in paid)
        column = in_expression(name)
        shown = ", ".join(f"{value} ({count:,})" for value, count in list(states.items())[:6])
        yield Finding(
            f"The column {name} holds {shown}, and all of these rows count as sales. Name those that do.",
            **names.leave_out(f"{column} = {listed}" if len(paid) == 1 else f"{column} in ({listed})"),
        )
    if sales.first_day < _OLDEST or sales.first_day < sales.early_day - _YEARS_BEFORE:
        yield Finding(
            f"The first day is {sales.first_day}, and 99 % of the lines are from {sales.early_day} on. If the first "
            "ones stand for a day that is not known, leave them out; write the day as your file does.",
            **names.leave_out(f"{names['ts']} not like '{sales.first_day}%'"),
        )
    if report.identical_lines > _REPEATED_SHARE * sales.lines:
        yield Finding(
            f"{report.identical_lines:,} of {sales.lines:,} lines ({100 * report.identical_lines / sales.lines:.1f} %) "
            "equal another line in every column, and all of them count. If an export stands in two files, give one "
            "of them; columns order_id and line_id (columns.transactions) show which lines are one and the same."
        )


def _of_size(sales: SalesOverview, names: _Names) -> Iterator[Finding]:
    if sales.median_order > 0 and sales.largest_order >= _TIMES_MEDIAN * sales.median_order:
        times = sales.largest_order / sales.median_order
        yield Finding(
            f"One order has a total of {sales.largest_order:,.2f}, which is {times:,.0f} times the median order "
            f"({sales.median_order:,.2f}). If it is a mistake or no purchase of a customer, "
            "leave it out.",
            **names.leave_out(f"{names['amount']} < {sales.largest_order / 2:.0f}"),
        )
    share = sales.largest_share
    if share > _CUSTOMER_SHARE and share * sales.customers > _TIMES_AVERAGE:
        customer = sales.largest_customer
        literal = "'" + customer.replace("'", "''") + "'"
        yield Finding(
            f"The customer {customer} makes {100 * share:.1f} % of the total. If it is a collective account, such as "
            "guests or a reseller, leave it out.",
            **names.leave_out(f"{names['customer_id']} <> {literal}"),
        )


def _of_scores(report: TableReport, answers: ir.Table) -> Iterator[Finding]:
    if "scale" in report.columns:
        return
    for row in describe_questions(answers).to_dict("records"):
        if (row["low"], row["high"]) == (0, 10) and row["answered"] >= _FEWEST_SCORES and row["largest"] <= 5:
            yield Finding(
                f"No score of the {row['answered']:,} answers to {row['question']} is above {row['largest']:.0f}, but "
                "they are read on the scale 0-10, so that all are detractors. If they were given on 1-5, add a column "
                'with the scale to the answers, holding "1-5", and name it.',
                "columns.answers",
                {"scale": "scale"},
            )


def _has(name: str, parts: tuple[str, ...]) -> bool:
    return any(part in normalise_name(name) for part in parts)
