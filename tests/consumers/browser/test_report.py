"""The report as a reader sees it: in each language and at three widths, without a fault, a request or a barrier."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flows.reports.page.screen import COLUMNS, LINES
from tests.consumers.browser.conftest import LANGUAGES

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[3]
PICTURE = ROOT / "docs" / "pictures" / "report.png"
WIDTHS = (360, 768, 1440)
SECTIONS = ("nps", "value", "cohorts", "rfm", "personas", "measures", "actions", "drivers", "quality", "made")
LARGEST_PICTURE = 300_000
# A4 at 96 dots an inch, less the margins of the page.
PAPER = {"width": 695, "height": 1000}


def opened(browser: "Browser", file: Path, width: int) -> tuple["Page", list[str], list[str]]:
    """Open a page with all of its sections; also gives what the console said and what was asked for."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    for summary in page.locator("details.section > summary").all():
        # By the keyboard alone.
        summary.focus()
        page.keyboard.press("Enter")
    return page, said, asked


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_section_opens_fits_and_has_no_barrier(browser, reports, language, width):
    from axe_playwright_python.sync_playwright import Axe

    file = reports / f"{language}.html"
    page, said, asked = opened(browser, file, width)
    sections = page.locator("details.section")
    assert [section.get_attribute("id") for section in sections.all()] == list(SECTIONS)
    for section in sections.all():
        assert section.locator(".body").is_visible()
        assert section.locator("h2").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(page).response["violations"]
    serious = {each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in ("serious", "critical")}
    assert serious == {}
    assert said == []
    assert asked == [file.as_uri()]
    page.close()


def test_the_demo_prints_one_screen(reports):
    lines = (reports / "demo.txt").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LINES
    place, pull = lines.index("Report") + 1, lines.index("Pull the scores with") + 1
    assert lines[place].strip().endswith("/report/report.html")
    assert lines[pull].split()[0] == "import"
    # These two are to be copied.
    assert [
        line for line in (*lines[:place], *lines[place + 1 : pull], *lines[pull + 1 :]) if len(line) > COLUMNS
    ] == []


def test_on_paper_all_sections_are_open_and_nothing_is_cut(browser, reports):
    page = browser.new_page(viewport=PAPER)
    page.goto((reports / "en.html").as_uri())
    page.emulate_media(media="print")
    for name in SECTIONS:
        assert page.locator(f"#{name} .body").bounding_box()["height"] > 40
    cut = "[...document.querySelectorAll('.pair .scroll')].filter(e => e.scrollHeight > e.clientHeight + 2).length"
    assert page.evaluate(cut) == 0
    page.close()


def test_the_picture_of_the_readme_is_the_report_of_the_demo(browser, reports):
    page = browser.new_page(viewport={"width": 1120, "height": 940})
    page.goto((reports / "en.html").as_uri())
    PICTURE.parent.mkdir(exist_ok=True)
    page.screenshot(path=PICTURE)
    assert 20_000 < PICTURE.stat().st_size < LARGEST_PICTURE
    page.close()
