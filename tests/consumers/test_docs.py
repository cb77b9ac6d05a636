"""The site of docs is built without a warning, and its pages load nothing from another host."""

import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src"}


class Loads(HTMLParser):
    """What a page loads, and the headings of its reference."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and "canonical" not in (given.get("rel") or ""):
            self.places.append(given.get("href") or "")
        elif tag in LOADED and given.get(LOADED[tag]):
            self.places.append(given[LOADED[tag]] or "")


def named(nav):
    for entry in nav:
        for target in entry.values():
            yield from named(target) if isinstance(target, list) else [target]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "docs", folder / "docs")
    settings = (ROOT / "zensical.toml").read_text().replace('paths = ["."]', f'paths = ["{ROOT}"]')
    (folder / "zensical.toml").write_text(settings)
    program = Path(sys.executable).parent / "zensical"
    built = subprocess.run([program, "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "site"


def test_each_page_of_the_navigation_is_built_and_loads_nothing_from_elsewhere(site):
    pages = list(named(tomllib.loads((ROOT / "zensical.toml").read_text())["project"]["nav"]))
    assert len(pages) == len(set(pages)) > 10
    for page in pages:
        text = (site / page).with_suffix(".html").read_text()
        places = Loads(text).places
        assert [place for place in places if "//" in place] == []
        assert any(place.endswith(".css") for place in places)


def test_the_reference_holds_docstrings_and_pages_their_pictures(site):
    models = (site / "reference/models.html").read_text()
    assert 'id="models.scoring.bg_nbd.p_alive"' in models
    assert "Fader, Hardie" in models
    assert re.search(r'src="pictures/report\.png"', (site / "index.html").read_text())
    assert (site / "pictures/report.png").stat().st_size > 10_000
