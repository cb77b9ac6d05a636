"""What the bench prints: ratios beside the peers, and a profile of what is left of our own job."""

from statistics import median
from typing import Any

from job import ALIVE, EXPECTED, PURCHASES, SPEND, STEPS, SUMMARY, VALUE
from rich.console import Console
from rich.table import Table
from sides import Side

# Part of our job -> (what it is held against, name of that floor).
FLOORS = {
    (SUMMARY, ""): ("bare GROUP BY customer over the same file", "bare"),
    (PURCHASES, "count distinct histories"): ("bare GROUP BY history", "group purchases"),
    (PURCHASES, "search"): ("one pass of likelihood, slopes and curvature", "purchase pass"),
    (SPEND, "count distinct histories"): ("bare GROUP BY history", "group spend"),
    (SPEND, "search"): ("one pass of likelihood, slopes and curvature", "spend pass"),
    (ALIVE, "formula"): ("one logarithm and one exponential each", "formula"),
    (EXPECTED, ""): ("one logarithm and one exponential each", "formula"),
    (VALUE, ""): ("one logarithm and one exponential each", "formula"),
}


def beside_peers(console: Console, title: str, ours: Side, peers: list[Side]) -> None:
    """Print seconds of each side and how many times ours theirs are."""
    done = [peer for peer in peers if peer.runs]
    console.print(f"\n{title}", style="bold")
    table = Table()
    table.add_column("step")
    table.add_column("revealed, s", justify="right")
    for peer in done:
        table.add_column(f"{peer.name}, s", justify="right")
        table.add_column("ratio", justify="right", style="bold")
    for step in STEPS:
        _row(table, step, ours.seconds(step), [peer.seconds(step) for peer in done], "{:.3f}")
    table.add_section()
    fits = (PURCHASES, SPEND)
    _row(table, "both fits", _sum(ours, fits), [_sum(peer, fits) for peer in done], "{:.3f}")
    _row(table, "whole job", ours.total, [peer.total for peer in done], "{:.3f}")
    _row(table, "peak memory, GB", ours.peak, [peer.peak for peer in done], "{:.2f}")
    console.print(table)
    for peer in done:
        off = {name: peer.estimates[name] / value - 1 for name, value in ours.estimates.items()}
        differences = ", ".join(f"{name} {100 * share:+.3f} %" for name, share in off.items())
        console.print(f"Estimates of {peer.name}, against ours: {differences}")
    for peer in peers:
        if peer.failure:
            console.print(f"{peer.name}: {peer.failure}", style="yellow")


def profile(console: Console, ours: Side, measured: list[dict[str, Any]]) -> None:
    """Print each part's share of our job, and how near it is to its floor."""
    facts = measured[0]["facts"]
    floors = {name: median(run["floors"][name] for run in measured) for name in measured[0]["floors"]}
    counts = ", ".join(f"{number:,} {name}" for name, number in facts.items())
    console.print(f"\nWhere our time goes: {counts}", style="bold")
    table = Table()
    for name in ("part", "s", "share", "floor", "floor, s", "times the floor"):
        table.add_column(name, justify="left" if name in ("part", "floor") else "right")
    parts = [(step, part) for step, part, _ in ours.runs[0]["parts"]]
    for step, part in sorted(set(parts), key=parts.index):
        seconds = ours.seconds(step, part)
        cells = [f"{step}: {part}" if part else step, f"{seconds:.3f}", f"{100 * seconds / ours.total:.0f} %"]
        if (step, part) in FLOORS:
            against, name = FLOORS[step, part]
            cells += [against, f"{floors[name]:.3f}", f"{seconds / floors[name]:.1f}"]
        table.add_row(*cells)
    console.print(table)


def growth(console: Console, sizes: dict[int, Side]) -> None:
    """Print how time grows from each size to the next, beside how customers do."""
    for small, large in zip(sorted(sizes), sorted(sizes)[1:], strict=False):
        times = sizes[large].total / sizes[small].total
        console.print(
            f"\nFrom {small:,} to {large:,} customers our job takes {times:.1f} times as long, "
            f"{times / (large / small):.2f} times linear growth; its peak is {sizes[large].peak:.2f} GB."
        )


def _sum(side: Side, steps: tuple[str, ...]) -> float:
    return sum(side.seconds(step) for step in steps)


def _row(table: Table, name: str, mine: float, theirs: list[float], form: str) -> None:
    cells = [name, form.format(mine)]
    for value in theirs:
        cells += [form.format(value), f"{value / mine:.1f}"]
    table.add_row(*cells)
