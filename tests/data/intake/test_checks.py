import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from data.errors import InputError
from data.intake.rules import Rules

TRANSACTIONS = "customer_id,ts,amount\nA,2024-01-02,1\n"


def transaction(**cells):
    row = {"customer_id": "A", "ts": "2024-01-02", "amount": "1"} | cells
    return f"{','.join(row)}\n" + ",".join(f'"{cell}"' for cell in row.values()) + "\n"


def answer(**cells):
    row = {"customer_id": "A", "answered_at": "2024-01-03", "score": "9"} | cells
    return f"{','.join(row)}\n" + ",".join(f'"{cell}"' for cell in row.values()) + "\n"


def good_and(table, bad):
    """Two rows, the first good."""
    return table + bad.split("\n")[1] + "\n"


def test_the_future_is_judged_by_the_clock_in_the_shops_zone(take):
    table = "customer_id,ts,amount\nA,2024-06-01 21:00,1\nB,2024-06-01 21:01,1\n"
    for now in (datetime(2024, 6, 1, 12, tzinfo=UTC), datetime(2024, 6, 1, 21)):
        taken = take(table, {"timezone": "Asia/Tokyo", "now": now})
        assert taken.rows("transactions", "customer_id") == ["A"]
        assert taken.reasons() == {"ts is in the future": 1}


def test_without_a_given_time_the_wall_clock_judges(take):
    taken = take("customer_id,ts,amount\nA,2024-06-01,1\nB,2999-01-01,1\n", {"now": None})
    assert taken.reasons() == {"ts is in the future": 1}


@pytest.mark.parametrize("nothing", ["", "  ", "\t", "\u00a0", "null", "NULL", "NaN", "None", "<NA>", " none "])
def test_a_null_id_is_set_aside(take, nothing):
    assert take(good_and(TRANSACTIONS, transaction(customer_id=nothing))).reasons() == {"customer_id is missing": 1}


@pytest.mark.parametrize(("column", "text"), [("ts", ""), ("amount", "null")])
def test_a_missing_required_cell_is_set_aside(take, column, text):
    assert take(good_and(TRANSACTIONS, transaction(**{column: text}))).reasons() == {f"{column} is missing": 1}


def test_available_at_is_never_before_the_row_itself(take):
    table = "customer_id,ts,amount,available_at\n" + "".join(
        f"A,2024-01-05,1,{given}\n" for given in ("", "2024-01-01", "2024-01-09", "soon")
    )
    taken = take(table)
    assert taken.rows("transactions", "available_at") == [datetime(2024, 1, day) for day in (5, 5, 9)]
    assert taken.reasons() == {"available_at is not a time": 1}


@pytest.mark.parametrize(
    ("record", "reason", "cell"),
    [
        ("B,2024-01-02", "too few cells", "2 cells instead of 3"),
        ("B,2024-01-02,1,2,3", "too many cells", "5 cells instead of 3"),
        ('B,"2024"-01-02,1', "quotes do not match", None),
    ],
)
def test_a_record_of_wrong_shape_is_set_aside_alone(take, record, reason, cell):
    taken = take(f"customer_id,ts,amount\nA,2024-01-02,1\n{record}\nC,2024-01-02,3\n")
    assert taken.rows("transactions", "customer_id") == ["A", "C"]
    assert taken.rows("quarantine", 'line, "column", cell, reason') == [(3, None, cell, reason)]


def test_a_row_is_set_aside_once_with_its_first_reason(take):
    taken = take("amount,customer_id,ts\n1,A,2024-01-02\nx,,never\n")
    assert taken.reasons() == {"customer_id is missing": 1}
    ((table, file, line, column, cell, reason, record),) = taken.rows("quarantine")
    assert (table, line, column, cell, reason) == ("transactions", 3, "customer_id", "", "customer_id is missing")
    assert file.endswith("transactions.csv")
    assert json.loads(record) == {"amount": "x", "customer_id": "", "ts": "never"}


LINES = [
    "A,2024-01-02,1,o1,1",
    "A,2024-01-02,2,o1,1",
    "A,2024-01-03,9,o1,2",
    "B,2024-01-02,5,o2,",
    "B,2024-01-02,5,o2,",
    "B,2024-01-02,5,,1",
]


def test_only_a_repeated_line_of_an_order_is_a_duplicate(take):
    taken = take("customer_id,ts,amount,order_id,line_id\n" + "\n".join(LINES) + "\n")
    assert taken.reasons() == {"(order_id, line_id) is repeated": 1}
    report = taken.intake.tables["transactions"]
    assert (report.rows_read, report.rows_valid, report.identical_lines) == (6, 5, 1)


