"""Cells of any type become values: the SQL of each kind of column, run on what a file or a database may hold."""

from datetime import datetime
from decimal import Decimal

import duckdb
import pytest

from data.contracts import CONTRACTS, NUMBER, Column
from data.errors import InputError
from data.intake.casting import (
    Readings,
    as_text,
    attribute_values,
    create_macros,
    describe_all,
    is_typed,
    read_value,
)
from data.intake.checks import check_currency, remember_later_customers
from data.intake.clean.staging import Staged
from data.intake.reading.numbers import NumberReading
from data.intake.reading.times import TimeReading
from data.intake.rules import Rules, one_currency


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as made:
        made.execute("SET TimeZone = 'UTC'")
        create_macros(made, Rules(id_case="fold"))
        yield made


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("DOUBLE", "7", "7"),
        ("DOUBLE", "-3", "-3"),
        ("FLOAT", "0.5", "0.5"),
        ("DOUBLE", "'inf'", "inf"),
        ("DOUBLE", "1e18", "1e+18"),
        ("DOUBLE", "1e17", "100000000000000000"),
        ("DOUBLE", "-1e19", "-1e+19"),
        ("DECIMAL(9,2)", "7", "7"),
        ("DECIMAL(9,2)", "7.5", "7.50"),
        ("DECIMAL(9,2)", "100", "100"),
        ("DECIMAL(9,0)", "100", "100"),
        ("VARCHAR", "'7.0'", "7.0"),
        ("BIGINT", "7", "7"),
    ],
)
def test_a_value_is_the_text_that_people_would_write(connection, kind, value, expected):
    assert connection.execute(f"SELECT {as_text('x', kind)} FROM (SELECT {value}::{kind} AS x)").fetchone() == (
        expected,
    )


def test_what_a_database_writes_of_a_number_loses_its_empty_decimals(connection):
    found = connection.execute(f"SELECT {as_text('x', 'NUMERIC')} FROM (VALUES ('7.00'), ('7.50'), ('70')) AS t(x)")
    assert found.fetchall() == [("7",), ("7.50",), ("70",)]


AMOUNT = Column("amount", "number", required=True, money=True)
OPTIONAL = Column("quantity", "number")
SCORE = Column("score", "score", required=True)
AT = Column("ts", "time", required=True)


def read(connection, column, kind, value, readings=None, zone="UTC"):
    """Return the cell as it was found and its value."""
    found = read_value(column, "x", kind, readings or Readings(), zone)
    return connection.execute(
        f"SELECT cell_{column.name}, {found.value} FROM (SELECT {found.cell} AS cell_{column.name} "
        f"FROM (SELECT {value}::{kind} AS x))"
    ).fetchone()


@pytest.mark.parametrize(
    ("column", "kind", "value", "expected"),
    [
        (AMOUNT, "DOUBLE", "1.25", Decimal("1.25")),
        (AMOUNT, "FLOAT", "'nan'", None),
        (AMOUNT, "DOUBLE", "'inf'", None),
        (AMOUNT, "HUGEINT", "12", Decimal(12)),
        (AMOUNT, "UTINYINT", "12", Decimal(12)),
        (AMOUNT, "DECIMAL(20,5)", "1.00005", Decimal("1.0001")),
        (AMOUNT, "BIGINT", "1000000000000000", None),
        (AMOUNT, "VARCHAR", "' 1.5 '", Decimal("1.5")),
        (AMOUNT, "VARCHAR", "'1_0'", None),
        (AMOUNT, "BOOLEAN", "true", None),
        (SCORE, "DOUBLE", "8.5", 8.5),
        (SCORE, "INTEGER", "8", 8.0),
        (SCORE, "VARCHAR", "'8'", 8.0),
        (AT, "DATE", "'2024-07-01'", datetime(2024, 7, 1)),
        (AT, "TIMESTAMP", "'2024-07-01 10:00'", datetime(2024, 7, 1, 10)),
        (AT, "TIMESTAMP", "'infinity'", None),
        (AT, "TIMESTAMP WITH TIME ZONE", "'2024-07-01 10:00+00'", datetime(2024, 7, 1, 12)),
        (AT, "TIMESTAMPTZ", "'2024-07-01 10:00+00'", datetime(2024, 7, 1, 12)),
        (AT, "VARCHAR", "'2024-07-01 10:00Z'", datetime(2024, 7, 1, 12)),
    ],
)
def test_a_cell_of_any_type_has_its_value(connection, column, kind, value, expected):
    assert read(connection, column, kind, value, zone="Europe/Berlin")[1] == expected


@pytest.mark.parametrize(("column", "present"), [(AMOUNT, True), (OPTIONAL, False), (SCORE, False)])
@pytest.mark.parametrize("kind", ["DOUBLE", "VARCHAR"])
def test_nan_is_wrong_where_an_amount_is_required_and_missing_elsewhere(connection, column, present, kind):
    cell, value = read(connection, column, kind, "'nan'")
    assert (cell is not None, value) == (present, None)


