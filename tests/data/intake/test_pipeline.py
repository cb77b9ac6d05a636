import json
import re
import unicodedata
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.contracts import CONTRACTS
from data.errors import InputError, RefusedError
from data.intake.pipeline import Rules, Source, take_in

HEADER = "customer_id,ts,amount\n"
LINES = [f"{k:03},2024-01-{k:02},{k}.5\n" for k in range(1, 21)]
SHOP = HEADER + "".join(LINES)


def test_files_that_are_written_otherwise_are_read_by_settings_of_their_own(take, write):
    one = write("client;at;net\nA;25.01.2024;1.200,50\n", "de_1.csv")
    other = write("customer_id,ts,amount\nB,01/31/2024,7.25\n", "en.csv")
    own = {"de_*.csv": Source((), columns={"customer_id": "client", "ts": "at", "amount": "net"}), "fr.csv": Source(())}
    taken = take(Source([one, other], own=own))
    assert sorted(taken.rows("transactions", "customer_id, strftime(ts, '%Y-%m-%d'), amount::DOUBLE")) == [
        ("A", "2024-01-25", 1200.5),
        ("B", "2024-01-31", 7.25),
    ]
    assert any("'fr.csv', and no file" in note for note in taken.intake.notes)


@pytest.mark.parametrize(
    ("text", "own", "line"),
    [
        ("who,ts,amount\nA,2024-01-02,1.5\n", {}, '[files.transactions."de.csv".columns]\ncustomer_id = "who"'),
        ("customer_id,ts,amount\nA,01/02/2024,1.5\n", {}, '[files.transactions."de.csv"]\ntime_format = "%d/%m/%Y"'),
        ("customer_id,ts,amount\nA,2024-01-02,1.500\n", {}, '[files.transactions."de.csv"]\nthousands = "."'),
        ("customer_id,ts,amount\nJosé,2024-01-02,1.5\n", {}, '[files.transactions."de.csv"]\nencoding = '),
        ("customer_id,ts,amount\nA,never,1.5\n", {}, 'files.transactions."de.csv".time_format = '),
        (HEADER + "A,2024-01-02,1\n", {"rows": "amount > 5"}, 'files.transactions."de.csv".rows chooses'),
        (HEADER + "A,2024-01-02,1\n", {"amount": "total"}, 'files.transactions."de.csv".amount'),
    ],
)
def test_a_message_about_a_file_of_its_own_settings_names_their_section(take, write, text, own, line):
    plain = write(SHOP, "en.csv")
    other = write(text.encode("cp1252"), "de.csv")
    source = Source([plain, other], own={"de.csv": Source((), section='files.transactions."de.csv"', **own)})
    with pytest.raises((InputError, RefusedError)) as refused:
        take(source, {"quarantine_limit": 0.0})
    assert line in str(refused.value)
    assert "formats.transactions" not in str(refused.value)


def test_rows_of_a_customer_in_several_files_are_joined_where_none_contradicts(take, write):
    one = write("customer_id,region\n001,north\n002,south\n003,\n004,west\n", "one.csv")
    other = write("customer_id,tier,region\n001,gold,\n002,tin,north\n003,tin,east\n009,gold,west\n", "other.csv")
    taken = take(SHOP, customers=Source([one, other]))
    assert sorted(taken.rows("customers", "customer_id, region, tier")) == [
        ("001", "north", "gold"),
        ("002", "south", None),
        ("003", "east", "tin"),
        ("004", "west", None),
        ("009", "west", "gold"),
    ]
    assert any("of the same customer in another file: 2." in note for note in taken.intake.notes)
    report = taken.intake.tables["customers"]
    assert (report.rows_read, report.rows_valid, report.left_out) == (8, 5, 2)


def test_the_clean_tables_have_exactly_the_columns_and_types_agreed(take):
    taken = take(
        SHOP,
        answers="customer_id,answered_at,score\n001,2024-01-02,9\n",
        events="customer_id,ts,kind\n001,2024-01-02,visit\n",
        customers="customer_id\n001\n",
    )
    kinds = {"VARCHAR": "string", "TIMESTAMP": "timestamp[us]", "INTEGER": "int32"}
    for table, contract in CONTRACTS.items():
        schema = pq.read_schema(taken.folder / f"{table}.parquet")
        expected = {name: kinds.get(kind, "decimal128(18, 4)") for name, kind in contract.clean.items()}
        assert {field.name: str(field.type) for field in schema} == expected
    assert pq.read_schema(taken.folder / "quarantine.parquet").names == [
        *("table", "file", "line", "column", "cell", "reason", "record")
    ]


