"""The table of scores: what is held in memory gives the same pages as the file."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from flows.app.reading.filters import ORDERS, Wanted
from flows.app.reading.scores import Scores
from models.population.scores_table import SCHEMA, write_scores

CUSTOMERS, ROWS = 230, 100


@pytest.fixture
def scores(tmp_path):
    """Customers out of order, many of whom have the same value and some have none."""
    rng = np.random.default_rng(3)
    own = {name: rng.integers(0, 4, CUSTOMERS).tolist() for name in ("clv", "p_churn", "next_purchase_index")}
    columns = {name: [None if value == 3 else value / 4 for value in values] for name, values in own.items()}
    columns["customer_id"] = [f"c{k:03d}" for k in rng.permutation(CUSTOMERS)]
    columns["last_purchase"] = [date(2024, 1, 1) + timedelta(days=int(k)) for k in rng.integers(0, 9, CUSTOMERS)]
    columns["segment"] = rng.choice(["loyal", "lost"], CUSTOMERS).tolist()
    blank = {"string": "", "double": 0.0, "int64": 0, "date32[day]": date(2024, 2, 1)}
    arrays = [
        pa.array(columns.get(of.name, [None if of.nullable else blank[str(of.type)]] * CUSTOMERS), of.type)
        for of in SCHEMA
    ]
    write_scores([pa.table(arrays, schema=SCHEMA)], tmp_path / "scores.parquet")
    return Scores(tmp_path / "scores.parquet")


@pytest.mark.parametrize("fields", [{}, {"segment": "loyal"}, {"q": "c1", "churn_max": "50"}])
def test_each_order_goes_to_the_end_and_is_the_same_when_it_is_held(scores, fields):
    conditions = Wanted.read(fields).conditions()

    def pages(order):
        of_order = [scores.page(conditions, order, first, ROWS) for first in range(0, CUSTOMERS, ROWS)]
        return [row for rows in of_order for row in rows]

    read = {order: pages(order) for order in ORDERS}
    ids = {row["customer_id"] for row in read["id"]}
    assert len(ids) == len(read["id"]) == scores.total(conditions)["customers"] > 0
    for order, column in ORDERS.items():
        assert {row["customer_id"] for row in read[order]} == ids
        known = [row[column] for row in read[order] if row[column] is not None] if column else []
        assert known == sorted(known, reverse=True)
    assert scores.hold()
    assert {order: pages(order) for order in ORDERS} == read
