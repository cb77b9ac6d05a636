"""Files and sheets of one table: alike or not, each is read as it is written, or it is said why not."""

import tomllib
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.flows.command.test_init import figures
from tests.workbooks import write_workbook

ENGLISH = "Order ID,Customer ID,Order date,Total,Status\n"
GERMAN = "Bestellnr;Kundennummer;Bestelldatum;Betrag;Bestellstatus\n"


def english(year, name="Status"):
    days = (date(year, 1, 3) + timedelta(5 * k) for k in range(60))
    rows = (
        f"E{year}{k},{k % 9:03},{day:%m/%d/%Y},{k}.50,{'paid' if k % 5 else 'cancelled'}" for k, day in enumerate(days)
    )
    return ENGLISH.replace("Status", name) + "\n".join(rows) + "\n"


def german(year):
    days = (date(year, 1, 4) + timedelta(5 * k) for k in range(50))
    state = ("Storniert", "Bezahlt")
    rows = (f"D{year}{k};{k % 9:03};{day:%d.%m.%Y};1.{k:03},50;{state[k % 5 > 0]}" for k, day in enumerate(days))
    return GERMAN + "\n".join(rows) + "\n"


PAID_ENGLISH = sum(Decimal(k) + Decimal("0.5") for k in range(60) if k % 5)
PAID_GERMAN = sum(1000 + Decimal(k) + Decimal("0.5") for k in range(50) if k % 5)


def test_years_in_two_languages_are_read_together_each_by_settings_of_its_own(revealed, own_environment):
    (own_environment / "orders_2023.csv").write_text(english(2023))
    for year in (2021, 2022):
        (own_environment / f"bestellungen_{year}.csv").write_bytes(german(year).encode("cp1252"))
    names = ["orders_2023.csv", "bestellungen_2021.csv", "bestellungen_2022.csv"]
    code, out, err = revealed("init", *names, "--yes")
    assert code == 0, err
    assert figures(out) == (9, 48 + 2 * 40, PAID_ENGLISH + 2 * PAID_GERMAN)
    own = tomllib.loads((own_environment / "revealed.toml").read_text())["files"]["transactions"]
    assert own == {
        "orders_2023.csv": {
            "columns": {"ts": "Order date", "amount": "Total"},
            "decimal": ".",
            "rows": "Status = 'paid'",
        }
    }
    assert "orders_2023.csv seems to be transactions as well" in out


def test_a_column_that_was_renamed_is_read_by_both_names(revealed, own_environment):
    (own_environment / "2022.csv").write_text(english(2022))
    (own_environment / "2023.csv").write_text(english(2023).replace("Order date", "Sale date"))
    code, out, err = revealed("init", "2022.csv", "2023.csv", "--yes")
    assert code == 0, err
    assert figures(out) == (9, 2 * 48, 2 * PAID_ENGLISH)
    settings = tomllib.loads((own_environment / "revealed.toml").read_text())
    assert settings["columns"]["transactions"]["ts"] == "Order date"
    assert settings["files"]["transactions"]["2023.csv"]["columns"]["ts"] == "Sale date"


def test_files_that_may_tell_the_same_sales_are_not_both_counted_without_a_word(revealed, own_environment):
    (own_environment / "orders.csv").write_text(english(2023))
    (own_environment / "payments.csv").write_text(german(2023))
    code, out, err = revealed("init", "orders.csv", "payments.csv", "--yes")
    assert code == 0, err
    assert figures(out)[2] == PAID_ENGLISH
    assert "both have sales of the same days" in out
    assert "Taken: leave out payments.csv" in out


@pytest.mark.parametrize("other", [None, "Prices"])
def test_sheets_of_one_kind_are_read_together(revealed, own_environment, other):
    header = ["Customer", "Order date", "Order no", "Total"]
    sheets = {
        f"{month:02}": [
            header,
            *([f"c{k % 7}", date(2024, month, k + 1), f"{month}-{k}", 10.25 + k] for k in range(20)),
        ]
        for month in (1, 2, 3)
    }
    prices = {other: [["Article", "Price"], ["Tea", 4.9]]} if other else {}
    write_workbook(own_environment / "sales.xlsx", {**sheets, **prices})
    code, out, err = revealed("init", "sales.xlsx", "--yes")
    assert code == 0, err
    assert figures(out) == (7, 60, 3 * sum(Decimal("10.25") + k for k in range(20)))
    written = tomllib.loads((own_environment / "revealed.toml").read_text())["formats"]["transactions"]["sheet"]
    assert written == ("*" if other is None else ["01", "02", "03"])
    assert "read together" in out
    assert other is None or "sales.xlsx/Prices is not read" in out


def test_a_preamble_blank_lines_headers_inside_and_totals_leave_the_right_sum(revealed, own_environment):
    header = "Buchungstag;Kunde;Betrag\n"
    rows = [f"{k % 28 + 1:02}.{k % 12 + 1:02}.2023;K{k % 6};{k},25" for k in range(48)]
    text = "Kontonummer;DE12 3456\nZeitraum;01.01.2023 - 31.12.2023\n\n\n" + header + "\n".join(rows[:24])
    text += "\n" + "Summe Halbjahr;;282,00\n" + header + "\n".join(rows[24:]) + "\nSumme gesamt:;;1.140,00\n"
    (own_environment / "umsatz.csv").write_text(text)
    code, out, err = revealed("init", "umsatz.csv", "--yes")
    assert code == 0, err
    assert figures(out)[2] == sum(Decimal(k) + Decimal("0.25") for k in range(48))
    assert tomllib.loads((own_environment / "revealed.toml").read_text())["formats"]["transactions"]["header_line"] == 5
    assert "repeat the names of the columns" in out


PEOPLE = [f"k{k:02}" for k in range(12)]
SALES = "customer;date;amount\n" + "".join(
    f"{k};2024-0{m}-0{1 + n % 9};{n}.50\n" for m in (1, 3) for n, k in enumerate(PEOPLE)
)


@pytest.mark.parametrize("contradicts", [False, True])
def test_two_files_of_customers_are_joined_unless_one_contradicts_the_other(revealed, own_environment, contradicts):
    others = [f"{k};{'south' if contradicts and n == 4 else ''};{n % 3}" for n, k in enumerate(PEOPLE[3:])]
    (own_environment / "sales.csv").write_text(SALES)
    (own_environment / "clients.csv").write_text(
        "customer;region\n" + "".join(f"{k};{'north' if n % 2 else 'west'}\n" for n, k in enumerate(PEOPLE[:10]))
    )
    (own_environment / "customers_loyalty.csv").write_text("Kundennummer;region;tier\n" + "\n".join(others) + "\n")
    names = ("sales.csv", "clients.csv", "customers_loyalty.csv")
    code, out, err = revealed("init", *names, "--yes")
    assert code == 0, err
    settings = tomllib.loads((own_environment / "revealed.toml").read_text())
    if contradicts:
        assert settings["customers"] == ["clients.csv"]
        told = "is not read: 'region' of k07 is 'north' in clients.csv and 'south' here. Join the files yourself."
        assert told in out
        return
    assert settings["customers"] == ["clients.csv", "customers_loyalty.csv"]
    assert "and is joined to it by the customer" in out
    assert "rows that were joined to those of the same customer in another file: 7" in " ".join(out.split())