def test_the_duplicate_kept_does_not_depend_on_order_or_files(take, write):
    header = "customer_id,ts,amount,order_id,line_id\n"
    kept = set()
    for k, lines in enumerate((LINES, LINES[::-1], LINES[1:3] + LINES[:1] + LINES[3:])):
        one = write(header + "\n".join(lines[:2]), f"{k}/a.csv")
        write(header + "\n".join(lines[2:]) + "\n", f"{k}/b.csv")
        taken = take(one.parent)
        kept.add((taken.intake.tables["transactions"].digest, *sorted(map(str, taken.rows("transactions")))))
    assert len(kept) == 1


def test_the_duplicate_known_last_is_kept(take):
    table = "customer_id,ts,amount,order_id,line_id,available_at\n"
    table += "A,2024-01-02,9,1,1,2024-01-03\nA,2024-01-02,1,1,1,2024-01-05\nA,2024-01-02,5,1,1,2024-01-04\n"
    assert take(table).rows("transactions", "amount") == [Decimal(1)]
    # Of rows known at once the one that says more.
    table = "customer_id,ts,amount,order_id,line_id,category\nA,2024-01-02,1,1,1,\nA,2024-01-02,1,1,1,tea\n"
    assert take(table).rows("transactions", "category") == ["tea"]


@pytest.mark.parametrize(
    ("table", "setting", "expected"),
    [
        (TRANSACTIONS, None, None),
        (TRANSACTIONS, "eur", "EUR"),
        (transaction(currency=" usd "), None, "USD"),
        (transaction(currency="USD") + "B,2024-01-02,1,\n", "USD", "USD"),
        (transaction(currency="USD") + "B,never,1,EUR\n", None, "USD"),
    ],
)
def test_one_currency_is_told(take, table, setting, expected):
    assert take(table, {"currency": setting}).intake.currency == expected


def test_mixed_currencies_are_a_mistake(take):
    with pytest.raises(InputError, match=r"2 currencies \(EUR, USD\)"):
        take(transaction(currency="USD") + "B,2024-01-02,1,EUR\n")
    with pytest.raises(InputError, match="currency is set to EUR, but the transactions are in USD"):
        take(transaction(currency="USD"), {"currency": "EUR"})


@pytest.mark.parametrize(
    ("question", "low", "high"),
    [("", 0, 10), ("NPS", 0, 10), ("csat", 1, 5), ("CES ", 1, 7), ("csi", 1, 5), ("cli", 1, 6), ("miss_us", 1, 10)],
)
def test_each_known_question_has_its_scale(take, question, low, high):
    rows = answer(question=question, score=str(low)) + "".join(
        f'A,2024-01-03,{score},"{question}"\n' for score in (high, low - 1, high + 1)
    )
    taken = take(answers=rows)
    name = question.strip().lower() or "nps"
    assert taken.rows("answers", "question, score, scale_low, scale_high") == [
        (name, low, low, high),
        (name, high, low, high),
    ]
    assert taken.reasons("answers") == {"score is outside its scale": 2}


def test_a_scale_column_decides(take):
    rows = answer(question="Delivery", scale="1-5") + "".join(
        f"A,2024-01-03,{score},Delivery,{scale}\n"
        for score, scale in ((5, " 1 - 5 "), (6, "1-5"), (9, "0 to 10"), (3, ""), (3, "five"), (3, "5-5"), (3, "5-1"))
    )
    taken = take(answers=rows)
    # A scale is written from the worst to the best: on 5-1 the grade 3 stays, a 2 would be a 4.
    assert taken.rows("answers", "question, score, scale_low, scale_high") == [
        ("Delivery", 5, 1, 5),
        ("Delivery", 9, 0, 10),
        ("Delivery", 3, 1, 5),
    ]
    assert taken.reasons("answers") == {
        "scale is not written like 0-10": 2,
        "score is outside its scale": 2,
        "question has no scale": 1,
    }


