"""The app over a million customers, timed in a browser: opened, searched, filtered, and one customer.

The scores are those of a store's current version, drawn with replacement and under new ids; amounts and probabilities
are jittered, so that no two are equal. Times are those of Chromium, from the request to the end of `load`, median and
largest; beside them processor seconds of the app for each page. Run: python -m benchmarks.app [--store mlruns/demo]
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
from playwright.sync_api import Browser, sync_playwright
from rich.console import Console
from rich.table import Table

from models.population.scores_table import read_metadata, write_scores
from models.registry.publication import create_version, make_current
from models.registry.published_file import CURRENT, FILE, SCORES
from models.registry.reading import read_current
from models.registry.store import open_store

CUSTOMERS, TIMES = 1_000_000, 15
JITTERED = ("p_purchase", "p_churn", "expected_revenue", "clv", "next_purchase_index")
READY = re.compile(r"http://\S+/")


def enlarge(folder: Path, customers: int) -> None:
    """Publish a version of so many customers in the store of a folder."""
    store = open_store(str(folder))
    small, rng = read_current(store), np.random.default_rng(0)
    large = small.take(pa.array(rng.integers(0, small.num_rows, customers)))
    large = large.set_column(0, small.schema.field(0), pa.array([f"C{k:07d}" for k in range(customers)]))
    for name in JITTERED:
        place = large.schema.get_field_index(name)
        values = large[name].to_numpy() * (1 - 0.01 * rng.random(customers))
        large = large.set_column(place, large.schema.field(place), pa.array(values))
    large = large.replace_schema_metadata(small.schema.metadata)
    place = folder / "large"
    place.mkdir()
    write_scores([large], place / FILE)
    # By the same run, so that the figures of the report are there.
    of = store.client.get_model_version_by_alias(SCORES, CURRENT)
    as_of = large["as_of"][0].as_py()
    make_current(store, create_version(store, of.run_id, place.as_uri(), large.num_rows, as_of, read_metadata(large)))


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int, float]]:
    """Start the app as a command; give its address, its process, and the seconds until it said that it is there."""
    command = [Path(sys.executable).parent / "revealed", "app", "--mlruns", folder, "--port", "0"]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder) as process:
        assert process.stdout is not None
        found = READY.search(process.stdout.readline())
        assert found is not None
        yield found.group(), process.pid, time.perf_counter() - began
        process.terminate()


def processor_seconds(pid: int) -> float:
    """Read what a process has used so far, of Linux."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def time_page(browser: Browser, address: Callable[[int], str], pid: int) -> tuple[list[float], float]:
    """Open a page some times, each with another address; give milliseconds, and processor milliseconds of each."""
    page = browser.new_page()
    took, before = [], processor_seconds(pid)
    for k in range(TIMES):
        page.goto(address(k))
        took.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    page.close()
    return took, 1000 * (processor_seconds(pid) - before) / TIMES


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, default=Path("mlruns/demo"))
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    asked = parser.parse_args()
    console = Console()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name) / "mlruns"
        shutil.copytree(asked.store, folder)
        enlarge(folder, asked.customers)
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        table = Table("page", "median, ms", "largest, ms", "processor of the app, ms")
        with served(folder) as (base, pid, started):
            first, _ = time_page(browser, lambda k: f"{base}en/?k={k}", pid)
            table.add_row("the base, the first time after the start", f"{first[0]:.0f}", "", "")
            segments = ("champions", "loyal", "lost", "at risk", "hibernating")
            pages: dict[str, Callable[[int], str]] = {
                "the base": lambda k: f"{base}en/?k={k}",
                "search by 4 signs of an id": lambda k: f"{base}en/customers?q=C{k:02d}7",
                "search by 7 signs of an id": lambda k: f"{base}en/customers?q=C{k:02d}7{k:03d}",
                "100 of everyone": lambda k: f"{base}en/customers?k={k}",
                "100 of a segment, by churn": lambda k: (
                    f"{base}en/customers?segment={quote(segments[k % 5])}&clv_min={k}&order=churn"
                ),
                "page 50 of those likely to stay": lambda k: f"{base}en/customers?churn_max={90 - k}&page=50",
                "a page in the middle of everyone": lambda k: f"{base}en/customers?page={asked.customers // 200 + k}",
                "page 3,000 of those likely to stay": lambda k: (
                    f"{base}en/customers?churn_max={90 - k}&page={min(3_000, asked.customers // 500)}&order=last"
                ),
                "one customer": lambda k: f"{base}en/customer?id=C{k:02d}70{k:03d}",
                "segments": lambda k: f"{base}en/segments?k={k}",
                "cohorts": lambda k: f"{base}en/cohorts?k={k}",
            }
            for told, address in pages.items():
                took, used = time_page(browser, address, pid)
                table.add_row(told, f"{statistics.median(took):.0f}", f"{max(took):.0f}", f"{used:.0f}")
            resident = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        browser.close()
    assert resident is not None
    console.print(f"{asked.customers:,} customers; the command listened after {started:.1f} s and took at most")
    console.print(f"{int(resident.group(1)) / 1024:,.0f} MB. Load of the machine: {os.getloadavg()[0]:.1f}")
    console.print(table)


if __name__ == "__main__":
    main()
