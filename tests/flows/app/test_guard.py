"""What every request passes: the host, the headers, and texts of data that a browser or a spreadsheet could run."""

import html
import re

import pytest

from flows.app.pages.downloads import csv_file
from flows.app.reading.filters import CHOICES, ORDERS, RANGES, Wanted
from tests.flows.app.conftest import replaced
from tests.flows.app.test_site import read_csv

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE scores; --",
    "=HYPERLINK(1)",
    "a/../b?c=d&e#f",
    "{{ 7 * 7 }}",
    "\u202egnp.exe",
]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8460", "LOCALHOST", "[::1]:8460", "192.168.1.7:80", "[::1]"])
def test_the_names_of_this_machine_are_taken(app, host):
    assert app.get("/style.css", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8460", "localhost.evil.example", "", "127.0.0.1.evil"])
def test_a_foreign_host_is_refused(app, host):
    answer = app.get("/en/customers", headers={"host": host})
    assert answer.status_code == 421
    assert "not opened under that name" in answer.text


@pytest.mark.parametrize(
    "address", ["/en/", "/style.css", "/en/nothing", "/en/customers.csv", "/en/picture/1/lift.svg"]
)
def test_a_browser_is_told_to_load_and_run_nothing_else(app, address):
    headers = app.get(address).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_nothing_can_be_sent(app):
    assert {app.request(method, "/en/customers").status_code for method in ("POST", "PUT", "DELETE")} == {405}


@pytest.fixture
def hostile(app, scores, publish):
    """The app over a version whose texts are hostile."""
    rows = scores.slice(0, len(HOSTILE))
    publish(replaced(rows, customer_id=HOSTILE, segment=HOSTILE, persona=HOSTILE, nps_category=HOSTILE))
    return app


def test_hostile_texts_are_shown_as_they_are_and_do_nothing(hostile):
    pages = [hostile.get(f"/en/{place}").text for place in ("customers", "segments", "cohorts", "versions")]
    for text in HOSTILE:
        pages.append(hostile.get("/en/customer", params={"id": text}).text)
        assert f"<h1>Customer <bdi>{html.escape(text, quote=False)}" in pages[-1].replace("&#34;", '"').replace(
            "&#39;", "'"
        )
        found = hostile.get("/en/customers", params={"segment": text}).text
        assert len(re.findall("<bdi>", found)) == 1
        pages.append(found)
    for page in pages:
        assert "<script" not in page
        assert "<img src=x" not in page
        assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", page)


def test_what_is_typed_is_a_value_and_never_a_part_of_a_query(hostile):
    numbers = [f"{name}_min" for name in RANGES] + ["month", "order", "page"]
    for text in HOSTILE:
        everywhere = dict.fromkeys(("q", *(name for name in CHOICES if name != "rfm")), text)
        # The one customer of that id.
        assert hostile.get("/en/customers", params=everywhere).status_code == 303
        assert len(re.findall("<bdi>", hostile.get("/en/customers", params={"rfm": text}).text)) == 0
        assert hostile.get("/en/lists", params={"list": text, "segment": text}).status_code == 200
        assert {hostile.get("/en/customers", params={name: text}).status_code for name in numbers} == {400}
    assert len(re.findall("<bdi>", hostile.get("/en/customers").text)) == len(HOSTILE)


def test_orders_and_columns_are_the_only_names_in_a_query():
    wanted = Wanted.read({"q": "a", "segment": "b", "month": "2026-12", "clv_min": "1", "order": "churn"})
    sql = wanted.conditions().sql
    assert sql.count("?") == len(wanted.conditions().values) == 5
    assert set(re.findall(r'"(\w+)"', sql)) == {"segment", "clv"}
    assert wanted.order in ORDERS


def test_a_download_holds_no_formula(hostile):
    ids = {row["customer_id"] for row in read_csv(hostile.get("/en/customers.csv").text)}
    assert ids == {text if text[0] != "=" else f"'{text}" for text in HOSTILE}


def test_a_file_has_one_header(scores):
    answer = csv_file([scores.slice(0, 2), scores.slice(2, 1)], "name.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="name.csv"'
