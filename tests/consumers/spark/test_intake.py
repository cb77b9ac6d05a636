"""Tables of a cluster are read where they lie, and checked there as files are."""

from datetime import date, datetime
from decimal import Decimal

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.contracts import CONTRACTS
from data.errors import InputError, RefusedError
from data.intake.cluster.columns import trimmed
from data.intake.cluster.pipeline import _match, take_in_on_cluster
from data.intake.cluster.session import connect
from data.intake.cluster.violations import OF_SEVERAL_ROWS, _condition
from data.intake.pipeline import take_in
from data.intake.raw import SHAPES
from data.intake.rules import Rules
from data.intake.sources import Source
from data.intake.violations import violations_of

NOW = datetime(2024, 6, 1)
MONEY = pa.decimal128(18, 4)


def rows_of(table):
    frame = table.to_pandas()
    return sorted(map(repr, frame.astype(object).where(frame.notna(), None).itertuples(index=False, name=None)))


def parquet(folder, name, **columns):
    folder.mkdir(exist_ok=True, parents=True)
    pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return str(folder / f"{name}.parquet")


def typed_columns(contract):
    """A table that holds every column of a contract, with the types of a cluster."""
    kinds = {"time": "timestamp", "number": "decimal(18, 4)", "score": "float64"}
    columns = {column.name: kinds.get(column.kind, "string") for column in contract.columns}
    flags = {f"{flag}_{name}": "boolean" for name in columns for flag in ("filled", "finite")}
    scale = dict.fromkeys(("written_worst", "written_best", "worst", "best"), "int32")
    return ibis.table(columns | flags | scale, name="typed")


@pytest.mark.parametrize("table", CONTRACTS)
def test_every_violation_of_files_is_one_of_a_cluster_unless_it_is_of_text_or_of_several_rows(table):
    typed = typed_columns(CONTRACTS[table])
    without = {v.reason for v in violations_of(CONTRACTS[table]) if _condition(typed, v, NOW) is None}
    assert without <= {*SHAPES, *OF_SEVERAL_ROWS}


def test_an_attribute_may_have_any_name_but_those_of_the_working_tables():
    contract, source = CONTRACTS["customers"], Source("")
    places = dict.fromkeys(("customer_id", "line", "place"), "string")
    assert list(_match(contract, ibis.table(places, name="people"), "people", source)) == [*places]
    taken = ibis.table(places | {"Violation": "string"}, name="people")
    with pytest.raises(InputError, match="people has a column 'Violation', a name that checks on a cluster take"):
        _match(contract, taken, "people", source)


def test_the_simulated_shop_is_taken_in_as_files_are(shop):
    for name in CONTRACTS:
        embedded, cluster = getattr(shop.embedded, name), getattr(shop.cluster, name)
        columns = [column for column in embedded.columns if column != "no_returns"]
        assert list(cluster.columns) == columns
        assert rows_of(cluster) == rows_of(embedded.select(columns))


def test_the_same_rows_are_set_aside_for_the_same_reasons(backend, tmp_path):
    """One table for each kind of mistake that a typed column can hold."""
    day, later = datetime(2024, 1, 2), datetime(2099, 1, 1)
    time = pa.timestamp("us")
    amounts = [1.00005, 2.0, 3.0, 4.0, 5.0, float("nan"), 1e15, float("inf"), 6.0, 7.0]
    sold = parquet(
        tmp_path,
        "sold",
        customer_id=["a", None, " n/a ", "b", "c", "d", "d", "d", "visitor ", "a"],
        ts=pa.array([day, day, day, later, None, day, day, day, day, day], time),
        amount=pa.array(amounts),
        order_id=["1", "2", "3", "4", "5", "6", "7", "8", "9", "1"],
        line_id=["1"] * 10,
    )
    early, invited = datetime(2024, 1, 1), datetime(2024, 1, 1, 9)
    asked = parquet(
        tmp_path,
        "asked",
        customer_id=["a", "visitor", "stranger", "a", "a", "a", "a", "a", "a", "a"],
        answered_at=pa.array([day, day, day, day, day, None, day, early, day, None], time),
        invited_at=pa.array([day, None, None, None, None, None, None, invited, later, day], time),
        score=pa.array([9.0, 3.5, 5.0, 11.0, 4.0, 4.0, 2.0, 7.0, 7.0, None]),
        question=[None, "NPS ", "nps", "nps", "mood", "nps", "ces", "nps", "nps", "nps"],
        scale=[None, None, None, None, None, None, "1-5", "10-0", "0 to", "0-10"],
    )
    rules = Rules(now=NOW, quarantine_limit=1.0)
    sources = {"transactions": Source(sold), "answers": Source(asked)}
    files = take_in(sources, tmp_path / "files", rules)
    cluster = take_in_on_cluster(backend, sources, tmp_path, rules)
    for name in sources:
        assert dict(cluster.intake.tables[name].reasons) == dict(files.tables[name].reasons), name
        assert rows_of(cluster.tables[name]) == rows_of(ibis.read_parquet(tmp_path / "files" / f"{name}.parquet"))
    aside = pq.read_table(tmp_path / "quarantine.parquet").to_pylist()
    assert len(aside) == sum(report.set_aside for report in cluster.intake.tables.values())


