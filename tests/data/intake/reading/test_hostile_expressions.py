"""Expressions of settings that try to reach files, tables, the network or the machine, or to eat memory or time."""

import duckdb
import pytest

from data.errors import InputError
from data.intake.reading.expressions import compile_expression
from data.intake.sql import confine

HEADER = ("quantity", "price", "status")
SETTING = "formats.transactions.amount"
FILES = (
    *("read_csv('/etc/passwd')", "read_text('/etc/passwd')", "read_blob('/etc/passwd')", "parquet_scan('x.parquet')"),
    *("glob('/etc/*')", "sniff_csv('/etc/passwd')", "read_json('x')", "pg_read_file('/etc/passwd')", "(FROM 'x.csv')"),
    *("(SELECT max(content) FROM read_text('/etc/passwd'))", "(SELECT count(*) FROM 'file.csv')", "from 'file.csv'"),
    *('(SELECT 1 FROM "file.csv")', "status IN (SELECT column0 FROM '/etc/passwd')", "load_extension('x')"),
    *("COPY secret TO '/tmp/x'", "EXPORT DATABASE '/tmp/x'", "IMPORT DATABASE '/tmp/x'", "(FROM 'http://127.0.0.1/x')"),
)
STATEMENTS = (
    *("ATTACH '/tmp/x.db'", "INSTALL httpfs", "LOAD httpfs", "PRAGMA version", "SET memory_limit = '1TB'", "RESET x"),
    *("CALL pragma_version()", "CREATE MACRO m(x) AS x", "DROP TABLE secret", "quantity; DROP TABLE secret", "BEGIN"),
    *(
        "quantity -- \n; DROP TABLE secret",
        "quantity;; select 1",
        "SELECT 1",
        "TABLE secret",
        "FROM secret",
        "SHOW TABLES",
    ),
    *(
        "quantity\x00; DROP TABLE secret",
        "quantity\u2028; DROP TABLE secret",
        "quantity) FROM secret --",
        "",
        ";",
        "--",
    ),
)
TABLES = (
    *("(SELECT v FROM secret)", "(TABLE secret)", "(VALUES (1))", "EXISTS (SELECT 1 FROM secret)", "query('SELECT 1')"),
    *(
        "query_table('secret')",
        "(SELECT value FROM duckdb_settings() LIMIT 1)",
        "duckdb_secrets()",
        "secret.v",
        "secret",
    ),
    *("status = ANY (SELECT v FROM secret)", "CASE WHEN true THEN (SELECT 1) END", "if(true, (SELECT 1), 2)"),
    *(
        "coalesce((SELECT 1), 2)",
        "quantity BETWEEN 1 AND (SELECT 2)",
        "main.secret.v",
        "rowid",
        "c0",
        "line",
        "COLUMNS(*)",
    ),
    *(
        "*",
        "quantity.*",
        "COLUMNS('.*')",
        "#1",
        "$1",
        "?",
        ":x",
        "unnest([1])",
        "sum(quantity) OVER ()",
        "list(status)",
    ),
)
FUNCTIONS = (
    *("getenv('HOME')", "getvariable('x')", "current_setting('home_directory')", "current_user", "now()", "random()"),
    *("uuid()", "nextval('s')", "error('x')", "sleep_ms(1000)", "write_log('x')", "m(quantity)", "txid_current()"),
    *(
        "list_transform([1], x -> x)",
        "{'a': quantity}",
        "[quantity]",
        "row(quantity)",
        "quantity::secret",
        "format('{}', 1)",
    ),
    *("quantity::INT[]", "cast(status AS JSON)", "quantity COLLATE nocase", "E'\\'; DROP TABLE secret; --'", "$$a$$"),
    *(
        "N'a'",
        "b'01'",
        "(quantity, price)",
        "status SIMILAR TO 'a'",
        "try(quantity)",
        "{{ quantity }}",
        "{% quantity %}",
    ),
    *(
        "ｓｅｌｅｃｔ 1",
        "quantity＊price",
        "quan\u200btity",
        "\u202equantity",
        '"\x1f0n"',
        "'\x1f0n'",
        'quantity + "\x1f1n"',
    ),
)
HUNGRY = (
    *("repeat('x', 1000000000)", "rpad('x', 1000000000, 'x')", "range(1000000000)", "generate_series(1, 1000000000)"),
    *("pow(quantity, 1000)", "quantity ** 1000", "factorial(1000)", "printf('%1000000000d', 1)", "string_agg(status)"),
    *("(" * 400 + "quantity" + ")" * 400, "(" * 9_999, "- " * 4_000 + "quantity", "NOT " * 2_000 + "true"),
    *("+".join(["quantity"] * 1_100), "abs(" * 900 + "quantity" + ")" * 900, "CASE WHEN true THEN " * 400 + "1"),
    *("replace(" * 7 + "status" + ", 'a', 'aaaaaaaaaa')" * 7, "replace(status, 'a', status)", "'" * 9_999),
    *("status IN (" + ",".join(["'a'"] * 99_999) + ")", "'" + "x" * 10**7 + "'", '"' + "x" * 9_000 + '"', "9" * 10**6),
)


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        opened.execute("SET memory_limit = '500MB'")
        opened.execute("CREATE TABLE secret AS SELECT 's3cret' AS v")
        opened.execute("CREATE TABLE raw AS SELECT '3' AS c0, '2.5' AS c1, 'paid' AS c2, 0 AS shape, 1 AS line")
        yield opened


