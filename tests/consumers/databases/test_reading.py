"""A shop whose tables lie in PostgreSQL is read as its files are."""

from datetime import date

import duckdb
import mlflow
import pyarrow.parquet as pq
import pytest

from data.contracts import CONTRACTS
from data.errors import InputError
from data.intake.pipeline import Rules, Source, take_in
from tests.consumers.databases.conftest import revealed
from tests.consumers.databases.postgresql import OWNER

ZONE = "Europe/Berlin"
AS_OF = date(2024, 3, 1)


@pytest.fixture
def password(server, monkeypatch):
    monkeypatch.setenv("PGPASSWORD", server.password)


@pytest.fixture(scope="module")
def shop(server, project):
    """The four tables of the simulated shop, in files and in the database."""
    for table in CONTRACTS:
        server.fill("shop", table, pq.read_table(project / "shop" / f"{table}.parquet"))
    return {table: project / "shop" / f"{table}.parquet" for table in CONTRACTS}


def clean_rows(folder, table):
    return sorted(map(repr, duckdb.sql(f"FROM '{folder}/{table}.parquet'").fetchall()))


def test_tables_of_a_database_are_taken_in_as_files_are(server, password, shop, tmp_path):
    rules = Rules(timezone=ZONE)
    of_files = take_in({table: Source(path) for table, path in shop.items()}, tmp_path / "files", rules)
    sources = {table: Source(server.url(f"shop.{table}")) for table in CONTRACTS}
    of_tables = take_in(sources, tmp_path / "tables", rules)
    assert {name: report.digest for name, report in of_tables.tables.items()} == {
        name: report.digest for name, report in of_files.tables.items()
    }
    assert of_tables.tables["transactions"].files == ("postgresql:///postgres/shop.transactions",)


def test_only_rows_before_as_of_leave_the_database(server, password, shop, tmp_path):
    rules = Rules(timezone=ZONE)
    take_in({table: Source(path) for table, path in shop.items()}, tmp_path / "files", rules)
    sources = {table: Source(server.url(f"shop.{table}"), before=AS_OF) for table in CONTRACTS}
    intake = take_in(sources, tmp_path / "tables", rules)
    for table in ("transactions", "events"):
        before = f"SELECT * FROM '{tmp_path}/files/{table}.parquet' WHERE available_at < '{AS_OF}'"
        expected = sorted(map(repr, duckdb.sql(before).fetchall()))
        assert 0 < len(expected) < pq.read_metadata(shop[table]).num_rows
        assert clean_rows(tmp_path / "tables", table) == expected
    # Customers who come later are known: their early visits are no rows of strangers.
    assert all(report.set_aside == 0 for report in intake.tables.values())


def test_types_stay_what_they_are(server, password, tmp_path):
    server.run(
        "CREATE TABLE typed (client char(6), sold timestamptz, paid numeric, seen timestamp, pieces interval, "
        'note text, "Order.Id" uuid, kept date)',
        "INSERT INTO typed VALUES ('007', '2024-03-31 00:30+00', 12345678901234.5678, 'infinity', '90 s', 'x', "
        "'00000000-0000-0000-0000-000000000001', '2024-01-01'), "
        "('008', '2024-01-01 23:30:00.123456+00', 0.00005, '2024-01-02 00:00', '2 d', 'y', NULL, 'infinity'), "
        "('009', '2024-01-01', 'NaN', NULL, NULL, 'z', NULL, NULL)",
    )
    mapping = {"customer_id": "client", "ts": "sold", "amount": "paid", "available_at": "seen", "quantity": "pieces"}
    source = Source(server.url("typed"), columns=mapping | {"order_id": "Order.Id"})
    intake = take_in({"transactions": source}, tmp_path, Rules(timezone=ZONE, quarantine_limit=1.0))
    columns = "customer_id, ts::VARCHAR, amount::VARCHAR, quantity::VARCHAR, order_id"
    assert duckdb.sql(f"SELECT {columns} FROM '{tmp_path}/transactions.parquet' ORDER BY 1").fetchall() == [
        # Summer time began at two in this night.
        ("007", "2024-03-31 01:30:00", "12345678901234.5678", "90.0000", "00000000-0000-0000-0000-000000000001"),
        ("008", "2024-01-02 00:30:00.123456", "0.0001", "172800.0000", None),
    ]
    assert intake.tables["transactions"].reasons == {"amount is not a number": 1}
    assert intake.tables["transactions"].unread == ("note", "kept")


def test_a_query_and_expressions_over_its_columns(server, password, tmp_path):
    server.run(
        "CREATE SCHEMA till",
        "CREATE TABLE till.lines (client int, day date, pieces numeric, price numeric(10,2), state text)",
        "INSERT INTO till.lines VALUES (1, '2024-01-01', 2, 1.234, 'paid'), (2, '2024-01-02', 3, 2.5, 'open'), "
        "(3, '2024-05-01', 1, 1, 'paid')",
    )
    source = Source(
        server.url(),
        query="SELECT client, day, pieces, price, state FROM till.lines -- all of them",
        columns={"customer_id": "client", "ts": "day"},
        amount="pieces * price",
        rows="state = 'paid'",
        before=AS_OF,
    )
    intake = take_in({"transactions": source}, tmp_path)
    rows = duckdb.sql(f"SELECT customer_id, ts::DATE::VARCHAR, amount::VARCHAR FROM '{tmp_path}/transactions.parquet'")
    assert rows.fetchall() == [("1", "2024-01-01", "2.4600")]
    assert intake.tables["transactions"].left_out == 1


