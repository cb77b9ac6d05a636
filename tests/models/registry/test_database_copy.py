import sqlite3
from datetime import date

import duckdb
import pyarrow as pa
import pytest

from data.errors import InputError
from data.intake.databases.address import find_address
from models.registry.database_copy import Written, with_versions, write_copy


def scores(version, customers=3):
    schema = pa.schema(
        [
            pa.field("customer_id", pa.string(), nullable=False),
            pa.field("as_of", pa.date32(), nullable=False),
            pa.field("clv", pa.float64()),
        ]
    )
    columns = [[f"c{n}" for n in range(customers)], [date(2024, 3, version)] * customers, [0.1, None, 2.5][:customers]]
    return with_versions(pa.table(columns, schema=schema), version, 7)


def write(address, table, rows=None):
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=2))
    return write_copy(find_address(address, must_exist=False), reader, rows or table.num_rows, "it's new")


def rows_in(file, table="scores"):
    query = f"SELECT customer_id, CAST(as_of AS VARCHAR), clv, scores_version, scorer_version FROM {table} ORDER BY 1"
    if file.suffix == ".db":
        with sqlite3.connect(file) as connection:
            return connection.execute(query).fetchall()
    with duckdb.connect(str(file)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture(params=["sqlite:///{}/out.db", "duckdb:///{}/out.duckdb"])
def file(request, tmp_path):
    address = request.param.format(tmp_path)
    return f"{address}/scores", tmp_path / address.rpartition("/")[2]


def test_scores_take_the_place_of_those_before(file):
    address, path = file
    assert write(address, scores(1)) == Written(3)
    assert rows_in(path) == [
        ("c0", "2024-03-01", 0.1, 1, 7),
        ("c1", "2024-03-01", None, 1, 7),
        ("c2", "2024-03-01", 2.5, 1, 7),
    ]
    assert write(address, scores(2, customers=1)) == Written(1, replaced=1)
    assert rows_in(path) == [("c0", "2024-03-02", 0.1, 2, 7)]


def test_what_fails_leaves_the_table_as_it_was(file):
    address, path = file
    write(address, scores(1))
    before = rows_in(path)
    with pytest.raises(InputError, match=r"3 of 4 rows came to .*The table is as it was; publish again"):
        write(address, scores(2), rows=4)
    twice = pa.concat_tables([scores(2, customers=1)] * 2)
    with pytest.raises(InputError, match=r"cannot be written: .*The table is as it was"):
        write(address, twice)
    assert rows_in(path) == before
    assert write(address, scores(3)) == Written(3, replaced=1)


def test_a_table_that_holds_no_scores_is_not_touched(file):
    address, path = file
    write(address, scores(1))
    other = address.replace("/scores", "/orders")
    create = "CREATE TABLE orders (customer_id VARCHAR, amount INTEGER)"
    if path.suffix == ".db":
        with sqlite3.connect(path) as connection:
            connection.execute(create)
    else:
        with duckdb.connect(str(path)) as connection:
            connection.execute(create)
    with pytest.raises(InputError, match=r"holds no scores: its columns are customer_id, amount\. It was not touched"):
        write(other, scores(2))
