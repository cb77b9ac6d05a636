import tomllib

import pytest

from data.contracts import CONTRACTS
from data.errors import InputError
from data.intake.reading.matching import check_mapping, find_near_misses, match_columns

TRANSACTIONS, CUSTOMERS = CONTRACTS["transactions"], CONTRACTS["customers"]


def test_columns_are_found_in_any_order():
    header = ["amount", "note", "customer_id", "ts"]
    assert match_columns(TRANSACTIONS, header, {}, "f") == {"customer_id": 2, "ts": 3, "amount": 0}


def test_a_mapped_column_is_found_under_its_own_name():
    header = ["Client", "Date", "amount"]
    assert match_columns(TRANSACTIONS, header, {"customer_id": "Client", "ts": "Date"}, "f") == {
        "customer_id": 0,
        "ts": 1,
        "amount": 2,
    }


@pytest.mark.parametrize(
    ("header", "mapping", "parts"),
    [
        (
            ["CustomerNo", "ts", "amount"],
            {},
            ["no column 'customer_id'", "CustomerNo, ts, amount", '[columns.transactions]\ncustomer_id = "CustomerNo"'],
        ),
        (["id", "ts", "amount"], {}, ['customer_id = "id"']),
        (["x"], {}, ["'customer_id' and 'ts' and 'amount'", "it is not shown"]),
        (
            ["customer_id", "ts", "amount"],
            {"category": "group"},
            ["no column of the name in columns.transactions.category (a text of 5 characters)"],
        ),
        (
            ["Client", "ts", "amount"],
            {"customer_id": "client"},
            [
                "no column of the name in columns.transactions.customer_id (a text of 6 characters)",
                "Nearest to 'customer_id': 'Client'",
            ],
        ),
        ([""], {}, ["Its columns: none"]),
        (["customer_id", "ts", "amount", "ts"], {}, ["2 columns named 'ts'"]),
    ],
)
def test_a_column_that_cannot_be_found_is_named_with_what_is_there(header, mapping, parts):
    with pytest.raises(InputError) as error:
        match_columns(TRANSACTIONS, header, mapping, "shop.csv")
    for part in [*parts, "shop.csv"]:
        assert part in str(error.value)


def test_a_column_of_ours_is_not_taken_for_another_one():
    with pytest.raises(InputError) as error:
        match_columns(TRANSACTIONS, ["Client No", "sold at", "Betrag", "order_id", "discount"], {}, "shop.csv")
    assert "'order_id'" not in str(error.value)
    assert '"discount"' not in str(error.value)


@pytest.mark.parametrize(
    ("table", "header", "other"),
    [
        ("transactions", ["customer_id", "answered_at", "score", "comment"], "answers, by 'score' and 'answered_at'"),
        ("transactions", ["Respondent Email", "Submitted", "NPS rating"], "answers, by 'NPS rating' and 'Submitted'"),
        ("transactions", ["customer_id", "ts", "kind"], "events, by 'kind' and 'ts'"),
        ("answers", ["E-Mail", "Bestelldatum", "Betrag"], "transactions, by 'Betrag' and 'Bestelldatum'"),
        ("events", ["customer_id", "answered_at", "score"], "answers, by 'score' and 'answered_at'"),
    ],
)
def test_a_file_of_another_table_is_told_as_such(table, header, other):
    with pytest.raises(InputError) as error:
        match_columns(CONTRACTS[table], header, {}, "f")
    assert f"It looks like {other}: give it as {other.partition(',')[0]}" in str(error.value)
    assert "Nearest" not in str(error.value)
    # What could be the column that marks the table keeps it that table.
    usual = {"transactions": "Order total", "answers": "Rating", "events": "Event name"}[table]
    with pytest.raises(InputError, match=f"Nearest to .*'{usual}'"):
        match_columns(CONTRACTS[table], [*header, usual], {}, "f")


def test_two_unused_columns_may_share_a_name():
    assert match_columns(TRANSACTIONS, ["x", "customer_id", "ts", "amount", "x"], {}, "f")["customer_id"] == 1