def test_lines_that_equal_another_one_are_counted(backend, tmp_path):
    """Without an order, within an order without lines; not where a key tells them apart or one column differs."""
    day = pa.array([datetime(2024, 1, 2)] * 10, pa.timestamp("us"))
    sold = parquet(
        tmp_path,
        "sold",
        customer_id=["a", "a", "a", "b", "b", "c", "c", "c", "d", "d"],
        ts=day,
        amount=pa.array([1.0] * 10),
        order_id=[None, None, None, "1", "1", "2", "2", "2", "3", "3"],
        line_id=[None, None, None, None, None, "1", "2", "2", None, None],
        channel=[None, None, None, "web", "web", "web", "web", "web", "web", "shop"],
    )
    people = parquet(tmp_path, "people", customer_id=["a", "b"], order_id=["1", "1"])
    rules = Rules(now=NOW, quarantine_limit=1.0)
    sources = {"transactions": Source(sold), "customers": Source(people)}
    files = take_in(sources, tmp_path / "files", rules)
    cluster = take_in_on_cluster(backend, sources, tmp_path, rules)
    for name in sources:
        here, there = files.tables[name], cluster.intake.tables[name]
        assert (there.identical_lines, there.identical_of_orders) == (here.identical_lines, here.identical_of_orders)
        assert there.rows_valid == here.rows_valid
    assert (here.identical_lines, files.tables["transactions"].identical_lines) == (0, 3)
    assert cluster.intake.tables["transactions"].identical_of_orders == 1


def test_ids_keep_their_first_and_last_letters(backend):
    """Ibis's own strip also takes off the letters v and f, for which Spark reads the signs in its literal."""
    kept = backend.session.createDataFrame([(" visit\u3000",), ("fief",)], "kind string")
    kept.createOrReplaceTempView("kinds_of_event")
    kinds = backend.table("kinds_of_event")
    assert sorted(kinds.select(kind=trimmed(kinds.kind)).to_pandas()["kind"]) == ["fief", "visit"]


def test_moments_are_told_by_the_clock_of_the_shop(backend, tmp_path):
    moments = pa.array([datetime(2024, 3, 31, 0, 30), datetime(2024, 1, 1, 23, 30)], pa.timestamp("us", "UTC"))
    sold = parquet(tmp_path, "sold", customer_id=[7, 8], ts=moments, amount=pa.array([Decimal(1), Decimal(2)], MONEY))
    taken = take_in_on_cluster(backend, {"transactions": Source(sold)}, tmp_path, Rules(timezone="Europe/Berlin"))
    rows = taken.tables["transactions"].to_pandas().sort_values("customer_id")
    # Summer time began at two in this night.
    assert rows["ts"].tolist() == [pd.Timestamp(2024, 3, 31, 1, 30), pd.Timestamp(2024, 1, 2, 0, 30)]
    assert rows["customer_id"].tolist() == ["7", "8"]
    assert taken.intake.newest_day == date(2024, 3, 31)


def test_files_of_several_shapes_are_joined_as_on_one_machine(backend, tmp_path):
    """Sales of two tills that name their columns differently, and customers of whom two files tell different things."""
    day = pa.array([datetime(2024, 1, 2)] * 2, pa.timestamp("us"))
    sold = [
        parquet(tmp_path, "till", customer_id=["a", "b"], ts=day, amount=[1.0, 2.0], channel=["web", "shop"]),
        parquet(tmp_path, "other", client=["c", "a"], date=day, price=[3, 4]),
    ]
    people = [
        parquet(tmp_path, "people", customer_id=["a", "b", "c", "c"], region=["north", "south", "east", "east"]),
        parquet(tmp_path, "more", customer_id=["a", "b", "c"], age=[30.0, 40.0, 50.0], region=[None, "north", None]),
    ]
    columns = {"customer_id": "client", "ts": "date", "amount": "price"}
    rules = Rules(now=NOW, quarantine_limit=1.0)
    own = {"other.parquet": Source((), columns=columns)}
    files = take_in(
        {"transactions": Source(tuple(sold), own=own), "customers": Source(tuple(people))}, tmp_path / "files", rules
    )
    view = backend.session.read.parquet(sold[1]).withColumnsRenamed({old: new for new, old in columns.items()})
    view.createOrReplaceTempView("other_till")
    sources = {"transactions": Source((sold[0], "other_till")), "customers": Source(tuple(people))}
    cluster = take_in_on_cluster(backend, sources, tmp_path, rules)
    for name in sources:
        assert dict(cluster.intake.tables[name].reasons) == dict(files.tables[name].reasons), name
        own_rows = ibis.read_parquet(tmp_path / "files" / f"{name}.parquet")
        assert rows_of(cluster.tables[name].select(own_rows.columns)) == rows_of(own_rows), name
    assert cluster.intake.tables["customers"].left_out == files.tables["customers"].left_out == 1
    here, there = (intake.tables["customers"] for intake in (files, cluster.intake))
    assert (there.rows_read, there.rows_valid) == (here.rows_read, here.rows_valid) == (7, 3)