def test_nothing_can_be_written_while_tables_are_read(server, password, tmp_path):
    server.run("CREATE TABLE precious (n int)")
    query = (
        "WITH gone AS (DELETE FROM precious RETURNING n) SELECT 'a' AS customer_id, now() AS ts, n AS amount FROM gone"
    )
    with pytest.raises(InputError, match=r"formats\.transactions\.query cannot be run"):
        take_in({"transactions": Source(server.url(), query=query)}, tmp_path)
    server.run("CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM precious; SELECT 1'")
    query = "SELECT 'a' AS customer_id, now() AS ts, wipe() AS amount"
    with pytest.raises(InputError, match="read-only transaction"):
        take_in({"transactions": Source(server.url(), query=query)}, tmp_path)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "{0}@/postgres/shop.transaction?host={1}",
            "has no table of the name given (a text of 16 characters). Nearest: 'shop.transactions'.",
        ),
        ("{0}@/postgres?host={1}", "has no table 'transactions'. Nearest: '"),
        ("{0}@/postgre/shop.transactions?host={1}", "what was named there does not exist"),
        ("{0}:wr0ng@/postgres/shop.transactions?host={1}", "password authentication failed"),
        ("{0}@127.0.0.1:1/postgres/shop.transactions", "Connection refused"),
        ("{0}:s3cret:x/y@localhost/postgres/t", "write it as %2F"),
        ("{0}:s3cret@x:y@localhost:z/postgres/t", "what stands for HOST:PORT is none"),
        ("{0}@/postgres/shop.customers?host={1}", "has no column 'ts' and 'amount'. Its columns: customer_id"),
    ],
)
def test_a_mistake_is_told_before_anything_starts(server, shop, tmp_path, url, message):
    given = "postgresql://" + url.format(OWNER, server.folder)
    done = revealed(server, tmp_path, "retrain", "--transactions", given)
    assert done.returncode == 2
    assert message in done.stderr
    assert all(secret not in done.stdout + done.stderr for secret in (server.password, "s3cret", "wr0ng", "Traceback"))
    assert not (tmp_path / "mlruns").exists()


def test_a_password_may_stand_in_pgpass(server, shop, tmp_path):
    pgpass = tmp_path / ".pgpass"
    pgpass.write_text(f"*:*:*:{OWNER}:{server.password}\n")
    pgpass.chmod(0o600)
    given = ("check", "--transactions", server.url("shop.transactions"))
    done = revealed(server, tmp_path, *given, PGPASSWORD="", HOME=str(tmp_path))
    assert (done.returncode, done.stderr) == (0, "")
    assert server.password not in done.stdout
    missing = revealed(server, tmp_path, *given, PGPASSWORD="", HOME=str(tmp_path / "nobody"))
    assert missing.returncode == 2
    assert "no password supplied. Give it in PGPASSWORD or ~/.pgpass." in missing.stderr


def test_a_connection_that_is_cut_in_mid_read_publishes_nothing(server, tmp_path):
    server.run(
        "CREATE TABLE long AS SELECT n % 1000 AS customer_id, now() - n * interval '1 minute' AS ts, 1.5 AS amount "
        "FROM generate_series(1, 200000) AS n"
    )
    with server.cut_after(2 * 2**20) as url:
        done = revealed(
            server, tmp_path, "retrain", "--transactions", f"{url}/long", "--mlruns", str(tmp_path / "mlruns")
        )
    assert done.returncode == 1
    assert "/postgres/long was lost after " in done.stderr
    assert "Nothing was published; run it again." in done.stderr
    assert "Traceback" not in done.stderr
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db")
    assert not client.search_registered_models()


COLUMNS = "now() AS ts, 1 AS amount"
NEXT = "nextval('shop.numbers')"


@pytest.mark.parametrize(
    "query",
    [
        "WITH gone AS (DELETE FROM shop.events RETURNING *) SELECT * FROM gone",
        f"SELECT {NEXT} AS customer_id, {COLUMNS}",
        f"SELECT set_config('transaction_read_only', 'off', false) || {NEXT} AS customer_id, {COLUMNS}",
        f"SELECT 1 AS customer_id, {COLUMNS}) AS x; COMMIT; DROP TABLE shop.events; SELECT * FROM (SELECT 1",
        f"SELECT 1 AS customer_id, {COLUMNS}; DROP TABLE shop.events",
        "COPY shop.events TO PROGRAM 'true'",
        "SELECT 1 /*",
    ],
)
def test_a_query_writes_nothing_whatever_it_says(server, password, shop, tmp_path, query):
    server.run("CREATE SEQUENCE IF NOT EXISTS shop.numbers")
    state = "SELECT count(*), (SELECT is_called FROM shop.numbers) FROM shop.events"
    before = server.ask(state)
    with pytest.raises(InputError, match=r"query cannot be run in|cannot be read") as error:
        take_in({"transactions": Source(server.url(), query=query)}, tmp_path)
    assert server.password not in str(error.value)
    assert server.ask(state) == before
