"""Tables are opened where they lie, and what one run computes of them is computed once."""

from dataclasses import replace

import duckdb
import ibis
import pyarrow as pa
import pytest

from data.errors import InputError
from features.tables import Tables, Workspace, open_tables


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


def test_a_result_is_computed_at_the_first_call_only():
    workspace, calls = Workspace(), []
    results = [workspace.once("answer", lambda: calls.append(1) or 42) for _ in range(3)]
    assert (results, calls) == ([42, 42, 42], [1])
    assert workspace.once("another", lambda: 43) == 43


def test_what_the_data_lack_is_told_at_each_call_and_computed_once():
    workspace, calls = Workspace(), []

    def lacking() -> None:
        calls.append(1)
        raise InputError("too few purchases")

    for _ in range(2):
        with pytest.raises(InputError, match="too few purchases"):
            workspace.once("fit", lacking)
    assert calls == [1]


def test_a_table_is_kept_in_the_folder_and_read_from_there(tmp_path):
    workspace, calls = Workspace(tmp_path / "work"), []
    rows = pa.table({"customer_id": ["a", "b"], "T": [1.0, None]})
    tables = [workspace.table("everyone", lambda: calls.append(1) or rows) for _ in range(2)]
    assert [table.equals(rows) for table in tables] == [True, True]
    assert calls == [1]
    assert [file.suffix for file in (tmp_path / "work").iterdir()] == [".parquet"]


def test_other_tables_begin_with_nothing_computed():
    tables = Tables(ibis.memtable({"customer_id": ["a"]}))
    assert tables.workspace.once("answer", lambda: 42) == 42
    others = replace(tables, events=None)
    assert others.workspace.once("answer", lambda: 43) == 43
