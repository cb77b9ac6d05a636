"""Progress of long work: one bar with the time left on a terminal, log lines where there is no console."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn
from rich.text import Text

logger = logging.getLogger("revealed")
# Prefect attaches its handlers to the loggers in its settings, but sets no level.
logger.setLevel(logging.INFO)

# The steps of each flow by the words that their titles begin with, and the share of the time that each takes: of the
# demo, and of small and large shops, where they differ little. Steps that a run leaves out move the bar on at once.
_PLANS: dict[str, Sequence[tuple[str, float]]] = {
    "retrain": (
        ("read and check", 0.04),
        ("look back", 0.08),
        ("judge the season", 0.05),
        ("judge the second stage", 0.15),
        ("fit purchases", 0.14),
        ("fit the twin", 0.10),
        ("judge the twin", 0.08),
        ("estimate the NPS of the base", 0.18),
        ("set the level", 0.01),
        ("profile the base", 0.08),
        ("estimate the NPS of segments", 0.01),
        ("estimate the change", 0.03),
        ("find the topics", 0.02),
        ("register", 0.02),
        ("write the report", 0.01),
    ),
    "score": (
        ("read and check", 0.05),
        ("describe everyone", 0.15),
        ("score", 0.30),
        ("make the action lists", 0.15),
        ("check whether", 0.05),
        ("compute the measures", 0.15),
        ("follow the cohorts", 0.05),
        ("publish", 0.05),
        ("write the report", 0.05),
    ),
}


@dataclass
class _Shown:
    """Where progress is shown, whether each step and the end are told, and the bar where there is one."""

    console: Console
    verbose: bool
    is_told: bool
    plan: Sequence[tuple[str, float]]
    bar: Progress | None = None
    task: TaskID | None = None


_shown: ContextVar[_Shown | None] = ContextVar("shown", default=None)


class _TimeLeft(TextColumn):
    """The time left, from the time that the finished share of the work took."""

    def __init__(self) -> None:
        super().__init__("")

    def render(self, task: Task) -> Text:
        """Write it; nothing before the first step is done."""
        done, spent = task.completed, task.fields["spent"]
        if not done or not spent:
            return Text("")
        left = max(spent / done * (1.0 - done) - ((task.elapsed or 0.0) - spent), 1.0)
        return Text(f"about {left:.0f} s left" if left < 90 else f"about {left / 60:.0f} min left", style="dim")


@contextmanager
def shown_on(console: Console | None, flow: str = "", *, verbose: bool = True, is_told: bool = True) -> Iterator[None]:
    """Show the steps inside the block on a console; without a console they are log lines, which Prefect keeps.

    Parameters
    ----------
    console : rich.console.Console or None
        Where to.
    flow : str
        The flow whose steps are shown, which tells how much of the time each takes.
    verbose : bool
        Whether each step leaves a line behind; else a terminal shows one bar while the block runs, and a file nothing.
    is_told : bool
        Whether what the flow found is told at its end.
    """
    shown = None if console is None else _Shown(console, verbose, is_told, _PLANS.get(flow, ()))
    token = _shown.set(shown)
    try:
        if shown is None or verbose or not shown.plan or not shown.console.is_terminal:
            yield
            return
        bar = Progress(
            TextColumn("{task.description}"), BarColumn(24), _TimeLeft(), console=shown.console, transient=True
        )
        with bar:
            shown.bar, shown.task = bar, bar.add_task(flow, total=1.0, spent=0.0)
            yield
    finally:
        _shown.reset(token)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, and at its end report how long it took.

    Parameters
    ----------
    title : str
        What is being done, such as ``"fit BG/NBD and Gamma-Gamma"``.
    """
    shown, start = _shown.get(), time.perf_counter()
    if shown is None:
        logger.info("%s ...", title)
        yield
        logger.info("%s: %.1f s", title, time.perf_counter() - start)
    elif shown.bar is not None and shown.task is not None:
        _move(shown.bar, shown.task, shown.plan, title, is_done=False)
        yield
        _move(shown.bar, shown.task, shown.plan, title, is_done=True)
    elif not shown.verbose:
        yield
    elif shown.console.is_terminal:
        with shown.console.status(f"{title} ..."):
            yield
        shown.console.print(f"[green]✓[/] {title} [dim]{time.perf_counter() - start:.1f} s[/]")
    else:
        yield
        shown.console.print(f"- {title}: {time.perf_counter() - start:.1f} s", markup=False, highlight=False)


def _move(bar: Progress, task: TaskID, plan: Sequence[tuple[str, float]], title: str, *, is_done: bool) -> None:
    """Move the bar to where a step begins or ends in the plan; a step that the plan does not know leaves it."""
    place = next((k for k, (words, _) in enumerate(plan) if title.startswith(words)), None)
    if place is None:
        return
    share = sum(part for _, part in plan[: place + is_done]) / sum(part for _, part in plan)
    bar.update(task, completed=share, description=title.capitalize()[:44], spent=bar.tasks[task].elapsed or 0.0)


def shown_console() -> Console | None:
    """Return the console that steps are shown on; None if they are log lines."""
    shown = _shown.get()
    return None if shown is None else shown.console


def is_told() -> bool:
    """Whether what a flow found is told at its end."""
    shown = _shown.get()
    return shown is None or shown.is_told


def is_verbose() -> bool:
    """Whether everything is told, not only what fits a screen."""
    shown = _shown.get()
    return shown is None or shown.verbose
