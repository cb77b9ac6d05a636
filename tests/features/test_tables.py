import duckdb
import pytest

from data.errors import InputError
from features.tables import open_tables


def test_tables_are_opened_where_they_lie_and_missing_ones_are_none(tmp_path):
    with duckdb.connect() as own:
        lines = own.sql("SELECT 'a' AS customer_id, 1.5::DECIMAL(18,4) AS amount")
        lines.write_parquet(str(tmp_path / "transactions.parquet"))
        own.sql("SELECT 'a' AS customer_id").write_parquet(str(tmp_path / "events.parquet"))
    tables = open_tables(tmp_path)
    assert tables.transactions.to_pyarrow().to_pylist() == [{"customer_id": "a", "amount": 1.5}]
    assert tables.events.count().to_pyarrow().as_py() == 1
    assert tables.answers is None
    assert tables.customers is None


def test_a_folder_without_transactions_says_what_it_lacks(tmp_path):
    with pytest.raises(InputError, match=r"holds no transactions\.parquet"):
        open_tables(tmp_path)
