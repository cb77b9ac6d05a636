import gzip
import json
from datetime import datetime
from decimal import Decimal

import pytest

from data.errors import InputError

HEADER = "customer_id,ts,amount\n"
LINES = [f"{k:03},2024-01-{k:02},{k}.5\n" for k in range(1, 21)]
SHOP = HEADER + "".join(LINES)


@pytest.mark.parametrize(
    "content",
    [
        SHOP.encode(),
        SHOP.replace("\n", "\r\n").encode(),
        SHOP.replace("\n", "\r").encode(),
        SHOP.rstrip("\n").encode(),
        gzip.compress(SHOP.encode(), mtime=0),
        SHOP.encode("utf-8-sig"),
        SHOP.encode("utf-16"),
        SHOP.replace(",", ";").encode(),
        SHOP.replace(",", "\t").encode(),
        SHOP.replace(",", "|").encode(),
        SHOP.replace("2024", '"2024').replace(",1", ',"1').replace('-"', "-").encode().replace(b'"', b""),
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in SHOP.split()).encode(),
        (HEADER + "\n" + "\n\n".join(LINES) + "\n").encode(),
        "".join(",".join(line.strip().split(",")[::-1]) + "\n" for line in [HEADER, *LINES]).encode(),
    ],
)
def test_a_csv_file_gives_the_same_rows_however_it_is_written(take, content):
    assert take(content).intake.tables["transactions"].digest == take(SHOP).intake.tables["transactions"].digest


@pytest.mark.parametrize(("separator", "end"), [(";", "\r\n"), (":", "\n"), ("\t", "\n")])
def test_a_line_that_names_the_separator_is_no_header(take, separator, end):
    text = f"sep={separator}\n{SHOP.replace(',', separator)}X{separator}never{separator}1\n".replace("\n", end)
    taken = take(text)
    assert taken.rows("transactions", "count(*)") == [20]
    assert taken.rows("quarantine", "line") == [23]


@pytest.mark.parametrize("separator", [":", "^"])
def test_an_unusual_separator_is_a_setting(take, separator):
    assert take(SHOP.replace(",", separator), separator=separator).rows("transactions", "count(*)") == [20]


def test_an_encoding_is_a_setting(take):
    table = (SHOP + "Zoë,2024-01-02,1\n").encode("cp1252")
    assert take(table, encoding="cp1252").rows("transactions", "max(customer_id)") == ["Zoë"]
    with pytest.raises(InputError, match=r'(?s)line 22 is not UTF-8.*\[formats\.transactions\]\nencoding = "cp1252"'):
        take(table)


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("INTEGER", "7", "7"),
        ("UBIGINT", "12345678901234567890", "12345678901234567890"),
        ("DOUBLE", "1234567890", "1234567890"),
        ("FLOAT", "7", "7"),
        ("DOUBLE", "7.25", "7.25"),
        ("DECIMAL(18,2)", "7", "7"),
        ("DECIMAL(18,2)", "7.5", "7.50"),
        ("DECIMAL(18,0)", "700", "700"),
        ("VARCHAR", "'007'", "007"),
        ("BLOB", "'007'", "007"),
        ("UUID", "'5d2f4bd6-5a3f-4c0a-9a6f-0a4f5e5b8a10'", "5d2f4bd6-5a3f-4c0a-9a6f-0a4f5e5b8a10"),
    ],
)
def test_ids_of_parquet_become_what_they_say(take, write_parquet, kind, value, expected):
    path = write_parquet(f"SELECT {value}::{kind} AS customer_id, DATE '2024-01-02' AS ts, 1 AS amount")
    assert take(path).rows("transactions", "customer_id") == [expected]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("TIMESTAMP '2024-01-02 03:04:05.678901'", datetime(2024, 1, 2, 3, 4, 5, 678901)),
        ("TIMESTAMPTZ '2024-01-02 03:04:05+00'", datetime(2024, 1, 2, 4, 4, 5)),
        ("TIMESTAMP_NS '2024-01-02 03:04:05'", datetime(2024, 1, 2, 3, 4, 5)),
        ("DATE '2024-01-02'", datetime(2024, 1, 2)),
        ("20240102", datetime(2024, 1, 2)),
        ("'2024-01-02T03:04:05Z'", datetime(2024, 1, 2, 4, 4, 5)),
    ],
)
def test_times_of_parquet_become_the_shops_own(take, write_parquet, expression, expected):
    path = write_parquet(f"SELECT 'A' AS customer_id, {expression} AS ts, 1 AS amount")
    assert take(path, {"timezone": "Europe/Berlin"}).rows("transactions", "ts") == [expected]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("11.77::DOUBLE", Decimal("11.77")),
        ("3::UTINYINT", Decimal(3)),
        ("1.23456::DECIMAL(18,5)", Decimal("1.2346")),
        ("'1.5'", Decimal("1.5")),
    ],
)
def test_numbers_of_parquet_are_exact(take, write_parquet, expression, expected):
    path = write_parquet(f"SELECT 'A' AS customer_id, DATE '2024-01-02' AS ts, {expression} AS amount")
    assert take(path).rows("transactions", "amount") == [expected]


