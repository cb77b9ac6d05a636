from datetime import date, datetime

import pytest

from data.errors import InputError
from data.intake.sources import Source
from tests.workbooks import write_workbook

HEADER = ["customer_id", "ts", "amount", "order_id"]


@pytest.fixture
def workbook(tmp_path):
    return lambda **sheets: write_workbook(tmp_path / "sales.xlsx", sheets)


def test_a_workbook_is_read_with_its_types_and_its_rows_keep_their_numbers(take, workbook):
    path = workbook(
        Orders=[
            HEADER,
            ["A", datetime(2024, 1, 2, 15, 30), 65.125, 1001],
            [],
            ["Ä", date(2024, 1, 3), 1869.58, "1002-B"],
            ["C", "never", 2, 1003],
        ]
    )
    taken = take(path)
    assert taken.rows("transactions", "customer_id, ts, amount::VARCHAR, order_id") == [
        ("A", datetime(2024, 1, 2, 15, 30), "65.1250", "1001"),
        ("Ä", datetime(2024, 1, 3), "1869.5800", "1002-B"),
    ]
    assert taken.rows("quarantine", "line, reason") == [(5, "ts is not a time")]
    assert taken.intake.tables["transactions"].written == ("sheet 'Orders' of a workbook",)


def test_the_first_sheet_that_holds_anything_is_read_and_the_others_are_told(take, workbook):
    path = workbook(
        Notes=[], January=[HEADER, ["A", date(2024, 1, 2), 1, 1]], Feb=[HEADER, ["B", date(2024, 2, 2), 5, 2]]
    )
    taken = take(path)
    assert taken.rows("transactions", "customer_id") == ["A"]
    assert "the sheet 'January' is read, and not 'Feb'" in " ".join(taken.intake.notes)
    february = take(Source(path, sheet="Feb"))
    assert february.rows("transactions", "customer_id") == ["B"]
    assert "the sheet" not in " ".join(february.intake.notes)
    with pytest.raises(InputError, match=r"has no sheet 'Jan'.*Nearest: 'January'"):
        take(Source(path, sheet="Jan"))


def test_the_header_may_stand_below_a_title_and_a_total_is_set_aside(take, workbook):
    path = workbook(S=[["Sales of 2024"], [], HEADER, ["A", date(2024, 1, 2), 10.5, 7], ["Total", None, 10.5, None]])
    taken = take(Source(path, header_line=3))
    assert taken.rows("transactions", "customer_id, amount::DOUBLE") == [("A", 10.5)]
    assert taken.reasons() == {"ts is missing": 1}


def test_long_numbers_that_a_spreadsheet_has_rounded_are_told(take, workbook):
    path = workbook(S=[HEADER, [12345678901234567, date(2024, 1, 2), 1, 1]])
    assert "more than 15 digits" in " ".join(take(path).intake.notes)


def test_a_damaged_workbook_is_told(take, tmp_path):
    (tmp_path / "x.xls").write_bytes(b"\xd0\xcf\x11\xe0 rest")
    with pytest.raises(InputError, match=r"x\.xls cannot be read as a workbook"):
        take(tmp_path / "x.xls")
