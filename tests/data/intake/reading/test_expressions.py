from decimal import Decimal

import pytest

from data.errors import InputError

SHOP = (
    "customer_id,ts,quantity,Unit Price,status,code\n"
    'A,2024-01-02,3,19.99,paid,1\nB,2024-01-03,2,"€1,000.50",failed,1\n'
    "C,2024-01-03,1,5,partially_refunded,2\n"
)


def amounts(taken):
    return [str(amount.normalize()) for amount in taken.rows("transactions", "amount")]


@pytest.mark.parametrize(
    ("amount", "expected"),
    [
        ("quantity * unit_price", ["59.97", "2001", "5"]),
        ('"Unit Price" * quantity - 1', ["58.97", "2E+3", "4"]),
        ("case when status = 'failed' then 0 else unit_price end", ["19.99", "0", "5"]),
        ("if(code = 1, -unit_price, unit_price)", ["-19.99", "-1000.5", "5"]),
        ("round(coalesce(unit_price, 0), 0)", ["2E+1", "1001", "5"]),
        ("cast(quantity as integer) + 0.5", ["3.5", "2.5", "1.5"]),
    ],
)
def test_an_amount_may_be_computed_from_columns_as_they_are_written(take, amount, expected):
    assert amounts(take(SHOP, amount=amount)) == expected


def test_an_expression_comes_before_a_column_of_the_same_name(take):
    table = "customer_id,ts,amount,tax\nA,2024-01-02,12,2\n"
    assert amounts(take(table, amount="amount - tax")) == ["1E+1"]


def test_a_customer_may_be_computed_and_is_a_text(take):
    taken = take(SHOP, customer_id="lower(customer_id) || left(status, 1)", amount="unit_price")
    assert taken.rows("transactions", "customer_id") == ["ap", "bf", "cp"]
    with pytest.raises(InputError, match="customer_id must be a text for each row"):
        take(SHOP, customer_id="code + 1", amount="unit_price")


def test_an_amount_of_parquet_may_be_computed(take, write_parquet):
    path = write_parquet("SELECT 'A' AS customer_id, DATE '2024-01-02' AS ts, 3 AS n, 1.5::DOUBLE AS price")
    assert take(path, amount="n * price", rows="ts > '2024-01-01'").rows("transactions", "amount") == [Decimal("4.5")]


def test_what_cannot_be_computed_is_set_aside(take):
    assert take(SHOP + "D,2024-01-02,many,1,paid,1\n", amount="code * quantity").reasons() == {"amount is missing": 1}


def test_rows_left_out_are_counted_and_told(take):
    taken = take(SHOP, amount="quantity * unit_price", rows="status in ('paid','partially_refunded') and quantity > 0")
    assert amounts(taken) == ["59.97", "5"]
    report = taken.intake.tables["transactions"]
    assert (report.left_out, report.rows_read, report.rows_valid) == (1, 2, 2)
    assert "rows left out of" in taken.intake.notes[0]
    assert taken.intake.notes[0].endswith(": 1.")


def test_rows_that_leave_nothing_are_told_with_the_values_there(take):
    with pytest.raises(InputError, match=r"chooses no row of .*: status has 'failed', 'paid', 'partially_refunded'"):
        take(SHOP, amount="unit_price", rows="status = 'Paid'")


@pytest.mark.parametrize(
    ("amount", "message"),
    [
        ("quantity * unit_prise", "has no column of a name in it (a text of 10 characters). Nearest: 'Unit Price'"),
        ("quantity *", "is no SQL expression"),
        ("quantity; drop table staged", "must be one SQL expression"),
        ("quantity * (select 1)", "is not allowed"),
        ("(select max(content) from read_text('/etc/passwd'))", "is not allowed"),
        ("read_csv('/etc/passwd')", "uses the function read_csv, which is not allowed"),
        ("getenv('HOME')", "uses a function that is not known (a text of 6 characters)"),
        ("sum(quantity)", "uses the function sum"),
        ("row_number() over ()", "is not allowed"),
        ("*", "is not allowed"),
        ("columns('.*')", "is not allowed"),
        ("quantity::INET", "uses the type INET"),
        ("staged.quantity", "names a column with a point"),
        ("status = 'paid'", "must be a number"),
        ("from 'x.csv'", "is n"),
        ("copy x to 'y'", "is n"),
    ],
)
def test_an_expression_that_cannot_be_used_is_named(take, amount, message):
    with pytest.raises(InputError) as error:
        take(SHOP, amount=amount)
    assert str(error.value).startswith("formats.transactions.amount")
    assert message in str(error.value)


def test_rows_must_be_true_or_false_and_only_transactions_have_an_amount(take, write):
    with pytest.raises(InputError, match=r"formats\.transactions\.rows must be true or false"):
        take(SHOP, amount="unit_price", rows="status")
    with pytest.raises(InputError, match=r"formats\.events\.amount is set, but events has no column amount"):
        from data.intake.pipeline import Source

        take(events=Source(write("customer_id,ts,kind\nA,2024-01-02,x\n", "e.csv"), amount="1"))
