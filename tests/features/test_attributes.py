from datetime import date

import ibis
import pytest

from data.errors import InputError
from features.describe import describe, materialise
from features.spine import everyone, pairs
from features.vocabulary import Vocabulary, learn_vocabulary

AS_OF = date(2024, 2, 1)
SALES = [{"customer_id": customer, "ts": "2024-01-01", "amount": 1} for customer in "abcd"]
CUSTOMERS = [
    {"customer_id": "a", "region": "north", "age": 30},
    {"customer_id": "b", "region": "north", "age": None, "valid_from": "2023-01-01"},
    {"customer_id": "b", "region": "south", "age": 41, "valid_from": "2024-01-15"},
    {"customer_id": "b", "region": "north", "age": 42, "valid_from": "2024-02-01"},
    {"customer_id": "b", "region": "north", "age": 40},
    {"customer_id": "c", "region": None, "age": 50},
]


def attributes(tables, spine, vocabulary):
    frame = materialise(describe(tables, spine, vocabulary))
    return frame.set_index(["customer_id", "as_of"]).filter(like="attribute_").astype(object)


def test_the_newest_row_valid_before_as_of_counts(shop):
    tables = shop(SALES, customers=CUSTOMERS)
    vocabulary = learn_vocabulary(tables, AS_OF, ["age", "region"])
    got = attributes(tables, everyone(tables.transactions, AS_OF), vocabulary)
    assert got.columns.tolist() == [
        "attribute_age",
        "attribute_region_is_north",
        "attribute_region_is_south",
    ]
    assert got.iloc[:3].to_numpy().tolist() == [[30, 1, 0], [41, 0, 1], [50, 0, 0]]
    assert got.iloc[3].isna().all()  # d has no row


def test_earlier_dates_see_earlier_rows(shop):
    tables = shop(SALES, customers=CUSTOMERS)
    vocabulary = Vocabulary(numeric_attributes=("age",))
    spine = pairs(
        ibis.memtable({"customer_id": ["b"] * 3, "as_of": [date(2024, 1, 15), date(2024, 1, 16), date(2024, 2, 2)]})
    )
    assert attributes(tables, spine, vocabulary).attribute_age.isna().tolist() == [True, False, False]
    assert attributes(tables, spine, vocabulary).attribute_age.tolist()[1:] == [41, 42]


def test_equally_new_rows_do_not_depend_on_their_order(shop):
    rows = [{"customer_id": "a", "age": age, "region": region} for age, region in ((7, "n"), (7, "s"), (5, "z"))]
    vocabulary = Vocabulary(numeric_attributes=("age",), text_attributes={"region": ("n", "s", "z")})
    described = set()
    for customers in (rows, rows[::-1]):
        tables = shop(SALES, customers=customers)
        got = attributes(tables, everyone(tables.transactions, AS_OF), vocabulary)
        described.add(tuple(got.iloc[0]))
    assert described == {(7, 0, 1, 0)}


def test_customers_that_are_not_given_are_unknown(shop):
    tables = shop(SALES)
    vocabulary = Vocabulary(numeric_attributes=("age",), text_attributes={"region": ("n",)})
    assert attributes(tables, everyone(tables.transactions, AS_OF), vocabulary).isna().all(axis=None)


def test_a_column_that_changed_since_training_is_named(shop):
    tables = shop(SALES, customers=CUSTOMERS)
    spine = everyone(tables.transactions, AS_OF)
    with pytest.raises(InputError, match=r"column region: .* when it held numbers, now it holds text"):
        describe(tables, spine, Vocabulary(numeric_attributes=("region",)))
    with pytest.raises(InputError, match=r"column age: .* when it held text, now it holds numbers"):
        describe(tables, spine, Vocabulary(text_attributes={"age": ("old",)}))
    with pytest.raises(InputError, match="no column size, which the scorer was trained with"):
        describe(tables, spine, Vocabulary(numeric_attributes=("size",)))