def compiled(connection, text, kind="number"):
    return compile_expression(
        connection,
        SETTING,
        text,
        "raw",
        HEADER,
        lambda k: f"TRY_CAST(c{k} AS DECIMAL(18, 4))",
        lambda k: f"trim(c{k})",
        kind=kind,
    )


@pytest.mark.parametrize("text", [*FILES, *STATEMENTS, *TABLES, *FUNCTIONS, *HUNGRY], ids=lambda text: repr(text)[:40])
@pytest.mark.parametrize("kind", ["number", "condition", "time"])
def test_it_is_refused_in_a_message_that_names_it(connection, capfd, text, kind):
    with pytest.raises(InputError) as error:
        compiled(connection, text, kind)
    message = str(error.value)
    assert message.startswith(SETTING)
    assert len(message) < 600
    assert "passwd" not in message
    # No library says anything of its own.
    assert capfd.readouterr() == ("", "")
    assert connection.execute("SELECT v FROM secret").fetchall() == [("s3cret",)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("quantity -- */ , (SELECT v FROM secret) /*", 3),
        ("quantity /* '; DROP TABLE secret; -- */ * 2", 6),
        ("quantity /*\x1f1n*/", 3),
        ("length('''); DROP TABLE secret; --')", 25),
        ("length('\\''')", 2),
        ("length('\"c0\" || c2')", 10),
        ("quantity\u00a0*\u00a0price", 7.5),
    ],
)
def test_comments_quotes_and_blanks_do_not_break_out(connection, text, value):
    sql = compiled(connection, text).sql
    assert "/*" not in sql
    assert "--" not in sql.replace("'''); DROP TABLE secret; --'", "")
    assert connection.execute(f"SELECT {sql} FROM raw").fetchall() == [(value,)]


@pytest.mark.parametrize(
    "amount", ["quantity * quantity", "price // 0", "nullif(quantity, 'a')", "substring(price, 9223372036854775807, 9)"]
)
def test_an_expression_that_fails_in_some_row_is_named(take, amount):
    shop = "customer_id,ts,quantity,price\nA,2024-01-02,3,19.99\nB,2024-01-03,99999999999,1\n"
    with pytest.raises(InputError) as error:
        take(shop, amount=amount)
    assert str(error.value).startswith(f"{SETTING} cannot be computed: ")


def test_a_confined_database_reaches_its_folder_and_nothing_else(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "a.csv").write_text("a\ns3cret\n")
    (inside / "link.csv").symlink_to(outside / "a.csv")
    (outside / "named.csv").write_text("a\nnamed\n")
    (inside / "named.csv").symlink_to(outside / "named.csv")
    with duckdb.connect() as connection:
        confine(connection, [inside], [outside / "named.csv"])
        for name, rows in (("a", "s3cret"), ("named", "named")):
            assert connection.execute(f"FROM read_csv('{inside / name}.csv', header = true)").fetchall() == [(rows,)]
        for sql in (
            f"FROM '{outside}/a.csv'",
            f"FROM '{inside}/link.csv'",
            f"FROM '{inside}/../out/a.csv'",
            f"COPY (SELECT 1) TO '{outside}/b.csv'",
            f"ATTACH '{outside}/b.db'",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            f"SET allowed_directories = ['{outside}']",
            "FROM 'http://127.0.0.1:1/a.csv'",
        ):
            with pytest.raises(duckdb.Error):
                connection.execute(sql)
    assert not (outside / "b.csv").exists()
