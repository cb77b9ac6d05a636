"""Pseudonyms stand for ids on a cluster, and nothing is left of who is forgotten: as where files are read."""

import io
from datetime import datetime

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from data.contracts import CONTRACTS
from data.errors import RefusedError
from data.intake.cluster.pipeline import take_in_on_cluster
from data.intake.cluster.protecting import ProtectedRows
from data.intake.cluster.session import connect
from data.intake.pipeline import take_in
from data.intake.rules import Rules
from data.intake.sources import Source
from data.pseudonyms import CustomerKey, Protection
from data.samples.cdnow import write_cdnow
from flows.command.privacy.forgetting import run_forget
from flows.retrain import retrain
from flows.score import score
from flows.settings import TABLES, Settings
from flows.steps.stores import open_settings_store
from models.registry.privacy.forgotten import customer_key, put_on_list
from tests.consumers.spark.conftest import assert_scores_alike, of_cluster, pulled
from tests.consumers.spark.test_intake import NOW, parquet, rows_of

KEY = CustomerKey(bytes(range(32)))
COUNTED = (
    *("rows_read", "rows_valid", "set_aside", "reasons", "forgotten"),
    *("identical_lines", "identical_of_orders"),
)


def assert_taken_alike(cluster, files, folder):
    """The same rows, counts and notes about the forgotten."""
    for name, report in files.tables.items():
        there = cluster.intake.tables[name]
        assert {each: getattr(there, each) for each in COUNTED} == {each: getattr(report, each) for each in COUNTED}
        own = ibis.read_parquet(folder / f"{name}.parquet")
        assert rows_of(cluster.tables[name].select(own.columns)) == rows_of(own), name
    told = [[note for note in intake.notes if "forgotten" in note] for intake in (cluster.intake, files)]
    assert told[0] == told[1]


@pytest.mark.parametrize("is_pseudonymous", [True, False])
def test_the_shop_is_taken_in_as_its_files_are(backend, files, tmp_path, is_pseudonymous):
    who = pq.read_table(files["answers"], columns=["customer_id"])["customer_id"].to_pylist()[:1]
    rules = Rules(protection=Protection(KEY, is_pseudonymous, frozenset(map(KEY.pseudonym, who))))
    sources = {name: Source(str(files[name])) for name in TABLES}
    own = take_in(sources, tmp_path / "files", rules)
    taken = take_in_on_cluster(backend, sources, tmp_path, rules)
    assert_taken_alike(taken, own, tmp_path / "files")
    assert all(report.forgotten for report in taken.intake.tables.values())
    ids = taken.tables["transactions"].customer_id.to_pandas()
    assert ids.str.startswith("p").all() == is_pseudonymous and not set(ids) & set(who)


@pytest.fixture
def mistaken(tmp_path):
    """Rows that break their contract, of which some name customers in other columns than customer_id."""
    day, later = datetime(2024, 1, 2), datetime(2099, 1, 1)
    sold = parquet(
        tmp_path,
        "sold",
        customer_id=["Ann ", "Cafe\u0301", "Zoe", "shop", "x" * 300, "Zoe", "p" + "0" * 32],
        ts=pa.array([day, day, day, later, day, later, day], pa.timestamp("us")),
        amount=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
        order_id=["1", "2", "3", " Ann", "5", "6", "7"],
        channel=["web", "web", "web", "Zoe", "web", "web", "web"],
        store=["north", "north", "north", "Ben", "north", "Ann", "north"],
    )
    asked = parquet(
        tmp_path,
        "asked",
        customer_id=["Ann", "nobody", "Caf\u00e9"],
        answered_at=pa.array([day] * 3, pa.timestamp("us")),
        score=[11.0, 4.0, 5.0],
        comment=["says Ann", "says nobody", "Caf\u00e9"],
    )
    return {"transactions": Source(sold), "answers": Source(asked)}


