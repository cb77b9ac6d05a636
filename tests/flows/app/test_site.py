"""The pages of the app: what each shows, and what is said where something cannot be shown."""

import csv
import html
import io
import json
import re
from datetime import timedelta

import pyarrow.compute as pc
import pytest

from flows.app.rendering import PAGES
from models.registry.published_file import FILE
from tests.flows.app.conftest import client_of, replaced

LANGUAGES = {"en": "en", "ru": "ru", "zh": "zh-Hans"}


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def told(text: str) -> str:
    """What a page says below its title."""
    return html.unescape(re.sub("<[^>]+>", " ", text.split("<main", 1)[1]))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_there_in_each_language(app, language):
    for place in (*PAGES, "customers?q=c"):
        answer = app.get(f"/{language}/{place}")
        assert answer.status_code == 200
        assert f'<html lang="{LANGUAGES[language]}">' in answer.text
        assert answer.text.count('aria-current="page"') == 1
        assert "<script" not in answer.text
        assert "style=" not in answer.text


def test_the_address_without_a_path_leads_to_the_base(app):
    assert app.get("/").headers["location"] == "/en/"


def test_the_base_shows_the_figures_and_the_sections_of_the_report(app, scores):
    page = app.get("/en/").text
    assert f'<p class="figure">{scores.num_rows:,}</p>' in page
    sections = re.findall(r'<details class="section" id="(\w+)">', page)
    assert {"nps", "value", "measures", "quality", "made"} <= set(sections)
    pictures = re.findall(r'<img class="chart" alt="" loading="lazy" src="([^"]+)">', page)
    assert len(pictures) > 5
    drawn = app.get(pictures[0])
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
    assert drawn.text.startswith("<svg")


def test_the_beginning_of_an_id_finds_its_customers(app, scores):
    ids = scores["customer_id"].to_pylist()
    begin = ids[17][:-1]
    page = app.get("/en/customers", params={"q": begin}).text
    shown = re.findall(r"<bdi>(.*?)</bdi>", page)
    assert sorted(shown) == sorted(each for each in ids if each.startswith(begin))[:100]
    assert len(shown) > 1
    only = app.get("/en/customers", params={"q": ids[17]})
    assert (only.status_code, only.headers["location"]) == (303, f"/en/customer?id={ids[17]}")


def test_filters_narrow_down_what_is_shown_and_what_is_downloaded(app, scores):
    segment = scores["segment"][0].as_py()
    wanted = scores.filter((pc.field("segment") == segment) & (pc.field("p_churn") >= 0.2))
    fields = {"segment": segment, "churn_min": "20", "order": "churn"}
    page = app.get("/en/customers", params=fields).text
    assert f"{wanted.num_rows:,} customers" in told(page)
    first = wanted.sort_by([("p_churn", "descending"), ("customer_id", "ascending")])["customer_id"][:100].to_pylist()
    assert re.findall(r"<bdi>(.*?)</bdi>", page) == first
    answer = app.get("/en/customers.csv", params=fields)
    assert "attachment; filename=" in answer.headers["content-disposition"]
    rows = read_csv(answer.text)
    assert [row["customer_id"] for row in rows] == wanted["customer_id"].to_pylist()
    assert float(rows[0]["clv"]) == pytest.approx(wanted["clv"][0].as_py())
    nobody = app.get("/en/customers.csv", params=fields | {"q": "nobody"})
    assert nobody.text.startswith('"customer_id"')
    assert read_csv(nobody.text) == []


