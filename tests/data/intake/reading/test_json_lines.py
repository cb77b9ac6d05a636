import gzip
import json

import pytest

from data.errors import InputError
from data.intake.sources import Source

ORDERS = [
    {"customer": {"id": "A"}, "ts": "2024-01-02T10:00:00Z", "amount": 12.5, "lines": [{"sku": 1}], "order_id": 1},
    {"customer": {"id": "B"}, "ts": "2024-01-03T10:00:00Z", "amount": "7.25", "order_id": "x/2"},
]
COLUMNS = {"customer_id": "customer.id"}


def lines(objects):
    return "\n".join(json.dumps(each) for each in objects).encode() + b"\n"


@pytest.mark.parametrize(
    "form", [lines, lambda objects: gzip.compress(lines(objects)), lambda o: json.dumps(o).encode()]
)
def test_objects_become_rows_and_inner_values_columns(take, write, form):
    taken = take(Source(write(form(ORDERS), "orders.jsonl"), columns=COLUMNS))
    assert taken.rows("transactions", "customer_id, amount::DOUBLE, order_id") == [("A", 12.5, "1"), ("B", 7.25, "x/2")]
    report = taken.intake.tables["transactions"]
    assert report.written == ("JSON lines",)
    assert report.unread == ("lines",)


def test_lines_that_are_no_objects_are_set_aside_with_their_numbers(take, write):
    taken = take(Source(write(lines(ORDERS) + b"{broken\n[1]\n", "orders.jsonl"), columns=COLUMNS))
    assert taken.rows("quarantine", "line, reason") == [(3, "not a JSON object"), (4, "not a JSON object")]
    assert taken.rows("quarantine", "record")[0] == '["{broken"]'


def test_numbers_and_flags_can_be_calculated_with(take, write):
    objects = [{"customer_id": i, "ts": 1704190000 + i, "price": 2.5, "n": i, "live": i > 1} for i in (1, 2, 3)]
    source = Source(write(lines(objects), "x.jsonl"), amount="n * price", rows="live")
    assert take(source).rows("transactions", "customer_id, amount::DOUBLE") == [("2", 5.0), ("3", 7.5)]


@pytest.mark.parametrize(
    ("content", "message"), [(b'[{"a": 1}', "cannot be read as JSON"), (b'{"a": \n 1}', "no line of it is an object")]
)
def test_other_json_is_told(take, write, content, message):
    with pytest.raises(InputError, match=message):
        take(write(content, "x.json"))