def test_cents_are_hundredths_of_money_and_of_nothing_else(connection):
    for kind in ("DOUBLE", "INTEGER", "VARCHAR"):
        assert read(connection, AMOUNT, kind, "'150'", Readings(cents=True))[1] == Decimal("1.5")
        assert read(connection, OPTIONAL, kind, "'150'", Readings(cents=True))[1] == 150
    assert read(connection, AMOUNT, "INTEGER", "150")[1] == 150


def test_a_column_that_a_file_lacks_is_null_of_its_type(connection):
    for column, kind in ((AMOUNT, NUMBER), (AT, "TIMESTAMP"), (Column("scale", "scale"), "INTEGER[]")):
        found = read_value(column, None, "VARCHAR", Readings(), "UTC")
        assert connection.execute(f"SELECT {found.cell}, {found.value}, typeof({found.value})").fetchone() == (
            *(None, None),
            kind.replace(", ", ","),
        )


def test_a_type_tells_a_time_only_where_it_is_one():
    kinds = ("DATE", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "BIGINT", "VARCHAR")
    assert [is_typed(AT, kind) for kind in kinds] == [True, True, True, False, False]
    assert [is_typed(AMOUNT, kind) for kind in kinds] == [True, True, True, True, False]


def test_each_way_of_writing_is_told_once():
    one = Readings({"amount": NumberReading(decimal=",")}, {"ts": TimeReading(form="dd.mm.yyyy")})
    other = Readings({"amount": NumberReading()}, {"ts": TimeReading(form="dd.mm.yyyy")})
    assert describe_all([one, other, one]) == {
        "ts": "dd.mm.yyyy",
        "amount": f"{NumberReading(decimal=',').example} or {NumberReading().example}",
    }


def test_an_attribute_is_a_number_where_all_valid_values_are(connection):
    names = [*(f"n{k}" for k in range(101)), "code", "gap", "huge", "word"]
    values = [*("'1.5'" for _ in range(101)), "'007'", "NULL", "'1e999'", "'x'"]
    bad = ["'bad'"] * len(names)
    selected = ", ".join(f"{value} AS attribute_{k}" for k, value in enumerate(values))
    spoiled = ", ".join(bad)
    query = f"SELECT NULL AS violation, {selected} UNION ALL SELECT 1, {spoiled}"
    connection.execute(f"CREATE OR REPLACE TABLE staged AS {query}")
    written = attribute_values(connection, names, ".")
    types = [each.startswith("CASE ") for each in written]
    assert types == [True] * 101 + [False] * 4
    row = connection.execute(f"SELECT {', '.join(written)} FROM staged WHERE violation IS NULL").fetchone()
    assert row == (*[1.5] * 101, "007", None, "1e999", "x")
    connection.execute(
        "CREATE OR REPLACE TABLE staged AS SELECT NULL AS violation, '1.234,5' AS attribute_0, '2,5' AS attribute_1"
    )
    assert [each.startswith("CASE ") for each in attribute_values(connection, ["a", "b"], ",")] == [False, True]


def test_later_customers_join_the_known_ones_once(connection, tmp_path):
    file = tmp_path / "later.parquet"
    ids = "('A', 1), ('B', 2), ('B', 3), (NULL, 4), (' C ', 5), ('null', 6)"
    connection.execute(f"COPY (FROM (VALUES {ids}) AS t(client, n)) TO '{file}'")
    connection.execute("CREATE OR REPLACE TABLE known_customers AS SELECT 'a' AS customer_id")
    remember_later_customers(connection, CONTRACTS["events"], [file])
    found = connection.execute("FROM known_customers ORDER BY ALL").fetchall()
    assert found == [("a",), ("b",), ("c",)]


def test_the_currency_is_that_of_valid_rows_the_most_frequent_first(connection):
    rows = "(NULL, 'USD'), (NULL, 'EUR'), (NULL, 'USD'), (NULL, NULL), (3, 'GBP')"
    connection.execute(f"CREATE OR REPLACE TABLE staged AS FROM (VALUES {rows}) AS t(violation, currency)")
    with pytest.raises(InputError, match=r"in 2 currencies \(USD, EUR\)"):
        check_currency(connection, Rules(), Staged(rows=5).with_currency)


@pytest.mark.parametrize(
    ("found", "setting", "expected"),
    [([], None, None), ([], " eur", "EUR"), (["EUR"], None, "EUR"), (["EUR"], "eur", "EUR")],
)
def test_one_currency_is_that_of_the_setting_or_of_the_column(found, setting, expected):
    assert one_currency(found, Rules(currency=setting)) == expected


@pytest.mark.parametrize(("found", "setting"), [("EUR", "USD"), ("USD", "EUR")])
def test_another_currency_than_the_setting_is_told(found, setting):
    with pytest.raises(InputError, match=f"set to {setting}, but the transactions are in {found}"):
        one_currency([found], Rules(currency=setting))


@pytest.mark.parametrize("limit", [0, 1, 0.5, -0.01, 1.01])
def test_a_share_is_from_none_to_all(limit):
    if 0 <= limit <= 1:
        assert Rules(quarantine_limit=limit).limit("answers") == limit
    else:
        with pytest.raises(InputError, match="share from 0 to 1"):
            Rules(quarantine_limit=limit)
    assert Rules().limit("answers") == 0.05
