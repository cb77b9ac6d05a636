from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from features.describe import SUMMARY, describe, feature_names, materialise
from features.outcomes import outcomes, purchases_by_day
from features.spine import everyone, pairs
from features.vocabulary import Vocabulary, learn_vocabulary

AS_OF = date(2024, 2, 1)


@pytest.fixture
def tables(shop):
    sales = [
        {"customer_id": "b", "ts": "2024-01-01", "amount": 1, "channel": "web", "cost": 1, "discount": 1},
        {
            "customer_id": "0010",
            "ts": "2024-01-02",
            "amount": 2,
            "category": "x",
            "store": "s",
            "order_id": "1",
            "quantity": 1,
        },
        {"customer_id": "returner", "ts": "2024-01-02", "amount": -2},
    ]
    events = [{"customer_id": "b", "ts": "2024-01-02", "kind": "promised", "due_at": "2024-01-03", "value": 1}]
    events.append({"customer_id": "no buyer", "ts": "2024-01-02", "kind": "visit"})
    customers = [{"customer_id": "b", "age": 30, "region": "north"}]
    answers = [{"customer_id": "b", "answered_at": "2024-01-03", "score": 9}]
    return shop(sales, events=events, customers=customers, answers=answers)


def test_one_row_per_buyer_and_the_columns_in_order(tables):
    vocabulary = learn_vocabulary(tables, AS_OF, ["age", "region"])
    frame = materialise(describe(tables, everyone(tables.transactions, AS_OF), vocabulary))
    assert frame.customer_id.tolist() == ["0010", "b"]
    names = feature_names(vocabulary)
    assert set(names) <= set(frame.columns)
    assert len(names) > 50
    others = [name for name in frame.columns if name not in ("customer_id", "as_of", *SUMMARY)]
    assert others == [name for name in names if name not in SUMMARY]
    assert (frame[names].dtypes == "float64").all()
    assert not np.isinf(frame[names]).any(axis=None)


def test_every_feature_is_a_double_even_where_nothing_is_known(shop):
    tables = shop([{"customer_id": "a", "ts": "2024-01-01", "amount": 1}])
    vocabulary = Vocabulary(event_kinds={"visit": ("value",)}, numeric_attributes=("age",))
    described = describe(tables, everyone(tables.transactions, AS_OF), vocabulary)
    assert {str(described[name].type()) for name in feature_names(vocabulary)} == {"float64"}


def test_materialise_orders_rows_and_types_columns(tables):
    vocabulary = learn_vocabulary(tables, AS_OF)
    spine = pairs(
        ibis.memtable({"customer_id": ["b", "b", "0010"], "as_of": [AS_OF, date(2024, 1, 5), date(2024, 1, 9)]})
    )
    frame = materialise(describe(tables, spine, vocabulary))
    assert list(zip(frame.customer_id, frame.as_of.dt.date, strict=True)) == [
        ("0010", date(2024, 1, 9)),
        ("b", date(2024, 1, 5)),
        ("b", AS_OF),
    ]
    assert frame.customer_id.dtype == "str"
    assert {str(frame[name].dtype) for name in ("as_of", "first_purchase", "last_purchase")} == {"datetime64[us]"}


def test_materialise_keeps_the_order_of_a_table_without_keys(tables):
    patterns = ibis.memtable(pd.DataFrame({"frequency": [2.0, 0.0], "customers": [1.0, 9.0]}))
    assert materialise(patterns).frequency.tolist() == [2.0, 0.0]
    assert materialise(patterns.order_by("frequency")).customers.tolist() == [9.0, 1.0]


# Spark's are run, in the tests of consumers.
@pytest.mark.parametrize("dialect", ["postgres", "trino"])
def test_the_expressions_are_not_duckdbs_alone(tables, dialect):
    vocabulary = learn_vocabulary(tables, AS_OF, ["age", "region"])
    spine = pairs(tables.transactions.select("customer_id", as_of=ibis.literal(AS_OF)))
    transactions = tables.transactions
    for table in (
        describe(tables, everyone(transactions, AS_OF), vocabulary),
        describe(tables, spine, vocabulary),
        outcomes(transactions, everyone(transactions, date(2024, 1, 2)), 5, AS_OF),
        purchases_by_day(transactions, spine, AS_OF),
    ):
        sql = str(ibis.to_sql(table, dialect=dialect)).upper()
        assert sql.startswith(("SELECT", "WITH"))
        assert not [word for word in ("ASOF", "ARG_M", "LIST", "TRY_CAST") if word in sql]
