import csv
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.intake.streaming.csv_records import CELL_END, find_separator, read_header, read_records


def records(text: str | bytes, separator: str = ",", size: int | None = None):
    data = text if isinstance(text, bytes) else text.encode()
    blocks = [data[k : k + size] for k in range(0, len(data), size)] if size else [data]
    records = []
    for table in read_records(blocks, separator, "f.csv"):
        records += [(r["line"], r["text"].split(CELL_END), r["broken"]) for r in table.to_pylist()]
    return records


CELLS = st.text(st.sampled_from('a",;\n\r é'), max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), min_size=1, max_size=6), st.integers(1, 40))
def test_what_the_standard_library_writes_comes_back_whatever_the_blocks(rows, size):
    for quoting, end in ((csv.QUOTE_ALL, "\n"), (csv.QUOTE_MINIMAL, "\r\n")):
        out = io.StringIO()
        csv.writer(out, lineterminator=end, quoting=quoting).writerows(rows)
        read = records(out.getvalue(), size=size)
        assert [cells for _, cells, _ in read] == rows
        assert [line for line, _, _ in read] == list(range(1, len(rows) + 1))
        assert not any(broken for _, _, broken in read)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_of_both_kinds_and_a_last_record_without_one(end, last):
    assert records(f'a,"b"{end}c,d' + (end if last else "")) == [(1, ["a", "b"], False), (2, ["c", "d"], False)]


def test_mixed_line_ends_and_blank_lines_keep_their_numbers():
    read = records('a,b\r\n\n"c",d\n\r\ne,"f"\r\n')
    assert [(line, cells) for line, cells, _ in read if cells != [""]] == [
        (1, ["a", "b"]),
        (3, ["c", "d"]),
        (5, ["e", "f"]),
    ]


def test_a_quote_inside_a_cell_is_an_ordinary_character():
    assert records('1,5" pipe\n2,6" and 7"\n3,"8"""\n') == [
        (1, ["1", '5" pipe'], False),
        (2, ["2", '6" and 7"'], False),
        (3, ["3", '8"'], False),
    ]


@pytest.mark.parametrize("size", [None, 1, 3, 7, 10])
def test_a_broken_quote_costs_its_own_line_only(size):
    text = '1,"x\n2,"y"z,3\n4,"two\nlines"\n5,"z"\n'
    assert records(text, size=size) == [
        (1, ['1,"x'], True),
        (2, ['2,"y"z,3'], True),
        (3, ["4", "two\nlines"], False),
        (4, ["5", "z"], False),
    ]


PIECES = st.sampled_from(['1,5" x\n', '"a",b\r\n', "a,b\n", '"a"b,c\n', '"two\nlines",c\n', "\n", '""",é\n'])


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=12), st.booleans(), st.integers(1, 30))
def test_lines_with_broken_quotes_are_cut_alike_whatever_the_blocks(pieces, ends, size):
    text = "".join(pieces) + ("" if ends else "z,1")
    try:
        whole = records(text)
    except InputError as error:
        with pytest.raises(InputError, match=re.escape(str(error))):
            records(text, size=size)
    else:
        assert records(text, size=size) == whole


@pytest.mark.parametrize("size", [None, 4])
@pytest.mark.parametrize("text", ['1,a\n2,"b', '1,a\n2,"b\n3,c\n', '1,"q"x\n2,"b\n3,c'])
def test_a_quote_still_open_at_the_end_is_told_with_its_line(text, size):
    with pytest.raises(InputError, match=r"f\.csv line 2: a quote opens and is not closed"):
        records(text, size=size)


def test_a_stray_quote_does_not_swallow_a_long_file(monkeypatch):
    monkeypatch.setattr("data.intake.streaming.csv_records.LONGEST_RECORD", 50)
    text = '1,"stray\n' + "".join(f"{k},b\n" for k in range(2, 200)) + '200,"c"\n'
    read = records(text, size=30)
    assert [line for line, _, broken in read if broken] == [1]
    assert [cells[0] for _, cells, broken in read if not broken] == [str(k) for k in range(2, 201)]


def test_a_file_without_line_ends_is_no_csv(monkeypatch):
    monkeypatch.setattr("data.intake.streaming.csv_records.LONGEST_RECORD", 10)
    with pytest.raises(InputError, match="no line end"):
        records("x" * 200, size=20)


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_one_that_yields_the_columns(separator):
    header = separator.join(["a", '"b,;|"', " c "]).encode()
    assert find_separator(header, ["a", "c"]) == separator
    assert read_header(header, separator) == ["a", "b,;|", "c"]


def test_a_header_of_one_endless_cell_is_none():
    assert read_header(b"x" * 200_000, ",") == []
    assert read_header(b"\n\n", ",") == []
