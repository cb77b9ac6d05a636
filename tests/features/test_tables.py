"""Tables are opened where they lie, and what one run computes of them is computed once."""

from dataclasses import replace

import duckdb
import ibis
import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from features import tables as module
from features.returns.matching import NO_RETURNS
from features.tables import ENGINE_MEMORY, Tables, Workspace, give_memory_back, open_tables


def test_transactions_with_a_return_are_not_said_to_have_none(tmp_path):
    with duckdb.connect() as own:
        lines = own.sql("SELECT 'a' AS customer_id, unnest([1.5, -0.5])::DECIMAL(18,4) AS amount")
        lines.write_parquet(str(tmp_path / "transactions.parquet"))
    assert open_tables(tmp_path).transactions.columns == ("customer_id", "amount")


def test_tables_are_opened_where_they_lie_and_missing_ones_are_none(tmp_path):
    with duckdb.connect() as own:
        lines = own.sql("SELECT 'a' AS customer_id, 1.5::DECIMAL(18,4) AS amount")
        lines.write_parquet(str(tmp_path / "transactions.parquet"))
        own.sql("SELECT 'a' AS customer_id").write_parquet(str(tmp_path / "events.parquet"))
    tables = open_tables(tmp_path)
    assert tables.transactions.to_pyarrow().to_pylist() == [{"customer_id": "a", "amount": 1.5, NO_RETURNS: True}]
    assert tables.events.count().to_pyarrow().as_py() == 1
    assert tables.answers is None
    assert tables.customers is None


def test_the_engine_of_a_small_shop_keeps_its_memory_and_that_of_a_larger_one_gives_it_back(tmp_path, monkeypatch):
    asked: dict[str, list[object]] = {}
    for name, small in (("small", module.SMALL), ("large", 0)):
        monkeypatch.setattr(module, "SMALL", small)
        (tmp_path / name).mkdir()
        with duckdb.connect() as own:
            lines = own.sql("SELECT 'a' AS customer_id, 1.5::DECIMAL(18,4) AS amount")
            lines.write_parquet(str(tmp_path / name / "transactions.parquet"))
        rows = open_tables(tmp_path / name).transactions
        monkeypatch.setattr(rows.get_backend(), "raw_sql", asked.setdefault(name, []).append)
        give_memory_back(rows)
        asked[name].append(rows)  # The first engine lives while the second one is asked.
    assert [each[:-1] for each in asked.values()] == [[], [f"SET memory_limit = '{ENGINE_MEMORY}'"]]


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


def test_a_table_is_written_to_the_folder_once_and_read_from_there(tmp_path):
    workspace, calls = Workspace(tmp_path / "work"), []
    rows = ibis.memtable({"customer_id": ["a", "b"], "T": [1.0, None]})
    tables = [workspace.table("everyone", lambda: calls.append(1) or rows) for _ in range(2)]
    assert tables[0] == tables[1] and calls == [1]
    assert (len(tables[0]), tables[0].columns) == (2, ("customer_id", "T"))
    assert [file.suffix for file in (tmp_path / "work").iterdir()] == [".parquet"]
    pd.testing.assert_frame_equal(tables[0].frame(), pd.DataFrame({"customer_id": ["a", "b"], "T": [1.0, np.nan]}))


@pytest.mark.parametrize("rows", [1, 7, 10, 24, 25, 99])
def test_a_stored_table_is_read_in_batches_by_column_and_by_row(tmp_path, monkeypatch, rows):
    monkeypatch.setattr("features.engine.stored._CHUNK_ROWS", 10)
    frame = pd.DataFrame({"name": [f"c{i}" for i in range(24)], "x": np.arange(24.0), "y": -np.arange(24.0)})
    stored = Workspace(tmp_path).table("all", lambda: ibis.memtable(frame))
    batches = list(stored.batches(["name", "x"], rows))
    assert [len(batch) for batch in batches] == [rows] * (24 // rows) + [24 % rows] * (24 % rows > 0)
    pd.testing.assert_frame_equal(pd.concat(batches), frame[["name", "x"]])
    assert stored["y"].tolist() == frame["y"].tolist()
    pd.testing.assert_frame_equal(stored.take([20, 3, 7]), frame.loc[[20, 3, 7]])
    assert list(stored.take([], ["x"]).columns) == ["x"] and stored.take([]).empty


def test_a_stored_table_of_nobody_gives_one_empty_batch(tmp_path):
    frame = pd.DataFrame({"name": ["a"], "x": [1.0]})
    stored = Workspace(tmp_path).table("all", lambda: ibis.memtable(frame).filter(ibis._.x > 1))
    assert [len(batch) for batch in stored.batches()] == [0]


def test_other_tables_begin_with_nothing_computed():
    tables = Tables(ibis.memtable({"customer_id": ["a"]}))
    assert tables.workspace.once("answer", lambda: 42) == 42
    others = replace(tables, events=None)
    assert others.workspace.once("answer", lambda: 43) == 43
