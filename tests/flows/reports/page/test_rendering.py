"""The page: it holds every section, loads nothing, runs nothing, and shows what data hold as text."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from flows.reports.page.figures import FILE, PAGE
from flows.reports.page.keeping import page_of_store
from flows.reports.page.rendering import write_page
from models.registry.store import open_store

SECTIONS = ["nps", "value", "cohorts", "rfm", "personas", "measures", "actions", "drivers", "quality", "made"]
EVIL = "<script>alert('x')</script> & \"quoted\" 100 % %(x)s {{ 77777 * 3 }}"


class Page(HTMLParser):
    """The elements of a page, with their attributes and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.texts, self.style = [], [], ""
        self.is_style = False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.is_style = tag == "style"

    def handle_endtag(self, tag):
        self.is_style = False

    def handle_data(self, data):
        if self.is_style:
            self.style += data
        elif data.strip():
            self.texts.append(data.strip())


def test_the_page_of_a_run_holds_every_section_and_loads_nothing(trained, figures):
    score, retrain = figures()
    html = write_page(score, retrain)
    page = Page(html)
    opened = [attributes["id"] for tag, attributes in page.tags if attributes.get("class") == "section"]
    # Where behaviour tells nothing of the NPS, nothing drives it.
    assert opened == [name for name in SECTIONS if name != "drivers" or score["drivers"]]
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "form", "base"})
    names = {name for _, attributes in page.tags for name in attributes}
    assert names.isdisjoint({"style", "src", "srcset", "href", "xlink:href", "action"})
    assert not [name for name in names if name.startswith("on")]
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; ")
    assert "unsafe" not in policy
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert len(html) < 600_000
    # The store's own page is the same, without the shop's tables.
    assert page_of_store(open_store(str(trained)), "en") == html


def test_the_first_screen_is_the_base_in_six_figures_with_their_change(figures):
    score, retrain = figures()
    earlier = {**score["history"][0], "as_of": "2020-01-01", "customers": score["base"]["customers"] - 12}
    page = Page(write_page({**score, "history": [earlier, score["history"][-1]]}, retrain))
    names = ["Customers", "Net promoter score", "Next purchase index, 90 days", "Expected revenue, 90 days"]
    places = [page.texts.index(name) for name in [*names, "Lifetime value, 365 days", "Churn, 365 days"]]
    assert places == sorted(places)
    assert page.texts[places[0] + 1 : places[0] + 4] == [
        f"{score['base']['customers']:,.0f}",
        "+12",
        "since Jan 1, 2020",
    ]
    assert f"{score['base']['expected_revenue']:,.0f}" in page.texts[places[3] + 1]


def test_what_comes_from_data_is_shown_as_text(figures):
    score, retrain = figures()
    score["notes"] = retrain["notes"] = [EVIL]
    score["actions"][0]["first"] = [{"customer_id": EVIL, "segment": EVIL, "value": 1.0, "why": EVIL}]
    score["segments"][0]["name"] = EVIL
    retrain["nps_segments"]["RFM segment"][0]["segment"] = EVIL
    retrain["topics"] = {"answers": 9, "nps": 1.0, "why": None, "rows": [topic(EVIL)]}
    score["intake"]["tables"]["transactions"]["reasons"] = {EVIL: 3}
    page = Page(write_page(score, retrain))
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.texts.count(EVIL) >= 8
    assert "233331" not in " ".join(page.texts)


def topic(name):
    figures = {"answers": 9, "share": 1.0, "nps": 1.0, "nps_low": -9.0, "nps_high": 9.0}
    return {"topic": name, "language": "en", "examples": [name], **figures}


@pytest.mark.parametrize("language", ["en", "ru", "zh"])
def test_a_page_is_written_of_either_run_alone_and_where_hardly_anything_is_known(figures, language):
    score, retrain = figures()
    score |= {"nps": None, "categories": [], "personas": [], "measures": [], "drivers": [], "cohorts": None}
    score |= {"transitions": None, "concentration": {"clv": None, "expected_revenue": None}}
    for name in ("expected_revenue", "clv", "clv_mean", "p_churn", "next_purchase_index", "expected_purchases"):
        score["base"][name] = score["history"][-1][name] = None
    bare = retrain | {
        "nps": None,
        "nps_segments": {},
        "reliability": [],
        "answers": [],
        "distribution": [],
        "holdout": None,
    }
    bare |= {"personas": {"rows": [], "agreement": None, "why": "too few"}}
    alone = [Page(write_page(None, retrain, language)), Page(write_page(score, None, language))]
    for page in [*alone, Page(write_page(score, bare, language))]:
        assert "quality" in [attributes.get("id") for _, attributes in page.tags]


def test_figures_and_page_stay_with_the_run_and_hold_no_more_than_json_can(trained, figures):
    store = open_store(str(trained))
    run = store.client.get_model_version("customer_scores", "1").run_id
    assert {file.path for file in store.client.list_artifacts(run, "report")} == {FILE, PAGE}
    json.dumps(figures()[0], allow_nan=False)
