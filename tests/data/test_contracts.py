import pytest

from data.contracts import CONTRACTS, check_mapping, match_columns
from data.errors import InputError

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
            ["CustomerID", "ts", "amount"],
            {},
            ["no column 'customer_id'", "CustomerID, ts, amount", 'columns.transactions.customer_id = "CustomerID"'],
        ),
        (["id", "ts", "amount"], {}, ['columns.transactions.customer_id = "id"']),
        (["x"], {}, ["'customer_id' and 'ts' and 'amount'", "its name in your file"]),
        (["customer_id", "ts", "amount"], {"category": "group"}, ["no column 'group'"]),
        (
            ["Client", "ts", "amount"],
            {"customer_id": "client"},
            ["no column 'client'", "Nearest to 'client': 'Client'"],
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


def test_two_unused_columns_may_share_a_name():
    assert match_columns(TRANSACTIONS, ["x", "customer_id", "ts", "amount", "x"], {}, "f")["customer_id"] == 1


def test_a_mapping_of_an_unknown_name_is_told_with_the_nearest():
    with pytest.raises(InputError, match=r"columns\.transactions\.custmer_id.*Nearest: 'customer_id'"):
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


@pytest.mark.parametrize("table", CONTRACTS)
def test_every_clean_column_is_read_or_made_from_one_that_is(table):
    made = {"scale_low": "scale", "scale_high": "scale"}
    contract = CONTRACTS[table]
    assert {made.get(name, name) for name in contract.clean} == set(contract.names) - {"currency"}
