import duckdb
import pytest

from data.errors import InputError, RefusedError

HEADER = "customer_id,ts,amount\n"
LINES = [f"{k:03},2024-01-{k:02},{k}.5\n" for k in range(1, 21)]
SHOP = HEADER + "".join(LINES)


def test_too_many_bad_rows_stop_the_intake_with_counts_and_three_examples(take, tmp_path):
    bad = "".join(f"secret{k},31/01/2024,1\n" for k in range(4)) + "x,2024-01-02,ten\n"
    with pytest.raises(RefusedError) as error:
        take(SHOP + bad, {"quarantine_limit": 0.1}, columns={"customer_id": "customer_id"})
    message = str(error.value)
    assert "5 of 25 rows (20.0%) break the contract; quarantine_limit is 10.0%" in message
    assert "4  ts is not a time" in message
    assert "1  amount is not a number" in message
    assert [f"line {line}: ts = '31/01/2024'" in message for line in (22, 23, 24, 25)] == [True, True, True, False]
    assert 'formats.transactions.time_format = "%d/%m/%Y"' in message
    assert "secret" not in message
    assert [path.name for path in (tmp_path / "clean").iterdir()] == ["quarantine.parquet"]
    assert duckdb.execute(f"SELECT count(*) FROM '{tmp_path}/clean/quarantine.parquet'").fetchall()[0] == (5,)


def test_a_share_at_the_limit_passes_and_limits_are_per_table(take):
    events = "customer_id,ts,kind\n" + "001,2024-01-02,visit\n" * 9 + "001,2024-01-02,\n"
    take(SHOP + "x,never,1\n", {"quarantine_limit": 1 / 21}, events="customer_id,ts,kind\n001,2024-01-02,visit\n")
    take(SHOP, {"quarantine_limit": {"events": 0.1}}, events=events)
    with pytest.raises(RefusedError, match=r"events: 1 of 10 rows \(10.0%\)"):
        take(SHOP, {"quarantine_limit": {"events": 0.09}}, events=events)


@pytest.mark.parametrize(
    ("record", "hint"),
    [
        ("A;sometime;1", '"…" with their strptime format'),
        ("A;2024-01-02;five", "formats.transactions.decimal or thousands"),
        ("A;2999-01-02;5", "check timezone"),
        ("NULL;2024-01-02;5", "columns.transactions.customer_id"),
        ("A;2024-01-02;123456789012345678", "14 digits before the point"),
        ("A;2024-01-02", 'formats.transactions.separator = ";"'),
        ("A;2024-01-02;1;2", "must stand in quotes"),
        ('A;"x"y;1', "is written twice"),
    ],
)
def test_a_table_without_a_valid_row_is_told_with_a_hint_that_fits(take, record, hint):
    with pytest.raises(InputError, match="no row of transactions is valid") as error:
        take(HEADER.replace(",", ";") + f"{record}\n" * 4)
    assert hint in str(error.value)


@pytest.mark.parametrize(
    ("record", "hint"),
    [
        ("Z,2024-01-03,9,0-10", "leading zeros included"),
        ("A,2024-01-03,11,0-10", "written like 0-10"),
        ("A,2024-01-03,9,ten", "written like 0-10"),
        ("A,2024-01-03,9.5,", ""),
    ],
)
def test_answers_that_all_fail_are_told_with_a_hint_that_fits(take, record, hint):
    with pytest.raises(InputError, match="no row of answers is valid") as error:
        take(answers=f"customer_id,answered_at,score,scale\n{record}\n")
    assert hint in str(error.value)


def test_a_long_cell_is_shortened_in_a_message(take):
    with pytest.raises(InputError, match=r"x{60}' …"):
        take(HEADER + f"A,{'x' * 99},1\n")
