"""The whole job, step by step: `retrain` and `score` of a simulated shop, beside the least that any way of it takes.

A shop of two years with returns, late deliveries, visits and surveys that one in a hundred answers: to each customer
some 5 lines, 10 events and an invitation. Each command runs in a process of its own; processor seconds count all
threads. Run: python -m benchmarks.whole.run [--customers 100000 1000000] [--ten-million]
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from data.simulation.settings import ShopSettings
from data.simulation.shop import write_shop

SHOPS = Path(__file__).parent.parent / ".cache" / "shops"
SETTINGS = ShopSettings(dropout_after_first=True, alpha=49.0, invited_share=0.184, response_rate=0.0095)
SIZES, LARGEST = (100_000, 1_000_000), 10_000_000
COMMANDS = ("retrain", "score")


def shop(customers: int) -> Path:
    """Write the simulated shop, once."""
    folder = SHOPS / f"whole-{customers}"
    if not folder.exists():
        draft = folder.with_name(f"{folder.name}.draft")
        shutil.rmtree(draft, ignore_errors=True)
        write_shop(draft, customers, seed=1, settings=SETTINGS)["truth"].unlink()
        draft.rename(folder)
    return folder


def measure(module: str, *arguments: object) -> dict[str, Any]:
    """Run a module of this folder in a process of its own and read the line of JSON that it prints last."""
    command = [sys.executable, "-m", f"benchmarks.whole.{module}", *map(str, arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    lines = [line for line in ended.stdout.splitlines() if line.startswith("{")]
    if ended.returncode or not lines:
        raise SystemExit(f"the bench failed: {' '.join(command)}\n{ended.stderr[-2_000:]}")
    measured: dict[str, Any] = json.loads(lines[-1])
    return measured


def profile(console: Console, customers: int) -> dict[str, float]:
    """Print both commands at one size, step by step, and return their processor seconds."""
    with console.status(f"writing a shop of {customers:,} customers"):
        folder = shop(customers)
    floors = measure("floors", folder)
    rows = ", ".join(f"{of['rows']:,} {name}" for name, of in floors.items())
    console.print(f"\n{customers:,} customers: {rows}", style="bold")
    seconds = {}
    with tempfile.TemporaryDirectory() as store:
        for command in COMMANDS:
            with console.status(f"{command}, {customers:,} customers"):
                steps = measure("steps", command, folder, store)
            seconds[command] = sum(of["seconds"] for of in steps.values())
            console.print(_table(command, steps, seconds[command]))
    for floor, words in (("read", "reading the files once"), ("grouped", "one GROUP BY customer over each")):
        least = sum(of[floor] for of in floors.values())
        times = ", ".join(f"{command} takes {seconds[command] / least:.0f} times that" for command in COMMANDS)
        console.print(f"{words}: {least:.1f} processor seconds; {times}")
    return seconds


def _table(command: str, steps: dict[str, dict[str, float]], seconds: float) -> Table:
    table = Table(title=command, title_justify="left")
    for name in ("step", "processor s", "share", "peak memory, GB"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for name, of in steps.items():
        table.add_row(name, f"{of['seconds']:.1f}", f"{of['seconds'] / seconds:.0%}", f"{of['peak'] / 1e9:.2f}")
    table.add_section()
    table.add_row("all", f"{seconds:.1f}", "", f"{max(of['peak'] for of in steps.values()) / 1e9:.2f}")
    return table


def main() -> None:
    """Measure each size, and how seconds grow from one to the next."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--ten-million", action="store_true", help=f"also {LARGEST:,}: hours, 60 GB of disk")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 130)
    sizes = sorted({*options.customers, *([LARGEST] if options.ten_million else [])})
    seconds = {customers: profile(console, customers) for customers in sizes}
    for small, large in pairwise(sizes):
        for command in COMMANDS:
            times = seconds[large][command] / seconds[small][command]
            console.print(
                f"{command}, {small:,} to {large:,}: {times:.1f} times, {times * small / large:.2f} of linear"
            )


if __name__ == "__main__":
    main()
