"""Timelines: what the shop's tables hold of one customer before the date of the scores."""

import html
import re

import pandas as pd
import pytest

from flows.app.reading.tables import MOST_ROWS, ShopTables
from flows.settings import Settings
from tests.flows.app.conftest import client_of


@pytest.fixture
def named(shop):
    return {name: [str(shop[name])] for name in ("transactions", "answers", "events")}


def test_a_timeline_holds_what_the_tables_hold_before_the_date(trained, shop, scores, named, tmp_path):
    app = client_of(trained, tmp_path, **named)
    known, as_of = scores["customer_id"][0].as_py(), pd.Timestamp(scores["as_of"][0].as_py())
    address = f"/en/customer?id={known}"
    assert "The shop's tables are being read." in html.unescape(app.get(address).text)
    app.app.state.tables.read()
    tables = app.app.state.tables
    everyone = {name: pd.read_parquet(shop[name]) for name in named}
    rows = {name: table[table["customer_id"] == known] for name, table in everyone.items()}
    found = tables.of_customer(known, as_of.date())
    bought = rows["transactions"].assign(day=rows["transactions"]["ts"].dt.date)
    by_day = bought[bought["ts"] < as_of].groupby("day")["amount"].sum().sort_index(ascending=False)
    assert [row["day"] for row in found.purchases] == list(by_day.index)
    nets = [float(row["bought"] or 0) + float(row["returned"] or 0) for row in found.purchases]
    assert nets == pytest.approx(by_day.astype(float).tolist())
    assert len(found.answers) == len(rows["answers"])
    assert len(found.events) == min((rows["events"]["ts"] < as_of).sum(), MOST_ROWS)
    # An earlier date hides what came later.
    middle = as_of - pd.Timedelta(days=200)
    assert all(row["day"] < middle.date() for row in tables.of_customer(known, middle.date()).purchases)
    page = html.unescape(app.get(address).text)
    assert re.search(r"<h3>Purchases</h3>", page)
    assert app.get(re.search(r'src="([^"]+timeline\.svg[^"]+)"', page)[1]).text.startswith("<svg")
    assert not list(tmp_path.glob("tables/*.parquet"))


def test_tables_that_cannot_be_read_leave_the_rest_of_the_page(trained, scores, tmp_path):
    app = client_of(trained, tmp_path, transactions=[str(tmp_path / "gone.csv")])
    app.app.state.tables.read_in_background().join()
    answer = app.get("/en/customer", params={"id": scores["customer_id"][0].as_py()})
    assert answer.status_code == 200
    assert "cannot be read, so there is no timeline:" in html.unescape(answer.text)
    assert "gone.csv" in answer.text


def test_tables_that_are_not_named_are_none(shop, scores, tmp_path):
    tables = ShopTables(Settings(transactions=[str(shop["transactions"])]), tmp_path)
    tables.read()
    found = tables.of_customer(scores["customer_id"][0].as_py(), scores["as_of"][0].as_py())
    assert (found.answers, found.events) == (None, None)
    assert ShopTables(Settings(), tmp_path).read_in_background() is None