def test_pages_of_a_table_hold_everyone_once(app, scores):
    segment = max(set(scores["segment"].to_pylist()), key=scores["segment"].to_pylist().count)
    wanted = scores.filter(pc.field("segment") == segment)["customer_id"].to_pylist()
    assert len(wanted) > 100
    shown = []
    for page in range(1, -(-len(wanted) // 100) + 1):
        fields = {"order": "id", "page": page, "segment": segment}
        text = app.get("/en/customers", params=fields).text
        shown += re.findall(r"<bdi>(.*?)</bdi>", text)
    assert shown == wanted
    assert 'rel="next"' not in text
    everyone = app.get("/en/customers").text
    last = -(-scores.num_rows // 100)
    assert re.search(r'<input id="page" [^>]*max="(\d+)"', everyone)[1] == str(last)
    assert re.search(r'<a href="[^"]*page=(\d+)">Last<', everyone)[1] == str(last)


def test_each_month_of_first_purchase_leads_to_its_customers(app, scores):
    page = app.get("/en/cohorts").text
    months = pc.strftime(scores["first_purchase"], "%Y-%m").to_pylist()
    linked = re.findall(r"customers\?month=([\d-]+)", page)
    assert linked == sorted(set(months), reverse=True)
    assert f"{months.count(linked[0]):,} customers" in told(app.get(f"/en/customers?month={linked[0]}").text)


def test_cohorts_are_told_by_what_the_reader_chooses_of_what_the_shop_has(app):
    page = app.get("/en/cohorts").text
    links = dict(re.findall(r'<a href="(/en/cohorts\?by=[^"]+#groups)"[^>]*>([^<]+)</a>', page))
    assert {"category", "channel"} <= set(links.values())
    assert "By category" in told(page)
    for address, name in links.items():
        chosen = app.get(address.removesuffix("#groups")).text
        assert f"By {name} " in " ".join(told(chosen).split())
        assert f'<th scope="col">{name}</th>' in chosen
        # What is predicted stands with its interval: six months of each group, and the horizon.
        groups, of_one = chosen.split('id="groups"')[1].split("Customers by month")[0].split('id="group"')
        for text in (groups, of_one):
            ends = re.findall(r'ahead">[^<]+<span class="sub">[\d.,]+(?:–| to )[\d.,]+</span>', text)
            assert len(ends) == text.count('ahead">') > 0
        assert groups.count('ahead">') == 7 * (groups.count("<tr>") - 2)
        other = re.findall(r'<a href="([^"]+)#group"', of_one)[-1]
        assert app.get(html.unescape(other)).text.split('id="group"')[1] != of_one


def test_a_customer_is_told_with_forecast_place_and_reasons(app, scores):
    row = scores.filter(pc.is_valid(scores["reasons"])).slice(0, 1).to_pylist()[0]
    page = app.get("/en/customer", params={"id": row["customer_id"]})
    assert page.status_code == 200
    text = told(page.text)
    assert f"{row['revenue_low']:,.2f} to {row['revenue_high']:,.2f}" in text
    below = sum(value < row["clv"] for value in scores["clv"].to_pylist()) / scores.num_rows
    assert f"{100 * below:.0f}\u00a0% of customers" in text
    assert json.loads(row["reasons"])[0]["text"] in text
    assert "No transactions are named, so there is no timeline." in text
    assert "There is one date with an index, or none" in text


def test_the_action_lists_hold_everyone_on_them(app, scores):
    answer = app.get("/en/lists.csv", params={"list": "second_purchase"})
    rows = read_csv(answer.text)
    assert {row["list"] for row in rows} == {"second_purchase"}
    assert f"{len(rows):,} places" in told(app.get("/en/lists", params={"list": "second_purchase"}).text)
    assert {row["customer_id"] for row in rows} < set(scores["customer_id"].to_pylist())


def test_versions_are_listed_with_what_the_gate_said(app):
    text = " ".join(told(app.get("/en/versions").text).split())
    assert "current" in text
    assert "champion" in text
    assert "not comparable: there is no champion with a twin; absolute checks passed" in text


@pytest.mark.parametrize(
    ("address", "status", "sentence"),
    [
        ("customer?id=nobody", 404, "Customer nobody has no scores: ids are texts, exactly as they came."),
        ("customers?page=0", 400, "page must be a number from 1 on, got 0."),
        ("customers?q=nobody&page=2", 400, "page must be a number from 1 to 1, got 2."),
        ("customers?order=name", 400, "order must be clv, revenue, index, churn, last, id, got name."),
        ("customers?clv_min=much", 400, "clv_min must be a number, got much."),
        ("customers?month=May", 400, "month must be a month such as 2026-03, got May."),
        ("cohorts?by=name", 400, "by must be category, "),
        ("cohorts?by=category&group=name", 400, "group must be "),
        ("lists?page=99", 400, "page must be 1"),
        ("picture/99/gauge.svg", 404, "There is no such page."),
        ("picture/1/nothing.svg", 404, "There is no such page."),
        ("nothing", 404, "There is no such page."),
        ("../fr/", 404, "There is no such page."),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(app, address, status, sentence):
    app.get("/en/")
    answer = app.get(f"/en/{address}")
    assert answer.status_code == status
    assert sentence in told(answer.text)


def test_an_id_that_is_nearly_the_same_is_named(app, scores):
    known = scores["customer_id"][0].as_py()
    assert f"Nearest: {known}" in told(app.get("/en/customer", params={"id": f" {known.upper()}"}).text)


def test_a_store_without_scores_says_what_to_run(store, tmp_path):
    answer = client_of(store.folder, tmp_path).get("/en/")
    assert answer.status_code == 503
    assert "Run `revealed score`, then load this page again." in told(answer.text)


def test_a_version_whose_file_is_damaged_or_gone_says_how_to_mend_it(app, scores, publish, tmp_path):
    publish(scores)
    file = next(tmp_path.glob(f"*/{FILE}"))
    file.write_bytes(b"PAR1 and no more")
    for _ in range(2):
        answer = app.get("/en/customers")
        assert answer.status_code == 503
        assert "Version 2 of the scores cannot be read:" in told(answer.text)
        file.unlink(missing_ok=True)


def test_a_version_without_figures_shows_customers_all_the_same(app, scores, publish):
    publish(scores)
    page = app.get("/en/")
    assert page.status_code == 200
    assert f"{scores.num_rows:,} customers" in told(page.text)
    assert "kept no figures for a report" in told(page.text)
    for place in PAGES:
        assert app.get(f"/en/{place}").status_code == 200


def test_a_version_of_an_earlier_release_lacks_columns_and_is_shown(app, scores, publish):
    publish(scores.drop_columns(["p_any_revenue", "persona", "p_satisfied"]))
    known = scores["customer_id"][0].as_py()
    assert app.get("/en/customer", params={"id": known}).status_code == 200
    assert app.get("/en/segments").status_code == 200


def test_a_new_version_is_shown_at_the_next_request_and_its_index_beside_the_one_before(app, scores, publish):
    assert "Version 1 of the scores" in app.get("/en/customers").text
    later = [scores["as_of"][0].as_py() + timedelta(days=30)] * scores.num_rows
    index = [min(each + 1, 100) for each in scores["next_purchase_index"].to_pylist()]
    publish(replaced(scores, as_of=later, next_purchase_index=index))
    assert "Version 2 of the scores" in app.get("/en/customers").text
    known = scores["customer_id"][0].as_py()
    page = app.get("/en/customer", params={"id": known}).text
    course = page.split("Next purchase index over time")[-1]
    assert re.findall(r'<td class="n">([\d.]+)</td>', course) == [
        f"{index[0]:.1f}",
        f"{scores['next_purchase_index'][0].as_py():.1f}",
    ]
    drawn = app.get(re.search(r'src="([^"]+course\.svg[^"]+)"', page)[1].replace("&amp;", "&"))
    assert drawn.text.startswith("<svg")
    # A page of the version before still gets its pictures.
    assert app.get("/en/picture/1/gauge.svg").status_code == 200
