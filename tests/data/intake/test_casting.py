from datetime import datetime
from decimal import Decimal

import pytest

from data.errors import InputError

TRANSACTIONS = "customer_id,ts,amount\nA,2024-01-02,1\n"


def transaction(**cells):
    row = {"customer_id": "A", "ts": "2024-01-02", "amount": "1"} | cells
    return f"{','.join(row)}\n" + ",".join(f'"{cell}"' for cell in row.values()) + "\n"


def good_and(table, bad):
    """Two rows, the first good."""
    return table + bad.split("\n")[1] + "\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-31", datetime(2024, 3, 31)),
        ("20240331", datetime(2024, 3, 31)),
        ("2024-03-31 10:20", datetime(2024, 3, 31, 10, 20)),
        (" 2024-03-31T10:20:30 ", datetime(2024, 3, 31, 10, 20, 30)),
        ("2024-03-31 10:20:30.5", datetime(2024, 3, 31, 10, 20, 30, 500_000)),
        ("2024-03-31T10:20:30Z", datetime(2024, 3, 31, 12, 20, 30)),
        ("2024-03-31 00:30:00 UTC", datetime(2024, 3, 31, 1, 30)),
        ("2024-03-31T10:20:30.25+05:30", datetime(2024, 3, 31, 6, 50, 30, 250_000)),
        ("2024-03-31 10:20-0400", datetime(2024, 3, 31, 16, 20)),
        ("2024-01-01 00:30 +00", datetime(2024, 1, 1, 1, 30)),
    ],
)
def test_times_become_the_shops_own(take, text, expected):
    assert take(transaction(ts=text), {"timezone": "Europe/Berlin"}).rows("transactions", "ts") == [expected]


@pytest.mark.parametrize(
    "text",
    ["2024-02-30", "31/01/2024", "202401", "noon", "2024-01-02 10:20 x", "2024-01-02 25:00", "infinity"],
)
def test_what_is_no_time_is_set_aside(take, text):
    assert take(good_and(TRANSACTIONS, transaction(ts=text))).reasons() == {"ts is not a time": 1}


@pytest.mark.parametrize(
    ("time_format", "text", "expected"),
    [
        ("%d/%m/%Y", "02/01/2024", datetime(2024, 1, 2)),
        ("%d.%m.%y %H:%M", "02.01.24 10:30", datetime(2024, 1, 2, 10, 30)),
        ("%Y-%m-%d %H:%M %z", "2024-01-02 10:30 +0000", datetime(2024, 1, 2, 11, 30)),
    ],
)
def test_a_time_format_is_followed(take, time_format, text, expected):
    taken = take(transaction(ts=text), {"timezone": "Europe/Berlin"}, time_format=time_format)
    assert taken.rows("transactions", "ts") == [expected]


def test_a_time_format_is_the_only_one(take):
    table = transaction(ts="02/01/2024") + "B,2024-01-02,1\n"
    assert take(table, time_format="%d/%m/%Y").reasons() == {"ts is not a time": 1}


@pytest.mark.parametrize("time_format", ["%Q", "dd/mm/yyyy"])
def test_a_time_format_that_is_none_is_told(take, time_format):
    with pytest.raises(InputError, match="time_format of transactions"):
        take(TRANSACTIONS, time_format=time_format)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-12.5", "-12.5"),
        (" 3 ", "3"),
        ("+1e3", "1000"),
        (".5", "0.5"),
        ("5.", "5"),
        ("11.770000000000001", "11.77"),
        ("1.00005", "1.0001"),
        ("99999999999999.9999", "99999999999999.9999"),
    ],
)
def test_numbers_are_exact_to_four_decimals(take, text, expected):
    assert take(transaction(amount=text)).rows("transactions", "amount") == [Decimal(expected)]


@pytest.mark.parametrize("text", ["NaN", "inf", "-Infinity", "1_000", "5 pcs", "10 00", "0x1F", "--1", "e5", "true"])
def test_what_is_no_number_is_set_aside(take, text):
    assert take(good_and(TRANSACTIONS, transaction(amount=text))).reasons() == {"amount is not a number": 1}


@pytest.mark.parametrize("text", ["100000000000000", "1234567890123456789", "1e400", "-99999999999999.99999"])
def test_more_than_18_digits_are_set_aside(take, text):
    assert take(good_and(TRANSACTIONS, transaction(amount=text))).reasons() == {"amount has more than 18 digits": 1}


def test_a_decimal_comma_is_a_setting(take):
    table = "customer_id;ts;amount\nA;2024-01-02;-1,5\nB;2024-01-02;2\nC;2024-01-02;3.5\nD;2024-01-02;1.234,5\n"
    taken = take(table, decimal=",")
    assert taken.rows("transactions", "amount") == [Decimal("-1.5"), Decimal(2), Decimal("1234.5")]
    assert taken.reasons() == {"amount is not a number": 1}


@pytest.mark.parametrize("column", ["quantity", "discount", "cost"])
def test_an_optional_number_may_be_missing_but_not_wrong(take, column):
    table = transaction(**{column: "-2"}) + "A,2024-01-02,1,nan\nA,2024-01-02,1,\nA,2024-01-02,1,two\n"
    taken = take(table)
    assert taken.rows("transactions", column) == [Decimal(-2), None, None]
    assert taken.reasons() == {f"{column} is not a number": 1}


def test_a_scale_may_be_set_for_a_question(take):
    header = "customer_id,answered_at,score,question,scale\n"
    rows = ["A,2024-01-05,4,NPS,", "A,2024-01-05,9,nps,0-10", "A,2024-01-05,2,How was it?,", "A,2024-01-05,1,ces,"]
    rules = {"scales": {"nps": (1, 5), "How was it?": (6, 1), "ces": (5, 1)}}
    taken = take(None, rules, answers=header + "".join(f"{row}\n" for row in rows))
    assert taken.rows("answers", "question, score, scale_low, scale_high") == [
        ("nps", 4, 1, 5),
        ("nps", 9, 0, 10),
        ("How was it?", 5, 1, 6),
        ("ces", 5, 1, 5),
    ]
