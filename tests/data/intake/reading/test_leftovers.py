"""What programs leave in tables that is no data is taken out, and said."""

from datetime import date
from decimal import Decimal

import pytest

from data.intake.sources import Source
from tests.workbooks import write_workbook

READ = [("0012", Decimal("7.5000")), ("0013", Decimal("8.5000"))]


def sales(taken):
    return taken.rows("transactions", "customer_id, amount"), " ".join(taken.intake.notes)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ('customer_id,ts,amount\n="0012",2024-01-02,7.5\n="0013",2024-01-03,8.5\n', 2),
        ('customer_id,ts,amount\n"=""0012""",2024-01-02,7.5\n"=""0013""",2024-01-03,8.5\n', 2),
        ("customer_id,ts,amount\n'0012,2024-01-02,7.5\n'0013,2024-01-03,8.5\n", 2),
        ('="customer_id";="ts";="amount"\n="0012";="2024-01-02";="7,5"\n="0013";="2024-01-03";="8,5"\n', 9),
    ],
)
def test_marks_that_keep_zeros_for_spreadsheets_are_taken_off_and_said(take, text, cells):
    rows, notes = sales(take(text))
    assert rows == READ
    assert f"{cells} cells of" in notes


def test_names_that_begin_with_an_apostrophe_stay(take):
    rows, notes = sales(take("customer_id,ts,amount\n't Hooft,2024-01-02,7.5\n'12a,2024-01-02,8.5\n=A1,2024-01-02,1\n"))
    assert [customer for customer, _ in rows] == ["'t Hooft", "'12a", "=A1"]
    assert "marked" not in notes


def test_headers_that_stand_again_where_files_were_joined_are_left_out_and_said(take):
    header = "customer_id,ts,amount,\n"
    text = f"{header}0012,2024-01-02,7.5,\n{header}\ufeff{header}0013,2024-01-03,8.5,\n"
    rows, notes = sales(taken := take(text))
    assert rows == READ
    assert "2 rows of" in notes
    assert taken.intake.tables["transactions"].set_aside == 0


def test_a_sheet_has_neither_marks_nor_a_second_header(take, tmp_path):
    header = ["customer_id", "ts", "amount"]
    path = write_workbook(
        tmp_path / "s.xlsx",
        {"S": [header, ['="0012"', date(2024, 1, 2), 7.5], header, ["'0013", date(2024, 1, 3), 8.5]]},
    )
    rows, notes = sales(taken := take(Source(path)))
    assert rows == READ
    assert "2 cells of" in notes
    assert "1 rows of" in notes
    assert taken.rows("transactions", "ts::DATE") == [date(2024, 1, 2), date(2024, 1, 3)]
