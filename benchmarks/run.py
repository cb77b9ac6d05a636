"""The same job done by Revealed and by its peers, one beside the other in one run on one machine.

Summary from transactions, BG/NBD, Gamma-Gamma, P(alive), expected purchases in 90 days and value of 12 months, on
simulated customers (about six lines each, two years, daily). Every run of a side is a process of its own: medians are
shown, and the largest memory of any run. lifetimes joins up to 1 million customers, clvkit and pymc-marketing (MAP) up
to 100 thousand, where they can be installed; larger bases are ours alone.
"""

import argparse
import sys

from rich.console import Console
from sides import Side, SideError, interpreter, run, shop
from table import beside_peers, growth, profile

LARGEST = {"lifetimes": 1_000_000, "clvkit": 100_000, "pymc-marketing": 100_000}


def measure(customers: int, runs: int, peers: list[str], console: Console) -> Side:
    with console.status(f"writing a shop of {customers:,} customers"):
        folder = shop(customers)
    ours, theirs = Side("revealed"), [Side(name) for name in peers if customers <= LARGEST[name]]
    floors = []
    # In turn, so that a busy moment of the machine does not fall on one side alone.
    for number in range(runs):
        with console.status(f"floors, {customers:,} customers, run {number + 1} of {runs}"):
            floors.append(run(sys.executable, "floors.py", folder))
        for side in (ours, *theirs):
            if side.failure:
                continue
            with console.status(f"{side.name}, {customers:,} customers, run {number + 1} of {runs}"):
                try:
                    if side is ours:
                        side.runs.append(run(sys.executable, "ours.py", folder))
                    else:
                        side.runs.append(run(interpreter(side.name), "peers.py", side.name, folder))
                except SideError as failure:
                    if side is ours:
                        raise
                    side.failure = str(failure)
    lines = int((folder / "lines").read_text())
    title = f"{customers:,} customers, {lines:,} lines, median of {runs} runs"
    beside_peers(console, title, ours, theirs)
    profile(console, ours, floors)
    return ours


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", nargs="*", choices=LARGEST, default=list(LARGEST))
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 130)
    sizes = {customers: measure(customers, options.runs, options.peers, console) for customers in options.customers}
    growth(console, sizes)


if __name__ == "__main__":
    try:
        main()
    except SideError as failure:
        sys.exit(f"the bench failed: {failure}")
