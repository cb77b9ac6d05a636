"""Rows that go straight into the clean table, beside the same rows compared with all others first."""

from dataclasses import replace

import duckdb
import numpy as np
import pytest

from data.errors import InputError
from data.intake.clean import hashes, staging
from data.intake.clean.direct import write_directly


def keyed(who="'A'", amount="n", line="n", more="", rows=6):
    """Write SQL for transactions, each with its own day."""
    return (
        f"SELECT {who} AS customer_id, TIMESTAMP '2024-01-02' + to_hours(n) AS ts, {amount}::DOUBLE AS amount, "
        f"'o' AS order_id, {line} AS line_id{more} FROM range({rows}) AS t(n)"
    )


DIRTY = keyed(
    "CASE n % 7 WHEN 1 THEN NULL WHEN 2 THEN ' B ' WHEN 3 THEN 'nan' WHEN 4 THEN repeat('x', 257) ELSE 'A' END",
    "CASE WHEN n % 5 = 1 THEN 'nan'::DOUBLE ELSE n END",
    more=", CASE n % 9 WHEN 4 THEN 'n/a' WHEN 5 THEN 'null' ELSE 'toys' END AS category, 'eur ' AS currency",
    rows=60,
)
EVENTS = (
    "SELECT {} AS customer_id, TIMESTAMP '2024-01-03' AS ts, CASE WHEN n = 3 THEN '' ELSE 'visit' END AS kind "
    "FROM range(9) AS t(n)"
)


@pytest.mark.parametrize("who", ["'A'", "CASE WHEN n < 4 THEN 'Z' ELSE 'A' END"])
@pytest.mark.parametrize("settings", [{}, {"id_case": "fold", "id_point_zero": "drop"}])
def test_rows_written_at_once_are_those_that_are_compared_first(take, write_parquet, monkeypatch, who, settings):
    tables = write_parquet(DIRTY), write_parquet(EVENTS.format(who), "events.parquet")
    outcomes, direct = [], []
    spy = lambda *given: direct.append(given[1].table) or write_directly(*given)  # noqa: E731
    monkeypatch.setattr(staging, "write_directly", spy)
    for compares in (False, True):
        if compares:
            monkeypatch.setattr(staging, "is_read_alone", lambda *_: False)
        taken = take(tables[0], settings, events=tables[1])
        rows = [taken.rows(name) for name in ("transactions", "events", "quarantine")]
        outcomes.append((replace(taken.intake, notes=()), taken.intake.notes, rows))
    assert repr(outcomes[0]) == repr(outcomes[1])
    assert direct == ["transactions", *(["events"] if who == "'A'" else [])]
    assert taken.intake.currency == "EUR"
    assert taken.reasons()["customer_id is longer than 256 characters"] == 8


def test_repeated_lines_are_still_found(take, write_parquet):
    table = write_parquet(keyed(line="n // 2"))
    assert take(table).reasons() == {"(order_id, line_id) is repeated": 3}


def test_a_table_without_a_valid_row_is_told(take, write_parquet):
    with pytest.raises(InputError, match="no row of transactions is valid: all 6"):
        take(write_parquet(keyed("NULL::VARCHAR")))


@pytest.mark.parametrize("at_once", [3, 1_000])
def test_repeated_hashes_are_counted_part_by_part(monkeypatch, at_once):
    monkeypatch.setattr(hashes, "_AT_ONCE", at_once)
    values = np.random.default_rng(1).integers(0, 50, 200)
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT unnest($1) AS n", [values.tolist()])
        counted = hashes.count_repeated(connection, "hash(n) FROM t", len(values))
    assert counted == len(values) - len(set(values.tolist()))