def test_the_report_of_an_intake_is_kept_as_json(take):
    intake = take(SHOP + "x,never,1\n", answers="customer_id,answered_at,score\n001,2024-01-02,9\n").intake
    report = intake.tables["transactions"]
    assert (report.rows_read, report.rows_valid, report.set_aside) == (21, 20, 1)
    assert report.reasons == {"ts is not a time": 1}
    assert (intake.first_day, intake.newest_day) == (date(2024, 1, 1), date(2024, 1, 20))
    stored = json.loads(json.dumps(intake.to_dict()))
    assert stored["tables"]["transactions"] == {
        "files": list(report.files),
        "columns": {"customer_id": "customer_id", "ts": "ts", "amount": "amount"},
        "left_out": 0,
        "rows_read": 21,
        "rows_valid": 20,
        "set_aside": 1,
        "reasons": {"ts is not a time": 1},
        "identical_lines": 0,
        "identical_of_orders": 0,
        "digest": report.digest,
        "unread": [],
        "payment_ids": 0,
        "states": {},
        "overlaps": [],
        "written": ['UTF-8, separator ","'],
        "forms": {"ts": "ISO", "amount": "1234.5"},
        "forgotten": 0,
    }
    assert (stored["folder"], stored["currency"], stored["notes"]) == (str(intake.folder), None, [])
    assert (stored["first_day"], stored["newest_day"]) == ("2024-01-01", "2024-01-20")


def test_only_the_tables_given_have_a_file_and_an_earlier_intake_leaves_none(take):
    events = "customer_id,ts,kind\n001,2024-01-02,visit\n"
    assert (take(SHOP, events=events).folder / "events.parquet").exists()
    folder = take(SHOP).folder
    assert sorted(path.name for path in folder.iterdir()) == ["quarantine.parquet", "transactions.parquet"]


def test_the_digest_depends_on_the_rows_alone(take, write, write_parquet):
    def digest(source):
        return take(source).intake.tables["transactions"].digest

    for name, lines in (("a", LINES[7:]), ("b", LINES[:7])):
        write(HEADER + "".join(lines[::-1]), f"cut/{name}.csv")
    as_parquet = write_parquet(
        "SELECT amount::DOUBLE AS amount, ts::DATE AS ts, customer_id FROM "
        f"read_csv('{write(SHOP)}', types = {{'customer_id': 'VARCHAR'}})"
    )
    mixed = [as_parquet.parent / "cut" / "a.csv", write(HEADER + "".join(LINES[:7]), "other.csv")]
    assert len({digest(SHOP), digest(as_parquet.parent / "cut"), digest(as_parquet), digest(mixed)}) == 1
    assert digest(SHOP) != digest(SHOP.replace("7.5", "7.6"))
    assert digest(SHOP) != digest(SHOP + LINES[0])
    assert len(digest(SHOP)) == 32


def test_attributes_keep_their_kind(take, write):
    one = "customer_id,Region,age,code,card,flag,none,valid_from,cost_to_serve\n"
    one += "A,North,30,01,4000123412341234,true,,,1.5\n"
    two = "customer_id,age,score\nB,31.5,-1e2\nC,NaN,.5\n"
    taken = take(customers=[write(one, "1.csv"), write(two, "2.csv")])
    kinds = {field.name: str(field.type) for field in pq.read_schema(taken.folder / "customers.parquet")}
    assert list(kinds) == [
        *("customer_id", "valid_from", "cost_to_serve", "Region", "age", "code", "card", "flag", "none", "score")
    ]
    assert {name for name, kind in kinds.items() if kind == "double"} == {"age", "score"}
    assert taken.rows("customers", "age, code, card, score") == [
        (30.0, "01", "4000123412341234", None),
        (31.5, None, None, -100.0),
        (None, None, None, 0.5),
    ]


def test_attributes_may_be_named_as_columns_of_the_working_tables_are(take, write):
    names = ["line", "File", "violation", "rowid", "row", "place", "hashed", "loose", "order_id", "attribute_1", "now"]
    header = ",".join(["customer_id", *names]) + "\n"
    rows = [",".join([customer, *(f"{customer}{k}" for k in range(len(names)))]) for customer in "AABC"]
    files = [write(header + "\n".join(part), f"{k}.csv") for k, part in enumerate((rows[:3], rows[3:]))]
    taken = take(None, {"quarantine_limit": 1.0}, customers=files)
    assert taken.intake.tables["customers"].set_aside == 1
    assert sorted(taken.rows("customers", f'customer_id, "{names[3]}", {", ".join(names[7:])}')) == [
        (customer, *(f"{customer}{k}" for k in (3, 7, 8, 9, 10))) for customer in "ABC"
    ]


