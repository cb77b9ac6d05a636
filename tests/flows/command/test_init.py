"""From files of unknown kind to a settings file and a check, in one command."""

import io
import re
import sqlite3
import subprocess
import tomllib
from decimal import Decimal

import pytest

from data.intake.databases.address import without_password
from tests.exports import markets, offices, platforms, tills
from tests.exports.shop import EXPORTS, simulate, write_export

assert markets and offices and platforms and tills, "importing them registers the exports"

SALES = "Kundennr;Bestelldatum;Betrag\nK1;15.01.2024;12,50\nK1;09.02.2024;1.081,53\nK2;11.03.2024;7,00\n"


def figures(out):
    """Return the customers, the orders and the total that check has shown."""
    customers, orders = re.search(r"^customers +([\d,]+); ([\d,]+) orders", out, re.MULTILINE).groups()
    total = re.search(r"^total +([-\d,.]+)", out, re.MULTILINE)[1].rstrip(",.")
    return int(customers.replace(",", "")), int(orders.replace(",", "")), Decimal(total.replace(",", ""))


@pytest.mark.parametrize("name", EXPORTS)
def test_a_file_as_shops_get_it_is_read_with_its_right_total(revealed, own_environment, name):
    written = write_export(name, own_environment, simulate())
    code, out, err = revealed("init", written.path.name, "--yes")
    assert code == 0, err
    assert figures(out) == (written.customers, written.orders, written.total)
    assert "Open:" not in out


def test_no_kind_of_export_is_left_out():
    assert len(EXPORTS) == 22


def test_each_line_of_the_settings_has_its_reason(revealed, own_environment):
    (own_environment / "sales.csv").write_bytes(SALES.encode("utf-16"))
    code, out, err = revealed("init", "sales.csv", "--yes")
    assert code == 0, err
    text = (own_environment / "revealed.toml").read_text()
    assert tomllib.loads(text) == {
        "transactions": ["sales.csv"],
        "columns": {"transactions": {"customer_id": "Kundennr", "ts": "Bestelldatum", "amount": "Betrag"}},
    }
    lines = text.splitlines()
    for place, line in enumerate(lines):
        if " = " in line and not line.startswith(("#", "[")):
            assert lines[place - 1].startswith("# "), line
    assert "customer_id = Kundennr: its name says so, and it holds K1, K2" in out
    assert figures(out) == (2, 3, Decimal("1101.03"))


def test_settings_that_are_there_are_not_overwritten(revealed, own_environment):
    (own_environment / "sales.csv").write_text(SALES)
    (own_environment / "revealed.toml").write_text("horizon = 30\n")
    code, _, err = revealed("init", "sales.csv", "--yes")
    assert code == 2
    assert "is there already and was not touched" in err
    assert (own_environment / "revealed.toml").read_text() == "horizon = 30\n"
    assert revealed("init", "sales.csv", "--yes", "--overwrite")[0] == 0
    assert "Kundennr" in (own_environment / "revealed.toml").read_text()


@pytest.mark.parametrize(
    ("rows", "choice", "total"),
    [
        ("A,2024-01-02,65,060\nB,2024-01-03,7,120\n", "formats.transactions.thousands=','", Decimal("72180.00")),
        (
            "A,01/02/2024,5.5\nB,02/01/2024,7.5\nA,02/02/2024,1\n",
            'formats.transactions.time_format="%m/%d/%Y"',
            Decimal("14.00"),
        ),
    ],
)
def test_what_nothing_tells_is_not_guessed_but_asked(revealed, own_environment, rows, choice, total):
    rows = rows.replace(",65,060", ',"65,060"').replace(",7,120", ',"7,120"')
    (own_environment / "sales.csv").write_text(f"client,date,total\n{rows}")
    code, out, err = revealed("init", "sales.csv", "--yes")
    assert code == 2
    assert "leave open what decides the figures" in err
    assert choice.partition("=")[0] in out
    assert "OPEN" in (own_environment / "revealed.toml").read_text()
    code, out, err = revealed("init", "sales.csv", "--yes", "--overwrite", "--set", choice)
    assert code == 0, err
    assert figures(out)[2] == total


def test_ids_that_no_table_shares_but_for_their_case_are_taken_for_one_and_it_is_said(revealed, own_environment):
    (own_environment / "sales.csv").write_text(SALES)
    survey = "kunde,datum,bewertung\n" + "".join(f"k{k},2024-04-0{k},{k + 7}\n" for k in (1, 2))
    (own_environment / "umfrage.csv").write_text(survey)
    code, out, err = revealed("init", "sales.csv", "umfrage.csv", "--yes")
    assert code == 0, err
    assert "2 rows of customers who are not known have an id that equals a known one" in out
    assert tomllib.loads((own_environment / "revealed.toml").read_text())["id_case"] == "fold"