@pytest.mark.parametrize(
    ("column", "kind", "value", "reason"),
    [
        ("amount", "DOUBLE", "'nan'", "amount is not a number"),
        ("amount", "DOUBLE", "'inf'", "amount is not a number"),
        ("amount", "DOUBLE", "1e20", "amount has more than 18 digits"),
        ("amount", "DOUBLE", "NULL", "amount is missing"),
        ("amount", "HUGEINT", "1e20", "amount has more than 18 digits"),
        ("ts", "TIMESTAMP", "'infinity'", "ts is not a time"),
        ("ts", "TIMESTAMPTZ", "'infinity'", "ts is not a time"),
        ("ts", "INTEGER", "1704067200", "ts is not a time"),
        ("customer_id", "DOUBLE", "'nan'", "customer_id is missing"),
        ("customer_id", "INTEGER", "NULL", "customer_id is missing"),
    ],
)
def test_bad_values_of_parquet_are_set_aside_with_their_row(take, write_parquet, column, kind, value, reason):
    good = {"customer_id": "1", "ts": "DATE '2024-01-02'", "amount": "1"}
    if column == "ts" and kind == "INTEGER":
        good["ts"] = "20240102"
    rows = [good, good | {column: value}]
    selects = [
        ", ".join(
            f"({cell})::{kind} AS {name}" if name == column else f"{cell} AS {name}" for name, cell in row.items()
        )
        for row in rows
    ]
    taken = take(write_parquet(" UNION ALL ".join(f"SELECT {select}" for select in selects)))
    assert taken.reasons() == {reason: 1}
    assert taken.rows("quarantine", 'line, "column"') == [(2, column)]
    json.loads(taken.rows("quarantine", "record")[0])


def test_missing_scores_of_parquet_are_invitations_not_answered(take, write_parquet):
    path = write_parquet(
        "SELECT 'A' AS customer_id, NULL::TIMESTAMP AS answered_at, 'nan'::DOUBLE AS score, "
        "DATE '2024-01-01' AS invited_at UNION ALL SELECT 'A', '2024-01-03', 9, NULL"
    )
    assert take(answers=path).rows("answers", "score") == [None, 9]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        (b"x" * 200_000, "no column"),
        (HEADER, "no rows in .*only a header"),
        (SHOP + "021,2024-0", "was cut short: its last record, line 22, is incomplete"),
        (SHOP + '021,"2024-01-01', "line 22: a quote opens and is not closed"),
        (gzip.compress(SHOP.encode(), mtime=0)[:-20], "was cut short"),
        (b"PAR1" + SHOP.encode(), "Parquet file that was cut short"),
        (b"PAR1" + SHOP.encode() + b"\x10\0\0\0PAR1", "cannot be read as Parquet"),
        ("a,b,c\n1,2,3\n", "no column 'customer_id' and 'ts' and 'amount'. Its columns: a, b, c"),
        ("customer;ts;amount\n1;2;3\n", r'\[columns\.transactions\]\ncustomer_id = "customer"'),
    ],
)
def test_a_file_that_cannot_be_used_gives_one_clear_message(take, tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        take(content)
    assert not (tmp_path / "clean" / "transactions.parquet").exists()


# Where a column is missing, what the others hold is looked at for the message.
@pytest.mark.parametrize("column", ["customer_id", "somebody"])
def test_a_parquet_file_damaged_inside_is_told(take, write_parquet, column):
    path = write_parquet(f"SELECT i::VARCHAR AS {column}, DATE '2024-01-02' AS ts, i AS amount FROM range(9999) t(i)")
    damaged = bytearray(path.read_bytes())
    damaged[4:2000] = b"\xff" * 1996
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"input\.parquet cannot be read as Parquet"):
        take(path)