def test_a_mapping_of_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(InputError, match=r"\(a text of 10 characters\).*Nearest: 'customer_id'"):
        check_mapping(TRANSACTIONS, {"custmer_id": "x"})
    check_mapping(TRANSACTIONS, {"customer_id": "x"})
    check_mapping(CUSTOMERS, {"region": "Region of sale"})


def test_customers_keep_every_other_column_as_an_attribute():
    header = ["Region", "client", "", "customer_id", "tier"]
    mapping = {"customer_id": "client", "level": "tier"}
    assert match_columns(CUSTOMERS, header, mapping, "f") == {"customer_id": 1, "level": 4, "Region": 0}


def test_attributes_that_differ_only_in_case_are_a_mistake():
    with pytest.raises(InputError, match="differ only in case"):
        match_columns(CUSTOMERS, ["customer_id", "Region", "region"], {}, "f")


@pytest.mark.parametrize("name", ["Customer_ID", "CustomerID", " customer id ", "CUSTOMER-ID", "customer\u00a0Id"])
def test_names_of_ours_match_in_any_case_and_with_any_joint(name):
    assert match_columns(TRANSACTIONS, [name, "TS", "Amount", "Line_ID", "Currency"], {}, "f") == {
        "customer_id": 0,
        "ts": 1,
        "amount": 2,
        "line_id": 3,
        "currency": 4,
    }


def test_an_exact_name_comes_first_and_two_that_match_alike_are_a_mistake():
    assert match_columns(TRANSACTIONS, ["Customer ID", "customer_id", "ts", "amount"], {}, "f")["customer_id"] == 1
    with pytest.raises(InputError, match="columns 'Customer ID' and 'customer-id', and both could be customer_id"):
        match_columns(TRANSACTIONS, ["Customer ID", "customer-id", "ts", "amount"], {}, "f")


def test_a_column_mapped_to_another_name_is_not_taken_for_ours():
    header = ["customer_id", "ts", "Amount", "Cost"]
    matched = match_columns(TRANSACTIONS, header, {"amount": "Cost"}, "f")
    assert matched == {"customer_id": 0, "ts": 1, "amount": 3}


def test_columns_named_nearly_like_an_optional_one_are_found():
    header = ["customer_id", "ts", "amount", "Catgory", "Order Nr", "country", "note"]
    matched = match_columns(TRANSACTIONS, header, {}, "f")
    assert find_near_misses(TRANSACTIONS, header, matched) == {"category": "Catgory", "order_id": "Order Nr"}


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("Client;Datum;Betrag", "A;02.01.2024;12,50", {"customer_id": "Client", "ts": "Datum", "amount": "Betrag"}),
        ("Kennung;Wann;Brutto", "A;2024-01-02;€ 5", {"customer_id": "Kennung", "ts": "Wann", "amount": "Brutto"}),
        # The name alone says otherwise: the total is a time, the date a number.
        (
            "customer_id;total at;date no",
            "A;2024-01-02;5",
            {"ts": "total at", "amount": "date no"},
        ),
        # Days of a spreadsheet are numbers.
        ("customer_id;Date;Sum", "A;45338.5;12", {"ts": "Date", "amount": "Sum"}),
        ('"key ""x""";ts', "A;2024-01-02", {"customer_id": 'key "x"', "amount": "its name in your file"}),
    ],
)
def test_lines_to_paste_are_valid_toml_and_fit_what_columns_hold(take, header, row, expected):
    with pytest.raises(InputError) as error:
        take(f"{header}\n" + f"{row}\n" * 5)
    lines = str(error.value).split("Put into revealed.toml:\n")[1]
    assert tomllib.loads(lines) == {"columns": {"transactions": expected}}


def test_contents_of_parquet_are_looked_at_too(take, write_parquet):
    path = write_parquet("SELECT 'A' AS client, DATE '2024-01-02' AS total, 1.5 AS day")
    with pytest.raises(InputError, match=r'ts = "total"\namount = "day"'):
        take(path)