def test_attributes_take_the_decimal_comma_too(take, write):
    path = write("customer_id;size;mark\nA;1,5;1.5\n")
    taken = take(customers=Source(path, decimal=","))
    assert taken.rows("customers", "size, mark") == [(1.5, "1.5")]


def test_attributes_of_two_files_that_differ_only_in_case_are_a_mistake(take, write):
    files = [write("customer_id,Region\nA,x\n", "1.csv"), write("customer_id,region\nB,y\n", "2.csv")]
    with pytest.raises(InputError, match="'region', another file 'Region'"):
        take(customers=files)


def test_mapped_columns_are_read_under_their_own_names(take):
    table = SHOP.replace("customer_id", "Client").replace("amount", "Net amount")
    taken = take(table, columns={"customer_id": "Client", "amount": "Net amount"})
    assert taken.intake.tables["transactions"].digest == take(SHOP).intake.tables["transactions"].digest


def test_an_empty_file_among_others_is_noted(take, write):
    taken = take([write("", "a.csv"), write(SHOP, "b.csv"), write(HEADER, "c.csv")])
    assert taken.intake.tables["transactions"].rows_valid == 20
    assert any("a.csv is empty" in note for note in taken.intake.notes)


def test_transactions_are_needed_and_tables_have_names(tmp_path):
    with pytest.raises(InputError, match="transactions are needed"):
        take_in({}, tmp_path)
    with pytest.raises(InputError, match="no table 'orders'; the tables are transactions"):
        take_in({"orders": Source("x.csv")}, tmp_path)
    with pytest.raises(InputError, match=r"'nowhere\.csv' is not there"):
        take_in({"transactions": Source("nowhere.csv")}, tmp_path)


IDS = st.text(st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\x1f"), min_size=1, max_size=6)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(IDS.filter(lambda i: re.fullmatch(r"-*|\W*|null|nan|none|n/?a", i.strip().lower()) is None), min_size=1)
)
def test_ids_come_out_as_they_went_in_trimmed_and_in_one_unicode_form(ids):
    with TemporaryDirectory() as name:
        folder = Path(name)
        quoted = (i.replace('"', '""') for i in ids)
        (folder / "t.csv").write_text(HEADER + "".join(f'"{i}",2024-01-02,1\n' for i in quoted), encoding="utf-8")
        take_in({"transactions": Source(folder / "t.csv")}, folder / "clean")
        out = duckdb.execute(f"SELECT customer_id FROM '{folder}/clean/transactions.parquet'").fetchall()
    assert [row[0] for row in out] == [unicodedata.normalize("NFC", i.strip(" \u200b\ufeff")).strip() for i in ids]


CELLS = st.sampled_from(
    [
        "A",
        "007",
        "",
        " ",
        "2024-01-02",
        "20240102",
        "2999-01-01",
        "1",
        "-2.5",
        "nan",
        "1e9",
        "é",
        'a"b',
        '"q"',
        '"a""b"',
    ]
)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(CELLS, min_size=1, max_size=6), max_size=12))
def test_no_row_is_ever_lost(rows):
    good = "good,2024-01-02,1,1,{}\n"
    records = [",".join(row) for row in rows]
    expected = 1 + sum(bool(record.strip()) for record in records)
    with TemporaryDirectory() as name:
        folder = Path(name)
        text = "customer_id,ts,amount,order_id,line_id\n" + "\n".join([*records, good.format("last")])
        (folder / "t.csv").write_text(text, encoding="utf-8")
        rules = Rules(quarantine_limit=1.0)
        report = take_in({"transactions": Source(folder / "t.csv")}, folder / "clean", rules).tables["transactions"]
        kept = duckdb.execute(f"SELECT count(*) FROM '{folder}/clean/transactions.parquet'").fetchall()[0]
        aside = duckdb.execute(
            f"SELECT count(*), count(DISTINCT line) FROM '{folder}/clean/quarantine.parquet'"
        ).fetchall()[0]
    assert report.rows_read == report.rows_valid + report.set_aside == expected
    assert kept == (report.rows_valid,)
    assert aside == (report.set_aside, report.set_aside)
    assert sum(report.reasons.values()) == report.set_aside
