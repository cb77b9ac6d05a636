"""Rows kept between intakes: what is read again, and that the outcome is that of reading everything."""

import os
import stat
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from data.intake.pipeline import Rules, Source, take_in

NOW = datetime(2024, 6, 1, 12)
COLUMNS = {"customer_id": "client", "ts": "sold at"}


@pytest.fixture
def months(tmp_path):
    """A partitioned folder of sales, a file a month; the same order line stands in two of them."""
    folder = tmp_path / "sales"
    for month in (1, 2, 3):
        write_month(folder / f"month={month}" / "part.parquet", month)
    return folder


def write_month(file: Path, month: int, more: str = "", rows: int = 40) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    duckdb.execute(
        f"""
        COPY (SELECT 'c' || (k % 7) AS client, TIMESTAMP '2024-0{month}-01' + INTERVAL (k) HOUR AS "sold at",
                     (k + {month} * 100)::DECIMAL(9, 2) AS amount, 'o' || (k + {month} * 30) AS order_id,
                     '1' AS line_id, 'tea' AS flavour {more}
              FROM range({rows}) AS t(k)) TO '{file}' (FORMAT parquet)
        """
    )


def damage(file: Path) -> None:
    """Overwrite what stands before the footer; size and time of change stay as they are."""
    state = file.stat()
    content = file.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    file.write_bytes(b"PAR1" + b"\xff" * (len(content) - footer - 4) + content[-footer:])
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))


def taken(folder: Path, months: Path, kept: Path | None, **rules) -> tuple:
    """Take in the sales: the report without what was read, the clean rows, and the sentences on files read."""
    source = Source(str(months / "**" / "*.parquet"), columns=COLUMNS)
    intake = take_in({"transactions": source}, folder, Rules(now=NOW, quarantine_limit=1.0, **rules), kept)
    rows = duckdb.execute(f"SELECT * FROM '{folder}/transactions.parquet' ORDER BY ALL").fetchall()
    aside = duckdb.execute(f"SELECT * EXCLUDE (record) FROM '{folder}/quarantine.parquet' ORDER BY ALL").fetchall()
    return replace(intake.tables["transactions"]), rows, aside, list(intake.files_read)


def test_only_new_and_changed_files_are_read_and_the_outcome_is_that_of_reading_all(tmp_path, months):
    kept = tmp_path / "kept"
    first = taken(tmp_path / "a", months, kept)
    assert first[3] == ["transactions: 3 of 3 files were read: 3 as they are new or changed."]
    assert first[0].reasons == {"(order_id, line_id) is repeated": 20}
    write_month(months / "month=2" / "part.parquet", 2, rows=45)
    write_month(months / "month=4" / "part.parquet", 4)
    whole = taken(tmp_path / "b", months, None)
    for month in (1, 3):
        damage(months / f"month={month}" / "part.parquet")
    second = taken(tmp_path / "c", months, kept)
    assert second[3] == ["transactions: 2 of 4 files were read: 2 as they are new or changed."]
    assert second[:3] == whole[:3]
    third = taken(tmp_path / "d", months, kept)
    assert third[:3] == whole[:3]
    assert third[3] == ["transactions: none of 4 files has changed, so none was read."]


def test_what_decides_how_rows_are_read_makes_them_be_read_again(tmp_path, months):
    kept = tmp_path / "kept"
    taken(tmp_path / "a", months, kept)
    folded = taken(tmp_path / "a", months, kept, id_case="fold")
    assert folded[3] == ["transactions: 3 of 3 files were read: 3 as they are new or changed."]
    assert folded[:3] == taken(tmp_path / "b", months, None, id_case="fold")[:3]


@pytest.mark.parametrize(
    "more",
    [", CASE k WHEN 3 THEN 'paid' ELSE 'failed' END AS status", ", CASE k WHEN 3 THEN NULL ELSE 'EUR' END AS currency"],
)
def test_rows_with_states_of_orders_are_read_each_time_and_currencies_are_kept(tmp_path, months, more):
    for month in (1, 2, 3):
        write_month(months / f"month={month}" / "part.parquet", month, more)
    kept = tmp_path / "kept"
    whole = taken(tmp_path / "a", months, kept)
    again = taken(tmp_path / "b", months, kept)
    assert again[:3] == whole[:3]
    assert again[3][0].startswith("transactions: 3 of 3" if "status" in more else "transactions: none of 3")


def test_rows_that_break_the_contract_are_read_each_time(tmp_path, months):
    part = months / "month=1" / "part.parquet"
    duckdb.execute(
        f"""COPY (SELECT * REPLACE (CASE WHEN amount > 130 THEN NULL ELSE amount END AS amount) FROM '{part}')
        TO '{tmp_path}/part.parquet' (FORMAT parquet)"""
    )
    (tmp_path / "part.parquet").replace(part)
    kept = tmp_path / "kept"
    whole = taken(tmp_path / "a", months, kept)
    assert whole[0].reasons["amount is missing"] == 9
    again = taken(tmp_path / "b", months, kept)
    assert again[:3] == whole[:3]
    assert again[3] == ["transactions: 1 of 3 files were read: 1 as they are new or changed."]


def test_what_is_kept_is_for_its_owner_only_and_goes_where_nothing_uses_it(tmp_path, months):
    kept = tmp_path / "kept"
    taken(tmp_path / "a", months, kept)
    files = sorted(kept.glob("*.parquet"))
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    write_month(months / "month=1" / "part.parquet", 1, rows=41)
    draft = kept / "left.123"
    draft.touch()
    for file in kept.iterdir():
        os.utime(file, (0, 0))
    taken(tmp_path / "a", months, kept)
    assert len(list(kept.iterdir())) == 6
