"""A headless Chromium of the system's, the report of the demo's shop in each language, and a shop of hostile texts."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from data.simulation.shop import write_shop
from tests.consumers.conftest import BIN, SHOP, clean_environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LANGUAGES = ("en", "ru", "zh")
PATIENCE = 900.0
TABLES = ("transactions", "answers", "events", "customers")
DATES = ("2024-02-01", "2024-03-01")
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "<svg onload=alert(3)>",
    "=HYPERLINK(1)",
)
TEXTS = (
    *HOSTILE[:3],
    "<a href=javascript:alert(4)>top</a>",
    "{{ 7777 * 7 }}${7777*7}{% raw %}",
    "</style><style>body{display:none}@import url(http://127.0.0.1:9/x.css)",
    "]]></title></svg><script>alert(5)</script>",
    "&lt;script&gt;alert(6)&lt;/script&gt;",
)
"""For columns that name groups."""


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Chromium as the system's package has it."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    if executable is None:
        pytest.skip("there is no Chromium; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the demo printed, and its report in each language, written again from its store."""
    folder = tmp_path_factory.mktemp("reports")

    def run(*arguments: object) -> str:
        done = subprocess.run(
            [BIN / "revealed", *map(str, arguments)],
            cwd=folder,
            env=clean_environment(COLUMNS="80"),
            check=True,
            timeout=PATIENCE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    (folder / "demo.txt").write_text(run("demo", "--mlruns", "mlruns/demo"), encoding="utf-8")
    for language in LANGUAGES:
        run("report", "--mlruns", "mlruns/demo", "--language", language, "--output", f"{language}.html")
    return folder


@dataclass
class Watched:
    """A page with all that its console said, that it asked for, and that it popped up."""

    page: "Page"
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    popped: list[str] = field(default_factory=list)

    def is_quiet(self, base: str) -> bool:
        return not self.said and not self.popped and all(url.startswith(base) for url in self.asked)


@contextmanager
def watched(browser: "Browser", width: int = 1120, height: int = 940, **more: object) -> Iterator[Watched]:
    context = browser.new_context(viewport={"width": width, "height": height}, **more)
    page = context.new_page()
    seen = Watched(page)
    page.on("console", lambda message: seen.said.append(message.text))
    page.on("pageerror", lambda error: seen.said.append(str(error)))
    page.on("request", lambda request: seen.asked.append(request.url))
    page.on("dialog", lambda dialog: (seen.popped.append(dialog.message), dialog.dismiss()))
    yield seen
    context.close()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained and twice scored shop, many of whose texts a browser or a template could take for code."""
    folder = tmp_path_factory.mktemp("app")
    files = write_shop(folder / "files", 800, seed=5, days=500, settings=SHOP)
    everyone = pd.read_parquet(files["transactions"])["customer_id"].value_counts().index
    answered = set(pd.read_parquet(files["answers"]).dropna(subset=["score"])["customer_id"])
    renamed = dict(zip((each for each in everyone if each in answered), HOSTILE, strict=False))
    for name in TABLES:
        table = pd.read_parquet(files[name])
        table["customer_id"] = table["customer_id"].replace(renamed)
        texts = list(islice(cycle(TEXTS), len(table)))
        if name == "transactions":
            table["channel"], table["store"] = texts, texts[::-1]
            table.loc[table["customer_id"].isin(HOSTILE), "category"] = HOSTILE[1]
        if name == "answers":
            table["comment"] = table["customer_id"].where(table["customer_id"].isin(HOSTILE), texts)
        if name == "customers":
            table["region"] = texts
        table.to_parquet(files[name])
    named = "\n".join(f'{name} = "files/{name}.parquet"' for name in TABLES)
    more = 'currency = "EUR"\nsecond_stage = "off"\nsegments = ["region"]\ncohorts_by = "channel"\n'
    notes = f"notes = [{', '.join(repr(text) for text in TEXTS[:3])}]\ntags = {{ hostile = {TEXTS[0]!r} }}\n"
    (folder / "revealed.toml").write_text(f"{named}\n{more}{notes}")
    commands = [("retrain", "--as-of", DATES[0]), *(("score", "--as-of", day) for day in DATES)]
    for command in commands:
        subprocess.run(
            [BIN / "revealed", *command], cwd=folder, env=clean_environment(), check=True, timeout=PATIENCE, stdout=-3
        )
    return folder
