"""What of a run fits one screen of the terminal: at most 25 lines of 80 columns, and no word is broken."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from flows.reports.page.attention import attention
from flows.reports.page.headline import Card, cards
from flows.reports.page.language import Words

Figures = Mapping[str, Any]

COLUMNS, LINES = 80, 25
# Lines that are left for what a command says before a run, such as what of the demo is simulated.
_BEFORE = 3
# Lines of one item.
_MOST_LINES = 2
_NAME, _FIGURE, _INTERVAL = 30, 17, 18


def screen_of(
    title: str, score: Figures | None, retrain: Figures | None, places: Mapping[str, str | None]
) -> list[str]:
    """Write the lines of a run.

    Parameters
    ----------
    title : str
        What the run did.
    score, retrain : Mapping or None
        As for `flows.reports.page.rendering.write_page`.
    places : Mapping of str to str or None
        By name, such as "Report": a path or a line to copy, which stands alone and may be longer than a line; None is
        left out.
    """
    now = score or retrain
    assert now is not None
    words = Words("en", now["currency"])
    items = [_cut(item.told()) for item in attention(score, retrain) if not item.is_summary]
    above = [
        *textwrap.wrap(title, COLUMNS),
        *textwrap.wrap(f"Read {_read(now['intake'])}.", COLUMNS)[:3],
        "",
        *_figures(cards(now, words)),
        "",
    ]
    below = ["", *(line for name, place in places.items() if place is not None for line in (name, f"  {place}"))]
    return [*above, *_attention(items, LINES - _BEFORE - len(above) - len(below)), *below]


def _attention(items: list[list[str]], lines: int) -> list[str]:
    """Tell as many items as fit so many lines, the most urgent first, and how many more there are."""
    if not items:
        return ["Nothing needs attention: no refusal, no drift, no faulty data."]
    told: list[str] = []
    for k, item in enumerate(items):
        # The heading, and where others follow the line that counts them, need a line each.
        if len(told) + len(item) + 1 + (k < len(items) - 1) > lines:
            return ["Needs attention", *told, f"  and {len(items) - k} more in the report"]
        told += item
    return ["Needs attention", *told]


def _read(intake: Figures) -> str:
    parts = []
    for name, table in intake["tables"].items():
        aside = f", {table['set_aside']:,} set aside" if table["set_aside"] else ""
        parts.append(f"{table['rows_read']:,} rows of {name}{aside}")
    if not any(table["set_aside"] for table in intake["tables"].values()):
        parts.append("none set aside")
    return "; ".join(parts)


def _figures(shown: list[Card]) -> Iterator[str]:
    """Write the figures below each other: name, value, interval, change."""
    since = next((card.since for card in shown if card.since), None)
    for card in shown:
        # What is no interval explains the figure, which the report does.
        interval = card.interval.removeprefix("95 % interval ") if card.interval.startswith("95 %") else ""
        line = f"  {card.name:<{_NAME}}{card.figure:>{_FIGURE}}  {interval:<{_INTERVAL}}{card.change:>11}"
        yield line.rstrip().replace("\u00a0", " ")
    if since is not None:
        yield f"  (with the 95 % interval of the NPS; changes are since {since})"


def _cut(text: str) -> list[str]:
    """Write an item on at most so many lines; what is cut stands in the report."""
    return textwrap.wrap(
        text,
        COLUMNS,
        initial_indent="- ",
        subsequent_indent="  ",
        max_lines=_MOST_LINES,
        placeholder=" …",
        break_long_words=False,
        break_on_hyphens=False,
    )
