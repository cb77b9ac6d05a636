"""Progress of long work: a spinner with the step's name on a terminal, plain lines elsewhere."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from rich.console import Console

logger = logging.getLogger("revealed")
# Prefect attaches its handlers to the loggers in its settings, but sets no level.
logger.setLevel(logging.INFO)
_console: ContextVar[Console | None] = ContextVar("console", default=None)


@contextmanager
def shown_on(console: Console | None) -> Iterator[None]:
    """Show the steps inside the block on a console; without a console they are log lines, which Prefect keeps."""
    token = _console.set(console)
    try:
        yield
    finally:
        _console.reset(token)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, and at its end report how long it took.

    Parameters
    ----------
    title : str
        What is being done, such as ``"fit BG/NBD and Gamma-Gamma"``.
    """
    console, start = _console.get(), time.perf_counter()
    if console is None:
        logger.info("%s ...", title)
        yield
        logger.info("%s: %.1f s", title, time.perf_counter() - start)
    elif console.is_terminal:
        with console.status(f"{title} ..."):
            yield
        console.print(f"[green]✓[/] {title} [dim]{time.perf_counter() - start:.1f} s[/]")
    else:
        yield
        console.print(f"- {title}: {time.perf_counter() - start:.1f} s", markup=False, highlight=False)


def shown_console() -> Console | None:
    """Return the console that steps are shown on; None if they are log lines."""
    return _console.get()
