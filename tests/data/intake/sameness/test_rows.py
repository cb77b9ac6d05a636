"""Files that repeat others are refused or told, and rows that are repeated are counted."""

import pytest

from data.errors import InputError
from data.intake.report import Overlap
from data.intake.sources import Source

HEADER = "customer_id,ts,amount\n"
LINES = [f"c{k},2024-01-{k:02},{k}.50\n" for k in range(1, 13)]


@pytest.fixture
def files(write):
    """Write files of lines, and give their paths."""

    def writer(*parts):
        return [write(HEADER + "".join(lines), f"{name}.csv") for name, lines in zip("abcdef", parts, strict=False)]

    return writer


@pytest.mark.parametrize(
    ("first", "second", "inside"),
    [
        (LINES, LINES, "all 12 rows of .*b.csv stand in .*a.csv"),
        (LINES, LINES[3:6][::-1], "all 3 rows of .*b.csv stand in .*a.csv"),
        (LINES[:2], LINES, "all 2 rows of .*a.csv stand in .*b.csv"),
        (LINES[:2], [*LINES[:2], *LINES[:2]], "all 2 rows of .*a.csv stand in .*b.csv"),
    ],
)
def test_a_file_whose_rows_all_stand_in_another_is_refused(take, files, first, second, inside):
    with pytest.raises(InputError, match=inside) as error:
        take(files(first, second))
    assert '[formats.transactions]\nrepeated = "drop"' in str(error.value)


def test_columns_may_stand_in_another_order_and_numbers_be_written_otherwise(take, write):
    one = write(HEADER + "".join(LINES[:2]), "a.csv")
    repeated = "ts,customer_id,amount\n2024-01-01T00:00:00,c1,1.5\n2024-01-02,c2,2.5000\n"
    with pytest.raises(InputError, match=r"all 2 rows of .*b.csv stand in .*a.csv"):
        take([one, write(repeated, "b.csv")])


def test_exports_that_overlap_are_told_and_counted(take, files):
    taken = take(files(LINES[:6], LINES[4:10], LINES[9:]))
    report = taken.intake.tables["transactions"]
    assert [(each.file[-5:], each.other[-5:], each.rows) for each in report.overlaps] == [
        ("b.csv", "a.csv", 2),
        ("c.csv", "b.csv", 1),
    ]
    assert (report.identical_lines, report.identical_of_orders, report.rows_valid) == (3, 0, 15)


def test_a_file_is_not_refused_for_rows_that_stand_in_several_others(take, files):
    report = take(files(LINES[:4], LINES[4:8], LINES[2:6])).intake.tables["transactions"]
    assert [each.rows for each in report.overlaps] == [2, 2]
    assert isinstance(report.overlaps[0], Overlap)


def test_repeated_rows_count_once_where_a_setting_says_so(take, files):
    paths = files(LINES, [*LINES[:3], *LINES[:3]])
    taken = take(Source(paths, repeated="drop"))
    report = taken.intake.tables["transactions"]
    assert (report.rows_read, report.rows_valid, report.left_out, report.identical_lines) == (12, 12, 6, 0)
    assert 'rows left out by repeated = "drop", as they equal another one: 6.' in taken.intake.notes[0]
    assert sorted(taken.rows("transactions", "amount")) == sorted(take(files(LINES)).rows("transactions", "amount"))


def test_identical_lines_of_an_order_are_counted_apart(take):
    text = "customer_id,ts,amount,order_id\n" + "a,2024-01-01,5,o1\n" * 3 + "b,2024-01-01,5,\n" * 2
    report = take(text).intake.tables["transactions"]
    assert (report.identical_lines, report.identical_of_orders) == (3, 2)


def test_the_other_tables_are_looked_at_too(take, write):
    answers = "customer_id,answered_at,score\nA,2024-01-05,9\nA,2024-01-06,3\n"
    with pytest.raises(InputError, match=r"answers: all 2 rows of .*2.csv stand in .*1.csv"):
        take(answers=[write(answers, "1.csv"), write(answers, "2.csv")])


def test_an_unknown_word_is_no_way_to_treat_repeated_rows():
    with pytest.raises(InputError, match='repeated must be "keep" or "drop", got a text of 4 characters'):
        Source("a.csv", repeated="once")
