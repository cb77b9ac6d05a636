"""What the clean tables hold, in figures that a person can compare with what is known of the shop."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir
import pandas as pd

from data.intake.unread import PAYMENT_ID
from features.describe import materialise
from features.labels import invitations
from features.tables import Tables

_ROUNDED_ID = r"^\d([.,]\d+)?E\+\d\d+$"
_EARLY = 0.01
"""Sales before this quantile of days are looked at: a placeholder such as 1900-01-01 is rare, and far before it."""


@dataclass(frozen=True)
class SalesOverview:
    """What the transactions hold.

    An order is what a customer bought under one order_id; lines without one are an order per customer and day.

    Parameters
    ----------
    customers, orders, lines
        Counts; lines include returns.
    first_day, early_day, last_day
        The first day, the day before which one percent of the lines lie, and the last day.
    total, median, smallest, largest
        Of the amounts of lines.
    zero_lines, negative_lines
        Lines whose amount is zero, or below zero.
    largest_customer, largest_share, five_share
        The customer with the largest total, and the shares of the total of all sales less returns which this customer
        and the largest five make; 0 where that total is not positive.
    median_order, largest_order
        Totals of orders; of the order with the largest total, the total.
    several_lines, repeated_amounts
        Orders under one order_id with several lines, and those of them with one amount other than zero on every line.
    different_amounts
        How many different amounts there are.
    returns_as_sales
        Lines with a negative quantity and a positive amount.
    several_pieces
        Lines with a quantity above one.
    broken_amounts
        Lines whose amount is no whole number.
    payment_ids
        Lines with an order_id, line_id or customer_id that starts as those of payment systems which count in cents.
    rounded_ids
        Lines whose customer_id was rounded by a spreadsheet, such as 1.2E+05.
    """

    customers: int
    orders: int
    lines: int
    first_day: date
    early_day: date
    last_day: date
    total: float
    median: float
    smallest: float
    largest: float
    zero_lines: int
    negative_lines: int
    largest_customer: str
    largest_share: float
    five_share: float
    median_order: float
    largest_order: float
    several_lines: int
    repeated_amounts: int
    different_amounts: int
    returns_as_sales: int
    several_pieces: int
    broken_amounts: int
    payment_ids: int
    rounded_ids: int


def describe_sales(transactions: ir.Table) -> SalesOverview:
    """Compute what the transactions hold.

    Parameters
    ----------
    transactions
        Clean transactions, at least one.
    """
    # Ibis takes the seconds for 32 bits, which end in 1901 and 2038.
    amount, seconds = transactions.amount, transactions.ts.epoch_seconds().cast("int64")
    lines = _one_row(
        transactions.agg(
            customers=transactions.customer_id.nunique(),
            lines=transactions.count(),
            first_day=seconds.min(),
            early_day=seconds.quantile(_EARLY),
            last_day=seconds.max(),
            total=amount.sum(),
            median=amount.cast("float64").median(),
            smallest=amount.min(),
            largest=amount.max(),
            zero_lines=(amount == 0).sum(),
            negative_lines=(amount < 0).sum(),
            different_amounts=amount.nunique(),
            returns_as_sales=((transactions.quantity < 0) & (amount > 0)).sum(),
            several_pieces=(transactions.quantity > 1).sum(),
            broken_amounts=(amount != amount.round(0)).sum(),
            rounded_ids=transactions.customer_id.re_search(_ROUNDED_ID).sum(),
            payment_ids=ibis.or_(
                *(transactions[name].re_search(PAYMENT_ID) for name in ("order_id", "line_id", "customer_id"))
            ).sum(),
        )
    )
    days = {name: _day(lines.pop(name)) for name in ("first_day", "early_day", "last_day")}
    money = {name: float(lines.pop(name)) for name in ("total", "median", "smallest", "largest")}
    counts = {name: int(value or 0) for name, value in lines.items()}
    figures: dict[str, Any] = {**counts, **days, **money}
    return SalesOverview(**figures, **_orders(transactions), **_largest(transactions, money["total"]))


def _orders(transactions: ir.Table) -> dict[str, Any]:
    has_no_id = transactions.order_id.isnull()  # noqa: PD003 - an expression of Ibis
    day = ibis.ifelse(has_no_id, transactions.ts.date(), ibis.null("date"))
    lines = transactions.select("customer_id", "order_id", "amount", unnumbered=day)
    orders = lines.group_by(["customer_id", "order_id", "unnumbered"]).agg(
        numbered=lines.order_id.count(),
        amounts=lines.amount.nunique(),
        largest=lines.amount.max(),
        total=lines.amount.sum(),
    )
    several = orders.numbered > 1
    row = _one_row(
        orders.agg(
            orders=orders.count(),
            median_order=orders.total.cast("float64").median(),
            largest_order=orders.total.max(),
            several_lines=several.sum(),
            repeated_amounts=(several & (orders.amounts == 1) & (orders.largest != 0)).sum(),
        )
    )
    money = {name: float(row.pop(name)) for name in ("median_order", "largest_order")}
    return money | {name: int(value) for name, value in row.items()}


def _largest(transactions: ir.Table, total: float) -> dict[str, Any]:
    totals = transactions.group_by("customer_id").agg(total=transactions.amount.sum())
    largest = totals.order_by([totals.total.desc(), "customer_id"]).limit(5).to_pyarrow().to_pylist()
    shares = [float(row["total"]) / total if total > 0 else 0.0 for row in largest]
    return {
        "largest_customer": largest[0]["customer_id"],
        "largest_share": shares[0],
        "five_share": sum(shares),
    }


def first_rows(table: ir.Table, columns: list[str]) -> pd.DataFrame:
    """Return the first five rows of those columns that hold a value anywhere in these rows."""
    rows: pd.DataFrame = table.select(columns).limit(5).to_pandas()
    return rows.dropna(axis="columns", how="all")


def describe_questions(answers: ir.Table) -> pd.DataFrame:
    """Count invitations, answers and comments by question.

    Returns
    -------
    DataFrame
        question, low and high (ends of the scale), asked, answered, comments, largest (the highest score).
    """
    counts = answers.group_by("question").agg(
        low=answers.scale_low.min(),
        high=answers.scale_high.max(),
        asked=answers.count(),
        answered=answers.score.count(),
        comments=answers.comment.count(),
        largest=answers.score.max(),
    )
    return materialise(counts.order_by("question"))


def find_busiest(answers: ir.Table) -> pd.DataFrame:
    """Find for each question the customer who gave the most answers.

    Returns
    -------
    DataFrame
        question, customer_id, answers (of this customer), answered (of all).
    """
    scored = answers.drop_null("score")
    counts = scored.group_by(["question", "customer_id"]).agg(answers=scored.count())
    most = counts.group_by("question").agg(
        customer_id=counts.customer_id.argmax(ibis.struct({"n": counts.answers, "who": counts.customer_id})),
        answers=counts.answers.max(),
        answered=counts.answers.sum(),
    )
    return materialise(most.order_by("question"))


def count_unusable(tables: Tables, questions: Sequence[str], gap_days: int) -> pd.DataFrame:
    """Count the answers that no model can learn from, as nothing of the customer was known when they were asked for.

    Parameters
    ----------
    tables
        The clean tables, with answers.
    questions
        The questions that models are made of.
    gap_days
        As in `features.labels.invitations`.

    Returns
    -------
    DataFrame
        question, answers (that have a score), strangers (of customers without a purchase), early (asked for before or
        on the day of the first purchase), in_gap (asked for so soon after it that the gap hides it).
    """
    sales = tables.transactions.filter(tables.transactions.amount >= 0)
    firsts = sales.group_by("customer_id").agg(first=sales.available_at.min().date())
    parts = []
    for question in questions:
        asked = invitations(tables.answers, question, before=date.max, gap_days=gap_days)
        told = asked.filter(asked.answered).left_join(firsts, "customer_id")
        asked_on = told.as_of + ibis.interval(days=gap_days)
        is_early = asked_on <= told.first
        counts = told.agg(
            answers=told.count(),
            strangers=told.first.isnull().sum(),  # noqa: PD003 - an expression of Ibis
            early=is_early.sum(),
            in_gap=(~is_early & (told.as_of <= told.first)).sum(),
        )
        parts.append({"question": question, **_one_row(counts)})
    return pd.DataFrame(parts).fillna(0)


def count_scores(answers: ir.Table) -> pd.DataFrame:
    """Count the answers by question and score.

    Returns
    -------
    DataFrame
        question, value (the score), answers; in the order of both.
    """
    scored = answers.drop_null("score")
    counts = scored.group_by(["question", value := scored.score.name("value")]).agg(answers=value.count())
    return materialise(counts.order_by(["question", "value"]))


def describe_events(events: ir.Table) -> pd.DataFrame:
    """Count events by kind, the commonest first.

    Returns
    -------
    DataFrame
        kind, events, customers, first and last (days).
    """
    kinds = events.group_by("kind").agg(
        events=events.count(),
        customers=events.customer_id.nunique(),
        first=events.ts.min().date(),
        last=events.ts.max().date(),
    )
    return materialise(kinds.order_by([kinds.events.desc(), "kind"]))


def describe_attributes(customers: ir.Table) -> tuple[int, pd.DataFrame]:
    """Count the customers, and for each attribute those who have it, and its values.

    Returns
    -------
    tuple of int and DataFrame
        The customers; attribute, customers, values.
    """
    names = [name for name in customers.columns if name not in ("customer_id", "valid_from")]
    # One customer may have rows with several valid_from.
    filled = [customers[name].notnull() for name in names]  # noqa: PD004 - an expression of Ibis
    has = {f"has{k}": customers.customer_id.nunique(where=where) for k, where in enumerate(filled)}
    values = {f"values{k}": customers[name].nunique() for k, name in enumerate(names)}
    row = _one_row(customers.agg(customers=customers.customer_id.nunique(), **has, **values))
    rows = [(name, int(row[f"has{k}"]), int(row[f"values{k}"])) for k, name in enumerate(names)]
    return int(row["customers"]), pd.DataFrame(rows, columns=["attribute", "customers", "values"])


def _one_row(table: ir.Table) -> dict[str, Any]:
    row: dict[str, Any] = table.to_pyarrow().to_pylist()[0]
    return row


def _day(seconds: float) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + int(seconds // 86400))
