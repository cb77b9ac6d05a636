"""The figures of small tables made by hand."""

from datetime import date, datetime
from decimal import Decimal

import ibis
import pyarrow as pa
import pytest

from flows.steps.overview import (
    SalesOverview,
    count_scores,
    describe_attributes,
    describe_events,
    describe_questions,
    describe_sales,
    first_rows,
)

MONEY = "decimal(18, 4)"


def table(types, rows):
    cells = [dict(zip(types, row, strict=True)) for row in rows]
    return ibis.memtable(pa.Table.from_pylist(cells, schema=ibis.schema(types).to_pyarrow()))


def sales(*rows):
    types = {"customer_id": "string", "ts": "timestamp", "amount": MONEY, "order_id": "string", "quantity": MONEY}
    types["line_id"] = "string"
    cells = [
        (who, datetime.fromisoformat(ts), Decimal(amount), order, None if pieces is None else Decimal(pieces), None)
        for who, ts, amount, order, pieces in rows
    ]
    return table(types, cells)


def test_sales_are_counted_added_up_and_put_together_to_orders():
    lines = sales(
        ("a", "2024-01-01 10:00", "30", "1", 1),
        ("a", "2024-01-01 10:00", "30", "1", 2),
        ("b", "2024-01-02 09:00", "10", "2", -1),
        ("b", "2024-01-02 09:00", "0", "2", 1),
        ("b", "2024-01-05 08:00", "0", "3", 1),
        ("b", "2024-01-05 08:00", "0", "3", 1),
        # Without an order_id, a customer's day is an order.
        ("c", "2024-03-01 23:00", "7.5", None, None),
        ("c", "2024-03-01 01:00", "2.5", None, None),
        ("c", "2024-03-02 01:00", "-20", None, None),
        ("d", "2024-03-03 01:00", "40", None, 4),
    )
    assert describe_sales(lines) == SalesOverview(
        customers=4,
        orders=6,
        lines=10,
        first_day=date(2024, 1, 1),
        early_day=date(2024, 1, 1),
        last_day=date(2024, 3, 3),
        total=100.0,
        median=5.0,
        smallest=-20.0,
        largest=40.0,
        zero_lines=3,
        negative_lines=1,
        largest_customer="a",
        largest_share=0.6,
        five_share=1.0,
        median_order=10.0,
        largest_order=60.0,
        several_lines=3,
        repeated_amounts=1,
        different_amounts=7,
        returns_as_sales=1,
        several_pieces=2,
        broken_amounts=2,
        payment_ids=0,
        rounded_ids=0,
    )


def test_the_five_largest_customers_are_a_share_of_the_total():
    lines = sales(*((f"c{k}", "2024-01-01", str(k), None, None) for k in range(1, 11)))
    found = describe_sales(lines)
    assert (found.largest_customer, found.largest_share) == ("c10", pytest.approx(10 / 55))
    assert found.five_share == pytest.approx(40 / 55)


def test_shares_of_a_total_that_is_not_positive_are_zero():
    found = describe_sales(sales(("a", "2024-01-01", "-5", None, None)))
    assert (found.largest_share, found.five_share) == (0.0, 0.0)


def test_days_before_1970_are_days():
    found = describe_sales(
        sales(("a", "1900-01-01 00:00", "1", None, None), ("a", "1969-12-31 23:59", "1", None, None))
    )
    assert (found.first_day, found.last_day) == (date(1900, 1, 1), date(1969, 12, 31))


def test_the_first_rows_are_those_of_the_file_without_empty_columns():
    lines = sales(*((f"c{9 - k}", "2024-01-01", "1", None, k) for k in range(7)))
    found = first_rows(lines, ["customer_id", "order_id", "quantity"])
    assert list(found) == ["customer_id", "quantity"]
    assert list(found["customer_id"]) == ["c9", "c8", "c7", "c6", "c5"]


def test_answers_are_counted_by_question_and_score():
    types = {"question": "string", "scale_low": "int32", "scale_high": "int32", "score": "int32", "comment": "string"}
    rows = [("nps", 0, 10, 9, "good"), ("nps", 0, 10, 9, None), ("nps", 0, 10, 3, None), ("nps", 0, 10, None, None)]
    answers = table(types, [*rows, ("csat", 1, 5, 4, "fine")])
    assert describe_questions(answers).to_numpy().tolist() == [
        ["csat", 1, 5, 1, 1, 1, 4],
        ["nps", 0, 10, 4, 3, 1, 9],
    ]
    assert count_scores(answers).to_numpy().tolist() == [["csat", 4, 1], ["nps", 3, 1], ["nps", 9, 2]]


def test_events_are_counted_by_kind_with_their_days():
    days = ["2024-01-03", "2024-01-01", "2024-02-01"]
    rows = [("a", "visit", days[0]), ("a", "visit", days[1]), ("b", "contact", days[2])]
    events = table(
        {"customer_id": "string", "kind": "string", "ts": "timestamp"},
        [(who, kind, datetime.fromisoformat(day)) for who, kind, day in rows],
    )
    found = describe_events(events)
    found[["first", "last"]] = found[["first", "last"]].astype(str)
    assert found.to_numpy().tolist() == [
        ["visit", 2, 1, "2024-01-01", "2024-01-03"],
        ["contact", 1, 1, "2024-02-01", "2024-02-01"],
    ]


def test_attributes_are_counted_by_customer():
    types = {"customer_id": "string", "valid_from": "timestamp", "region": "string", "age": "float64"}
    rows = [("a", None, "north", 30.0), ("a", None, "south", None), ("b", None, "south", None)]
    count, attributes = describe_attributes(table(types, rows))
    assert count == 2
    assert attributes.to_numpy().tolist() == [["region", 2, 2], ["age", 1, 1]]
