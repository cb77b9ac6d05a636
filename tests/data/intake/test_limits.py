"""What a file may hold at most, and what is said where it is more, or where it may have been cut."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contracts import LONGEST_ID, LONGEST_NAME, MOST_COLUMNS
from data.errors import InputError
from data.intake.reading.json_lines import DEEPEST
from tests.workbooks import write_workbook

HEADER = "customer_id,ts,amount"


def test_an_id_and_a_name_may_be_so_long_and_no_longer(take):
    kept, longer = "x" * LONGEST_ID, "x" * (LONGEST_ID + 1)
    rows = [f"{kept},2024-01-02,1,", f"{longer},2024-01-02,1,", f"A,2024-01-02,1,{'y' * (LONGEST_NAME + 1)}"]
    taken = take("\n".join([f"{HEADER},category", *rows, ""]))
    assert taken.rows("transactions", "customer_id") == [kept]
    answers = f"customer_id,answered_at,score,comment\n{kept},2024-01-03,9,{'z' * (2 * LONGEST_NAME)}\n"
    assert take("\n".join([HEADER, rows[0][:-1], ""]), answers=answers).reasons("answers") == {}
    assert taken.reasons() == {
        "category is longer than 1,000 characters": 1,
        "customer_id is longer than 256 characters": 1,
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["c"] * (MOST_COLUMNS - 2), r"has 1,001 columns, and at most 1,000 are read"),
        (["n" * (LONGEST_NAME + 1)], r"the name of column 4 has 1,001 characters, and may have 1,000\. Shorten it"),
    ],
)
def test_a_header_may_be_so_wide_and_a_name_so_long(take, names, message):
    with pytest.raises(InputError, match=message):
        take(f"{HEADER},{','.join(names)}\nA,2024-01-02,1\n")


def test_a_customer_may_have_hundreds_of_attributes_and_each_has_its_type(take):
    names = [f"a{k}" for k in range(60)]
    customers = f"customer_id,{','.join(names)}\nA{',1,x' * 30}\n"
    row = take(customers=customers).rows("customers", "a0, a1, a58, a59")[0]
    assert row == (1.0, "x", 1.0, "x")


def test_a_line_of_endless_cells_is_set_aside_whole(take):
    taken = take(f"{HEADER}\nA,2024-01-02,1\n{',' * (2 * MOST_COLUMNS)}\n")
    assert taken.reasons() == {"too many cells": 1}


@pytest.mark.parametrize(
    ("end", "told"), [(",4", True), (",44.64\n", False), (",4\n", False), (',"4"', True), (",", False)]
)
def test_a_last_line_that_may_have_been_cut_within_a_number_is_told(take, end, told):
    notes = " ".join(take(f"{HEADER}\nA,2024-01-02,44.64\nB,2024-01-03{end}").intake.notes)
    assert ("line 3, has no line end. If the file was cut short, its last cell is only a part" in notes) == told
    assert ("('4')" in notes) == told


def test_a_line_of_json_may_be_nested_so_deep_and_no_deeper(take, write):
    def line(depth):
        return f'{{"customer_id":"{depth}","ts":"2024-01-02","amount":1,"x":{"[" * (depth - 1)}{"]" * (depth - 1)}}}\n'

    bare = '{"customer_id": "B", "ts": "2024-01-02", "amount": 1, "x": "' + "[" * 99 + '"}\n'
    taken = take(write(line(DEEPEST) + line(DEEPEST + 1) + line(5_000) + bare, "x.jsonl"))
    assert taken.rows("transactions", "customer_id") == [str(DEEPEST), "B"]
    assert taken.reasons() == {"nested too deep": 2}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}\n{}\n", "no line of it is an object"),
        ('[{"a":' + "[" * 100_000, "nested too deep"),
        ("".join(f'{{"customer_id": "A", "k{k}": 1}}\n' for k in range(MOST_COLUMNS)), "1,001 columns"),
    ],
)
def test_json_without_names_or_with_too_many_is_told(take, write, text, message):
    with pytest.raises(InputError, match=message):
        take(write(text, "x.jsonl"))


def test_a_workbook_with_a_cell_in_the_far_corner_is_told(take, tmp_path):
    rows = [HEADER.split(","), ["A", "2024-01-02", 1]]
    path = write_workbook(tmp_path / "far.xlsx", {"S": rows}, lambda xml: xml.replace('r="C2"', 'r="XFD1048576"'))
    with pytest.raises(InputError, match="takes too much memory for its size: some cell lies far from the others"):
        take(path)


def test_parquet_whose_text_is_none_is_told_whatever_step_comes_upon_it(take, tmp_path):
    columns = {"customer_id": ["A", "B"], "ts": ["never", "2024-01-02"], "amount": [1, 2], "note": [b"\xff", b"\xff"]}
    pq.write_table(pa.table(columns), tmp_path / "bytes.parquet")
    with pytest.raises(InputError, match=r"bytes\.parquet cannot be read as Parquet .*not valid UTF8"):
        take(tmp_path / "bytes.parquet")
