"""A headless Chromium of the system's, and the report of the demo's shop in each language."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.consumers.conftest import BIN, clean_environment

if TYPE_CHECKING:
    from playwright.sync_api import Browser

LANGUAGES = ("en", "ru", "zh")
PATIENCE = 900.0


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