@pytest.mark.parametrize(
    ("question", "scale", "version", "expected"),
    [
        ("grade", "6-1", None, (6, 1, 6)),
        ("grade", "1-6", None, (1, 1, 6)),
        ("ces", "1-5", None, (5, 1, 5)),
        ("ces", "5-1", None, (5, 1, 5)),
        ("ces", "1-5", 2, (1, 1, 5)),
        ("ces", "1-7", None, (1, 1, 7)),
        ("ces", "1-7", 1, (7, 1, 7)),
        ("ces", "", 1, (7, 1, 7)),
    ],
)
def test_clean_scores_rise_with_contentment(take, question, scale, version, expected):
    taken = take(None, {"ces_version": version}, answers=answer(question=question, scale=scale, score="1"))
    assert taken.rows("answers", "score, scale_low, scale_high") == [expected]


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"score": "8.5"}, "score is not a whole number"),
        ({"score": "good"}, "score is not a number"),
        ({"score": "inf"}, "score is not a number"),
        ({"score": "1e30"}, "score is outside its scale"),
        ({"score": "", "invited_at": ""}, "neither score nor invitation"),
        ({"score": "nan"}, "neither score nor invitation"),
        ({"answered_at": ""}, "answered_at is missing"),
        ({"answered_at": "", "invited_at": "2024-01-01"}, "answered_at is missing"),
        ({"invited_at": "2024-01-04"}, "answered before invited"),
        ({"answered_at": "2024-06-02"}, "answered_at is in the future"),
        ({"score": "", "invited_at": "2024-06-02", "answered_at": ""}, "invited_at is in the future"),
        ({"invited_at": "last week"}, "invited_at is not a time"),
        ({"customer_id": "Z"}, "customer is unknown"),
        ({"customer_id": ""}, "customer_id is missing"),
        ({"importance": "-1"}, "importance is negative"),
        ({"importance": "much"}, "importance is not a number"),
    ],
)
def test_a_bad_answer_is_set_aside_with_its_reason(take, cells, reason):
    usual = {"customer_id": "A", "answered_at": "2024-01-03", "score": "9", "invited_at": "", "importance": ""}
    row = usual | cells
    good = "A,2024-01-03,9.0,2024-01-01,0\nA,,,2024-01-01,\n"
    taken = take(answers=",".join(row) + "\n" + good + ",".join(row.values()) + "\n")
    assert taken.reasons("answers") == {reason: 1}
    assert taken.rows("answers", "score") == [9, None]


def test_customers_are_known_by_a_valid_transaction_or_by_their_table(take):
    events = "customer_id,ts,kind\nA,2024-01-01,visit\nB,2024-01-01,visit\nC,2024-01-01,visit\n"
    taken = take(TRANSACTIONS + "B,never,1\n", events=events, customers="customer_id\nC\n")
    assert taken.rows("events", "customer_id") == ["A", "C"]
    assert taken.rows("quarantine", '"table", "column", cell, reason')[0] == (
        "events",
        "customer_id",
        "B",
        "customer is unknown",
    )


def test_events_need_a_kind_and_may_be_due_in_the_future(take):
    events = (
        "customer_id,ts,kind,value,due_at,duration_s\n"
        "A,2024-01-01,visit,,2030-01-01,12.5\n"
        "A,2024-01-01,,1,,\nA,2024-01-01,visit,x,,\nA,2024-01-01,visit,,x,\nA,2024-01-01,visit,,,x\n"
        "A,2030-01-01,visit,,,\n"
    )
    taken = take(events=events)
    assert taken.rows("events", "kind, value, due_at, duration_s") == [
        ("visit", None, datetime(2030, 1, 1), Decimal("12.5"))
    ]
    assert taken.reasons("events") == {
        "due_at is not a time": 1,
        "duration_s is not a number": 1,
        "kind is missing": 1,
        "ts is in the future": 1,
        "value is not a number": 1,
    }


@pytest.mark.parametrize("order", [1, -1])
def test_a_repeated_customer_is_kept_once_whatever_the_order(take, order):
    rows = ["A,2024-01-01,gold", "A,2024-01-01,silver", "A,2024-02-01,gold", "B,,x", "B,,y", "C,never,z"][::order]
    taken = take(customers="customer_id,valid_from,tier\n" + "\n".join(rows) + "\n")
    assert sorted(taken.rows("customers", "customer_id || tier")) == ["Agold", "Asilver", "By"]
    assert taken.reasons("customers") == {"customer_id is repeated": 2, "valid_from is not a time": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"timezone": "Mars/Olympus"}, "timezone must be an IANA name"),
        ({"timezone": "../etc"}, "timezone must be"),
        ({"quarantine_limit": 5}, "share from 0 to 1"),
        ({"quarantine_limit": {"answers": -1}}, "share from 0 to 1"),
    ],
)
def test_a_wrong_rule_is_told(settings, message):
    with pytest.raises(InputError, match=message):
        Rules(**settings)


def test_a_limit_holds_for_all_tables_or_for_one():
    assert Rules(quarantine_limit=0.2).limit("events") == 0.2
    assert Rules(quarantine_limit={"events": 0.1}).limit("events") == 0.1
    assert Rules(quarantine_limit={"events": 0.1}).limit("answers") == 0.05


def test_an_answer_of_which_only_the_day_is_known_is_not_early_on_the_day_of_its_invitation(take):
    header = "customer_id,answered_at,score,invited_at\n"
    rows = ["2024-01-05,9,2024-01-05 14:00", "2024-01-05,8,2024-01-06 00:01", "2024-01-05 13:59,7,2024-01-05 14:00"]
    rows.append("2024-01-05 14:00,6,2024-01-05 14:00")
    taken = take(answers=header + "".join(f"A,{row}\n" for row in rows))
    assert taken.reasons("answers") == {"answered before invited": 2}
    at = datetime(2024, 1, 5, 14)
    assert taken.rows("answers", "score, answered_at, invited_at") == [(9, at, at), (6, at, at)]
