"""The app as people use it: in each language, at three widths, by the keyboard, without script, over hostile data."""

import csv
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pandas as pd
import pytest

from flows.app.rendering import PAGES
from tests.consumers.browser.conftest import DATES, HOSTILE, LANGUAGES, PATIENCE, watched
from tests.consumers.browser.test_report import LARGEST_PICTURE, ROOT, WIDTHS
from tests.consumers.conftest import BIN, clean_environment

# Places that the keyboard passes before the search.
MOST_TABS = 20


@pytest.fixture(scope="session")
def base(shop: Path) -> Iterator[str]:
    """The address of the app, whose tables have been read."""
    command = [BIN / "revealed", "app", "--port", "0"]
    with subprocess.Popen(command, cwd=shop, env=clean_environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
        assert found is not None
        address = f"{found.group()}en/customer?id={quote(HOSTILE[0])}"
        with httpx.Client(timeout=PATIENCE) as client:
            while "tables are being read" in client.get(address).text.replace("&#39;", "'"):
                pass
        yield found.group()
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0
    # What it prepared went with it.
    assert [each for each in (shop / "mlruns" / "work").iterdir() if each.is_dir()] == []


@pytest.fixture(scope="session")
def scores(shop: Path) -> pd.DataFrame:
    (file,) = (
        each for each in shop.rglob("scores.parquet") if str(pd.read_parquet(each)["as_of"].iloc[0])[:10] == DATES[1]
    )
    return pd.read_parquet(file)


def pages(customer: str) -> list[str]:
    return [*PAGES, f"customer?id={quote(customer)}"]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_quiet_fits_and_has_no_barrier(browser, base, scores, language, width):
    from axe_playwright_python.sync_playwright import Axe

    with watched(browser, width) as seen:
        for place in pages(scores["customer_id"].iloc[0]):
            seen.page.goto(f"{base}{language}/{place}")
            for summary in seen.page.locator("details.section > summary").all():
                summary.focus()
                seen.page.keyboard.press("Enter")
            assert seen.page.locator("details.section:not([open])").count() == 0
            assert seen.page.locator("h1").is_visible()
            for picture in seen.page.locator("img.chart").all():
                picture.scroll_into_view_if_needed()
            seen.page.evaluate("Promise.all([...document.images].map(each => each.decode()))")
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
            found = Axe().run(seen.page).response["violations"]
            serious = {
                each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in ("serious", "critical")
            }
            assert (place, serious) == (place, {})
        assert seen.is_quiet(base), (seen.said, seen.popped, seen.asked)


@pytest.mark.parametrize("has_script", [True, False])
def test_a_customer_is_found_by_the_keyboard_alone(browser, base, scores, has_script):
    known = sorted(set(scores["customer_id"]) - set(HOSTILE))[7]
    with watched(browser, java_script_enabled=has_script) as seen:
        page = seen.page
        page.goto(f"{base}en/")
        for _ in range(MOST_TABS):
            page.keyboard.press("Tab")
            if page.locator("#find:focus").count():
                break
        page.keyboard.type(known[:-1])
        page.keyboard.press("Enter")
        page.wait_for_url("**/customers?q=*")
        shown = page.locator("tbody bdi").all_inner_texts()
        assert sorted(shown) == sorted(each for each in scores["customer_id"] if each.startswith(known[:-1]))
        page.get_by_role("link", name=known, exact=True).focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/customer?id=*")
        assert page.locator("h1").inner_text() == f"Customer {known}"
        told = page.locator("main").inner_text()
        assert "cannot be read" not in told
        assert "named" not in told
        assert page.locator(".timeline table").count() >= 1
        assert page.locator("main img.chart").count() == 2


def test_what_is_filtered_is_downloaded(browser, base, scores):
    segment = scores["segment"].value_counts().index[0]
    with watched(browser) as seen:
        seen.page.goto(f"{base}en/customers")
        seen.page.get_by_label("segment").select_option(segment)
        seen.page.get_by_role("button", name="Show").press("Enter")
        seen.page.wait_for_url("**/customers?*")
        with seen.page.expect_download() as download:
            seen.page.get_by_role("link", name="Download all of them as CSV").press("Enter")
        with Path(download.value.path()).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    wanted = scores[scores["segment"] == segment]
    assert download.value.suggested_filename == f"customers-{DATES[1]}-version-2.csv"
    written = ["'" + each if each.startswith("=") else each for each in wanted["customer_id"]]
    assert [row["customer_id"] for row in rows] == written


@pytest.mark.parametrize("text", HOSTILE)
def test_texts_of_the_shop_are_never_code(browser, base, text):
    with watched(browser) as seen:
        places = [
            f"customers?q={quote(text)}",
            f"customer?id={quote(text)}",
            "customers",
            "lists",
            f"lists?list={quote(text)}",
        ]
        for place in places:
            seen.page.goto(f"{base}en/{place}")
            for picture in seen.page.locator("img.chart").all():
                picture.scroll_into_view_if_needed()
            assert seen.page.locator("script, img[src='x'], main svg[onload]").count() == 0
        seen.page.goto(f"{base}en/customer?id={quote(text)}")
        assert seen.page.locator("h1").inner_text() == f"Customer {text}"
        # Its category, and what it wrote.
        assert seen.page.get_by_role("cell", name=HOSTILE[1], exact=True).count() >= 1
        assert seen.page.locator("td.words bdi").first.inner_text() == text
        # A picture opened as a page of its own.
        seen.page.goto(f"{base}en/picture/2/timeline.svg?id={quote(text)}")
        assert seen.is_quiet(base), (seen.said, seen.popped)


def test_a_foreign_name_is_refused(base):
    port = base.rstrip("/").rpartition(":")[2]
    answer = httpx.get(f"{base}en/", headers={"Host": f"evil.example:{port}"})
    assert (answer.status_code, "evil" in answer.text) == (421, False)


def test_the_pictures_of_the_docs_are_the_app(browser, base, scores):
    plain = scores[~scores["customer_id"].isin(HOSTILE)]
    chosen = plain.loc[plain["reasons"].notna()].nlargest(1, "frequency")["customer_id"].iloc[0]
    loyal = scores.loc[~scores["segment"].isin(scores[scores["customer_id"].isin(HOSTILE)]["segment"]), "segment"]
    segment = loyal.value_counts().index[0]
    shown = {
        "app-customers": (f"customers?segment={quote(segment)}", 940),
        "app-customer": (f"customer?id={quote(chosen)}", 1730),
    }
    for name, (place, height) in shown.items():
        with watched(browser, height=height) as seen:
            seen.page.goto(f"{base}en/{place}")
            seen.page.wait_for_load_state("networkidle")
            picture = ROOT / "docs" / "pictures" / f"{name}.png"
            seen.page.screenshot(path=picture)
            assert 20_000 < picture.stat().st_size < LARGEST_PICTURE
