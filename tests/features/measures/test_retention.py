from datetime import date

import pytest

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


def test_retention_and_arpu_by_hand(shop):
    tables = shop(SALES)
    # Active is who bought within 12 days. On 11 January a, b, d, f (the 1st is 10 days ago); on the 21st a and c (and
    # not b, 13 days ago); on the 31st d and e.
    options = {"inactivity_days": 12}
    assert values("retention", tables, **options) == [0, 100 / 4]
    assert values("churn", tables, **options) == [100, 75]
    assert compute("retention", tables, **options)["n"].tolist() == [2, 4]
    # Net revenue is 50 + 10 - 4 and 20 + 30.
    assert values("arpu", tables, **options) == [56 / ((2 + 2) / 2), pytest.approx(50 / ((4 + 2) / 2))]
    # With 25 days all but f are active on the 31st; N = e, who is new, d and the others were there.
    assert values("retention", tables, inactivity_days=25) == [100 * 4 / 5, 100]


def test_where_nobody_was_active_at_any_start_no_one_could_be_kept(shop):
    # Of e everything is known, but that nobody bought in the five days before either window.
    tables = shop(lines("e 1 1\ne 19 2\ne 30 1"))
    for name in ("retention", "churn"):
        figures = compute(name, tables, windows=Windows(date(2024, 1, 31), days=7), inactivity_days=1)
        assert figures["why"].tolist() == ["no customer was active at the start of this window"] * 2


def test_who_comes_back_is_new_so_that_retention_is_never_above_100(shop):
    tables = shop(lines("a 5 1\nb 25 1\nc 14 1\nc 26 1\nd 1 1\nd 27 1"))
    # On the 21st only c is active; at the end b, c and d are, so that E - (first buyers) would be 2 of 1.
    assert values("retention", tables, inactivity_days=9)[0] == 100