def test_types_that_have_nothing_in_common_are_told(backend, tmp_path):
    paths = [
        parquet(tmp_path, f"sold{k}", customer_id=["a"], ts=[NOW], amount=[amount])
        for k, amount in enumerate((1.0, "1"))
    ]
    with pytest.raises(InputError, match="transactions: the column 'amount' is of several types: float64 in"):
        take_in_on_cluster(backend, {"transactions": Source(tuple(paths))}, tmp_path)


@pytest.mark.parametrize("kind", ["table", "folder", "delta"])
def test_tables_are_read_where_they_lie(backend, tmp_path, kind):
    day = datetime(2024, 1, 2)
    rows = [(f"c{k}", day, float(k), "web" if k % 2 else "shop") for k in range(1, 9)]
    frame = backend.session.createDataFrame(rows, "client string, ts timestamp_ntz, amount double, channel string")
    place = str(tmp_path / "lake")
    if kind == "table":
        frame.write.mode("overwrite").saveAsTable("orders_of_the_shop")
        source = "orders_of_the_shop"
    elif kind == "folder":
        frame.write.partitionBy("channel").parquet(place)
        source = place
    else:
        frame.write.format("delta").save(place)
        source = f"delta:{place}"
    taken = take_in_on_cluster(backend, {"transactions": Source(source, columns={"customer_id": "client"})}, tmp_path)
    table = taken.tables["transactions"]
    assert table.amount.sum().to_pyarrow().as_py() == Decimal(36)
    assert sorted(table.channel.to_pandas()) == ["shop"] * 4 + ["web"] * 4
    assert taken.intake.tables["transactions"].columns["customer_id"] == "client"


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"client": ["a"], "ts": [NOW], "amount": [1.0]}, "has no column 'customer_id'. Its columns: client, ts"),
        ({"customer_id": ["a"], "ts": ["2024-01-02"], "amount": [1.0]}, "ts must hold dates or timestamps. Text that"),
        ({"customer_id": ["a"], "ts": [NOW], "amount": ["1,0"]}, "amount must hold numbers. Text that must be parsed"),
        ({"customer_id": [1.5], "ts": [NOW], "amount": [1.0]}, "customer_id must hold text or whole numbers. Cast it"),
        ({"customer_id": [None, "a"], "ts": [NOW, None], "amount": [1.0, 1.0]}, "no row of transactions is valid"),
    ],
)
def test_a_wrong_column_is_told_with_what_mends_it(backend, tmp_path, columns, says):
    columns = {name: pa.array(cells, pa.string()) if cells == [None, "a"] else cells for name, cells in columns.items()}
    source = Source(parquet(tmp_path, "sold", **columns))
    with pytest.raises(InputError) as told:
        take_in_on_cluster(backend, {"transactions": source}, tmp_path, Rules(now=datetime(2025, 1, 1)))
    assert says in str(told.value)


def test_too_many_bad_rows_stop_the_run_with_an_example(backend, tmp_path):
    source = Source(
        parquet(tmp_path, "sold", customer_id=["a", "b"], ts=[NOW, datetime(2099, 1, 1)], amount=[1.0, 2.0])
    )
    with pytest.raises(RefusedError, match=r"1 of 2 rows \(50.0%\) break the contract") as told:
        take_in_on_cluster(backend, {"transactions": source}, tmp_path)
    assert "ts = '2099-01-01 00:00:00'" in str(told.value)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Source("no_such_table"), r"cannot read the table '\*\*\*'"),
        (Source("/no/such/folder"), r"cannot read the path '/\*\*\*'"),
        (Source("sales.csv"), "is text, which a cluster is not asked to parse"),
        (Source("orders", time_format="%d.%m.%Y"), "formats.transactions.time_format is set"),
    ],
)
def test_a_source_that_cannot_be_read_says_why(backend, tmp_path, source, says):
    with pytest.raises(InputError, match=says):
        take_in_on_cluster(backend, {"transactions": source}, tmp_path)


def test_a_server_that_is_not_there_is_named_without_its_token(tmp_path):
    with pytest.raises(InputError, match=r"must be the address of a Spark Connect server"):
        connect("localhost:15002", tmp_path)
