import sqlite3
from datetime import date

import duckdb
import pytest

from data.errors import InputError
from data.intake.headers import check_headers
from data.intake.pipeline import Rules, Source, take_in

AS_OF = date(2024, 3, 1)


@pytest.fixture
def till(tmp_path):
    """A file of SQLite with sales and answers as an application writes them."""
    path = tmp_path / "till.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(
            """
            CREATE TABLE sales (client INTEGER, sold TEXT, "total amount" NUMERIC, memo, pieces);
            INSERT INTO sales VALUES (7, '2024-01-02 10:00:00', 12.5, NULL, NULL), (7, '2024-03-01', 65, 'x', 1),
                (8, '2024-02-02', 1234.5, x'00', '2'), (8, 'soon', 1, NULL, 3);
            CREATE TABLE answers (customer_id INTEGER, answered_at INTEGER, score INTEGER);
            INSERT INTO answers VALUES (7, 1706745600, 9), (8, 1706832000, NULL);
            """
        )
    connection.close()
    return path


@pytest.fixture
def lake(tmp_path):
    """A file of DuckDB with typed sales, events and customers."""
    path = tmp_path / "lake.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            """
            CREATE SCHEMA sales;
            CREATE TABLE sales.orders AS FROM (VALUES
                ('1000000000000000000000000000000'::HUGEINT, TIMESTAMPTZ '2024-01-01 23:30:00+00',
                 12345678901234.5678::DECIMAL(20, 4)),
                (2, TIMESTAMPTZ '2024-02-29 22:59:59+00', 0.5), (3, TIMESTAMPTZ '2024-02-29 23:00:00+00', 9),
                (2, NULL, 1)) AS t(customer_id, ts, amount);
            CREATE TABLE events AS FROM (VALUES (3, DATE '2024-01-05', 'visit'), (4, DATE '2024-01-05', 'visit'),
                (2, DATE '2024-03-01', 'visit')) AS t(customer_id, ts, kind);
            CREATE TABLE customers AS FROM (VALUES (2, 'north', 30), (9, 'south', 40)) AS t(customer_id, region, age);
            """
        )
    return path


def taken(folder, table, columns="*"):
    return duckdb.sql(f"SELECT {columns} FROM '{folder}/{table}.parquet' ORDER BY ALL").fetchall()


def test_sqlite_is_read_by_what_its_columns_hold(till, tmp_path):
    mapping = {"customer_id": "client", "ts": "sold", "amount": "total amount", "quantity": "pieces"}
    sources = {"transactions": Source(f"{till}/sales", columns=mapping), "answers": Source(till)}
    intake = take_in(sources, tmp_path / "out", Rules(quarantine_limit=0.5))
    assert taken(tmp_path / "out", "transactions", "customer_id, ts::VARCHAR, amount::VARCHAR, quantity::VARCHAR") == [
        ("7", "2024-01-02 10:00:00", "12.5000", None),
        ("7", "2024-03-01 00:00:00", "65.0000", "1.0000"),
        ("8", "2024-02-02 00:00:00", "1234.5000", "2.0000"),
    ]
    answers = taken(tmp_path / "out", "answers", "customer_id, answered_at::VARCHAR, score")
    assert answers == [("7", "2024-02-01 00:00:00", 9)]
    report = intake.tables["transactions"]
    assert (report.files, report.reasons, report.unread) == ((f"{till}/sales",), {"ts is not a time": 1}, ("memo",))


def test_duckdb_keeps_its_types_and_gives_only_rows_before_as_of(lake, tmp_path):
    sources = {
        "transactions": Source(f"{lake}/sales.orders", before=AS_OF),
        "events": Source(lake, before=AS_OF),
        "customers": Source(lake, before=AS_OF),
    }
    intake = take_in(sources, tmp_path, Rules("Europe/Berlin", quarantine_limit=0.5))
    assert taken(tmp_path, "transactions", "customer_id, ts::VARCHAR, amount::VARCHAR") == [
        ("1000000000000000000000000000000", "2024-01-02 00:30:00", "12345678901234.5678"),
        ("2", "2024-02-29 23:59:59", "0.5000"),
    ]
    # A row without a time is told, the first sale of customer 3 is later, and nobody knows customer 4.
    assert intake.tables["transactions"].reasons == {"ts is missing": 1}
    assert taken(tmp_path, "events", "customer_id, kind") == [("3", "visit")]
    assert intake.tables["events"].reasons == {"customer is unknown": 1}
    assert taken(tmp_path, "customers", "customer_id, region, age") == [("2", "north", 30.0), ("9", "south", 40.0)]


def test_a_query_takes_the_place_of_a_table(lake, till, tmp_path):
    query = "SELECT customer_id, ts, amount * 2 AS amount FROM sales.orders WHERE customer_id = 2; "
    take_in({"transactions": Source(lake, query=query, before=AS_OF)}, tmp_path, Rules(quarantine_limit=0.5))
    assert taken(tmp_path, "transactions", "customer_id, amount::VARCHAR") == [("2", "1.0000")]
    with pytest.raises(InputError, match=r"names a table, and formats\.transactions\.query is set, too"):
        check_headers({"transactions": Source(f"{lake}/sales.orders", query=query)})
    with pytest.raises(InputError, match=r"formats\.transactions\.query cannot be run in .*no such table\."):
        check_headers({"transactions": Source(till, query=query)})
    (tmp_path / "sales.csv").write_text("customer_id,ts,amount\n1,2024-01-01,1\n")
    with pytest.raises(InputError, match=r"query is set, but transactions names no database to run it in"):
        check_headers({"transactions": Source(tmp_path / "sales.csv", query=query)})


def test_files_and_tables_may_stand_together(lake, tmp_path):
    (tmp_path / "sales.csv").write_text("customer_id,ts,amount\n5,2024-01-01,1\n")
    sources = {"transactions": Source([f"{lake}/sales.orders", tmp_path / "sales.csv"])}
    intake = take_in(sources, tmp_path / "out", Rules(quarantine_limit=0.5))
    assert intake.tables["transactions"].rows_valid == 4


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "lake.duckdb/sales.order",
            r"of the name given \(a text of 11 characters\)\. Nearest: 'sales\.orders'\. Its tables: customers, events",
        ),
        ("lake.duckdb/orders", r"has no table of the name given \(a text of 6 characters\)\. Nearest: 'sales\.orders'"),
        ("lake.duckdb", r"has no table 'transactions'.*Write the one to read after the database: .*lake\.duckdb/TABLE"),
        (
            "till.db/sale",
            r"of the name given \(a text of 4 characters\)\. Nearest: 'sales'\. Its tables: answers, sales\.",
        ),
        ("till.db/sales", r"till\.db/sales has no column 'customer_id' and 'ts' and 'amount'"),
    ],
)
def test_a_mistake_in_a_table_or_column_is_told_from_the_header(lake, till, tmp_path, path, message):
    with pytest.raises(InputError, match=message):
        check_headers({"transactions": Source(tmp_path / path)})


def test_a_table_without_rows_says_what_to_do(lake, tmp_path):
    sources = {"transactions": Source(f"{lake}/sales.orders", before=date(2020, 1, 1))}
    with duckdb.connect(str(lake)) as connection:
        connection.execute("DELETE FROM sales.orders WHERE ts IS NULL")
    with pytest.raises(InputError, match=r"no rows before 2020-01-01 \(as_of\) in .*Leave transactions out, or name"):
        take_in(sources, tmp_path)


def test_a_file_that_is_held_or_damaged_is_one_sentence(lake, till, tmp_path):
    till.write_bytes(till.read_bytes()[:4096] + b"\xff" * 4096)
    with pytest.raises(InputError, match=r"till\.db/\*\*\* cannot be read"):
        take_in(
            {
                "transactions": Source(
                    f"{till}/sales", columns={"customer_id": "client", "ts": "sold", "amount": "pieces"}
                )
            },
            tmp_path / "out",
        )
