"""The current scores are written into a table of PostgreSQL."""

import subprocess
import sys

import pytest

from tests.consumers.conftest import ROOT, clean_environment
from tests.consumers.databases.conftest import revealed


@pytest.fixture
def publish(server, scored):
    def run(table):
        done = revealed(server, scored.folder, "publish", "--to", server.url(table))
        return done.returncode, " ".join(done.stdout.split()), done.stderr

    return run


def test_no_password_is_printed_or_stored(server, scored):
    assert server.password not in scored.printed
    stored = [file for file in (scored.folder / "mlruns").rglob("*") if file.is_file()]
    assert any(b"sold.transactions" in file.read_bytes() for file in stored)
    assert all(server.password.encode() not in file.read_bytes() for file in stored)


def test_current_scores_are_written_into_a_table(server, scored, publish):
    server.run("CREATE SCHEMA marts", "CREATE ROLE analyst")
    code, out, err = publish("marts.scores")
    assert (code, err) == (0, "")
    current = scored.current().sort_values("customer_id").reset_index(drop=True)
    assert f"{len(current):,} customers written to postgresql:///postgres/marts.scores: version 1 of" in out
    assert "The table is new." in out
    with server.connected() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM marts.scores ORDER BY customer_id")
        written = cursor.fetch_arrow_table().to_pandas()
    assert set(written.scores_version) == set(written.scorer_version) == {1}
    for name in current:
        assert written[name].astype(object).where(written[name].notna(), None).tolist() == (
            current[name].astype(object).where(current[name].notna(), None).tolist()
        )
    server.run("GRANT SELECT ON marts.scores TO analyst")
    assert "took the place of the one with version 1" in publish("marts.scores")[1]
    assert server.ask("SELECT has_table_privilege('analyst', 'marts.scores', 'SELECT')") == [(True,)]
    assert f"as of {current.as_of[0]}" in server.ask("SELECT obj_description('marts.scores'::regclass)")[0][0]
    assert server.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'marts'") == [(1,)]


def test_views_of_the_scores_stay_and_show_the_new_ones(server, publish):
    server.run("CREATE SCHEMA IF NOT EXISTS viewed")
    assert publish("viewed.scores")[0] == 0
    server.run(
        "CREATE VIEW viewed.best AS SELECT customer_id FROM viewed.scores WHERE clv > 0",
        "UPDATE viewed.scores SET clv = -1, scores_version = 0",
    )
    code, out, err = publish("viewed.scores")
    assert (code, err) == (0, "")
    assert "The rows of version 0 were replaced in the table, as views depend on it" in out
    assert server.ask("SELECT count(*) > 0 FROM viewed.best") == [(True,)]


def test_a_table_that_holds_no_scores_is_not_replaced(server, publish):
    server.run("CREATE TABLE orders (n int)", "INSERT INTO orders VALUES (7)")
    code, _, err = publish("orders")
    assert code == 2
    assert "is there and holds no scores: its columns are n. It was not touched" in err
    assert server.ask("SELECT n FROM orders") == [(7,)]
    code, _, err = publish("nowhere.scores")
    assert code == 2
    assert "what was named there does not exist" in err


WRITER = """
import sys
import pyarrow as pa
from data.intake.databases.address import find_address
from models.registry.database_copy import write_copy

fields = [pa.field("customer_id", pa.string(), nullable=False), pa.field("as_of", pa.date32())]
schema = pa.schema([*fields, pa.field("scores_version", pa.int64())])

def batches():
    for start in range(0, 400_000, 100_000):
        ids = [str(n) for n in range(start, start + 100_000)]
        yield pa.record_batch([ids, pa.nulls(len(ids), pa.date32()), [2] * len(ids)], schema=schema)
        print("copying", flush=True)
        sys.stdin.readline()

print(write_copy(find_address(sys.argv[1]), pa.RecordBatchReader.from_batches(schema, batches()), 400_000, "new"))
"""


def test_a_publication_killed_in_mid_copy_leaves_the_old_table_whole(server, tmp_path):
    server.run(
        "CREATE SCHEMA killed",
        "CREATE TABLE killed.scores (customer_id text, as_of date, scores_version bigint)",
        "INSERT INTO killed.scores VALUES ('a', '2024-01-01', 1)",
    )
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, server.url("killed.scores")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=clean_environment(PGPASSWORD=server.password),
    )
    assert process.stdout.readline() == "copying\n"
    assert server.ask("SELECT scores_version FROM killed.scores") == [(1,)]
    process.kill()
    process.communicate(timeout=60)
    # The next publication waits for the lock of the one that was killed.
    done = subprocess.run(
        [sys.executable, "-c", WRITER, server.url("killed.scores")],
        input="\n" * 4,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment(PGPASSWORD=server.password),
        timeout=120,
        check=True,
    )
    assert "Written(rows=400000, replaced=1, in_place=False)" in done.stdout
    assert server.ask("SELECT count(*), min(scores_version) FROM killed.scores") == [(400_000, 2)]
    assert server.ask("SELECT count(*) FROM pg_tables WHERE schemaname = 'killed'") == [(1,)]
