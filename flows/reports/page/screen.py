"""What of a run fits one screen of the terminal: at most 25 lines of 80 columns, and no word is broken."""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from flows.reports.page.attention import attention
from flows.reports.page.headline import Card, cards
from flows.reports.page.language import Words

Figures = Mapping[str, Any]

COLUMNS, LINES = 80, 25
# Items of attention that are told; the report has all.
_MOST_ITEMS = 4
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
    told = [line for item in items[:_MOST_ITEMS] for line in item]
    more = len(items) - _MOST_ITEMS
    return [
        *textwrap.wrap(title, COLUMNS),
        *textwrap.wrap(f"Read {_read(now['intake'])}.", COLUMNS)[:3],
        "",
        *_figures(cards(now, words)),
        "",
        *(["Needs attention", *told] if told else ["Nothing needs attention: no refusal, no drift, no faulty data."]),
        *([f"  and {more} more in the report"] if more > 0 else []),
        "",
        *(line for name, place in places.items() if place is not None for line in (name, f"  {place}")),
    ]


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
