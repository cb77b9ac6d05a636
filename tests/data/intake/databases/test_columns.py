from datetime import date

import pytest

from data.contracts import CONTRACTS
from data.errors import InputError
from data.intake.databases.columns import TableColumn, select
from data.intake.sources import Source


def table(**types):
    return [TableColumn(name, kind, f'"{name}"') for name, kind in types.items()]


def choose(contract, header, **source):
    return select(CONTRACTS[contract], Source("x", **source), header, "db/t", "Europe/Berlin")[0]


def names(selection):
    return [column.name for column in selection.columns]


SALES = table(
    id="BIGINT",
    client="VARCHAR",
    ts="TIMESTAMPTZ",
    price="NUMERIC",
    quantity="BIGINT",
    status="VARCHAR",
    memo="VARCHAR",
)


def test_only_columns_of_the_contract_and_of_expressions_are_read():
    mapped = {"customer_id": "client"}
    selection = choose("transactions", SALES, columns=mapped, amount="quantity * price", rows="memo <> 'test'")
    assert names(selection) == ["client", "ts", "price", "quantity", "status", "memo"]
    assert selection.unread == ("id",)
    selection = choose("transactions", SALES, columns=mapped | {"amount": "price"})
    # The state of an order is read, so that cancelled ones are told.
    assert names(selection) == ["client", "ts", "price", "quantity", "status"]
    assert selection.unread == ("id", "memo")


def test_all_columns_of_customers_are_read():
    assert names(choose("customers", table(customer_id="BIGINT", region="VARCHAR", age="BIGINT"))) == [
        "customer_id",
        "region",
        "age",
    ]


def test_a_column_that_is_missing_is_proposed_by_name_and_type():
    with pytest.raises(
        InputError, match=r"db/t has no column 'customer_id' and 'amount'.*Nearest to 'amount': 'price'"
    ):
        choose("transactions", SALES)
    with pytest.raises(InputError, match=r"formats\.transactions\.amount: the file has no column of a name in it"):
        choose("transactions", SALES, columns={"customer_id": "client"}, amount="pieces * price")


def test_rows_before_as_of_are_those_before_its_midnight_in_the_shops_zone():
    header = table(customer_id="BIGINT", ts="TIMESTAMPTZ", amount="NUMERIC", available_at="DATE")
    summer = choose("transactions", header, before=date(2024, 7, 1)).condition
    assert summer == (
        """("ts" IS NULL OR "ts" < TIMESTAMPTZ '2024-06-30 22:00:00+00') """
        """AND ("available_at" IS NULL OR "available_at" < DATE '2024-07-01')"""
    )
    header = table(customer_id="BIGINT", ts="TIMESTAMP", kind="VARCHAR", available_at="VARCHAR")
    assert choose("events", header, before=date(2024, 1, 1)).condition == (
        """("ts" IS NULL OR "ts" < TIMESTAMP '2024-01-01 00:00:00')"""
    )
    assert choose("events", header).condition == ""


def test_an_answer_that_comes_later_is_read_as_the_invitation_that_it_was():
    header = table(customer_id="BIGINT", answered_at="DATE", invited_at="DATE", score="BIGINT")
    assert choose("answers", header, before=date(2024, 1, 1)).condition == (
        """("answered_at" < DATE '2024-01-01' OR "invited_at" < DATE '2024-01-01' """
        """OR ("answered_at" IS NULL AND "invited_at" IS NULL))"""
    )
    header = table(customer_id="BIGINT", answered_at="DATE", invited_at="VARCHAR", score="BIGINT")
    assert choose("answers", header, before=date(2024, 1, 1)).condition == ""
