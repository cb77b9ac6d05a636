"""Pseudonyms in the place of ids, and rows of customers who are forgotten."""

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import InputError
from data.intake.casting import create_macros
from data.intake.pipeline import Rules, Source, take_in
from data.pseudonyms import Protection, clean_id, make_key

KEY = make_key()
SALES = """customer_id,ts,amount,email,order_id
cust-one,2024-01-01,5,a@example.org,o1
cust-two,2024-01-02,x,cust-one,o2
 cust-three ,2024-01-02,7,,o3
,2024-01-02,7,e,cust-two
cust-two,2024-01-03,7,cust-one,o3,torn
cust-two,2024-01-03,8,,o4
"""
ANSWERS = """customer_id,answered_at,score,comment
cust-one,2024-01-05,9,I am cust-two
cust-nine,2024-01-05,3,I am cust-one
cust-two,2024-01-05,7,
"""


@pytest.fixture
def take(tmp_path):
    (tmp_path / "sales.csv").write_text(SALES)
    (tmp_path / "answers.csv").write_text(ANSWERS)

    def run(protection, **rules):
        sources = {"transactions": Source(tmp_path / "sales.csv"), "answers": Source(tmp_path / "answers.csv")}
        return take_in(sources, tmp_path / "clean", Rules(quarantine_limit=0.9, protection=protection, **rules))

    return run


def ids(intake, table):
    return pq.read_table(intake.folder / f"{table}.parquet")["customer_id"].to_pylist()


def test_no_id_is_in_anything_that_is_written_and_all_tables_join(take):
    plain = take(Protection())
    reports, customers = plain.tables, ids(plain, "transactions")
    intake = take(Protection(KEY, is_pseudonymous=True))
    assert ids(intake, "transactions") == [KEY.pseudonym(each) for each in customers]
    assert set(ids(intake, "answers")) <= set(ids(intake, "transactions"))
    for name, report in intake.tables.items():
        assert (report.rows_valid, report.reasons) == (reports[name].rows_valid, reports[name].reasons)
    for file in intake.folder.glob("*.parquet"):
        columns = pq.read_table(file).drop_columns(["comment"] if file.stem == "answers" else [])
        assert "cust-" not in str(columns.to_pylist())
    aside = pq.read_table(intake.folder / "quarantine.parquet").to_pylist()
    [unknown] = [row for row in aside if row["reason"] == "customer is unknown"]
    assert unknown["cell"] == KEY.pseudonym("cust-nine")
    assert "cust-" not in str(aside)
    assert "example.org" not in str(aside)


@pytest.mark.parametrize("is_pseudonymous", [True, False])
def test_rows_of_a_forgotten_customer_are_left_out_and_counted(take, is_pseudonymous):
    forgotten = frozenset({KEY.pseudonym("cust-one")})
    intake = take(Protection(KEY, is_pseudonymous, forgotten))
    who = KEY.pseudonym if is_pseudonymous else str
    assert sorted(ids(intake, "transactions")) == sorted(map(who, ["cust-two", "cust-three"]))
    # Rows that break their contract and hold the id in any cell go as well, as columns may have been taken wrongly.
    assert {name: report.forgotten for name, report in intake.tables.items()} == {"transactions": 3, "answers": 1}
    assert "transactions: rows left out, as their customers are forgotten: 3." in intake.notes
    kept = pq.read_table(intake.folder / "quarantine.parquet").to_pylist()
    assert "cust-one" not in str([{**row, "record": str(row["record"]).replace("I am cust-one", "")} for row in kept])


def test_ids_are_cleaned_before_they_are_hashed(take):
    intake = take(Protection(KEY, is_pseudonymous=True), id_case="fold")
    assert KEY.pseudonym("cust-three") in ids(intake, "transactions")


def test_what_comes_back_under_pseudonyms_joins(take, tmp_path):
    take(Protection())
    (tmp_path / "answers.csv").write_text(f"customer_id,answered_at,score\n{KEY.pseudonym('cust-one')},2024-01-05,9\n")
    assert ids(take(Protection(KEY, is_pseudonymous=True)), "answers") == [KEY.pseudonym("cust-one")]
    with pytest.raises(InputError, match="customer is unknown"):
        take(Protection())


def test_kept_rows_hold_pseudonyms_and_are_read_without_another_hash(tmp_path):
    for month in (1, 2):
        duckdb.sql(
            f"COPY (SELECT 'cust-' || i AS customer_id, TIMESTAMP '2024-0{month}-01' AS ts, 5.0 AS amount "
            f"FROM range(1, 4) t(i)) TO '{tmp_path}/sales_{month}.parquet' (FORMAT parquet)"
        )
    source, kept = {"transactions": Source(str(tmp_path / "sales_*.parquet"))}, tmp_path / "kept"

    def read(protection):
        return take_in(source, tmp_path / "clean", Rules(protection=protection), kept)

    first = ids(read(Protection(KEY, is_pseudonymous=True)), "transactions")
    assert all("cust-" not in str(pq.read_table(file).to_pylist()) for file in kept.glob("*.parquet"))
    again = read(Protection(KEY, is_pseudonymous=True))
    assert again.files_read == ("transactions: none of 2 files has changed, so none was read.",)
    assert ids(again, "transactions") == first
    without = read(Protection(KEY, True, frozenset({KEY.pseudonym("cust-2")})))
    assert without.tables["transactions"].forgotten == 2
    assert KEY.pseudonym("cust-2") not in ids(without, "transactions")
    # Rows that were kept as pseudonyms are never taken for those of ids.
    assert "cust-1" in ids(read(Protection()), "transactions")


@pytest.fixture(scope="module")
def database():
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE known_customers (customer_id VARCHAR)")
        create_macros(connection, Rules(protection=Protection(KEY, is_pseudonymous=True)))
        yield connection


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), min_size=1))
def test_the_database_makes_the_pseudonyms_that_python_makes(database, names):
    rows = database.execute("SELECT customer(clean_id(unnest(?)))", [names]).fetchall()
    assert [row[0] for row in rows] == [KEY.pseudonym(clean_id(name)) for name in names]
