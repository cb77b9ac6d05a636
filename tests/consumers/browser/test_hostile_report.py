"""Reports and files of a shop whose texts are code: nothing of it runs, is fetched or is lost."""

import csv
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.consumers.browser.conftest import HOSTILE, LANGUAGES, PATIENCE, TEXTS, watched
from tests.consumers.conftest import BIN, clean_environment

CODE = "script, iframe, object, embed, link, base, form, img[src='x'], svg[onload], [href^='javascript'], [onerror]"


@pytest.fixture(scope="module")
def pages(shop: Path) -> list[Path]:
    """The pages that runs kept, and those of the store in each language."""
    for language in LANGUAGES:
        subprocess.run(
            [BIN / "revealed", "report", "--language", language, "--output", f"{language}.html"],
            cwd=shop,
            env=clean_environment(),
            check=True,
            timeout=PATIENCE,
            stdout=subprocess.DEVNULL,
        )
    kept = sorted((shop / "mlruns").rglob("*.html"))
    assert len(kept) >= 3
    return [*kept, *(shop / f"{language}.html" for language in LANGUAGES)]


def test_pages_of_hostile_texts_run_nothing_and_show_them_as_text(browser, pages):
    shown = ""
    for file in pages:
        with watched(browser) as seen:
            seen.page.goto(file.as_uri())
            for section in seen.page.locator("details").all():
                section.evaluate("each => { each.open = true }")
            assert seen.page.locator(CODE).count() == 0
            assert seen.page.locator("body").is_visible()
            shown += seen.page.locator("body").inner_text()
            assert seen.is_quiet(file.as_uri()), (file, seen.said, seen.popped, seen.asked)
    assert str(7777 * 7) not in shown
    assert [text for text in TEXTS if text not in shown] == []


def test_no_template_and_no_event_is_in_a_page(pages):
    for file in pages:
        found: list[tuple[str, str]] = []
        parser = HTMLParser()
        parser.handle_starttag = lambda tag, attrs, found=found: found.extend((tag, name) for name, _ in attrs)  # type: ignore[method-assign]
        parser.feed(file.read_text(encoding="utf-8"))
        assert found
        assert [each for each in found if each[1].startswith("on") or each[0] == "script"] == []


def test_files_for_spreadsheets_hold_no_formula(shop):
    subprocess.run(
        [BIN / "revealed", "scores", "--output", "scores.csv"],
        cwd=shop,
        env=clean_environment(),
        check=True,
        timeout=PATIENCE,
        stdout=subprocess.DEVNULL,
    )
    files = [*(shop / "mlruns").rglob("*.csv"), shop / "scores.csv"]
    cells = []
    for file in files:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            cells += [cell for row in csv.reader(lines) for cell in row]
    assert "'" + HOSTILE[3] in cells
    assert [cell for cell in cells if cell.startswith(("=", "+", "@", "\t", "\r"))] == []
