"""Reports for people: sections of sentences and small tables, for the terminal and as Markdown."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import numpy as np
import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.steps.progress import is_told, is_verbose, logger, shown_console


@dataclass(frozen=True)
class Section:
    """A part of a report.

    Attributes
    ----------
    title : str
        On one line.
    sentences : tuple of str
        Shown below the table.
    table : pandas.DataFrame or None
        Cells of text, with the titles of its columns; None for a section without a table.
    """

    title: str
    sentences: tuple[str, ...] = ()
    table: pd.DataFrame | None = None


def show(sections: Sequence[Section], console: Console) -> None:
    """Print sections on a console."""
    for section in sections:
        console.print(f"\n[bold]{escape(section.title)}[/]")
        if section.table is not None:
            console.print(_rich_table(section.table))
        for sentence in section.sentences:
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)


_told: ContextVar[list[Section] | None] = ContextVar("told", default=None)


@contextmanager
def keeping_what_is_told() -> Iterator[list[Section]]:
    """Collect all sections that are told within."""
    sections: list[Section] = []
    token = _told.set(sections)
    try:
        yield sections
    finally:
        _told.reset(token)


def tell(sections: Sequence[Section], screen: Sequence[str] | None = None) -> None:
    """Show a report on the console, or log it line by line.

    Parameters
    ----------
    sections : sequence of Section
        Everything.
    screen : sequence of str, optional
        What is shown in place of it unless everything was asked for.
    """
    collected, console = _told.get(), shown_console()
    if collected is not None:
        collected.extend(sections)
    if not is_told():
        return
    if console is not None and screen is not None and not is_verbose():
        for line in screen:
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    if console is not None:
        show(sections, console)
        return
    for line in to_markdown("Revealed", sections).splitlines():
        logger.info("%s", line)


def to_markdown(title: str, sections: Sequence[Section]) -> str:
    """Write sections as a Markdown page."""
    parts = [f"# {title}"]
    for section in sections:
        parts.append(f"## {section.title}")
        if section.table is not None:
            parts.append(_markdown_table(section.table))
        parts.extend(section.sentences)
    return "\n\n".join(parts) + "\n"


def number(value: float, digits: int = 3) -> str:
    """Write a number for a table: an en dash for NaN, separators of thousands and no decimals from 10,000 on."""
    if np.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.{digits}f}"


def share(value: float) -> str:
    """Write a share for a table as a percentage, an en dash for NaN."""
    return "–" if np.isnan(value) else f"{value:.1%}"


def _rich_table(frame: pd.DataFrame) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in frame:
        table.add_column(escape(str(name)), justify="left" if _is_words(frame[name]) else "right", overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


def _markdown_table(frame: pd.DataFrame) -> str:
    marks = [":--" if _is_words(frame[name]) else "--:" for name in frame]
    rows = [list(map(str, frame)), marks, *(list(map(str, row)) for row in frame.itertuples(index=False))]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _is_words(column: pd.Series) -> bool:
    """Whether a column holds words, which are set to the left, and not figures, which are set to the right."""
    return not column.astype(str).str.fullmatch(r"[-–+\d.,% ]*").all()
