import sqlite3

import duckdb
import pytest

from data.errors import InputError
from data.intake.databases.address import find_address, split_addresses, start_at


@pytest.mark.parametrize(
    ("url", "name", "table", "place"),
    [
        (
            "postgresql://ann@db.example.com:6432/shop/sales.orders",
            "postgresql://db.example.com:6432/shop/sales.orders",
            ("sales", "orders"),
            "postgresql://ann@db.example.com:6432/shop?",
        ),
        ("postgres://db/shop", "postgresql://db/shop", (), "postgresql://db/shop?"),
        ("postgresql:///shop/orders?host=/run/pg", "postgresql:///shop/orders", ("orders",), "postgresql:///shop?"),
        ("postgresql://[::1]:5432/shop/t", "postgresql://[::1]:5432/shop/t", ("t",), "postgresql://[::1]:5432/shop?"),
        ("postgresql://a,b:5433/shop", "postgresql://a,b:5433/shop", (), "postgresql://a,b:5433/shop?"),
        ('postgresql://db/shop/"Odd.Name"', "postgresql://db/shop/Odd.Name", ("Odd.Name",), "postgresql://db/shop?"),
        ("postgresql://db/shop/a.b%20c", "postgresql://db/shop/a.b c", ("a", "b c"), "postgresql://db/shop?"),
    ],
)
def test_a_url_of_postgresql_names_a_server_a_database_and_a_table(url, name, table, place):
    address = find_address(url)
    assert (address.kind, address.full_name, address.table) == ("postgresql", name, table)
    assert address.shown == f"{address.name}/***"
    assert name.startswith(address.name)
    assert address.place.startswith(place)
    assert "client_encoding=UTF8" in address.place
    assert "connect_timeout=10" in address.place


def test_what_a_url_sets_comes_before_what_we_set():
    place = find_address("postgresql://db/shop?connect_timeout=3&sslmode=verify-full").place
    assert "connect_timeout=3" in place
    assert "connect_timeout=10" not in place
    assert "sslmode=verify-full" in place


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@db/shop/t",
        "postgresql://ann:s3%63ret@db/shop/t",
        "postgresql://ann@db/shop/t?password=s3cret",
    ],
)
def test_a_password_reaches_the_driver_and_no_message(url):
    address = find_address(url)
    assert "ann:s3cret@db" in address.place
    assert "s3cret" not in address.full_name + repr(address)
    assert address.reason_of('server says "s3cret" to you') == "an unknown fault"
    assert address.reason_of("the server starts up") == "the server starts up"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("postgresql://ann:s3cr/et@db/shop/t", "has a / in its user or password: write it as %2F"),
        ("postgresql://ann:s3cr@et:x@db:port/shop/t", "what stands for HOST:PORT is none"),
        ("postgresql://ann:123?s3cr@db/shop/t", "has a ? in its user or password: write it as %3F"),
        ("postgresql://db", "names no database; write postgresql://USER@HOST:PORT/DATABASE/SCHEMA.TABLE"),
        ("postgresql://db/shop/a.b.c", "must end in TABLE or SCHEMA.TABLE"),
        ("postgresql://db/shop/a/b", "must end in TABLE or SCHEMA.TABLE"),
        ("postgresq://db/shop/t", "a scheme that is not known (a text of 9 characters). Nearest: 'postgresql'"),
        ("sqlite:///nowhere.db/t", "neither a file of SQLite, nor a table in one"),
    ],
)
def test_a_mistake_in_an_address_is_told_without_its_password(url, message, monkeypatch):
    monkeypatch.delenv("PGDATABASE", raising=False)
    with pytest.raises(InputError) as refused:
        find_address(url)
    assert message in str(refused.value)
    assert "s3cr" not in str(refused.value)


def test_files_of_databases_are_known_by_their_content(tmp_path, monkeypatch):
    sqlite3.connect(tmp_path / "till").execute("CREATE TABLE t (n)").connection.close()
    duckdb.connect(str(tmp_path / "lake.x")).close()
    (tmp_path / "sales.csv").write_text("customer_id\n")
    monkeypatch.chdir(tmp_path)
    for path, kind, table in (
        ("till", "sqlite", ()),
        ("till/main.t", "sqlite", ("main", "t")),
        ("lake.x/sales.orders", "duckdb", ("sales", "orders")),
        ("sqlite:///till/t", "sqlite", ("t",)),
        (f"sqlite:///{tmp_path}/till/t", "sqlite", ("t",)),
        (f"duckdb:////{tmp_path}/lake.x", "duckdb", ()),
    ):
        address = find_address(path)
        assert (address.kind, address.table) == (kind, table)
    addresses, others = split_addresses(["till/t", "sales.csv", "https://db/x.csv", "sales/*.csv", tmp_path])
    assert [address.full_name for address in addresses] == ["till/t"]
    assert others == ["sales.csv", "https://db/x.csv", "sales/*.csv", tmp_path]
    with pytest.raises(InputError, match=r"is a file of SQLite, not of DuckDB"):
        find_address("duckdb:///till/t")


def test_a_relative_file_starts_at_the_folder_of_the_settings(tmp_path):
    assert start_at("sqlite:///till.db/t", tmp_path) == f"sqlite:///{tmp_path}/till.db/t"
    assert start_at("duckdb:////abs/lake.db/t", tmp_path) == "duckdb:////abs/lake.db/t"
    assert start_at("postgresql://db/shop", tmp_path) == "postgresql://db/shop"
