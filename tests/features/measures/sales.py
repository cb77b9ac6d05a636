"""Sales written a line each, and the figures of a measure over two windows of ten days."""

from datetime import date

from features.measures.definition import FIGURES, MeasureOptions
from features.measures.repurchase import PURCHASE_MEASURES
from features.measures.windows import Grouping, Windows

MEASURES = {measure.name: measure for measure in PURCHASE_MEASURES}
# Two windows of ten days: 11-20 January is number 1, 21-30 January number 0.
TWO = Windows(until=date(2024, 1, 31), days=10)
EVERYONE = Grouping()


def lines(text):
    """Rows from 'customer day amount order category cost' a line; a dash is no value."""
    names = ("customer_id", "ts", "amount", "order_id", "category", "cost")
    rows = []
    for line in text.strip().splitlines():
        cells = dict(zip(names, line.split(), strict=False))
        day, _, hour = cells["ts"].partition("T")
        cells["ts"] = f"2024-01-{int(day):02} {hour or '12:00'}"
        rows.append({name: None if cell == "-" else cell for name, cell in cells.items()})
    return rows


def compute(name, tables, windows=TWO, grouping=EVERYONE, **options):
    figures = MEASURES[name].compute(tables, windows, grouping, MeasureOptions(**options))
    assert tuple(figures.columns) == FIGURES
    return figures


def values(name, tables, **more):
    """Value of each window, the newest first."""
    figures = compute(name, tables, **more)
    assert figures["window"].tolist() == [0, 1]
    return figures["value"].tolist()


SALES = lines(
    """
    a 5 10 - - 4
    a 14 20 - - 8
    b 8 10 - - 5
    c 12 30 - - 10
    d 3 10 - - 5
    d 25 50 - - 20
    e 22 10 - - 5
    e 29 -4 - - -2
    f 1 1
    """
)
