"""Queries of settings, and views of files of databases, that try to reach more than their own database, or to write."""

import sqlite3

import duckdb
import pytest

from data.errors import InputError
from data.intake.headers import check_headers
from data.intake.pipeline import Source, take_in

SALES = "SELECT 1 AS customer_id, DATE '2024-01-02' AS ts, 2.5 AS amount"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a database of each kind that is a file, and a file that is none of the shop's business."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "private.csv").write_text("customer_id,ts,amount\ns3cret,2024-01-02,1\n")
    with duckdb.connect(str(folder / "lake.duckdb")) as connection:
        connection.execute(f"CREATE TABLE sales AS {SALES}")
        connection.execute(f"CREATE VIEW outside AS FROM read_csv('{folder}/private.csv')")
    with sqlite3.connect(folder / "till.db") as connection:
        connection.execute("CREATE TABLE sales AS SELECT 1 AS customer_id, '2024-01-02' AS ts, 2.5 AS amount")
    return folder


def refused(place, path, **settings):
    """Check the headers and take the table in: both must be refused; give both messages."""
    source = {"transactions": Source(str(place / path), **settings)}
    before = {file.name: file.read_bytes() for file in place.iterdir() if file.is_file()}
    messages = []
    for read in (check_headers, lambda sources: take_in(sources, place / "out")):
        with pytest.raises(InputError) as error:
            read(source)
        messages.append(str(error.value))
    assert not any("s3cret" in message for message in messages)
    assert {file.name: file.read_bytes() for file in place.iterdir() if file.is_file()} == before
    return " ".join(messages)


@pytest.mark.parametrize(
    "query",
    [
        "FROM read_csv('{0}/private.csv')",
        "FROM '{0}/private.csv'",
        "SELECT content AS customer_id, DATE '2024-01-02' AS ts, 1 AS amount FROM read_text('{0}/private.csv')",
        "SELECT file AS customer_id, DATE '2024-01-02' AS ts, 1 AS amount FROM glob('{0}/*')",
        "FROM query('FROM read_csv(''{0}/private.csv'')')",
        "FROM outside",
        "FROM read_csv('http://127.0.0.1:1/a.csv')",
        "FROM sqlite_scan('{0}/till.db', 'sales')",
    ],
)
def test_a_query_of_duckdb_reaches_no_file_url_or_extension(place, query):
    assert "formats.transactions.query cannot be run in" in refused(place, "lake.duckdb", query=query.format(place))


@pytest.mark.parametrize(
    "query",
    [
        "{1}) AS x; COPY (SELECT 1) TO '{0}/written.csv'; SELECT * FROM ({1}",
        "{1}; DROP TABLE sales",
        "COPY sales TO '{0}/written.csv'",
        "DELETE FROM sales RETURNING *",
        "ATTACH '{0}/other.db' AS other",
        "INSTALL httpfs",
        "PRAGMA enable_profiling",
        "SET enable_external_access = true; {1}",
        "SELECT * FROM pragma_x; {1}",
        "",
        "; ;",
        "{1} /*",
        "{1} --\n) AS x; DROP TABLE sales --",
    ],
)
@pytest.mark.parametrize("path", ["lake.duckdb", "till.db"])
def test_a_query_is_one_select_and_writes_nothing(place, path, query):
    told = refused(place, path, query=query.format(place, SALES.replace("DATE ", "") if path == "till.db" else SALES))
    assert "formats.transactions.query cannot be run in" in told
    assert not (place / "written.csv").exists()


@pytest.mark.parametrize("call", ["load_extension('x')", "readfile('/etc/passwd')", "writefile('x', 'y')"])
def test_a_query_of_sqlite_has_no_functions_of_files(place, call):
    query = f"SELECT {call} AS customer_id, '2024-01-02' AS ts, 1 AS amount"
    with pytest.raises(InputError, match=r"till\.db.*(not authorized|no such function)"):
        take_in({"transactions": Source(str(place / "till.db"), query=query)}, place / "out")


def test_a_view_that_reads_files_is_told_with_what_to_do(place):
    told = refused(place, "lake.duckdb/outside")
    assert "reads files, URLs or extensions outside of the database" in told
    assert "name such files as paths of their own" in told