def test_no_id_is_in_what_is_kept_and_none_of_the_forgotten(remote, mistaken, tmp_path):
    gone = frozenset({KEY.pseudonym("Zoe")})
    rules = Rules(now=NOW, quarantine_limit=1.0, protection=Protection(KEY, True, gone))
    own = take_in(mistaken, tmp_path / "files", rules)
    taken = take_in_on_cluster(connect(remote, tmp_path / "kept"), mistaken, tmp_path, rules)
    assert_taken_alike(taken, own, tmp_path / "files")
    # One of the three rows has the id in another column, and breaks its contract.
    assert taken.intake.tables["transactions"].forgotten == 3
    assert taken.intake.tables["answers"].reasons == {"customer is unknown": 1, "score is outside its scale": 1}
    aside = str(pq.read_table(tmp_path / "quarantine.parquet").to_pylist())
    assert KEY.pseudonym("Ann") in aside and KEY.pseudonym("nobody") in aside
    kept = [str(pq.read_table(file).to_pylist()) for file in (tmp_path / "kept").rglob("*.parquet")]
    for name in ("'Ann", "'Zoe", "Caf", "xxx", "nobody"):
        assert name not in aside, name
    assert len(kept) > 1 and "Zoe" not in "".join(kept)


def test_no_message_holds_an_id_or_the_key(backend, mistaken, tmp_path):
    rules = Rules(now=NOW, protection=Protection(KEY, True))
    with pytest.raises(RefusedError, match="break the contract") as told:
        take_in_on_cluster(backend, mistaken, tmp_path, rules)
    assert "xxx" not in str(told.value) and "Ann" not in str(told.value)
    assert KEY.secret.hex() not in repr(ProtectedRows(rules)) and repr(KEY.secret) not in repr(ProtectedRows(rules))


@pytest.fixture(scope="module")
def cdnow_scored(remote, tmp_path_factory):
    """CDNOW under pseudonyms without a customer who is forgotten, scored by one machine and by the cluster."""
    folder = tmp_path_factory.mktemp("cdnow")
    sold = {"transactions": [str(write_cdnow(folder / "cdnow")["transactions"])], "mlruns": str(folder / "mlruns")}
    settings = {**sold, "pseudonymise": True, "publish_features": True}
    store = open_settings_store(Settings(**settings))
    put_on_list(store, customer_key(store).pseudonym("00003"))
    (folder / "shared").mkdir()
    retrain(Settings(**settings, second_stage="off", purchase_model="bg_nbd"))
    here = score(Settings(**settings))
    there = score(Settings(**settings, **of_cluster(folder, remote)))
    return folder, settings, store, here, there


def test_cdnow_is_scored_alike_under_pseudonyms_without_who_is_forgotten(cdnow_scored):
    folder, _, store, here, there = cdnow_scored
    scores = pulled(folder, "@current")
    assert there.is_current
    assert_scores_alike(scores, pulled(folder, f"/{here.version}"))
    key = customer_key(store)
    assert key.pseudonym("00003") not in set(scores["customer_id"])
    assert key.pseudonym("00004") in set(scores["customer_id"])


def test_who_is_forgotten_afterwards_is_taken_out_of_what_the_cluster_wrote(cdnow_scored):
    folder, settings, store, _, there = cdnow_scored
    gone, place = customer_key(store).pseudonym("00004"), folder / "shared" / there.run_id
    before = {name: pd.read_parquet(place / name) for name in ("scores.parquet", "features.parquet")}
    # Spark's own files have a checksum each, by which it refuses a part that was exchanged.
    parts = [part for name in before for part in (place / name).glob("*.parquet")]
    for part in parts:
        part.with_name(f".{part.name}.crc").write_bytes(b"sum")
    (folder / "shared" / f"work-{there.run_id}").mkdir()
    told = io.StringIO()
    run_forget(Settings(**settings, scores_location=str(folder / "shared")), "00004", Console(file=told))
    assert [each.name for each in (folder / "shared").iterdir()] == [there.run_id]
    assert f"versions of the scores written anew, read back and compared: {there.version - 1}, {there.version}" in (
        told.getvalue()
    )
    for name, rows in before.items():
        left = pd.read_parquet(place / name)
        pd.testing.assert_frame_equal(left, rows[rows["customer_id"] != gone].reset_index(drop=True))
        assert len(left) == len(rows) - 1
    checked = [part for part in parts if part.with_name(f".{part.name}.crc").exists()]
    assert len(parts) > 2 and len(checked) == len(parts) - 2
    assert pulled(folder, "@current")["customer_id"].tolist() == left["customer_id"].tolist()


def test_every_table_of_a_contract_has_a_customer():
    """Else its rows would go past what protects them."""
    assert all("customer_id" in contract.clean for contract in CONTRACTS.values())