def test_files_of_several_tables_are_told_apart_and_what_is_assumed_is_said(revealed, own_environment):
    files = {
        "sales.csv": "customer_id;Datum;Summe;Währung\n"
        + "".join(f"k{k % 9};{k % 28 + 1}.03.2024;{k},5;EUR\n" for k in range(60))
        + "k1;1.3.2024;5,5;USD\n",
        "umfrage.csv": "kunde,datum,bewertung,kommentar\n"
        + "".join(f"k{k},2024-04-0{k + 1},{k % 5 + 1},gut\n" for k in range(8)),
        "besuche.csv": "customer_id,date,event\nk1,2024-03-02,visit\nk2,2024-03-02,visit\n",
        "kunden.csv": "kundennummer,region\n" + "".join(f"k{k},{'nord' if k % 2 else 'süd'}\n" for k in range(9)),
    }
    for name, text in files.items():
        (own_environment / name).write_text(text)
    code, out, err = revealed("init", *files, "--yes")
    assert code == 0, err
    written = tomllib.loads((own_environment / "revealed.toml").read_text())
    tables = ("transactions", "answers", "events", "customers")
    assert {name: written[name] for name in tables} == {name: [file] for name, file in zip(tables, files, strict=True)}
    assert written["scales"] == {"nps": "1-5"}
    assert written["formats"]["transactions"]["rows"] == "Währung = 'EUR'"
    assert "Amounts are in several currencies: EUR (60 rows), USD (1 rows). Which is read? Taken: only EUR." in out
    assert out.count("as read") >= 4


def test_a_table_of_a_database_is_proposed_and_git_does_not_keep_the_store(revealed, own_environment):
    subprocess.run(["git", "init", "-q", str(own_environment)], check=True)
    with sqlite3.connect(own_environment / "shop.db") as base:
        base.execute("CREATE TABLE orders (customer TEXT, created TEXT, total REAL)")
        base.executemany("INSERT INTO orders VALUES (?, ?, ?)", [("a", "2024-01-02", 5.25), ("b", "2024-02-03", 7.0)])
    base.close()
    code, out, err = revealed("init", "shop.db/orders", "--yes")
    assert code == 0, err
    assert figures(out) == (2, 2, Decimal("12.25"))
    assert (own_environment / ".gitignore").read_text() == "mlruns/\n"


def test_without_a_terminal_and_without_yes_nothing_is_asked(revealed, own_environment):
    (own_environment / "sales.csv").write_text(SALES)
    code, _, err = revealed("init", "sales.csv")
    assert code == 2
    assert "--yes" in err
    assert not (own_environment / "revealed.toml").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A,2024-01-02,5\nB,2024-01-03,6\n", "has no line with the names of its columns"),
        ("article,price\ntea,5\n", "No file looks like transactions"),
        ("", "is empty"),
    ],
)
def test_a_file_that_is_no_table_is_told(revealed, own_environment, text, message):
    (own_environment / "x.csv").write_text(text)
    code, _, err = revealed("init", "x.csv", "--yes")
    assert code == 2
    assert message in err


def test_in_a_terminal_it_asks_shows_rows_and_writes_what_was_answered(revealed, own_environment, monkeypatch):
    (own_environment / "sales.csv").write_text(
        "client,date,total\nA,01/02/2024,5.5\nB,02/01/2024,7.5\nA,02/02/2024,1\n"
    )
    answers = io.StringIO("2\ny\n")
    answers.isatty = lambda: True
    monkeypatch.setattr("sys.stdin", answers)
    code, out, err = revealed("init", "sales.csv")
    assert code == 0, err
    written = tomllib.loads((own_environment / "revealed.toml").read_text())
    assert written["formats"]["transactions"]["time_format"] == "%m/%d/%Y"
    assert out.index("is the day or the month first?") < out.index("2024-02-01 00:00:00") < out.index("Wrote ")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (
            "postgresql://ann:s3cret@db.example.com/shop/orders?sslmode=verify-full&password=s3cret",
            "postgresql://ann@db.example.com/shop/orders?sslmode=verify-full",
        ),
        ("postgresql://ann:s3?cret@db.example.com/shop", "postgresql://***"),
        ("postgresql://ann:s3@cret@db.example.com/shop", "postgresql://ann@db.example.com/shop"),
        ("https://u:s3cret@example.com/s.csv?sig=s3cret", "https://example.com/s.csv"),
        ("sqlite:///shop.db/orders", "sqlite:///shop.db/orders"),
        ("C:/sales.csv", "C:/sales.csv"),
    ],
)
def test_no_password_is_written(given, written):
    assert without_password(given) == written
