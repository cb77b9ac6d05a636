import tomllib
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import InputError

BERLIN = {"timezone": "Europe/Berlin"}


def times(take, *cells, rules=None, **options):
    return take("customer_id;ts;amount\n" + "".join(f"A;{cell};1\n" for cell in cells), rules, **options)


def to_paste(error):
    return tomllib.loads(str(error.value).split("Put into revealed.toml:\n")[1])


@pytest.mark.parametrize(
    ("cell", "unit"),
    [
        ("1704067200", "seconds"),
        ("1704067200.0", "seconds"),
        ("1704067200000", "milliseconds"),
        ("1704067200000000", "microseconds"),
        ("1704067200000000000", "nanoseconds"),
    ],
)
def test_seconds_since_1970_are_told_by_their_size_and_become_the_shops_time(take, cell, unit):
    taken = times(take, cell, cell, rules=BERLIN)
    assert taken.rows("transactions", "ts") == [datetime(2024, 1, 1, 1)] * 2
    assert taken.intake.notes == (f"transactions.ts was read as {unit} since 1970 in UTC, in times of Europe/Berlin.",)


@pytest.mark.parametrize("kind", ["BIGINT", "DOUBLE", "VARCHAR"])
def test_counted_times_of_parquet_are_read_too(take, write_parquet, kind):
    path = write_parquet(f"SELECT 'A' AS customer_id, 1704067200000::BIGINT::{kind} AS ts, 1 AS amount")
    assert take(path).rows("transactions", "ts") == [datetime(2024, 1, 1)]


def test_serial_days_of_a_spreadsheet_are_read(take):
    taken = times(take, "45293", "45293.75", "45293,604166667")
    assert taken.rows("transactions", "ts") == [
        datetime(2024, 1, 2),
        datetime(2024, 1, 2, 18),
        datetime(2024, 1, 2, 14, 30),
    ]
    assert "serial days of a spreadsheet" in taken.intake.notes[0]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["13/02/2024 9:05 AM", "01/02/2024 12:30 pm"], [datetime(2024, 2, 13, 9, 5), datetime(2024, 2, 1, 12, 30)]),
        (
            ["2/13/2024 1:05:09 PM", "1/2/2024 1:05:00 AM"],
            [datetime(2024, 2, 13, 13, 5, 9), datetime(2024, 1, 2, 1, 5)],
        ),
        (["31.12.24", "01.02.24"], [datetime(2024, 12, 31), datetime(2024, 2, 1)]),
        (["01/31/24 10:30", "01/02/24 10:30"], [datetime(2024, 1, 31, 10, 30), datetime(2024, 1, 2, 10, 30)]),
        (["2 Jan 2024", "31 Dec 2023"], [datetime(2024, 1, 2), datetime(2023, 12, 31)]),
        (["Jan 2, 2024", "Dec 31, 2023"], [datetime(2024, 1, 2), datetime(2023, 12, 31)]),
        (["02-JAN-24", "31-DEC-23"], [datetime(2024, 1, 2), datetime(2023, 12, 31)]),
        (["2024/01/02 10:30:05"], [datetime(2024, 1, 2, 10, 30, 5)]),
        (["31.01.2024, 10:05"], [datetime(2024, 1, 31, 10, 5)]),
        (["05/05/2024", "06/06/2024"], [datetime(2024, 5, 5), datetime(2024, 6, 6)]),
    ],
)
def test_times_are_read_as_the_column_tells(take, cells, expected):
    taken = times(take, *cells, rules={"now": datetime(2025, 1, 1)})
    assert taken.rows("transactions", "ts") == expected
    assert taken.reasons() == {}
    assert taken.intake.notes[0].startswith('transactions.ts was read as "%')


def test_days_and_months_that_nothing_tells_apart_are_refused_with_both_lines(take):
    with pytest.raises(
        InputError, match=r"'01/02/2024' in .* line 2 may be written with the day or the month"
    ) as error:
        times(take, "01/02/2024", "03/04/2024")
    assert to_paste(error) == {"formats": {"transactions": {"time_format": "%d/%m/%Y"}}}
    assert '# time_format = "%m/%d/%Y"   # month first' in str(error.value)
    taken = times(take, "01/02/2024", time_format="%m/%d/%Y")
    assert taken.rows("transactions", "ts") == [datetime(2024, 1, 2)]


def test_another_time_of_the_table_may_tell_days_from_months(take):
    table = "customer_id,ts,amount,available_at\nA,01/02/2024,1,13/02/2024\n"
    assert take(table).rows("transactions", "ts") == [datetime(2024, 2, 1)]


def test_days_first_beside_months_first_are_refused_with_a_cell_of_each(take):
    with pytest.raises(InputError, match=r"'13/02/2024' in .* line 2 only day first, '02/14/2024' in .* line 3 only"):
        times(take, "13/02/2024", "02/14/2024")


def test_a_year_of_two_digits_is_no_year_of_four(take):
    with pytest.raises(InputError, match="no row of transactions is valid") as error:
        times(take, "31.12.23", time_format="%d.%m.%Y")
    assert 'time_format = "%d.%m.%y"' in str(error.value)


@pytest.mark.parametrize(("zone", "hour"), [("Europe/Berlin", 1), ("UTC", 1), (None, 0)])
def test_times_of_parquet_in_nanoseconds_are_of_the_shops_zone(take, tmp_path, zone, hour):
    moment = pa.array([1704067200123456789], pa.timestamp("ns", zone))
    pq.write_table(pa.table({"customer_id": ["A"], "ts": moment, "amount": [1]}), tmp_path / "t.parquet")
    (ts,) = take(tmp_path / "t.parquet", BERLIN).rows("transactions", "ts")
    assert (ts.hour, ts.second) == (hour, 0)


def test_a_counted_form_is_a_setting(take):
    assert times(take, "45293", time_format="excel").rows("transactions", "ts") == [datetime(2024, 1, 2)]
    with pytest.raises(InputError, match='or one of "epoch_s"'):
        times(take, "45293", time_format="serial")
